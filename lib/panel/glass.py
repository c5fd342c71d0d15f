"""The glass behind an SPI controller: windows, bands, and the verbs that draw."""

import asyncio

from micropython import const

from ondemand import drop_modules, load_module
from panel.raster import flood, modules, stamp

LEFT = const(0)
CENTRE = const(1)
RIGHT = const(2)

_CASET = const(0x2A)
_RASET = const(0x2B)
_RAMWR = const(0x2C)
_INVOFF = const(0x20)
_DISPON = const(0x29)
_MADCTL = const(0x36)
_RAM_COLUMNS = const(240)
_RAM_ROWS = const(320)
_BGR = const(0x08)
_BAND = const(3840)  # a row of the largest modules on 240 px, and no more: memory is dearer than a few writes
_BAND_MOST = const(8192)
_ENTRY = const(12)
_GLYPHS = const(72)
_QUIET = const(8)


class PanelError(ValueError):
    """Something that does not fit on the glass, or a controller or rotation that does not exist."""


def rgb(colour):
    """0xRRGGBB -> RGB565 as an int whose low byte goes over the wire first."""
    high = colour >> 16 & 0xF8 | colour >> 13 & 0x07
    low = colour >> 5 & 0xE0 | colour >> 3 & 0x1F
    return low << 8 | high


