"""The panel model by itself, with hand-written command streams: it must show what is right and report what is wrong."""

import struct

import pytest

from tillpane.panelmodel import PanelModel

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
_565 = {RED: b"\xf8\x00", GREEN: b"\x07\xe0", BLUE: b"\x00\x1f", WHITE: b"\xff\xff", BLACK: b"\0\0"}


def send(model, command, data=b""):
    model.pin("cs", 0)
    model.pin("dc", 0)
    model.spi(bytes((command,)))
    model.pin("dc", 1)
    if data:
        model.spi(data)


def window(model, x, y, width, height):
    send(model, 0x2A, struct.pack(">HH", x, x + width - 1))
    send(model, 0x2B, struct.pack(">HH", y, y + height - 1))
    send(model, 0x2C)


def paint(model, x, y, width, height, colour):
    window(model, x, y, width, height)
    model.spi(_565[colour] * (width * height))


def awake(controller="st7789", madctl=None, invert=None, **glass):
    model = PanelModel(controller, **glass)
    send(model, 0x11)
    send(model, 0x3A, b"\x55")
    usual = 0x48 if controller == "ili9341" else 0
    send(model, 0x36, bytes((usual if madctl is None else madctl,)))
    if (controller == "st7789") if invert is None else invert:
        send(model, 0x21)
    send(model, 0x29)
    return model


@pytest.mark.parametrize("controller", ["st7789", "ili9341"])
def test_the_usual_set_up_shows_colours_where_they_were_drawn(controller):
    model = awake(controller)
    paint(model, 0, 0, 240, 320, BLACK)
    for spot, colour in (((0, 0), RED), ((239, 0), GREEN), ((0, 319), BLUE), ((239, 319), WHITE)):
        paint(model, *spot, 1, 1, colour)
        assert model.image().getpixel(spot) == colour
    assert model.faults == []
    assert model.image().getpixel((120, 160)) == BLACK


@pytest.mark.parametrize(
    ("controller", "madctl", "size"),
    [
        ("st7789", 0x00, (240, 320)),
        ("st7789", 0x60, (320, 240)),
        ("st7789", 0xC0, (240, 320)),
        ("st7789", 0xA0, (320, 240)),
        ("ili9341", 0x48, (240, 320)),
        ("ili9341", 0x28, (320, 240)),
        ("ili9341", 0x88, (240, 320)),
        ("ili9341", 0xE8, (320, 240)),
    ],
)
def test_the_four_rotations_stand_upright(controller, madctl, size):
    model = awake(controller, madctl)
    wide, high = size
    paint(model, 0, 0, wide, high, BLACK)
    paint(model, 0, 0, 3, 2, RED)
    paint(model, wide - 1, 0, 1, 1, GREEN)
    paint(model, 5, high - 1, 1, 1, BLUE)
    picture = model.image()
    assert picture.size == size
    assert [picture.getpixel(at) for at in ((0, 0), (2, 1), (wide - 1, 0), (5, high - 1))] == [RED, RED, GREEN, BLUE]
    assert picture.getpixel((3, 0)) == picture.getpixel((0, 2)) == BLACK
    assert model.faults == []


def test_a_mirrored_madctl_is_seen_mirrored():
    model = awake("st7789", 0x40)
    paint(model, 0, 0, 240, 320, BLACK)
    paint(model, 0, 0, 1, 1, RED)
    assert model.image().getpixel((239, 0)) == RED
    model = awake("ili9341", 0x08)
    paint(model, 0, 0, 240, 320, BLACK)
    paint(model, 0, 0, 1, 1, RED)
    assert model.image().getpixel((239, 0)) == RED


def test_wrong_colour_order_and_inversion_are_seen():
    model = awake("st7789", 0x08)
    paint(model, 0, 0, 1, 1, RED)
    assert model.image().getpixel((0, 0)) == BLUE
    model = awake("ili9341", 0x40)
    paint(model, 0, 0, 1, 1, RED)
    assert model.image().getpixel((0, 0)) == BLUE
    model = awake("st7789", invert=False)
    paint(model, 0, 0, 1, 1, WHITE)
    assert model.image().getpixel((0, 0)) == BLACK
    model = awake("ili9341", invert=True)
    paint(model, 0, 0, 1, 1, WHITE)
    assert model.image().getpixel((0, 0)) == BLACK


def test_dark_when_off_asleep_or_unlit():
    model = awake()
    paint(model, 0, 0, 240, 320, WHITE)
    assert model.image().getpixel((7, 7)) == WHITE
    for dark, light in ((0x28, 0x29), (0x10, 0x11)):
        send(model, dark)
        assert model.image().getcolors() == [(240 * 320, BLACK)]
        send(model, light)
        assert model.image().getpixel((7, 7)) == WHITE
    model.pin("backlight", 0)
    assert model.image().getpixel((7, 7)) == BLACK
    model.pin("backlight", 40)
    assert model.image().getpixel((7, 7)) == WHITE


