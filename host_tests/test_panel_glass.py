"""lib/panel on the panel model: what a person sees, for both controllers, all rotations, and any text."""

import asyncio

import pytest
import segno
import zxingcpp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panel import CENTRE, LEFT, RIGHT, PanelError, rgb
from panel import glass as glass_module
from panelrig import CONTROLLERS, ROTATIONS, font, make_panel
from qr import QR

RED, GREEN, BLUE, WHITE = 0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF
FACES = {name: font(name) for name in ("small", "medium", "large", "huge")}


def seen(colour):
    return (colour >> 16, colour >> 8 & 255, colour & 255)


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize(
    "cut", [{}, {"width": 170, "height": 300, "x_offset": 35, "y_offset": 7}, {"width": 135, "height": 240}]
)
def test_corners_and_colours_are_where_they_belong(controller, rotation, cut):
    model, panel = make_panel(controller, rotation, **cut)

    async def draw():
        await panel.begin()
        assert model.image().getcolors() == [(panel.width * panel.height, (0, 0, 0))]
        await panel.fill(0, 0, panel.width, panel.height, rgb(0x102030))
        for x, y, colour in (
            (0, 0, RED),
            (panel.width - 1, 0, GREEN),
            (0, panel.height - 1, BLUE),
            (panel.width - 1, panel.height - 1, WHITE),
        ):
            await panel.fill(x, y, 1, 1, rgb(colour))
        return model.image()

    picture = asyncio.run(draw())
    w, h = panel.width, panel.height
    assert picture.size == (w, h)
    corners = [picture.getpixel(at) for at in ((0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1))]
    assert corners == [seen(c) for c in (RED, GREEN, BLUE, WHITE)]
    assert len(picture.getcolors()) == 5
    assert model.faults == [] and not model.unknown
    assert model.bytes_in == panel.sent


def test_invert_and_bgr_override_the_usual():
    for controller in CONTROLLERS:
        usual = controller == "st7789"
        model, panel = make_panel(controller, invert=not usual, bgr=True)
        asyncio.run(panel.begin())
        asyncio.run(panel.fill(0, 0, 1, 1, rgb(0xFF0000)))
        # Inverted red is cyan; with red and blue swapped, yellow.
        assert model.image().getpixel((0, 0)) == (255, 255, 0)


class _Clock:
    """asyncio's sleep for the driver, written down between the commands."""

    CancelledError = asyncio.CancelledError

    def __init__(self, log):
        self.log = log

    async def sleep(self, seconds):
        self.log.append(("sleep", seconds))


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_the_waits_of_the_data_sheets_are_kept(controller, monkeypatch):
    log = []
    monkeypatch.setattr(glass_module, "asyncio", _Clock(log))
    model, panel = make_panel(controller)
    pins, write = {}, panel._spi.write
    panel._reset = lambda level: log.append(("reset", level))
    panel._dc = lambda level: (pins.__setitem__("dc", level), model.pin("dc", level))
    panel._backlight = lambda level: log.append(("light", level))

    def spi(buf):
        log.append(("data" if pins["dc"] else "command", bytes(buf)))
        write(buf)

    panel._spi = type("Spi", (), {"write": staticmethod(spi)})
    with pytest.raises(StopIteration):
        type(panel).begin(panel).send(None)

    def wait_between(first, second):
        start, end = log.index(first), log.index(second, log.index(first) + 1)
        assert start < end
        return sum(value for what, value in log[start:end] if what == "sleep")

    assert wait_between(("reset", 0), ("reset", 1)) >= 0.00001
    reset_up = len(log) - 1 - log[::-1].index(("reset", 1))
    assert sum(v for what, v in log[reset_up : log.index(("command", b"\x01"))] if what == "sleep") >= 0.12
    assert wait_between(("command", b"\x01"), ("command", b"\x11")) >= 0.12
    after_reset = log[log.index(("command", b"\x01")) + 1]
    assert after_reset[0] == "sleep" and after_reset[1] >= 0.005
    after_wake = log[log.index(("command", b"\x11")) + 1]
    assert after_wake[0] == "sleep" and after_wake[1] >= 0.12
    lights = [i for i, entry in enumerate(log) if entry[0] == "light"]
    assert log[lights[0]] == ("light", 0) and log[lights[-1]] == ("light", 100)
    assert lights[-1] > log.index(("command", b"\x29")) > log.index(("command", b"\x2c"))