class Panel:
    """A panel of `width` by `height` px after rotation, (0, 0) top left.

    spi         has write(buf)
    dc, cs, reset  callables taking 0 or 1; cs and reset may be None when the pin is not wired
    backlight   callable taking 0..100 (percent), or None
    controller  "st7789" or "ili9341"
    width, height  px of the glass as mounted upright, before rotation
    rotation    0, 90, 180 or 270 degrees clockwise
    x_offset, y_offset  where the upright glass begins in the controller's memory of 240 columns by 320 rows
    invert      True, False, or None for what glass with this controller usually needs
    bgr         True swaps red and blue against what is usual for the controller
    band        the band buffer, 2 bytes a pixel, at most 8192 bytes and at least one line of the longer side

    Nothing is ever read back from the panel, so a dead one goes unnoticed and no verb raises for it.
    """

    def __init__(
        self,
        spi,
        dc,
        cs,
        reset,
        backlight,
        controller,
        width=240,
        height=320,
        rotation=0,
        x_offset=0,
        y_offset=0,
        invert=None,
        bgr=False,
        band=None,
    ):
        if rotation not in (0, 90, 180, 270):
            raise PanelError("rotation")
        far_x = _RAM_COLUMNS - width - x_offset
        far_y = _RAM_ROWS - height - y_offset
        if width < 1 or height < 1 or min(x_offset, y_offset, far_x, far_y) < 0:
            raise PanelError("size")
        turned = rotation in (90, 270)
        self.width = height if turned else width
        self.height = width if turned else height
        self.sent = 0
        self._spi = spi
        self._dc = dc
        self._cs = cs or _unwired
        self._reset = reset or _unwired
        self._backlight = backlight or _unwired
        self._controller = controller
        self._quarter = rotation // 90
        self._invert = invert
        self._bgr = bgr
        self._x0, self._y0 = (
            (x_offset, y_offset),
            (y_offset, far_x),
            (far_x, far_y),
            (far_y, x_offset),
        )[self._quarter]
        self._band = band or bytearray(_BAND)
        if not 2 * max(width, height) <= len(self._band) <= _BAND_MOST:
            raise PanelError("band")
        self._view = memoryview(self._band)
        self._word = bytearray(4)
        self._one = bytearray(1)
        self._line = bytearray(_ENTRY * _GLYPHS)
        self._palette = bytearray(8)

    async def begin(self, brightness=100):
        """Reset and set up the controller, clear the glass to black, then light it."""
        steps, madctl, invert = self._set_up()
        self._backlight(0)
        self._cs(1)
        # Both data sheets: 10 us low at least, then 120 ms before SLPOUT.
        for level, ms in ((1, 10), (0, 10), (1, 120)):
            self._reset(level)
            await asyncio.sleep(ms / 1000)
        for command, data, ms in steps:
            self._command(command, data)
            if ms:
                await asyncio.sleep(ms / 1000)
        self._word[0] = madctl[self._quarter] ^ (_BGR if self._bgr else 0)
        self._command(_MADCTL, self._word[:1])
        if self._invert is not None:
            invert = self._invert
        self._command(_INVOFF + (1 if invert else 0))
        await self.fill(0, 0, self.width, self.height, 0)
        self._command(_DISPON)
        self.brightness(brightness)

    def _set_up(self):
        known = load_module("panel.controllers").CONTROLLERS
        drop_modules("panel.controllers")
        if self._controller not in known:
            raise PanelError("controller")
        return known[self._controller]

    def brightness(self, percent):
        """Backlight, 0..100."""
        self._backlight(max(0, min(100, percent)))

    async def fill(self, x, y, width, height, colour):
        """One colour over a rectangle; nothing where it has no area."""
        if width <= 0 or height <= 0:
            return
        self._open(x, y, width, height)
        left = width * height
        most = min(left, len(self._band) // 2)
        flood(self._band, most, colour & 0xFF, colour >> 8)
        try:
            while left > 0:
                now = min(left, most)
                self._data(now)
                left -= now
                await asyncio.sleep(0)
        finally:
            self._cs(1)

    async def text(self, font, text, x, y, width, ink, paper, align=LEFT, height=0, margin=0):
        """One line of text over its paper, in a box of `width` by `height` px (0: the font's line height).

        Vertically centred, `margin` px free on both sides; cut with an ellipsis when it is too long.
        -> px that the text itself takes
        """
        height = height or font.height
        count, pixels = font.lay(text, width - 2 * margin, self._line)
        left = (margin, (width - pixels) // 2, width - margin - pixels)[align]
        await self._paint(font, count, left, (height - font.height) // 2, x, y, width, height, ink, paper)
        return pixels

    async def icon(self, font, name, x, y, width, height, ink, paper):
        """One glyph, centred by its own ink, over its paper."""
        font.lay(name, 255, self._line)
        line = self._line
        left = (width - line[3]) // 2 - (line[4] if line[4] < 128 else line[4] - 256)
        await self._paint(font, 1, left, (height - line[6]) // 2 - line[5], x, y, width, height, ink, paper)

    async def qr(self, x, y, rows, size, stride, scale, dark=0, light=0xFFFF):
        """A QR code with its quiet zone of 4 modules, (size + 8) * scale px a side.

        rows    MONO_HLSB, 1 = dark; `stride` bytes a row, `size` modules
        scale   whole px a module
        Raises PanelError when it does not fit.
        """
        side = (size + _QUIET) * scale
        if size < 1 or scale < 1 or size > stride * 8 or len(rows) < size * stride:
            raise PanelError("qr")
        deep = len(self._band) // (side * 2 * scale)
        if not deep:
            raise PanelError("qr")
        self._open(x, y, side, side)
        low = dark & 0xFF
        high = dark >> 8
        try:
            row = -(_QUIET // 2)
            while row < size + _QUIET // 2:
                count = min(deep, size + _QUIET // 2 - row)
                flood(self._band, count * scale * side, light & 0xFF, light >> 8)
                for i in range(count):
                    if 0 <= row + i < size:
                        modules(self._band, i * scale * side * 2, rows, (row + i) * stride, size, scale, low, high)
                self._data(count * scale * side)
                row += count
                await asyncio.sleep(0)
        finally:
            self._cs(1)

    async def bar(self, x, y, width, height, was, now, ink, paper):
        """A bar whose first `now` px are ink; only what differs from the first `was` px is sent (was -1: all of it)."""
        now = max(0, min(width, now))
        if was < 0:
            await self.fill(x, y, now, height, ink)
            await self.fill(x + now, y, width - now, height, paper)
            return
        was = min(width, was)
        await self.fill(x + was, y, now - was, height, ink)
        await self.fill(x + now, y, was - now, height, paper)

    async def _paint(self, font, count, left, top, x, y, width, height, ink, paper):
        """The glyphs in `_line`, the first at `left`, their line's top at `top`, in one window."""
        self._open(x, y, width, height)
        self._blend(paper, ink)
        most = min(len(self._band) // (2 * width), font.most_rows)
        try:
            first = 0
            while first < height:
                deep = min(most, height - first)
                flood(self._band, width * deep, paper & 0xFF, paper >> 8)
                self._glyphs(font, count, left, first - top, width, deep)
                self._data(width * deep)
                first += deep
                await asyncio.sleep(0)
        finally:
            self._cs(1)

    def _glyphs(self, font, count, left, first, width, deep):
        """Lay what the glyphs in `_line` have in line rows `first` to `first + deep` over the band."""
        line = self._line
        for at in range(0, count * _ENTRY, _ENTRY):
            wide = line[at + 3]
            top = line[at + 5]
            begin = max(first, top)
            end = min(first + deep, top + line[at + 6])
            if wide and begin < end:
                bearing = line[at + 4]
                if bearing > 127:
                    bearing -= 256
                place = line[at + 8] | line[at + 9] << 8 | line[at + 10] << 16
                rows = font.rows(place, begin - top, end - begin, (wide + 3) >> 2)
                stamp(self._band, width, left + bearing, begin - first, rows, wide, end - begin, self._palette)
            left += line[at + 2]

    def _blend(self, paper, ink):
        """The palette: paper, one third, two thirds, ink."""
        low = paper >> 8 | (paper & 0xFF) << 8
        high = ink >> 8 | (ink & 0xFF) << 8
        for i in range(4):
            mixed = 0
            for mask in (0xF800, 0x07E0, 0x001F):
                mixed |= ((low & mask) * (3 - i) + (high & mask) * i) // 3 & mask
            self._palette[2 * i] = mixed >> 8
            self._palette[2 * i + 1] = mixed & 0xFF

    def _open(self, x, y, width, height):
        """Make a rectangle the controller's window and begin writing to it; cs stays low until the verb ends."""
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > self.width or y + height > self.height:
            raise PanelError("outside")
        self._cs(0)
        self._span(_CASET, self._x0 + x, width)
        self._span(_RASET, self._y0 + y, height)
        self._send(_RAMWR)

    def _span(self, command, start, length):
        word = self._word
        end = start + length - 1
        word[0] = start >> 8
        word[1] = start & 0xFF
        word[2] = end >> 8
        word[3] = end & 0xFF
        self._send(command, word)

    def _command(self, command, data=b""):
        self._cs(0)
        self._send(command, data)
        self._cs(1)

    def _send(self, command, data=b""):
        self._one[0] = command
        self._dc(0)
        self._spi.write(self._one)
        self._dc(1)
        if data:
            self._spi.write(data)
        self.sent += 1 + len(data)

    def _data(self, pixels):
        self._spi.write(self._view[: pixels * 2])
        self.sent += pixels * 2


def _unwired(level):
    pass
