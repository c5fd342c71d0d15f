"""What the journal still owes after a restart: unresolved entries, and results that the till has not acknowledged.

A till that acknowledges none leaves more than the heap holds: it is told the newest few at the start, and those of
longer ago when it has acknowledged these, or heard them some times. Loaded for a restart; stays where there are more.
"""

from micropython import const

from kiosk.journal import JournalError

_MOST = const(8)
_ROOM = const(8)  # of what may be unsettled beside them
_OFTEN = const(5)  # told so often to a till that is there, a result gives way to those of longer ago
_STEPS = const(2)
_AGAIN_MS = const(60000)
_ABOVE_ALL = const(0x3FFFFFFF)


class Arrears:
    """The newest results that are owed, and after them those of longer ago, down to the oldest: then it is at its end,
    whether they were acknowledged or not.

    A sale of which there is a refund is not among them: who asked for that knew that it was paid.
    """

    def __init__(self, journal):
        self._journal = journal
        self._steps = None  # the journal being read
        self._compactions = 0  # when that began
        self._not_before = 0
        self._below = _ABOVE_ALL
        self._batch = ()  # numbers of those that are being told
        self._is_heard = False  # the till has said something since they are
        self._forget()

    def _forget(self):
        self._is_whole = False
        self._found = {}
        self._older = 0  # one more than the highest number of those for which there was no room

    def note(self, sale, _place=0):
        """A record, in the order of the file."""
        found = self._found
        if sale.is_refund:
            for seq in list(found):
                if found[seq].id == sale.id and not found[seq].is_refund:
                    del found[seq]
        if sale.seq < self._below and sale.owed and not sale.acked and not sale.is_unresolved:
            found[sale.seq] = sale
        elif sale.seq in found:
            del found[sale.seq]
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

    def taken(self, unsettled=(), refunds=None):
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
