"""The viper loops of lib/panel against plain twins: both must give the same bytes."""

from panelwire import make, noise, run

from panel import rgb
from panel.raster import flood, modules, stamp


def test_flood_fills_exactly_the_pixels_asked_for():
    for pixels in (0, 1, 2, 7, 64):
        out = noise(130, 5)
        before = bytes(out)
        flood(out, pixels, 0x12, 0xFE)
        assert bytes(out) == b"\x12\xfe" * pixels + before[pixels * 2 :]


def plain_stamp(out, wide, left, top, rows, width, count, palette):
    step = (width + 3) // 4
    for y in range(count):
        for x in range(width):
            shade = rows[y * step + x // 4] >> (x % 4 * 2) & 3
            if shade and 0 <= left + x < wide:
                at = ((top + y) * wide + left + x) * 2
                out[at : at + 2] = palette[shade * 2 : shade * 2 + 2]


def test_stamp_agrees_with_its_plain_twin():
    palette = bytes(range(0xA0, 0xA8))
    # The last ones: cut off on the left, on the right, wholly on either side, on both sides at once.
    cases = ((20, 3, 1, 9, 4), (20, -5, 0, 9, 5), (20, 15, 0, 13, 5), (20, -30, 0, 13, 2), (20, 25, 0, 5, 2))
    cases += ((8, -2, 0, 12, 5),)
    for seed in range(len(cases)):
        wide, left, top, width, count = cases[seed]
        glyph = noise((width + 3) // 4 * count, seed)
        fast, plain = noise(wide * 10, 99), noise(wide * 10, 99)
        stamp(fast, wide, left, top, glyph, width, count, palette)
        plain_stamp(plain, wide, left, top, glyph, width, count, palette)
        assert fast == plain, seed


def plain_modules(out, at, rows, first, size, scale, low, high):
    line = bytearray()
    wide = (size + 8) * scale * 2
    for x in range(size + 8):
        dark = 4 <= x < size + 4 and rows[first + (x - 4) // 8] & (128 >> (x - 4) % 8)
        line += bytes((low, high)) * scale if dark else out[at + x * scale * 2 : at + (x + 1) * scale * 2]
    for i in range(scale):
        out[at + i * wide : at + (i + 1) * wide] = line


def test_modules_agrees_with_its_plain_twin():
    for size, scale in ((21, 1), (21, 3), (29, 2), (57, 4)):
        stride = (size + 7) // 8
        rows = noise(stride * 3, size)
        length = (size + 8) * scale * scale * 2
        fast, plain = bytearray(b"\xff" * (length + 20)), bytearray(b"\xff" * (length + 20))
        modules(fast, 10, rows, stride, size, scale, 0x34, 0x12)
        plain_modules(plain, 10, rows, stride, size, scale, 0x34, 0x12)
        assert fast == plain, (size, scale)


def test_colour_goes_over_the_wire_high_byte_first():
    wire, glass = make()
    wire.pixels = bytearray()
    run(glass.fill(0, 0, 1, 1, rgb(0x1234F8)))
    value = wire.pixels[0] << 8 | wire.pixels[1]
    assert value == (0x12 >> 3) << 11 | (0x34 >> 2) << 5 | 0xF8 >> 3