def drawn(face, text, x, y, width, align, height, margin):
    """The panel after one text over a field of red. -> (picture, model)"""
    model, panel = make_panel()

    async def draw():
        await panel.begin()
        await panel.fill(0, 0, 240, 320, rgb(RED))
        await panel.text(FACES[face], text, x, y, width, rgb(WHITE), rgb(BLUE), align, height, margin)

    asyncio.run(draw())
    return model.image(), model


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(("small", "medium", "large", "huge")),
    st.text(max_size=120) | st.text("AĀäy …iW1$\u0301\n", max_size=40),
    st.integers(0, 60),
    st.integers(0, 200),
    st.integers(1, 180),
    st.sampled_from((LEFT, CENTRE, RIGHT)),
    st.integers(0, 90),
    st.integers(0, 12),
)
def test_any_text_stays_in_its_box(face, text, x, y, width, align, height, margin):
    high = height or FACES[face].height
    picture, model = drawn(face, text, x, y, width, align, height, margin)
    assert model.faults == []
    inside = picture.crop((x, y, x + width, y + high))
    colours = {colour for _, colour in inside.getcolors(100000)}
    # Blue paper, white ink and the two shades between, of 5 and 6 bits; never the red around it.
    assert len(colours) <= 4 and all(abs(red - green) < 8 and blue == 255 for red, green, blue in colours)
    picture.paste(seen(RED), (x, y, x + width, y + high))
    assert picture.getcolors() == [(240 * 320, seen(RED))]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(("small", "large")), st.text(max_size=60), st.integers(0, 300), st.integers(1, 6))
def test_wrapped_lines_lose_nothing_and_fit(face, text, width, most):
    lines = FACES[face].wrap(text, width, most)
    assert len(lines) <= most
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines[:-1] if len(lines) == most else lines:
        assert FACES[face].measure(line) <= width or len(line) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=1, max_size=100), st.sampled_from(CONTROLLERS), st.sampled_from(ROTATIONS), st.data())
def test_a_code_on_the_glass_says_what_was_put_in(payload, controller, rotation, data):
    code = QR()
    model, panel = make_panel(controller, rotation)
    version, level = code.fit(payload, 205)
    code.encode(payload, version, level)
    side = code.size + 8
    scale = data.draw(st.integers(2, 240 // side))
    x = data.draw(st.integers(0, panel.width - side * scale))
    y = data.draw(st.integers(0, panel.height - side * scale))

    async def draw():
        await panel.begin()
        before = panel.sent
        await panel.qr(x, y, code.rows, code.size, code.stride, scale)
        return panel.sent - before

    cost = asyncio.run(draw())
    assert cost <= 1.05 * 2 * (side * scale) ** 2
    found = zxingcpp.read_barcodes(model.image(), formats=zxingcpp.BarcodeFormat.QRCode)
    assert [each.bytes for each in found] == [payload]
    assert model.faults == []


def test_the_pixels_of_a_code_are_those_of_another_encoder():
    other = segno.make(b"https://app.centrapay.com/pay/x", error="m", mask=3, boost_error=False, micro=False)
    modules = [bytes(row) for row in other.matrix]
    stride = (len(modules) + 7) // 8
    rows = bytearray(stride * len(modules))
    for y, row in enumerate(modules):
        for x, dark in enumerate(row):
            if dark:
                rows[y * stride + x // 8] |= 128 >> x % 8
    model, panel = make_panel()
    asyncio.run(panel.begin())
    asyncio.run(panel.qr(0, 0, rows, len(modules), stride, 5))
    side = (len(modules) + 8) * 5
    picture = model.image().crop((0, 0, side, side))
    for y in range(side):
        for x in range(side):
            column, row = x // 5 - 4, y // 5 - 4
            dark = 0 <= row < len(modules) and 0 <= column < len(modules) and modules[row][column]
            assert picture.getpixel((x, y)) == ((0, 0, 0) if dark else (255, 255, 255))


def test_reset_and_select_pins_may_be_missing():
    model, panel = make_panel()
    lone = type(panel)(panel._spi, panel._dc, None, None, None, "st7789")
    asyncio.run(lone.begin())
    asyncio.run(lone.fill(0, 0, 240, 320, rgb(GREEN)))
    assert model.faults == [] and model.image().getpixel((9, 9)) == seen(GREEN)


def test_no_glyph_reaches_outside_the_line_box():
    """Accents of capitals and descenders are whole in every size."""
    for face in ("small", "medium", "large"):
        for character in "ÅÇÕÑgjpqyþÿŌ|@":
            high = FACES[face].height
            exact, _ = drawn(face, character, 20, 40, 60, LEFT, 0, 4)
            roomy, _ = drawn(face, character, 20, 30, 60, LEFT, high + 20, 4)
            assert exact.crop((20, 40, 80, 40 + high)).tobytes() == roomy.crop((20, 40, 80, 40 + high)).tobytes()


def test_a_box_too_large_for_the_glass_is_refused():
    model, panel = make_panel()
    asyncio.run(panel.begin())
    for x, width in ((0, 241), (200, 41), (-1, 20)):
        with pytest.raises(PanelError):
            asyncio.run(panel.text(FACES["small"], "x", x, 0, width, 0, 0))
    assert model.faults == []
