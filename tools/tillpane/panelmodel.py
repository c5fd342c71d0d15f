"""The host's model of the panel: takes the bytes on the SPI wire as the controller would, shows what one would see.

Written from the data sheets, not from lib/panel, so that it can find faults there:
ST7789V data sheet 1.0 (Sitronix, 2013/12), chapters 8.12 and 9.1;
ILI9341 data sheet 1.11 (Ilitek), chapters 8.2 and 9.3.
Both have a memory of 240 columns by 320 rows, and the same commands for what is modelled here.
"""

from __future__ import annotations

import collections
import pathlib
import random
import struct

from PIL import Image

COLUMNS, ROWS = 240, 320

NOP, SWRESET, SLPIN, SLPOUT = 0x00, 0x01, 0x10, 0x11
PTLON, NORON, INVOFF, INVON, DISPOFF, DISPON = 0x12, 0x13, 0x20, 0x21, 0x28, 0x29
CASET, RASET, RAMWR, MADCTL, COLMOD, RAMWRC = 0x2A, 0x2B, 0x2C, 0x36, 0x3A, 0x3C
MY, MX, MV, BGR = 0x80, 0x40, 0x20, 0x08

# Set-up of voltages, timing and gamma: known, and without effect on what is modelled.
_SETUP = {
    "st7789": bytes.fromhex(
        "26 33 34 35 37 38 39 44 51 53 55 5e b0 b1 b2 b3 b5 b7 b8 ba bb bc bd c0 c1 c2 c3 c4 c5 c6 c7 c8 ca cc d0 d2"
        "e0 e1 e2 e3 e4 e7 e8 e9 ec"
    ),
    "ili9341": bytes.fromhex(
        "26 33 34 35 37 38 39 44 51 53 55 5e b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ba bb bc be bf c0 c1 c5 c7 cb cf d0 d1"
        "e0 e1 e2 e3 e8 ea ed f2 f6 f7"
    ),
}


