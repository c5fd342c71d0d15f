"""A wire that keeps what it is told, a panel on it, and the fonts. For both interpreters."""

import asyncio
import sys

from panel import Panel, rgb

RED = rgb(0xFF0000)
NAVY = rgb(0x0B1726)


def fonts_folder():
    for place in sys.path:
        try:
            open(place + "/panel/fonts/small.font", "rb").close()
            return place + "/panel/fonts/"
        except OSError:
            continue
    raise AssertionError("no fonts on sys.path")


class Wire:
    """Keeps windows as [x, y, width, height, pixel bytes], and all bytes of them when asked."""

    def __init__(self):
        self.level = 0
        self.selected = 1
        self.command = None
        self.total = 0
        self.writes = 0
        self.largest = 0
        self.windows = []
        self.commands = []
        self.pixels = None
        self.column = self.row = (0, 0)

    def dc(self, level):
        self.level = level

    def cs(self, level):
        self.selected = level

    def write(self, buf):
        assert self.selected == 0
        self.total += len(buf)
        if self.level == 0:
            assert len(buf) == 1
            self.command = buf[0]
            self.commands.append(buf[0])
            if self.command == 0x2C:
                (x0, x1), (y0, y1) = self.column, self.row
                self.windows.append([x0, y0, x1 - x0 + 1, y1 - y0 + 1, 0])
            return
        if self.command in (0x2A, 0x2B):
            assert len(buf) == 4
            span = (buf[0] << 8 | buf[1], buf[2] << 8 | buf[3])
            if self.command == 0x2A:
                self.column = span
            else:
                self.row = span
        if self.command == 0x2C:
            self.writes += 1
            self.largest = max(self.largest, len(buf))
            self.windows[-1][4] += len(buf)
            if self.pixels is not None:
                self.pixels += bytes(buf)


def make(**settings):
    wire = Wire()
    settings.setdefault("controller", "st7789")
    return wire, Panel(wire, wire.dc, wire.cs, None, None, **settings)


def run(coroutine):
    return asyncio.run(coroutine)


def refuses(error, call, *arguments, **named):
    try:
        result = call(*arguments, **named)
        if hasattr(result, "send"):
            run(result)
    except error:
        return True
    return False


def noise(length, seed):
    out = bytearray(length)
    for i in range(length):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        out[i] = seed >> 16 & 0xFF
    return out
