"""What the simulated board's wires lead to: the frames of the bus, and the till's pseudo-terminal."""

from __future__ import annotations

import array
import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable
from typing import Protocol

_QUEUE = 3800  # a Linux terminal's input queue holds 4095 bytes


class BusListener(Protocol):
    """Who hears what the board does, in the order in which it did it."""

    def pin_changed(self, pin: int, level: int) -> None: ...

    def spi_written(self, number: int, data: bytes) -> None: ...

    def duty_changed(self, pin: int, duty: int) -> None: ...

    def noted(self, text: str) -> None: ...

    def watchdog_started(self, timeout_ms: int) -> None: ...

    def watchdog_fed(self) -> None: ...

    def reset_asked(self, hard: bool) -> None: ...


class BusError(Exception):
    """The board's frames make no sense: host and shims are not of the same version."""


class BusDecoder:
    """Frames (see host_tests/shims/board/machine.py) out of a byte stream that arrives in any pieces."""

    def __init__(self, listener: BusListener) -> None:
        self._listener = listener
        self._pending = bytearray()

    def feed(self, data: bytes) -> None:
        self._pending += data
        used = 0
        while True:
            size = self._take(used)
            if not size:
                break
            used += size
        del self._pending[:used]

    def _take(self, at: int) -> int:
        """Handles the frame that starts at `at`. Returns its size, or 0 while it is not complete."""
        held = len(self._pending) - at
        if not held:
            return 0
        kind = self._pending[at]
        if kind == ord("S"):
            return self._take_spi(at, held)
        if kind == ord("M"):
            return self._take_note(at, held)
        size = {ord("P"): 3, ord("B"): 4, ord("W"): 5, ord("F"): 1, ord("R"): 1, ord("r"): 1}.get(kind)
        if size is None:
            raise BusError(f"unknown frame {kind:#x}")
        if held < size:
            return 0
        self._tell(kind, bytes(self._pending[at + 1 : at + size]))
        return size

    def _take_spi(self, at: int, held: int) -> int:
        if held < 6:
            return 0
        number, length = struct.unpack_from("<BI", self._pending, at + 1)
        if held < 6 + length:
            return 0
        self._listener.spi_written(number, bytes(self._pending[at + 6 : at + 6 + length]))
        return 6 + length

    def _take_note(self, at: int, held: int) -> int:
        if held < 2 or held < 2 + self._pending[at + 1]:
            return 0
        size = 2 + self._pending[at + 1]
        self._listener.noted(self._pending[at + 2 : at + size].decode(errors="replace"))
        return size

    def _tell(self, kind: int, body: bytes) -> None:
        if kind == ord("P"):
            self._listener.pin_changed(body[0], body[1])
        elif kind == ord("B"):
            self._listener.duty_changed(*struct.unpack("<BH", body))
        elif kind == ord("W"):
            self._listener.watchdog_started(*struct.unpack("<I", body))
        elif kind == ord("F"):
            self._listener.watchdog_fed()
        else:
            self._listener.reset_asked(hard=kind == ord("R"))


class TillPort:
    """A pseudo-terminal that stands for the box's serial plug.

    Any serial program may open, close and reopen `path`. The far end is kept open here and kept raw, so nothing is lost
    between two programs and nothing is echoed. What nobody reads is dropped, the oldest whole lines first.
    `tap(direction, data)` sees every byte: "till" from the till, "box" from the device.
    """

    def __init__(self, tap: Callable[[str, bytes], None] | None = None) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        for fd in (self._master, self._slave):
            os.set_blocking(fd, False)
        self.path = os.ttyname(self._slave)
        self.tap = tap
        self.plugged = True
        self.dropped = 0
        self._wire: asyncio.WriteTransport | None = None
        asyncio.get_running_loop().add_reader(self._master, self._from_till)

    def attach(self, wire: asyncio.WriteTransport) -> None:
        """The device's UART came up."""
        self._wire = wire

    def detach(self, wire: asyncio.WriteTransport) -> None:
        """The device's UART went away: what the till sends now goes nowhere, as on a box without power."""
        if self._wire is wire:
            self._wire = None

    def _from_till(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        if not self.plugged or not data:
            return
        if self.tap:
            self.tap("till", data)
        if self._wire and not self._wire.is_closing() and self._wire.get_write_buffer_size() < 65536:
            self._wire.write(data)

    def from_device(self, data: bytes) -> None:
        """Bytes that the device sent."""
        if not self.plugged:
            return
        if self.tap:
            self.tap("box", data)
        self._stay_raw()
        for start in range(0, len(data), 1024):
            self._offer(data[start : start + 1024])

    def _offer(self, piece: bytes) -> None:
        if self._unread() + len(piece) > _QUEUE:
            self._drop_oldest(len(piece))
        try:
            os.write(self._master, piece)
        except BlockingIOError:
            self.dropped += len(piece)

    def _unread(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._slave, termios.FIONREAD, count)
        return count[0]

    def _drop_oldest(self, room: int) -> None:
        last = b""
        wanted = room
        while wanted > 0 or last != b"\n":
            try:
                got = os.read(self._slave, max(1, min(wanted, 1024)))
            except BlockingIOError:
                return
            if not got:
                return
            self.dropped += len(got)
            wanted -= len(got)
            last = got[-1:]

    def _stay_raw(self) -> None:
        """A program that left echo on would make the device talk to itself."""
        if termios.tcgetattr(self._slave)[3] & (termios.ECHO | termios.ICANON):
            tty.setraw(self._slave, termios.TCSANOW)

    def close(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