def test_memory_at_power_up_is_noise_and_outlives_a_reset():
    model = awake()
    assert len(model.image().getcolors(80000)) > 1000
    paint(model, 0, 0, 240, 320, RED)
    model.pin("reset", 0)
    model.pin("reset", 1)
    assert model.image().getpixel((0, 0)) == BLACK
    assert model.colmod == 0x66 and model.sleeping
    for command, data in ((0x11, b""), (0x3A, b"\x55"), (0x21, b""), (0x29, b"")):
        send(model, command, data)
    assert model.image().getpixel((0, 0)) == RED


def test_pixels_split_anywhere_and_continued():
    model = awake()
    paint(model, 0, 0, 240, 320, BLACK)
    window(model, 10, 20, 3, 2)
    stream = _565[RED] * 3 + _565[GREEN] * 3
    for i in range(len(stream) - 4):
        model.spi(stream[i : i + 1])
    send(model, 0x3C, stream[-4:])
    picture = model.image()
    assert [picture.getpixel((x, y)) for y in (20, 21) for x in (10, 11, 12)] == [RED] * 3 + [GREEN] * 3
    assert model.faults == []


def fault_of(*steps, controller="st7789"):
    model = awake(controller)
    for command, data in steps:
        send(model, command, data)
    send(model, 0x00)
    return model.faults


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([(0x2C, b"\0\0\0")], "half a pixel"),
        ([(0x2A, b"\0\0\0\xf0")], "CASET 0..240 of 240"),
        ([(0x2B, b"\0\0\x01\x40")], "RASET 0..320 of 320"),
        ([(0x2A, b"\0\x05\0\x04")], "CASET 5..4"),
        ([(0x2A, b"\0\0\0")], "ended after 3 of 4"),
        ([(0x2A, b"\0\0\0\x01\0")], "5 bytes of data"),
        ([(0x36, b"")], "ended after 0 of 1"),
        ([(0x3A, b"\x66"), (0x2C, b"\0\0")], "COLMOD 0x66"),
        ([(0x10, b""), (0x2C, b"\0\0")], "asleep"),
        ([(0x29, b"\x01")], "takes none"),
        ([(0x2A, b"\0\0\0\0"), (0x2B, b"\0\0\0\0"), (0x2C, b"\0\0\0\0")], "past the end"),
    ],
)
def test_what_no_right_program_sends_is_a_fault(steps, words):
    faults = fault_of(*steps)
    assert len(faults) == 1 and words in faults[0], faults


def test_limits_follow_the_exchange_of_rows_and_columns():
    model = awake("st7789", 0x60)
    window(model, 319, 239, 1, 1)
    assert model.faults == []
    window(model, 0, 239, 1, 2)
    assert "RASET 239..240 of 240" in model.faults[0]


def test_bytes_that_nobody_takes_are_faults():
    model = awake()
    model.pin("cs", 1)
    model.spi(b"\0")
    model.pin("cs", 0)
    model.pin("reset", 0)
    model.spi(b"\0")
    assert model.faults == ["bytes while cs is high", "bytes while reset is low"]


def test_unknown_commands_are_counted_and_ignored():
    model = awake()
    paint(model, 0, 0, 1, 1, RED)
    send(model, 0xF9, b"\x01\x02")
    assert dict(model.unknown) == {0xF9: 1}
    assert model.faults == [] and model.image().getpixel((0, 0)) == RED


def test_a_recording_gives_the_same_picture(tmp_path):
    records = bytearray()
    live = PanelModel("st7789")
    for level, data in (
        (0, b"\x11"),
        (0, b"\x3a"),
        (1, b"\x55"),
        (0, b"\x21"),
        (0, b"\x29"),
        (0, b"\x2c"),
        (1, b"\xf8\x00" * 500),
        (1, b"\x07\xe0" * 500),
    ):
        records += struct.pack("<BI", level, len(data)) + data
        live.pin("dc", level)
        live.spi(data)
    (tmp_path / "spi.bin").write_bytes(records)
    replayed = PanelModel("st7789")
    replayed.replay(tmp_path / "spi.bin")
    assert replayed.image().tobytes() == live.image().tobytes()
    # As docs/simulator.md has it.
    assert PanelModel("st7789").replay(str(tmp_path / "spi.bin")).image().tobytes() == live.image().tobytes()
    assert replayed.bytes_in == live.bytes_in == 2006
    assert replayed.image().getpixel((499 % 240, 499 // 240)) == RED
    for cut in (1, 4, 7, len(records) - 1):
        with pytest.raises(ValueError, match="recording"):
            PanelModel("st7789").replay(bytes(records[:cut]))
    with pytest.raises(ValueError, match="damaged"):
        PanelModel("st7789").replay(b"\x02\0\0\0\0")


def test_smaller_glass_shows_its_part_of_the_memory():
    model = awake("st7789", width=170, height=300, x_offset=35, y_offset=20)
    paint(model, 0, 0, 240, 320, BLACK)
    paint(model, 35, 20, 1, 1, RED)
    assert model.image().size == (170, 300)
    assert model.image().getpixel((0, 0)) == RED


def test_what_there_is_no_model_of_is_refused():
    for arguments in (("ssd1306",), ("st7789", 241), ("st7789", 0), ("st7789", 240, 321)):
        with pytest.raises(ValueError):
            PanelModel(*arguments)
    with pytest.raises(ValueError, match="pin"):
        PanelModel("st7789").pin("miso", 1)
