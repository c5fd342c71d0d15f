"""What the journal still owes after a restart: unresolved entries, and results that the till has not acknowledged.

A till that acknowledges none leaves more than the heap holds: it is told the newest few at the start, and those of
longer ago when it has acknowledged these, or heard them some times. Loaded for a restart; stays where there are more.
"""

from micropython import const

from kiosk.journal import JournalError

_MOST = const(8)
_ROOM = const(8)  # of what may be unsettled beside them
_OFTEN = const(5)  # told so often, an unacknowledged result gives way to those of longer ago
_AGAIN_MS = const(60000)
_ABOVE_ALL = const(0x3FFFFFFF)


class Arrears:
    """The newest results that are owed, of those with numbers below what was found before: a till that acknowledges
    none is told of each once.

    reading   whether the journal is being read: it must not be compacted meanwhile
    """

    def __init__(self, journal):
        self._journal = journal
        self._steps = None
        self._below = _ABOVE_ALL
        self._not_before = 0
        self._forget()

    def _forget(self):
        self._is_whole = False
        self._found = {}
        self._older = 0  # one more than the highest number of those for which there was no room

    @property
    def reading(self):
        return self._steps is not None

    def note(self, sale, _place=0):
        """A record, in the order of the file."""
        found = self._found
        if sale.seq < self._below and sale.owed and not sale.acked and not sale.is_unresolved:
            found[sale.seq] = sale
        elif sale.seq in found:
            del found[sale.seq]
        if len(found) > _MOST:
            oldest = min(found)
            del found[oldest]
            self._older = max(self._older, oldest + 1)

    def step(self, unsettled, refunds, now):
        """A little of the search, which begins when what is definite of the desk's unsettled tickets and its Refunds,
        or None, was told often. -> the next eight records, oldest first, from its end to taken(); else None

        What cannot be read is looked for again in a minute.
        """
        if not self._is_whole and (self.reading or now >= self._not_before and self._may_begin(unsettled, refunds)):
            self._search(now)
        return self.found() if self._is_whole else None

    def _may_begin(self, unsettled, refunds):
        if len(unsettled) - len(_unacknowledged(unsettled)) > _ROOM:
            return False
        return all(telling.times >= _OFTEN for telling in _all_unacknowledged(unsettled, refunds))

    def _search(self, now):
        try:
            if self._steps is None:
                self._steps = self._journal.survey(self)
            next(self._steps)
        except StopIteration:
            self._steps = None
            self._is_whole = True
        except (JournalError, MemoryError) as error:
            print("[tillpane] journal:", repr(error))
            self._steps = None
            self._forget()
            self._not_before = now + _AGAIN_MS

    def found(self):
        return [self._found[seq] for seq in sorted(self._found)]

    def taken(self, unsettled=(), refunds=None):
        """What was found is being told; what was told often gives way. -> whether there is more, from longer ago"""
        for telling in _all_unacknowledged(unsettled, refunds):
            if telling.times >= _OFTEN:
                telling.moved_on()
        self._below = self._older
        self._forget()
        return self._below > 0


def unfinished(journal):
    """-> (unfinished entries, oldest first; the sale that was started last, or None; the newest entry, or None;
    Arrears where more is owed, or None)

    Unfinished is what is unresolved, and of the results that are owed the newest eight. In one go: a restart waits.
    Raises JournalError.
    """
    unresolved = {}
    arrears = Arrears(journal)
    last = newest = None
    for sale in journal.sales():
        arrears.note(sale)
        if sale.is_unresolved:
            unresolved[sale.seq] = sale
        elif sale.seq in unresolved:
            del unresolved[sale.seq]
        if newest is None or sale.seq >= newest.seq:
            newest = sale
        if not sale.is_refund and (last is None or sale.seq >= last.seq):
            last = sale
    entries = sorted(arrears.found() + list(unresolved.values()), key=lambda sale: sale.seq)
    return entries, last, newest, arrears if arrears.taken() else None


def _unacknowledged(unsettled):
    """The Telling of each definite result that the till may still acknowledge."""
    return [ticket.telling for ticket in unsettled if ticket.payment.is_over and not ticket.is_told]


def _all_unacknowledged(unsettled, refunds):
    return _unacknowledged(unsettled) + (refunds.unacknowledged() if refunds is not None else [])
