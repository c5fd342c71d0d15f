"""The inner loops, as viper. Under CPython the same source runs as plain Python.

Colours are two bytes in the order they go over the wire; a palette is four of them, paper first, ink last.
"""

import micropython


@micropython.viper
def flood(out: ptr8, pixels: int, low: int, high: int):
    """Fill the first `pixels` pixels of `out` with one colour."""
    i = 0
    end = pixels * 2
    while i < end:
        out[i] = low
        out[i + 1] = high
        i += 2


@micropython.viper
def stamp(out: ptr8, wide: int, left: int, top: int, rows: ptr8, width: int, count: int, palette: ptr8):
    """Lay `count` rows of a 2-bit glyph over a band `wide` pixels wide, from row `top`; shade 0 leaves the band alone.

    `left` may be negative, and the glyph may reach past the right edge: what is outside the band is cut off.
    """
    at = 0
    for y in range(count):
        line = (top + y) * wide
        bits = 0
        for x in range(width):
            if not x & 3:
                bits = int(rows[at])
                at += 1
            shade = (bits & 3) * 2
            bits = bits >> 2
            if shade:
                column = left + x
                if column >= 0 and column < wide:
                    to = (line + column) * 2
                    out[to] = palette[shade]
                    out[to + 1] = palette[shade + 1]


@micropython.viper
def modules(out: ptr8, at: int, rows: ptr8, first: int, size: int, scale: int, low: int, high: int):
    """One row of QR modules, `scale` rows of pixels, into a flooded band; 4 quiet modules stay free on both sides.

    at     byte in `out` where the row of modules begins
    first  byte in `rows` where the row begins (MONO_HLSB: leftmost module in the high bit, 1 = dark)
    """
    wide = (size + 8) * scale * 2
    to = at + 8 * scale
    for x in range(size):
        if int(rows[first + (x >> 3)]) & (128 >> (x & 7)):
            for _ in range(scale):
                out[to] = low
                out[to + 1] = high
                to += 2
        else:
            to += 2 * scale
    end = at + wide * scale
    to = at + wide
    while to < end:
        out[to] = out[to - wide]
        to += 1
