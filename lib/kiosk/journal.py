"""The sales and refunds that a power cut must not lose: an append-only, checksummed file.

Each record is the whole entry as it then was; the last record of an entry is the truth. A record is on flash when
`write` returns (LittleFS commits a file when it is closed). A torn or flipped record fails its CRC and is skipped; the
one before it stands. The file is compacted to the newest entries; a cut then leaves the old file or the new one.
"""

import binascii
import errno
import os

from micropython import const

from kiosk.record import MAX_RECORD, pack, unpack
from ondemand import drop_modules, load_module

_COMPACT_BYTES = const(64 * 1024)
_URGENT_BYTES = const(128 * 1024)
_SEEN_BYTES = const(1024)


class JournalError(Exception):
    """A record could not be written or read: full or broken file system."""


class Journal:
    """`path` is the file's; beside it `path + "~"` appears while it is compacted."""

    def __init__(self, path):
        self.path = path
        self.size = 0
        self.writes = 0  # since the start
        self.compactions = 0  # since the start
        self._seen = bytearray(_SEEN_BYTES)  # a bit for each reference's hash: most sales are new, and need no search
        self._next_seq = 1

    def open(self):
        """Forgets an interrupted compaction and finds how the entries count. Raises JournalError."""
        try:
            remove(self.path + "~")
            self.size = _size(self.path)
        except OSError as error:
            raise JournalError(error.args[0])
        for i in range(_SEEN_BYTES):
            self._seen[i] = 0
        for sale in self.sales():
            self._know(sale)

    def next_seq(self):
        """The number of the next new entry."""
        return self._next_seq

    def write(self, sale):
        """Appends the entry as it is now; it is on flash when this returns. Raises JournalError."""
        record = pack(sale)
        if len(record) > MAX_RECORD:
            raise JournalError("record too long")
        self._know(sale)  # also where the write fails: what came of it is not known, so its number is used up
        self.writes += 1
        self.size += len(record) + 1
        try:
            with open(self.path, "ab") as file:
                file.write(b"\n" + record)  # it ends whatever a power cut left there, so that it cannot spoil this one
        except OSError as error:
            raise JournalError(error.args[0])

    def sales(self, having=b""):
        """Every readable record in the order it was written; one that lacks the bytes `having` need not appear.

        Raises JournalError: what cannot be read must not look like nothing.
        """
        try:
            with open(self.path, "rb") as file:
                while True:
                    line = file.readline(MAX_RECORD + 1)
                    if not line:
                        return
                    sale = unpack(line) if line.find(having) >= 0 else None
                    if sale is not None:
                        yield sale
        except OSError as error:
            if error.args[0] != errno.ENOENT:
                raise JournalError(error.args[0])

    def find(self, ref):
        """The newest record of the sale with this till's reference, or None."""
        found = None
        if self._may_know(ref):
            for sale in self.sales((" " + ref + " ").encode()):
                if sale.ref == ref and not sale.is_refund:
                    found = sale
        return found

    def has_refunds(self, ref):
        """False only where the sale with this reference certainly has no refunds."""
        return bool(self._may_know(ref + "\n"))

    def last(self):
        """The sale that was started last, as it is now, or None."""
        found = None
        for sale in self.sales():
            if not sale.is_refund and (found is None or sale.seq >= found.seq):
                found = sale
        return found

    def unfinished(self):
        """What a restart has to take up: `arrears.unfinished`. Raises JournalError."""
        try:
            return load_module("kiosk.arrears").unfinished(self)
        finally:
            drop_modules("kiosk.arrears")

    def survey(self, found):
        """Generator that has every record noted: `archive.survey`. The caller may write meanwhile; where
        `compactions` changes, it must begin again. Raises JournalError."""
        from kiosk import archive  # seldom needed, and not small

        return archive.survey(self.path, found)

    def newest(self, count):
        """Generator of the newest `count` entries as they are now, oldest first. Between them it yields None, often,
        so that others can work. The caller may write meanwhile, but not compact. Raises JournalError."""
        from kiosk import archive

        return archive.newest(self, count)

    def tidies(self, quiet):
        """Whether it is time to compact: the file has grown, and the moment is quiet or the growth urgent."""
        return self.size >= (_COMPACT_BYTES if quiet else _URGENT_BYTES)

    def compacting(self):
        """Generator that compacts, and yields often, so that others can work; a record written meanwhile ends it
        without effect. Raises JournalError."""
        from kiosk import archive

        return archive.compacting(self)

    def _know(self, sale):
        byte, bit = _place_of(sale.ref + "\n" if sale.is_refund else sale.ref)
        self._seen[byte] |= bit
        if sale.seq >= self._next_seq:
            self._next_seq = sale.seq + 1

    def _may_know(self, key):
        byte, bit = _place_of(key)
        return self._seen[byte] & bit


def _place_of(key):
    digest = binascii.crc32(key.encode())
    return (digest >> 3) % _SEEN_BYTES, 1 << (digest & 7)


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError as error:
        if error.args[0] != errno.ENOENT:
            raise
        return 0


def remove(path):
    try:
        os.remove(path)
    except OSError as error:
        if error.args[0] != errno.ENOENT:
            raise
