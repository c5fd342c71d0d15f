"""The cable between the soaking till and the box: it loses, doubles, flips and delays what goes through it."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable

KINDS = ("drop", "duplicate", "flip", "cut", "lose", "repeat", "noise", "stall")
_WORDS = {"OK SALE": 5, "OK REFUND": 5, "OK CANCEL": 3, "OK ACK": 3, "WAIT": 4, "RESULT": 7}


def checksum(line: bytes) -> int:
    """XOR of every byte, as NMEA 0183 and docs/till-protocol.md have it."""
    value = 0
    for byte in line:
        value ^= byte
    return value


def checked(line: bytes) -> bytes | None:
    """What a line says without its checksum, or None where that is missing or wrong."""
    text, star, digits = line.partition(b"*")
    try:
        good = bool(star) and len(digits) == 2 and int(digits, 16) == checksum(text)
    except ValueError:
        return None
    return text if good else None


def well_formed(words: list[str]) -> bool:
    """Whether a line has as many words as docs/till-protocol.md gives it: of two lines that ran into each other the
    checksum lets one in 256 through."""
    wanted = _WORDS.get(words[0]) or _WORDS.get(" ".join(words[:2]))
    return len(words) > 1 and (wanted is None or len(words) == wanted)


class Spoiler:
    """Spoils one direction. `rate` is the chance that a line is hit; `counts` tells by what.

    One fault a line: a drop, a doubled byte or a flipped bit is what the checksum always sees.
    """

    def __init__(self, rng: random.Random, rate: float, counts: Counter[str]) -> None:
        self.rate = rate
        self._rng = rng
        self._counts = counts

    def pass_on(self, line: bytes) -> tuple[float, bytes]:
        """One line with its end, as it arrives: (seconds late, bytes)."""
        if self._rng.random() >= self.rate:
            return 0.0, line
        kind = self._rng.choice(KINDS)
        self._counts["uart_" + kind] += 1
        if kind == "stall":
            return self._rng.uniform(0.1, 3.0), line
        return 0.0, getattr(self, "_" + kind)(line)

    def _drop(self, line: bytes) -> bytes:
        at = self._rng.randrange(len(line))
        return line[:at] + line[at + 1 :]

    def _duplicate(self, line: bytes) -> bytes:
        at = self._rng.randrange(len(line))
        return line[: at + 1] + line[at:]

    def _flip(self, line: bytes) -> bytes:
        at = self._rng.randrange(len(line))
        return line[:at] + bytes((line[at] ^ 1 << self._rng.randrange(8),)) + line[at + 1 :]

    def _cut(self, line: bytes) -> bytes:
        """The end is lost, and with it the line's own end: it runs into the next one."""
        return line[: self._rng.randrange(len(line))]

    def _lose(self, _: bytes) -> bytes:
        return b""

    def _repeat(self, line: bytes) -> bytes:
        return line * 2

    def _noise(self, line: bytes) -> bytes:
        return self._rng.randbytes(self._rng.randrange(1, 40)) + b"\n" + line


class Cable:
    """An open serial path with a Spoiler in each direction. `on_line` gets every line with a right checksum."""

    def __init__(
        self, path: str, rng: random.Random, rate: float, counts: Counter[str], on_line: Callable[[str], None]
    ) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.out = Spoiler(rng, rate, counts)
        self.back = Spoiler(rng, rate, counts)
        self._on_line = on_line
        self._raw = b""
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._last_out = self._last_back = 0.0
        self._loop.add_reader(self._fd, self._readable)

    def set_rate(self, rate: float) -> None:
        self.out.rate = self.back.rate = rate

    def send(self, text: str) -> None:
        line = text.encode("ascii")
        late, data = self.out.pass_on(line + b"*%02X\r\n" % checksum(line))
        self._last_out = self._in_order(self._last_out, late, self._write, data)

    def _in_order(self, last: float, late: float, work: Callable[[bytes], None], data: bytes) -> float:
        """A stalled line holds up those behind it: a cable does not overtake itself."""
        at = max(self._loop.time() + late, last)
        if at <= self._loop.time():
            work(data)
        else:
            self._loop.call_at(at, work, data)
        return at

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            return
        try:
            os.write(self._fd, data)
        except OSError:  # a full terminal: bytes that nobody took are bytes that were lost
            return

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            return
        *lines, self._raw = (self._raw + data).split(b"\n")
        for line in lines:
            late, spoilt = self.back.pass_on(line + b"\n")
            self._last_back = self._in_order(self._last_back, late, self._arrive, spoilt)

    def _arrive(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[-400:]
        for line in lines:
            text = checked(line)
            if text is not None and text.isascii():
                self._on_line(text.decode())

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
