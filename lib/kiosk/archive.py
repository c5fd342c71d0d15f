"""Long work on the journal in small steps: reading the newest entries out, and compacting. Loaded when it is needed."""

import errno
import os
from array import array

from micropython import const

from kiosk.journal import JournalError, remove
from kiosk.record import MAX_RECORD, pack, unpack

_KEEP = const(240)  # entries that outlive compaction: the last 200 sales, with room for refunds
_BATCH = const(8)  # records read in one go
_NOWHERE = const(0x3FFFFFFF)


def newest(journal, count):
    """Generator: the newest `count` entries as they are now, oldest first, and None in between."""
    first = max(journal.next_seq() - count, 1)
    places = array("I", [_NOWHERE] * (journal.next_seq() - first))
    yield from _survey(journal.path, first, places, {})
    for place in places:
        if place != _NOWHERE:
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
    first = max(
        min(journal.next_seq() - _KEEP, journal.last_sale), 1
    )  # the last sale stays, under however many refunds
    places = array("I", [_NOWHERE] * (journal.next_seq() - first))
    older = {}  # unresolved, however old
    yield from _survey(journal.path, first, places, older)
    size = 0
    with open(new, "wb") as file:
        for place in _chosen(older, places):
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


def _survey(path, first, places, older):
    """Generator: notes where each entry's last record begins; of those before `first` only the unresolved ones."""
    place = 0
    while place is not None:
        place = _read(path, place, first, places, older)
        yield


def _read(path, place, first, places, older):
    """Looks at a few records; returns where to go on, or None at the end."""
    try:
        with open(path, "rb") as file:
            file.seek(place)
            for _ in range(_BATCH):
                line = file.readline(MAX_RECORD + 1)
                if not line:
                    return None
                sale = unpack(line)
                if sale is not None:
                    _note(sale, place, first, places, older)
                place += len(line)
            return place
    except OSError as error:
        if error.args[0] == errno.ENOENT:
            return None
        raise JournalError(error.args[0])


def _note(sale, place, first, places, older):
    if sale.seq >= first:
        if sale.seq - first < len(places):
            places[sale.seq - first] = place
    elif sale.is_unresolved:
        older[sale.seq] = place
    elif sale.seq in older:
        del older[sale.seq]


def _chosen(older, places):
    for seq in sorted(older):
        yield older[seq]
    for place in places:
        if place != _NOWHERE:
            yield place


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
