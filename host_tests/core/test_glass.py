"""The glass's task against views and panels that fail."""

import asyncio

from appbench import build, run
from fakes import Bench


class Screens:
    """Behind the verbs of kiosk.screens.Screens; the first `faults` views cannot be made into pixels."""

    def __init__(self, faults):
        self.faults = faults
        self.shown = []

    async def show(self, view):
        if self.faults:
            self.faults -= 1
            raise KeyError("a fault of ours")
        self.shown.append(view.kind)


def selling(faults):
    """(bench, screens) after the glass's task ran for 20 s beside a sale that can be paid."""
    import kiosk.supervisor as supervisor

    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(2000)
    screens = Screens(faults)
    app, keeper = build(bench, screens=screens)
    told, supervisor.sys = supervisor.sys, Silent()
    try:
        run(_beside(bench, keeper.keep("glass", app._serve_glass)), supervisor)
    finally:
        supervisor.sys = told
    return bench, screens


class Silent:
    def print_exception(self, _error):
        pass


async def _beside(bench, glass):
    task = asyncio.create_task(glass)
    for _ in range(200):
        for _ in range(25):
            await asyncio.sleep(0)
        bench.run(100)
    task.cancel()


def test_a_view_that_fails_for_once_is_painted_again():
    bench, screens = selling(faults=2)
    assert screens.shown and bench.results("1") == [] and bench.desk.selling


def test_a_code_that_nobody_can_see_is_withdrawn():
    bench, _ = selling(faults=10000)
    assert bench.results("1") == ["CANCELLED"] and bench.heard[-1].endswith(" NO_QR_CODE")
    assert bench.ledger.requests["id000"][0] == "cancelled"
