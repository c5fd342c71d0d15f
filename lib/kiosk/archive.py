"""Long work on the journal in small steps: reading the newest entries out, and compacting. Loaded when it is needed."""

import errno
import os
from array import array

from micropython import const

from kiosk.journal import JournalError, remove
from kiosk.record import MAX_RECORD, pack, unpack

_KEEP = const(240)  # entries that outlive compaction: the last 200 sales, with room for refunds
_BATCH = const(8)  # records read in one go
_UNRESOLVED = const(1)
_SALE = const(2)


def newest(journal, count):
    """Generator: the newest `count` entries as they are now, oldest first, and None in between."""
    found = _Newest(count)
    yield from survey(journal.path, found)
    for place in found.places():
        yield _at(journal.path, place)


def compacting(journal):
    """Generator: writes the entries to keep into a new file, which then takes the place of the old one."""
    new = journal.path + "~"
    try:
        yield from _compact(journal, new, journal.writes)
    except OSError as error:
        _discard(new)
        raise JournalError(error.args[0])
    except (JournalError, MemoryError):
        _discard(new)
        raise


def _compact(journal, new, writes):
    found = _Newest(_KEEP)
    yield from survey(journal.path, found)
    size = 0
    with open(new, "wb") as file:
        for place in found.all_places():
            sale = _at(journal.path, place)
            if sale is None:
                raise JournalError("changed while it was read")
            size += file.write(pack(sale))
            yield
            if journal.writes != writes:
                break
    if journal.writes != writes or not size:
        remove(new)
        return
    os.rename(new, journal.path)
    journal.size = size
    journal.compactions += 1


def survey(path, found):
    """Generator: found.note(record, where it begins) for each, in the order of the file, up to its end at that time."""
    place = _read(path, 0, found)
    while place is not None:
        yield
        place = _read(path, place, found)


def _read(path, place, found):
    """Notes a few records; returns where to go on, or None at the end."""
    try:
        with open(path, "rb") as file:
            file.seek(place)
            for _ in range(_BATCH):
                line = file.readline(MAX_RECORD + 1)
                if not line:
                    return None
                sale = unpack(line)
                if sale is not None:
                    found.note(sale, place)
                place += len(line)
            return place
    except OSError as error:
        if error.args[0] == errno.ENOENT:
            return None
        raise JournalError(error.args[0])


class _Newest:
    """Where the last records of the newest `count` entries begin; of those before them what must not be lost.

    Entries are counted, not their numbers: a number may have been used up by a write that failed.
    """

    def __init__(self, count):
        self._seqs = array("I", bytes(4 * count))  # ascending
        self._places = array("I", bytes(4 * count))  # and marks in the two lowest bits
        self._count = 0
        self._older = {}  # by number: unresolved, however old
        self._sale = 0  # of those before, the newest sale's number and place
        self._sale_place = 0

    def note(self, sale, place):
        """A record, in the order of the file."""
        place = place << 2 | (0 if sale.is_refund else _SALE) | (_UNRESOLVED if sale.is_unresolved else 0)
        at = self._count
        while at and self._seqs[at - 1] >= sale.seq:
            at -= 1
        if at < self._count and self._seqs[at] == sale.seq:
            self._places[at] = place
        elif self._count < len(self._seqs):
            self._count += 1
            self._move(self._count - 1, at, -1)
            self._put(at, sale.seq, place)
        elif at:
            self._pass(self._seqs[0], self._places[0])
            self._move(0, at - 1, 1)
            self._put(at - 1, sale.seq, place)
        else:
            self._pass(sale.seq, place)

    def _move(self, at, to, step):
        while at != to:
            self._put(at, self._seqs[at + step], self._places[at + step])
            at += step

    def _put(self, at, seq, place):
        self._seqs[at] = seq
        self._places[at] = place

    def _pass(self, seq, place):
        """This one is before the newest."""
        if place & _UNRESOLVED:
            self._older[seq] = place >> 2
        elif seq in self._older:
            del self._older[seq]
        if place & _SALE and seq >= self._sale:
            self._sale = seq
            self._sale_place = place >> 2

    def places(self):
        """Of the newest, oldest first."""
        for at in range(self._count):
            yield self._places[at] >> 2

    def all_places(self):
        """Also of what is unresolved, however old, and of the last sale."""
        for seq in sorted(self._older):
            yield self._older[seq]
        if self._sale and self._sale not in self._older and not self._has_sale():
            yield self._sale_place
        yield from self.places()

    def _has_sale(self):
        return any(self._places[at] & _SALE for at in range(self._count))


def _at(path, place):
    """The record that begins there; None if it was moved or damaged meanwhile."""
    try:
        with open(path, "rb") as file:
            file.seek(place)
            return unpack(file.readline(MAX_RECORD + 1))
    except OSError as error:
        raise JournalError(error.args[0])


def _discard(path):
    """Gives the room back; what stays is forgotten at the next start."""
    try:
        remove(path)
    except OSError:
        return
