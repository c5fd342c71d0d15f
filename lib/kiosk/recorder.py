"""Records what a till sends, with its timings, in the form that docs/add-a-till.md describes and `tillpane` replays.

A recording must never cost a sale: it takes little flash, leaves room for the journal, and gives up at any fault.
"""

import os

from micropython import const

from kiosk.version import VERSION

_MOST = const(48 * 1024)  # bytes of the file
_SPARE = const(64 * 1024)  # of flash that stay free beside it
_BURST_MS = const(10)  # bytes closer together than this share a line
_BURST_BYTES = const(64)
_ROOM = const(512)  # characters that go to flash at once
_LONGEST = const(142)  # characters of a line
_REST_MS = const(3000)  # after as much silence what is held goes to flash too
_HEX = b"0123456789ABCDEF"


class Recorder:
    """A new recording at path. line_words: the line settings, "9600,8N1".

    full    it has 48 KB and takes no more
    failed  why it ended before that, "" while all is well
    """

    def __init__(self, path, line_words):
        self._path = path
        self._text = bytearray(_ROOM)
        self._length = 0  # characters held
        self._count = 0  # bytes on the line that has begun
        self._size = 0
        self._start = -1
        self._last = 0  # ms from the start to the last byte
        self._closed = self.full = False
        self.failed = ""
        head = "# tillpane-capture 1 by=box/" + VERSION + " date=- line=" + line_words + "\n"
        try:
            room = os.statvfs(path[: path.rfind("/") + 1] or ".")
            if room[0] * room[3] < _MOST + _SPARE:
                raise OSError(28)
            with open(path, "wb") as file:
                self._size = file.write(head.encode())
        except (OSError, MemoryError) as error:
            self._fail(error)

    def feed(self, data, count, now):
        """Takes data[:count], heard at `now` (monotonic ms); also to be called while nothing comes. Never raises."""
        if self._closed:
            return
        if self._start < 0:
            self._start = now
        now -= self._start
        if not count:
            if self._length and now - self._last > _REST_MS:
                self._write()
            return
        now = max(now, self._last)
        if self._count and now - self._last > _BURST_MS:
            self._end_line()
        self._last = now
        text = self._text
        for i in range(count):
            if not self._count and not self._begin_line(now):
                return
            byte = data[i]
            at = self._length
            text[at] = _HEX[byte >> 4]
            text[at + 1] = _HEX[byte & 15]
            self._length = at + 2
            self._count += 1
            if self._count == _BURST_BYTES:
                self._end_line()

    def _begin_line(self, now):
        """Whether there is room for one more line."""
        if self._length > _ROOM - _LONGEST:
            self._write()
        if self._size + self._length > _MOST - _LONGEST:
            self._write()
            self.full = self._closed = True
        if self._closed:
            return False
        head = str(now).encode() + b" "
        self._text[self._length : self._length + len(head)] = head
        self._length += len(head)
        return True

    def _end_line(self):
        self._text[self._length] = 10
        self._length += 1
        self._count = 0

    def _write(self):
        """Appends what is held, in whole lines."""
        if self._count:
            self._end_line()
        try:
            with open(self._path, "ab") as file:
                self._size += file.write(memoryview(self._text)[: self._length])
        except (OSError, MemoryError) as error:
            self._fail(error)
        self._length = 0

    def _fail(self, error):
        self._closed = True
        self.failed = "flash is full" if error.args[:1] == (28,) else "flash fault"
        print("[tillpane] recording:", self.failed)

    def close(self):
        """Writes what is held and takes no more."""
        if not self._closed and self._length:
            self._write()
        self._closed = True
