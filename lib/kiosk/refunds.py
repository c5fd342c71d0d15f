"""Refunds of this box, without I/O: the one that the till waits for, and those that are still to be settled."""

from micropython import const

from kiosk.desk import Refusal
from kiosk.record import REFUND_FAILED, REFUNDED, REFUNDING, Sale
from kiosk.refund import Refund
from kiosk.sale import note_heard, write
from till.amount import plain

_MOST = const(8)


class Refunds:
    def __init__(self, journal, wall):
        self._journal = journal
        self._wall = wall
        self._waited = None  # the one that the till waits for
        self._all = []  # all that are not settled

    def restore(self, record, now):
        """After a restart: one that was open is sent again under its reference, one not acknowledged told again."""
        if self._known(record.external_ref) is not None:
            return
        refund = Refund(record, self._journal, now, record.is_open)
        if record.is_open:
            record.owed = True  # its result may come while nothing can be said, and the power go again
        elif not record.owed:
            refund.telling.said = refund.result  # if the till has had a word before the power went, it was this
        self._all.append(refund)

    def recover(self, now):
        """A fault of ours ended the call in flight, if there was one."""
        for refund in self._all:
            refund.lost(now)

    def start(self, sale, amount, name, blocked, now):
        """Refunds so much of a paid sale. -> the refund's record. Raises Refusal, JournalError."""
        external_ref = _refund_ref(sale, amount, name)
        record, others = self._look_up(sale, external_ref)
        if record is not None and record.amount != amount:
            raise Refusal("REF_AMOUNT", "that refund was " + plain(record.amount, sale.currency))
        if record is not None and record.state == REFUNDED:
            return record
        if blocked:
            raise Refusal("NOT_READY", blocked)
        if amount > sale.amount - others:
            raise Refusal("AMOUNT", sale.ref + " was " + plain(sale.amount, sale.currency) + ", less what went back")
        refund = self._known(external_ref)
        if refund is None:
            refund = self._new(sale, amount, external_ref, record, now)
        elif refund.sale.state != REFUND_FAILED:
            refund.again(now)  # also one that was made, and flash does not hold it yet
        else:
            refund.retry(now)
        self._waited = refund
        return refund.sale

    def _look_up(self, sale, external_ref):
        """(this refund's record, or None; minor units of the sale's others that were made, or may have been)"""
        found = None
        others = {}  # by number: a sale may have more refunds than the heap has room for their records
        for record in self._of(sale):
            if record.external_ref == external_ref:
                found = record
            else:
                others[record.seq] = 0 if record.state == REFUND_FAILED else record.amount
        return found, sum(others.values())

    def _of(self, sale):
        """Every record of this sale's refunds, in the order they were written; its reference may have had others."""
        if self._journal.has_refunds(sale.ref):
            for record in self._journal.sales((" " + sale.id + " ").encode()):
                if record.id == sale.id and record.is_refund:
                    yield record

    def _new(self, sale, amount, external_ref, record, now):
        if len(self._all) >= _MOST:
            self.set_aside()  # the till began something new: what it was told of is settled
            self._all = self.unsettled()
        if len(self._all) >= _MOST:
            raise Refusal("NOT_READY", "TOO_MANY_UNSETTLED")
        was_open = record is not None and record.is_open
        if record is None:
            record = Sale(
                self._journal.next_seq(), sale.ref, amount, sale.currency, external_ref, self._wall(), REFUNDING
            )
            record.id = sale.id
            record.code = sale.code
        refund = Refund(record, self._journal, now, was_open)
        self._all.append(refund)
        refund.start(now)
        return refund

    def _known(self, external_ref):
        for refund in self._all:
            if refund.external_ref == external_ref:
                return refund
        return None

    def waited_for(self, sale, amount, name):
        """The record of the refund under way, where this is it, said again because its answer was lost; else None."""
        waited = self._waited
        if waited is None or not waited.in_progress or waited.amount != amount:
            return None
        return waited.sale if waited.external_ref == _refund_ref(sale, amount, name) else None

    def name_of(self, sale, amount):
        """The name of a refund from a till that gives none: asked again after it acknowledged one, it means another."""
        heard = {}
        for record in self._of(sale):
            if record.amount == amount:
                heard[record.seq] = record.acked and record.state == REFUNDED
        turn = sum(heard.values()) + 1
        return "%d-%d" % (amount, turn) if turn > 1 else ""

    def set_aside(self):
        """The till began something new."""
        self._waited = None
        for refund in self._all:
            if refund.is_untold:
                refund.sale.owed = True  # a restart must not forget it
                write(self._journal, refund.sale)
            refund.telling.moved_on()

    def status(self, ref, sale):
        """The record of a refund that is not settled, of this sale or, where that is None, of this reference; or None.

        The till's numbers begin again some day: a refund may outlive its sale, and is not one of the next.
        """
        for refund in self._all:
            if refund.sale.ref == ref and not refund.sale.acked and (sale is None or sale.id == refund.sale.id):
                return refund.sale
        return None

    def hear(self, record):
        """The word that the till hears now, because it asked, of the refund with this record: "" while in progress."""
        for refund in self._all:
            if refund.sale.seq == record.seq:
                refund.telling.said = refund.result
                return refund.result
        return record.state

    def told(self, ref):
        """The Refund of this sale that an acknowledgement is for, or None: the till has had a word of it."""
        for refund in self._all:
            if refund.sale.ref == ref and refund.telling.said and not refund.sale.acked:
                return refund
        return None

    def heard(self, sale):
        """The record of this sale's refund that gave way to others before it was acknowledged, or None."""
        found = {}
        for record in self._of(sale):
            found[record.seq] = record
        for seq in found:
            record = found[seq]
            if record.owed and not record.acked and not record.is_open:
                return record
        return None

    def mark(self, sale):
        """What a till that asks should hear beside PAID: REFUNDED, PART_REFUNDED or nothing."""
        made = {}
        for record in self._of(sale):
            made[record.seq] = record.amount if record.state == REFUNDED else 0
        given = sum(made.values())
        if not given:
            return ""
        return REFUNDED if given >= sale.amount else "PART_REFUNDED"

    @property
    def busy_with(self):
        """The reference of the sale whose refund the till waits for, or ""."""
        waited = self._waited
        return waited.sale.ref if waited is not None and waited.in_progress else ""

    def unsettled(self):
        return [refund for refund in self._all if not refund.is_settled()]

    def next_result(self, now):
        """(record, word) of the next result that is due, or None."""
        for refund in self._all:
            if not refund.sale.acked and refund.telling.due(refund.result, now):
                refund.telling.told(now)
                return refund.sale, refund.result
        return None

    def tick(self, now):
        """Lets time pass, and forgets what is settled."""
        for refund in self._all:
            refund.tick(now)
            if refund.is_settled():
                self._all = [other for other in self._all if other is not refund]
                note_heard(self._journal, refund.sale)
                break  # one at a time: a write takes its time

    def next_call(self, now, waited):
        """The call that is due as (refund, "refund", id), or None: of the one that is waited for, or of any."""
        for refund in [self._waited] if waited else self._all:
            if refund is not None and refund.next_call(now):
                return refund, "refund", refund.sale.id
        return None

    def due_in(self, now, room):
        """Milliseconds until a call may be due, or None; `room`: also of those that are not waited for."""
        least = None
        for refund in self._all:
            if room or refund is self._waited:
                due = refund.due_in(now)
                least = due if least is None or due is not None and due < least else least
        return least


def _refund_ref(sale, amount, name):
    """Its reference at Centrapay. A name that looks like an amount must not meet a refund without a name."""
    return sale.external_ref + ("-R" + name if name else "-A" + str(amount))
