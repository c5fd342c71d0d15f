"""lib/panel against a wire that keeps what it is told: bytes, windows, refusals, memory."""

import asyncio
import gc
import sys

from panelwire import NAVY, RED, Wire, fonts_folder, make, noise, refuses, run

import panel
from panel import CENTRE, LEFT, RIGHT, Font, Panel, PanelError


def test_fill_sends_each_pixel_once():
    wire, glass = make()
    run(glass.fill(3, 5, 200, 111, RED))
    assert wire.windows == [[3, 5, 200, 111, 200 * 111 * 2]]
    assert glass.sent == wire.total == 200 * 111 * 2 + 11
    assert wire.selected == 1


def test_fill_of_nothing_sends_nothing():
    wire, glass = make()
    for width, height in ((0, 10), (10, 0), (-3, 4)):
        run(glass.fill(0, 0, width, height, RED))
    assert wire.total == 0


def test_outside_the_glass_is_refused_before_any_byte():
    wire, glass = make()
    outside = ((-1, 0, 5, 5), (0, -1, 5, 5), (236, 0, 5, 5), (0, 316, 5, 5), (0, 0, 241, 1), (0, 0, 1, 321))
    for x, y, width, height in outside:
        assert refuses(PanelError, glass.fill, x, y, width, height, RED)
    assert wire.total == 0


def test_settings_that_cannot_be_are_refused():
    for settings in (
        {"rotation": 45},
        {"width": 0},
        {"width": 241},
        {"width": 135, "x_offset": 106},
        {"y_offset": -1},
        {"band": bytearray(8193)},
        {"band": bytearray(600)},
    ):
        assert refuses(PanelError, make, **settings), settings
    assert refuses(PanelError, make(controller="ssd1306")[1].begin)


def test_rotation_swaps_the_sides():
    assert [(make(rotation=r)[1].width, make(rotation=r)[1].height) for r in (0, 90, 180, 270)] == [
        (240, 320),
        (320, 240),
        (240, 320),
        (320, 240),
    ]


def test_offsets_move_every_window():
    for rotation, expected in ((0, (35, 10)), (90, (10, 35)), (180, (35, 10)), (270, (10, 35))):
        wire, glass = make(width=170, height=300, x_offset=35, y_offset=10, rotation=rotation)
        run(glass.fill(0, 0, 1, 1, RED))
        assert tuple(wire.windows[0][:2]) == expected, rotation
    wire, glass = make(width=100, height=100, x_offset=10, y_offset=20, rotation=90)
    run(glass.fill(0, 0, 1, 1, RED))
    assert tuple(wire.windows[0][:2]) == (20, 130)