class PanelModel:
    """A controller with its usual glass.

    controller  "st7789" (IPS glass: right colours need inversion on, RGB) or "ili9341" (TN glass: inversion off, wired
                BGR and mirrored left to right, so that MX is set when it stands upright)
    width, height   px of the glass, upright
    x_offset, y_offset  where the upright glass begins in the controller's memory
    inverted, bgr, mirrored  other wiring of the glass; None: the usual one

    `faults` lists what no right program sends; `commands` and `unknown` count commands; `bytes_in` counts bytes.
    """

    def __init__(
        self,
        controller: str,
        width: int = COLUMNS,
        height: int = ROWS,
        *,
        x_offset: int = 0,
        y_offset: int = 0,
        inverted: bool | None = None,
        bgr: bool | None = None,
        mirrored: bool | None = None,
    ) -> None:
        if controller not in _SETUP:
            raise ValueError(f"no model of {controller!r}")
        if not (0 < width <= COLUMNS - x_offset and 0 < height <= ROWS - y_offset and min(x_offset, y_offset) >= 0):
            raise ValueError("glass larger than the controller's memory")
        self.controller = controller
        self.width, self.height = width, height
        self.x_offset, self.y_offset = x_offset, y_offset
        tn = controller == "ili9341"
        self.glass_inverted = not tn if inverted is None else inverted
        self.glass_bgr = tn if bgr is None else bgr
        self.glass_mirrored = tn if mirrored is None else mirrored
        # Memory keeps what it held at power-up: noise, so that what was never drawn is seen.
        self.memory = bytearray(random.Random(7789).randbytes(COLUMNS * ROWS * 2))
        self.faults: list[str] = []
        self.commands: collections.Counter[int] = collections.Counter()
        self.unknown: collections.Counter[int] = collections.Counter()
        self.bytes_in = 0
        self.pixels_written = 0
        self.levels = {"dc": 0, "cs": 0, "reset": 1, "backlight": 1}
        self._restart()

    # what the wires do

    def pin(self, name: str, level: int) -> None:
        """A change of dc, cs, reset or backlight (any level above 0 is on)."""
        if name not in self.levels:
            raise ValueError(f"no pin {name!r}")
        before, self.levels[name] = self.levels[name], level
        if name == "reset" and before and not level:
            self._end_of_data()
            self._restart()

    def spi(self, data: bytes) -> None:
        """Bytes on the wire with the pins as they are."""
        data = bytes(data)
        self.bytes_in += len(data)
        if not self.levels["reset"]:
            return self._fault("bytes while reset is low")
        if self.levels["cs"]:
            return self._fault("bytes while cs is high")
        if self.levels["dc"]:
            return self._data(data)
        for command in data:
            self._command(command)
        return None

    def replay(self, recording: bytes | str | pathlib.Path) -> PanelModel:
        """Take a recorded spi.bin: one byte D/C level, four bytes length little-endian, the bytes; and so on.

        Gives itself. Raises ValueError for a recording that is damaged or cut short.
        """
        if not isinstance(recording, bytes):
            recording = pathlib.Path(recording).read_bytes()
        at = 0
        while at < len(recording):
            if len(recording) - at < 5:
                raise ValueError("recording ends inside a record")
            level, length = struct.unpack_from("<BI", recording, at)
            at += 5
            if len(recording) - at < length or level > 1:
                raise ValueError("recording is damaged")
            self.pin("dc", level)
            self.spi(recording[at : at + length])
            at += length
        return self

    # what the eye sees

    @property
    def rotation(self) -> int:
        """Degrees clockwise that the picture is turned against the upright glass."""
        if self.madctl & MV:
            return 270 if self.madctl & MY else 90
        return 180 if self.madctl & MY else 0

    def image(self) -> Image.Image:
        """The glass, mounted so that a picture drawn with this MADCTL stands upright; a wrong one shows mirrored."""
        picture = self._upright()
        turn = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
        return picture.transpose(turn[self.rotation]) if self.rotation else picture

    def _upright(self) -> Image.Image:
        if self.sleeping or not self.displaying or not self.levels["backlight"] or not self.levels["reset"]:
            return Image.new("RGB", (self.width, self.height))
        picture = Image.frombytes("RGB", (COLUMNS, ROWS), self._colours())
        if self.glass_mirrored:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x, y = self.x_offset, self.y_offset
        return picture.crop((x, y, x + self.width, y + self.height))

    def _colours(self) -> bytes:
        flip = 0xFFFF if self.inverted != self.glass_inverted else 0
        swap = bool(self.madctl & BGR) != self.glass_bgr
        seen: dict[bytes, bytes] = {}
        out = []
        memory = bytes(self.memory)
        for at in range(0, len(memory), 2):
            pixel = memory[at : at + 2]
            colour = seen.get(pixel)
            if colour is None:
                value = (pixel[0] << 8 | pixel[1]) ^ flip
                red, green, blue = value >> 11, value >> 5 & 63, value & 31
                if swap:
                    red, blue = blue, red
                colour = bytes((red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2))
                seen[pixel] = colour
            out.append(colour)
        return b"".join(out)

    # what the controller does

    def _restart(self) -> None:
        """Register values after a hardware or software reset; the memory is kept."""
        self.sleeping = True
        self.displaying = False
        self.inverted = False
        self.madctl = 0x00
        self.colmod = 0x66
        self.columns = (0, COLUMNS - 1)
        self.rows = (0, ROWS - 1)
        self._now = NOP
        self._parameters = bytearray()
        self._at = (0, 0)
        self._half: int | None = None
        self._full = False

    def _command(self, command: int) -> None:
        self._end_of_data()
        self._now = command
        self._parameters.clear()
        self.commands[command] += 1
        if command == SWRESET:
            self._restart()
        elif command in (SLPIN, SLPOUT):
            self.sleeping = command == SLPIN
        elif command in (INVOFF, INVON):
            self.inverted = command == INVON
        elif command in (DISPOFF, DISPON):
            self.displaying = command == DISPON
        elif command == RAMWR:
            self._at = (self.columns[0], self.rows[0])
            self._full = False
            self._ready_for_pixels()
        elif command == RAMWRC:
            self._ready_for_pixels()
        elif command not in (NOP, NORON, CASET, RASET, MADCTL, COLMOD) and command not in _SETUP[self.controller]:
            self.unknown[command] += 1

    def _ready_for_pixels(self) -> None:
        if self.sleeping:
            self._fault("pixels while asleep")
        if self.colmod & 7 != 5:
            self._fault(f"pixels with COLMOD {self.colmod:#04x}, not 16 bits")

    def _data(self, data: bytes) -> None:
        if self._now in (RAMWR, RAMWRC):
            return self._pixels(data)
        self._parameters += data
        wanted = {CASET: 4, RASET: 4, MADCTL: 1, COLMOD: 1}.get(self._now)
        if self._now in (SWRESET, SLPIN, SLPOUT, NORON, INVOFF, INVON, DISPOFF, DISPON):
            return self._fault(f"data after command {self._now:#04x}, which takes none")
        if wanted is None or len(self._parameters) < wanted:
            return None
        if len(self._parameters) > wanted:
            return self._fault(f"{len(self._parameters)} bytes of data for command {self._now:#04x}")
        if self._now == MADCTL:
            self.madctl = self._parameters[0]
        elif self._now == COLMOD:
            self.colmod = self._parameters[0]
        else:
            self._window(*struct.unpack(">HH", self._parameters))
        return None

    def _window(self, start: int, end: int) -> None:
        along_rows = bool(self.madctl & MV) == (self._now == CASET)
        most = ROWS if along_rows else COLUMNS
        name = "CASET" if self._now == CASET else "RASET"
        if start > end or end >= most:
            return self._fault(f"{name} {start}..{end} of {most}")
        if self._now == CASET:
            self.columns = (start, end)
        else:
            self.rows = (start, end)
        return None

    def _pixels(self, data: bytes) -> None:
        if self._half is not None:
            data = bytes((self._half,)) + data
            self._half = None
        if len(data) & 1:
            self._half = data[-1]
            data = data[:-1]
        at = 0
        while at < len(data):
            at += self._run(data[at:])

    def _run(self, data: bytes) -> int:
        """Pixels up to the end of the window's line. -> bytes taken"""
        if self._full:
            self._fault("pixels past the end of the window")
            self._full = False
        column, row = self._at
        count = min(len(data) // 2, self.columns[1] - column + 1)
        self._store(column, row, data[: count * 2])
        self.pixels_written += count
        column += count
        if column > self.columns[1]:
            column = self.columns[0]
            row += 1
        if row > self.rows[1]:
            row = self.rows[0]
            self._full = True
        self._at = (column, row)
        return count * 2

    def _store(self, column: int, row: int, data: bytes) -> None:
        """Write a run of pixels that goes on in the direction of the columns."""
        at, step = self._address(column, row)
        if step == 1:
            self.memory[at * 2 : at * 2 + len(data)] = data
            return
        for i in range(0, len(data), 2):
            self.memory[at * 2 : at * 2 + 2] = data[i : i + 2]
            at += step

    def _address(self, column: int, row: int) -> tuple[int, int]:
        """Pointers to memory place (px) and the step to the next column: ST7789 8.12, ILI9341 9.3."""
        x, y = (row, column) if self.madctl & MV else (column, row)
        x = COLUMNS - 1 - x if self.madctl & MX else x
        y = ROWS - 1 - y if self.madctl & MY else y
        if self.madctl & MV:
            return y * COLUMNS + x, -COLUMNS if self.madctl & MY else COLUMNS
        return y * COLUMNS + x, -1 if self.madctl & MX else 1

    def _end_of_data(self) -> None:
        if self._half is not None:
            self._fault("half a pixel")
            self._half = None
        wanted = {CASET: 4, RASET: 4, MADCTL: 1, COLMOD: 1}.get(self._now)
        if wanted is not None and len(self._parameters) < wanted:
            self._fault(f"command {self._now:#04x} ended after {len(self._parameters)} of {wanted} bytes")
        self._now = NOP
        self._parameters.clear()

    def _fault(self, what: str) -> None:
        if len(self.faults) < 1000:
            self.faults.append(what)
