"""What the journal still owes after a restart: unresolved entries, and results that the till has not acknowledged.

A till that acknowledges none leaves more than the heap holds: it is told the newest few at the start, and those of
longer ago when it has acknowledged these, or heard them some times. Loaded for a restart; stays where there are more.
"""

from micropython import const

from kiosk.journal import JournalError
from kiosk.record import HEARD

_MOST = const(8)
_ROOM = const(8)  # of what may be unsettled beside them
_OFTEN = const(5)  # told so often to a till that is there, a result gives way to those of longer ago
_STEPS = const(2)
_AGAIN_MS = const(60000)


class Arrears:
    """Results of longer ago than `batch`, numbers of those that are being told: the newest of them that the till has
    not heard, and so on down to the oldest: there it is at its end, whether they were acknowledged or not.
    """

    def __init__(self, journal, batch):
        self._journal = journal
        self._steps = None  # the journal being read
        self._compactions = 0  # when that began
        self._not_before = 0
        self._below = min(batch)
        self._batch = batch  # numbers of those that are being told
        self._is_heard = False  # the till has said something since they are
        self._forget()

    def _forget(self):
        self._is_whole = False
        self._found = {}
        self._older = 0  # one more than the highest number of those for which there was no room

    def note(self, sale, _place):
        """A record, in the order of the file."""
        found = self._found
        _note(found, sale, _is_owed(sale) and sale.owed != HEARD and sale.seq < self._below)
        if len(found) > _MOST:
            oldest = min(found)
            del found[oldest]
            self._older = max(self._older, oldest + 1)

    def heard_till(self, unsettled, refunds):
        """The till said something: it is there, and what it was told before that may not have arrived."""
        if self._is_heard:
            return
        self._is_heard = True
        for telling in self._tellings(unsettled, refunds):
            telling.times = min(telling.times, 1)

    def step(self, unsettled, refunds, busy, now):
        """A little of the search, which begins when what is being told of the desk's unsettled tickets and its Refunds,
        or None, was acknowledged or told often, and it is not busy. -> the next eight records, oldest first, from the
        search's end to taken(); else None

        What cannot be read is looked for again in a minute.
        """
        if self._steps is not None or not busy and now >= self._not_before and self._may_begin(unsettled, refunds):
            self._search(now)
        return self.found() if self._is_whole else None

    def _may_begin(self, unsettled, refunds):
        if len([ticket for ticket in unsettled if ticket.sale.seq not in self._batch]) > _ROOM:
            return False
        if self._is_whole:
            return False
        tellings = self._tellings(unsettled, refunds)
        return not tellings or self._is_heard and min(telling.times for telling in tellings) >= _OFTEN

    def _tellings(self, unsettled, refunds):
        """The Telling of each that is being told and was not acknowledged."""
        tellings = [ticket.telling for ticket in unsettled if ticket.sale.seq in self._batch and not ticket.is_told]
        if refunds is not None:
            tellings += [refund.telling for refund in refunds.unsettled() if refund.sale.seq in self._batch]
        return tellings

    def _search(self, now):
        try:
            if self._steps is None or self._journal.compactions != self._compactions:
                self._forget()
                self._compactions = self._journal.compactions
                self._steps = self._journal.survey(self)
            for _ in range(_STEPS):
                next(self._steps)
        except StopIteration:
            self._steps = None
            self._is_whole = True
        except (JournalError, MemoryError) as error:
            self._steps = None
            self._forget()
            self._not_before = now + _AGAIN_MS
            print("[tillpane] journal:", repr(error))

    def found(self):
        return [self._found[seq] for seq in sorted(self._found)]

    def taken(self, unsettled, refunds):
        """What was found is being told, and what was before gives way. -> whether there is more, from longer ago"""
        for telling in self._tellings(unsettled, refunds):
            if telling.times >= _OFTEN:  # else another word has come meanwhile
                telling.moved_on()
        self._batch = tuple(self._found)
        self._is_heard = False
        self._below = self._older
        self._forget()
        return self._below > 0


def unfinished(journal):
    """-> (unfinished entries, oldest first; the sale that was started last, or None; the newest entry, or None;
    Arrears where more is owed, or None)

    Unfinished is what is unresolved, and eight of the results that are owed, the newest: those that the till has not
    heard yet before those that it has not acknowledged. In one go: a restart waits. Raises JournalError.
    """
    entries = {}  # by number; first only those that are unresolved
    unheard = set()  # numbers
    heard = set()
    last = newest = None
    for sale in journal.sales():
        _put(unheard, sale.seq, _is_owed(sale) and sale.owed != HEARD)
        _put(heard, sale.seq, _is_owed(sale) and sale.owed == HEARD)
        if sale.is_unresolved:
            entries[sale.seq] = sale
        elif sale.seq in entries:
            del entries[sale.seq]
        if newest is None or sale.seq >= newest.seq:
            newest = sale
        if not sale.is_refund and (last is None or sale.seq >= last.seq):
            last = sale
    chosen = sorted(unheard, reverse=True)[:_MOST]
    arrears = Arrears(journal, tuple(chosen)) if len(unheard) > _MOST else None
    chosen += sorted(heard, reverse=True)[: _MOST - len(chosen)]
    if chosen:
        _read_records(journal, chosen, entries)
    return [entries[seq] for seq in sorted(entries)], last, newest, arrears


def _read_records(journal, numbers, entries):
    """The last record of each, by number, into entries."""
    found = {}
    for sale in journal.sales():
        _note(found, sale, sale.seq in numbers)
    entries.update(found)


def _put(numbers, number, is_in):
    if is_in:
        numbers.add(number)
    else:
        numbers.discard(number)


def _is_owed(sale):
    return sale.owed and not sale.acked and not sale.is_unresolved


def _note(entries, sale, wanted):
    """Keeps what is wanted; of a sale that was refunded nothing: who asked for that knew that it was paid."""
    if sale.is_refund:
        for seq in list(entries):
            if entries[seq].id == sale.id and not entries[seq].is_refund:
                del entries[seq]
    if wanted:
        entries[sale.seq] = sale
    elif sale.seq in entries:
        del entries[sale.seq]
