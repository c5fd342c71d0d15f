"""The exact figures of docs/benchmarks.md: heap, bytes and handshakes, measured by the benchmark's own code.

Nothing here depends on time. The whole box is in test_counts_device.py.
"""

import asyncio

import pytest

from kiosk.screens import FONTS, Screens
from kiosk.view import PAY, View
from panel import Font, Panel
from qr import QR
from tillpane import ROOT
from tillpane.bench import SCALE, cases, measure

needs_mpy = pytest.mark.skipif(not cases.NATIVE, reason="mpy-cross knows no native code for this computer")


def ran(name, config=None):
    async def work():
        with cases.product() as folder:
            return await cases.run(name, folder, config)

    return asyncio.run(work())


class Wire:
    def __init__(self):
        self.sizes = []

    def write(self, buf):
        self.sizes.append(len(buf))


def glass(width, height, rotation, controller="st7789"):
    wire = Wire()
    panel = Panel(wire, lambda _: None, None, None, None, controller, width, height, rotation)
    return wire, panel


# ---- QR --------------------------------------------------------------------------------------------------------------


@needs_mpy
def test_an_encode_takes_no_heap_and_the_workspace_is_small():
    found = ran("qr_bench")
    assert measure.pick(found, "qr.churn")["ours"] == 0
    assert measure.pick(found, "qr.buffers")["ours"] <= measure.WORKSPACE_MOST
    assert measure.esp32_workspace(found) <= measure.WORKSPACE_MOST
    # The alternative beside it, so that a meter that measures nothing is noticed.
    assert measure.pick(found, "qr.churn")["alternative"] > 100_000


def test_qr_mpy_fits_its_budget():
    assert 1000 < measure.mpy_size(ROOT / "lib" / "qr.py") <= measure.MPY_MOST


# ---- the panel's wire ------------------------------------------------------------------------------------------------


def test_a_code_costs_its_pixels_and_little_more():
    """Every size of symbol at every scale that fits, at most 1.05 times 16 bits a pixel, quiet zone included."""
    code = QR()
    for version in range(1, 11):
        code.encode("x", version, 0)
        for scale in range(1, 240 // (code.size + 8) + 1):
            wire, panel = glass(240, 320, 0)
            asyncio.run(panel.qr(0, 0, code.rows, code.size, code.stride, scale))
            pixels = ((code.size + 8) * scale) ** 2
            assert 2 * pixels <= sum(wire.sizes) <= measure.WIRE_MOST * 2 * pixels, (version, scale)
            assert max(wire.sizes) <= measure.BAND_MOST
            assert len(wire.sizes) <= 5 + code.size + 8, "a write for each row of modules at most"


def test_the_event_loop_is_served_between_bands():
    for found in (ran("panel_bench"), asyncio.run(cases.run_on_cpython("panel_bench"))):
        code = measure.pick(found, "panel.qr")
        assert code["ours"] <= measure.WIRE_MOST * code["alternative"]
        bands = -(-code["alternative"] // code["largest"])
        assert code["turns"] >= bands > 10
        assert code["writes"] < code["modules"] / 10
        assert code["largest"] <= measure.BAND_MOST


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_tick_repaints_only_the_digits_and_the_change_of_the_bar(rotation):
    wire, panel = glass(240, 320, rotation)
    fonts = [Font(str(ROOT / f"lib/panel/fonts/{name}.font")) for name in FONTS]

    async def ticks(total_s):
        screens = Screens(panel, QR(), fonts)
        for left_s in range(total_s, -1, -1):
            view = View(PAY, "$12.34", "NZD", "Café", b"https://a.b/c", "CP-C7F-ZS5", left_s=left_s, total_s=total_s)
            wire.sizes.clear()
            await screens.show(view)
            if left_s < total_s:
                assert 0 < sum(wire.sizes) <= measure.TICK_MOST, (total_s, left_s, sum(wire.sizes))
            else:
                assert sum(wire.sizes) > 2 * 240 * 320

    for total_s in (30, 120, 601):
        asyncio.run(ticks(total_s))


# ---- JSON ------------------------------------------------------------------------------------------------------------


@needs_mpy
def test_picking_costs_the_same_heap_from_500_bytes_to_64_kb():
    heaps = [line for line in ran("json_bench") if line["case"] == "json.heap"]
    assert heaps[0]["size"] <= 500 and heaps[-1]["size"] > 64_000
    assert {line["ours"] for line in heaps} == {heaps[0]["ours"]}
    assert heaps[0]["ours"] <= measure.PICK_MOST, "without halving it"
    assert heaps[-1]["alternative"] > 100 * heaps[-1]["ours"]


# ---- polls -----------------------------------------------------------------------------------------------------------


@needs_mpy
def test_polls_on_a_warm_connection():
    """The whole poll, Centrapay.get() on HTTPS: a create and 60 polls; `requests` beside it, on the same stand-in."""

    async def work():
        with cases.product() as folder:
            return await measure.polls(folder)

    done = asyncio.run(work())
    ours, other = done.ours, done.other
    assert ours["warm"] == 1 and ours["handshakes"] == 0
    assert done.handshakes["ours"] == 1, "the warming, as the stand-in counted"
    assert 0 < ours["sent"] <= measure.POLL_SENT_MOST
    assert ours["kept"] <= 0
    assert 0 < ours["churn"] / SCALE <= measure.POLL_CHURN_MOST
    # 60 measured, 3 before them, 5 for the churn, and the create: one call each, so one round trip each.
    assert done.calls["ours"] == measure.POLLS + 3 + 5 + 1
    assert other["handshakes"] == measure.POLLS + 1
    assert done.handshakes["requests"] == done.calls["requests"] == measure.POLLS + 3
    assert other["churn"] > 5 * ours["churn"]