def test_the_band_is_the_largest_write_and_the_loop_is_served_between():
    served = []

    async def beside():
        while True:
            served.append(1)
            await asyncio.sleep(0)

    async def both(glass):
        task = asyncio.create_task(beside())
        await glass.fill(0, 0, 240, 320, RED)
        task.cancel()

    for size in (640, 5760, 8192):
        served.clear()
        wire, glass = make(band=bytearray(size))
        run(both(glass))
        assert wire.largest <= size
        assert wire.writes == -(-240 * 320 * 2 // size)
        assert len(served) >= wire.writes - 1


def test_text_reaches_the_wire_once_background_included():
    wire, glass = make()
    font = Font(fonts_folder() + "large.font")
    for align in (LEFT, CENTRE, RIGHT):
        run(glass.text(font, "$12.34", 12, 40, 216, RED, NAVY, align))
    assert wire.windows == [[12, 40, 216, font.height, 216 * font.height * 2]] * 3


def test_alignment_puts_the_ink_where_it_belongs():
    font = Font(fonts_folder() + "small.font")
    wide = font.measure("Paid")

    def ink_columns(align, margin):
        wire, glass = make()
        wire.pixels = bytearray()
        run(glass.text(font, "Paid", 0, 0, 240, RED, 0, align, 0, margin))
        return [x for x in range(240) if any(wire.pixels[(y * 240 + x) * 2] for y in range(font.height))]

    middle = (240 - wide) // 2
    for align, margin, start in ((LEFT, 0, 0), (LEFT, 12, 12), (CENTRE, 12, middle), (RIGHT, 12, 228 - wide)):
        columns = ink_columns(align, margin)
        assert start <= columns[0] <= start + 3, (align, columns[0], start)
        assert start + wide - 3 <= columns[-1] < start + wide, (align, columns[-1])


def test_icon_is_centred_and_sent_once():
    wire, glass = make()
    wire.pixels = bytearray()
    run(glass.icon(Font(fonts_folder() + "icons.font"), "T", 0, 0, 160, 140, RED, 0))
    assert wire.windows == [[0, 0, 160, 140, 160 * 140 * 2]]
    inked = [0, 0, 0, 0]
    for y in range(140):
        for x in range(160):
            if wire.pixels[(y * 160 + x) * 2]:
                inked[0] += x < 20
                inked[1] += x == 20 or x == 139
                inked[2] += y == 10 or y == 129
                inked[3] += x > 139 or y < 10 or y > 129
    assert inked[0] == inked[3] == 0
    assert inked[1] > 4 and inked[2] > 4


def test_a_qr_code_costs_its_pixels_and_no_more():
    for size, scale in ((29, 6), (33, 5), (21, 1), (57, 3), (25, 7)):
        wire, glass = make()
        stride = (size + 7) // 8
        rows = noise(stride * size, size)
        run(glass.qr(1, 2, rows, size, stride, scale))
        side = (size + 8) * scale
        assert wire.windows == [[1, 2, side, side, side * side * 2]]
        assert wire.total <= 1.05 * side * side * 2
        assert wire.largest <= 5760
        assert wire.writes <= size + 8


def test_qr_pixels_are_the_modules_with_four_quiet_ones_around():
    size, scale, stride = 21, 2, 3
    rows = noise(stride * size, 3)
    wire, glass = make()
    wire.pixels = bytearray()
    run(glass.qr(0, 0, rows, size, stride, scale))
    side = (size + 8) * scale
    for y in range(side):
        for x in range(side):
            column, row = x // scale - 4, y // scale - 4
            inside = 0 <= column < size and 0 <= row < size
            dark = inside and rows[row * stride + column // 8] & (128 >> column % 8)
            at = (y * side + x) * 2
            assert wire.pixels[at : at + 2] == (b"\0\0" if dark else b"\xff\xff"), (x, y)


def test_a_qr_code_that_does_not_fit_is_refused_before_any_byte():
    wire, glass = make()
    rows = bytearray(8 * 57)
    for x, y, size, stride, scale in (
        (0, 0, 57, 8, 4),
        (20, 0, 29, 4, 6),
        (0, 99, 29, 4, 6),
        (0, 0, 29, 4, 0),
        (0, 0, 0, 4, 1),
        (0, 0, 29, 3, 1),
        (0, 0, 58, 8, 1),
        (0, 0, 4, 1, 20),
    ):
        assert refuses(PanelError, glass.qr, x, y, rows, size, stride, scale), (x, y, size, stride, scale)
    assert wire.total == 0


def test_the_bar_sends_only_what_changed():
    wire, glass = make()
    run(glass.bar(0, 64, 240, 6, -1, 240, RED, NAVY))
    assert wire.windows == [[0, 64, 240, 6, 2880]]
    wire.windows.clear()
    for now in range(239, -1, -1):
        wire.commands.clear()
        run(glass.bar(0, 64, 240, 6, now + 1, now, RED, NAVY))
    assert len(wire.windows) == 240
    for i, window in enumerate(wire.windows):
        assert window == [239 - i, 64, 1, 6, 12]
    wire.windows.clear()
    run(glass.bar(0, 64, 240, 6, 10, 10, RED, NAVY))
    assert wire.windows == []
    run(glass.bar(0, 64, 240, 6, 10, 30, RED, NAVY))
    assert wire.windows == [[10, 64, 20, 6, 240]]
    wire.windows.clear()
    run(glass.bar(0, 64, 240, 6, 999, -5, RED, NAVY))
    assert wire.windows == [[0, 64, 240, 6, 2880]]


def test_a_cancelled_verb_lets_go_of_the_panel():
    async def cut(glass):
        task = asyncio.create_task(glass.fill(0, 0, 240, 320, RED))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True

    wire, glass = make()
    assert run(cut(glass))
    assert 0 < wire.total < 153600
    assert wire.selected == 1


def test_brightness_is_a_percentage_or_nothing():
    said = []
    glass = Panel(Wire(), said.append, None, None, said.append, "st7789")
    for percent in (50, -4, 900):
        glass.brightness(percent)
    assert said == [50, 0, 100]
    make()[1].brightness(10)


def test_the_set_up_tables_do_not_stay_in_memory():
    wire, glass = make()
    run(glass.begin())
    assert "panel.controllers" not in sys.modules
    assert not hasattr(panel, "controllers")
    assert wire.commands[-1] == 0x29


def test_painting_keeps_nothing():
    if not hasattr(gc, "mem_alloc"):
        return
    wire, glass = make()
    font = Font(fonts_folder() + "medium.font")
    icons = Font(fonts_folder() + "icons.font")
    rows = bytearray(4 * 29)
    used = []

    async def paint():
        for _ in range(4):
            await glass.text(font, "Café Kōwhai", 0, 0, 240, RED, NAVY)
            await glass.icon(icons, "S", 0, 40, 240, 100, RED, NAVY)
            await glass.qr(0, 0, rows, 29, 4, 6)
            await glass.bar(0, 300, 240, 6, -1, 100, RED, NAVY)
            wire.windows.clear()
            wire.commands.clear()
            gc.collect()
            used.append(gc.mem_alloc())

    run(paint())
    assert used[-1] - used[1] <= 64, used
