"""kiosk/screens.py on a wire that counts: what is sent when nothing, little or all changed, and what is kept."""

import asyncio
import gc

from panelwire import fonts_folder, make, refuses, run

from kiosk import view as kinds
from kiosk.screens import FONTS, ScreenError, Screens
from kiosk.view import View
from panel import Font
from qr import QR

URL = b"https://app.centrapay.com/pay/WqXBnJbxyEHTkYiRkMuV3Q"


def rig(rotation=0):
    wire, glass = make(rotation=rotation)
    return wire, Screens(glass, QR(), [Font(fonts_folder() + name + ".font") for name in FONTS])


def pay(left_s, total_s=120):
    return View(kinds.PAY, "$12.34", "NZD", "Café Kōwhai", URL, "CP-C7F-ZS5", left_s=left_s, total_s=total_s)


def sent(wire, screens, view):
    before = wire.total
    run(screens.show(view))
    wire.windows.clear()
    wire.commands.clear()
    return wire.total - before


def test_the_same_view_sends_nothing():
    for rotation in (0, 90):
        wire, screens = rig(rotation)
        assert sent(wire, screens, pay(90)) > 153600
        assert sent(wire, screens, pay(90)) == 0
        paid = View(kinds.PAID, "$12.34", "NZD", method="Centrapay")
        assert sent(wire, screens, paid) >= 153600
        assert sent(wire, screens, paid) == 0


def test_a_view_changed_in_place_is_noticed():
    wire, screens = rig()
    view = pay(90)
    sent(wire, screens, view)
    view.left_s = 89
    assert sent(wire, screens, view) > 0
    view.kind = kinds.CHECKING
    assert sent(wire, screens, view) > 100000


def test_a_countdown_tick_costs_at_most_four_kilobytes():
    for rotation in (0, 90):
        wire, screens = rig(rotation)
        sent(wire, screens, pay(120))
        costs = [sent(wire, screens, pay(left)) for left in range(119, -1, -1)]
        assert min(costs) > 0
        assert max(costs) <= 4096, max(costs)
        # Seconds that were skipped while the loop was busy.
        sent(wire, screens, pay(120))
        assert max(sent(wire, screens, pay(left)) for left in range(117, -1, -3)) <= 4096


def test_a_whole_screen_is_sent_once():
    for rotation in (0, 90):
        wire, screens = rig(rotation)
        for view in (View(kinds.READY, merchant="Kōwhai"), View(kinds.CANCELLED, "$1.00", detail="Cancelled."), pay(5)):
            cost = sent(wire, screens, view)
            assert 0 <= cost - 153600 <= 300, cost


def test_only_the_line_that_changed_is_sent():
    wire, screens = rig()
    sent(wire, screens, View(kinds.JOINING, detail="Kōwhai"))
    assert sent(wire, screens, View(kinds.JOINING, detail="Kererū")) <= 240 * 22 * 2 + 11
    assert sent(wire, screens, View(kinds.STARTING, detail="Kererū")) < 153600 - 240 * 60 * 2


def test_what_cannot_be_scanned_is_refused_and_the_glass_wiped():
    wire, screens = rig()
    for payload in (b"", b"x" * 400, 7):
        sent(wire, screens, pay(90))
        view = pay(90)
        view.payload = payload
        assert refuses(ScreenError, screens.show, view)
        assert wire.windows[-1] == [0, 0, 240, 320, 153600]
        assert sent(wire, screens, pay(90)) > 153600


def test_an_amount_that_cannot_be_shown_whole_is_refused():
    wire, screens = rig()
    view = pay(90)
    view.amount = "$" + "9" * 40
    assert refuses(ScreenError, screens.show, view)


def test_a_show_that_was_cut_off_is_painted_again_in_full():
    async def cut(screens):
        task = asyncio.create_task(screens.show(pay(90)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    wire, screens = rig()
    sent(wire, screens, View(kinds.READY))
    run(cut(screens))
    wire.windows.clear()
    assert sent(wire, screens, pay(90)) > 153600


def test_showing_keeps_nothing():
    if not hasattr(gc, "mem_alloc"):
        return
    wire, screens = rig()
    used = []
    for _ in range(4):
        for view in (View(kinds.READY, merchant="Kōwhai"), pay(9), pay(8), View(kinds.PAID, "$12.34", "NZD")):
            sent(wire, screens, view)
        view = None
        gc.collect()
        used.append(gc.mem_alloc())
    assert used[-1] - used[1] <= 64, used
