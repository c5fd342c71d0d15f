"""The app's tasks on a clock that the test turns, behind the verbs of what they use."""

import asyncio

import kiosk.app
from kiosk.app import App
from kiosk.supervisor import Supervisor


class Fast:
    """asyncio whose sleeps only let the others run."""

    async def sleep_ms(self, _ms):
        await asyncio.sleep(0)

    def __getattr__(self, name):
        return getattr(asyncio, name)


class Clock:
    """The bench's time."""

    def __init__(self, bench):
        self._bench = bench

    def now(self):
        return self._bench.now

    def is_set(self):
        return True

    async def sync(self):
        pass


class WiFi:
    ssid = "shop"
    up = True
    why = ""


class Till:
    """A wire on which nothing comes in; `written` is what the box said."""

    def __init__(self):
        self.written = b""

    def readinto(self, _chunk):
        return None

    def write(self, data):
        self.written += data


def build(bench, till=None, centrapay=None, https=None, screens=None):
    """(an App of what a test needs of it, the Supervisor of its tasks)"""
    clock = Clock(bench)
    keeper = Supervisor(lambda: None, clock.now, 60000)
    return App(
        till, bench.desk, centrapay, https, screens, WiFi(), clock, bench.journal, keeper, 9600, 120, None
    ), keeper


def run(work, *modules):
    """Runs a coroutine; kiosk.app and these modules sleep only to let the others run."""
    real = [(module, module.asyncio) for module in (kiosk.app,) + modules]
    try:
        for module, _ in real:
            module.asyncio = Fast()
        asyncio.run(work)
    finally:
        for module, before in real:
            module.asyncio = before
