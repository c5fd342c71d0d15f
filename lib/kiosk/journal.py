"""The sales that a power cut must not lose: an append-only, checksummed file.

Each record is the whole sale as it then was; the last record of a sale is the truth. A record is on flash when `write`
returns (LittleFS commits a file when it is closed). A torn or flipped record fails its CRC and is skipped; the one
before it stands. The file is compacted between sales to the newest ones; a cut then leaves the old file or the new one.
"""

import binascii
import os

from micropython import const

from kiosk.record import MAX_RECORD, pack, unpack

_KEEP = const(200)  # sales remembered after compaction
_COMPACT_BYTES = const(48 * 1024)
_SEEN_BYTES = const(1024)


class JournalError(Exception):
    """A record could not be written: full or broken file system."""


class Journal:
    """`path` is the file's; beside it `path + "~"` appears while it is compacted."""

    def __init__(self, path):
        self._path = path
        self._torn = False
        self._size = 0
        self._seen = bytearray(_SEEN_BYTES)  # a bit for each reference's hash: most sales are new, and need no search
        self._next_seq = 1

    def open(self):
        """Forgets an interrupted compaction, finds the end of the file and how it counts. Raises JournalError."""
        try:
            _remove(self._path + "~")
            self._size = _size(self._path)
            self._torn = not _ends_with_newline(self._path, self._size)
            self._index()
        except OSError as error:
            raise JournalError(error.args[0])

    def next_seq(self):
        """The number of the next new sale."""
        return self._next_seq

    def write(self, sale):
        """Appends the sale as it is now; it is on flash when this returns. Raises JournalError."""
        record = pack(sale)
        try:
            with open(self._path, "ab") as file:
                if self._torn:
                    file.write(b"\n")  # ends a record that a power cut tore, so that it cannot spoil this one
                self._torn = True
                file.write(record)
        except OSError as error:
            raise JournalError(error.args[0])
        self._torn = False
        self._size += len(record)
        self._know(sale)

    def sales(self):
        """Every readable record in the order it was written; a sale appears once for each of its records."""
        try:
            file = open(self._path, "rb")
        except OSError:
            return
        try:
            while True:
                line = file.readline(MAX_RECORD + 1)
                if not line:
                    return
                sale = unpack(line)
                if sale is not None:
                    yield sale
        finally:
            file.close()

    def find(self, ref):
        """The newest record of this till's reference, or None."""
        found = None
        byte, bit = _place(ref)
        if not self._seen[byte] & bit:
            return found
        for sale in self.sales():
            if sale.ref == ref:
                found = sale
        return found

    def last(self):
        """The sale that was started last, as it is now, or None."""
        found = None
        for sale in self.sales():
            if found is None or sale.seq >= found.seq:
                found = sale
        return found

    def unresolved(self):
        """Sales whose outcome is still open, oldest first."""
        opened = {}
        for sale in self.sales():
            if sale.is_open:
                opened[sale.seq] = sale
            elif sale.seq in opened:
                del opened[sale.seq]
        return [opened[seq] for seq in sorted(opened)]

    def tidy(self):
        """Compacts when the file has grown; for quiet moments. Returns whether it did. Raises JournalError."""
        if self._size < _COMPACT_BYTES:
            return False
        try:
            self._compact()
        except OSError as error:
            raise JournalError(error.args[0])
        self.open()
        return True

    def _compact(self):
        keep = self._newest()
        with open(self._path + "~", "wb") as file:
            for position, sale in enumerate(self.sales()):
                if keep.get(sale.seq) == position:
                    file.write(pack(sale))
        os.rename(self._path + "~", self._path)

    def _newest(self):
        """seq -> position of the record to keep: the last of each of the newest sales, and of every open one."""
        last = {}
        opened = set()
        for position, sale in enumerate(self.sales()):
            last[sale.seq] = position
            if sale.is_open:
                opened.add(sale.seq)
            else:
                opened.discard(sale.seq)
        for seq in sorted(last)[:-_KEEP]:
            if seq not in opened:
                del last[seq]
        return last

    def _index(self):
        for i in range(_SEEN_BYTES):
            self._seen[i] = 0
        for sale in self.sales():
            self._know(sale)

    def _know(self, sale):
        byte, bit = _place(sale.ref)
        self._seen[byte] |= bit
        if sale.seq >= self._next_seq:
            self._next_seq = sale.seq + 1


def _place(ref):
    digest = binascii.crc32(ref.encode())
    return (digest >> 3) % _SEEN_BYTES, 1 << (digest & 7)


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def _ends_with_newline(path, size):
    if not size:
        return True
    with open(path, "rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        return
