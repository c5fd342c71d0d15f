"""The desk for a till that knows a card terminal (docs/ecr.md), without I/O: the box answers in its place.

A sale for which the till gives no reference is "~000061", by its number in the journal.
"""

from micropython import const

from kiosk.desk import Refusal, record_of
from kiosk.glassdesk import GlassDesk
from kiosk.journal import JournalError
from kiosk.record import PAID, REFUND_FAILED, REFUNDED
from kiosk.sale import Payment
from till.ecr import KEPT_MS, Outcome, short

_STAGE_MS = const(3000)
_OLD_S = const(1200)
# What a terminal says to a Refusal; to every other FAILED.
_WORDS = {"BUSY": "BUSY", "NOT_READY": "NOT_READY", "NO_SUCH_SALE": "NONE", "NOT_PAID": "NONE"}


class TerminalDesk(GlassDesk):
    """protocol: Protocol of a module of till/. The rest is Desk's."""

    def __init__(self, protocol, *desk):
        super().__init__(*desk)
        self._protocol = protocol
        self._request = None  # what the till asked, until it is done: also where a fault of ours came between
        self._asked = None  # the Payment, Sale or refund's record whose result the till waits for
        self._answered = None  # (record, its state): its result is on its way to the till
        self._heard = None  # the same, of the last that the till acknowledged
        self._restored = 0  # the number of the last sale before the box started
        self._stage = ""
        self._stage_at = 0

    def restore(self, now):
        last = super().restore(now)
        if last is not None:
            self.take_up(last, now)
            self._restored = last.seq
        return last

    def tick(self, now):
        super().tick(now)
        self.let_go(now)
        if self._refunds is not None and self._asked is None:
            self._refunds.next_result(now)  # said to who asked, or news on the glass: the next sale lets go of it

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether it asked for something"""
        protocol = self._protocol
        if count:
            protocol.feed(data, count, now)
        else:
            protocol.tick(now)
        if protocol.take_delivered() and self._answered is not None:
            self._heard = self._answered
            if self._heard[0].state == self._heard[1]:  # nothing else came of it meanwhile
                self.count_as_told(self._heard[0])
        request = self._request = self._request or protocol.take_request()
        try:
            if request is not None:
                self._obey(request, now)
            if self._asked is not None:
                self._report(now)
        except Refusal as refusal:
            word = _WORDS.get(refusal.code, "FAILED")
            self._answer(Outcome(word, request.ref, request.amount, self._currency), None, now)
        except JournalError:
            word = "NOT_READY" if self._asked is None else "UNKNOWN"
            self._asked = None
            self._answer(Outcome(word, currency=self._currency), None, now)
        self._request = None
        return request is not None

    def answer(self):
        """The next frame for the till's wire, or None."""
        return self._protocol.outgoing()

    def outgoing(self, now):
        """Nothing is due unasked: what a till may be sent, and when, is the protocol's."""

    # ---- what the till asks ---------------------------------------------------------------------------------------

    def _obey(self, request, now):
        """Raises Refusal, JournalError."""
        kind = request.kind
        if kind == "SALE":
            ref = request.ref or self._unheard(request.amount, now) or "~%06d" % self._journal.next_seq()
            self._asked = self.sale(ref, request.amount, request.currency or self._currency, now)
        elif kind == "CANCEL":
            self.hold(now)
        elif kind == "REFUND":
            sale = self.sold(self._ref_of(request, now), now)
            if request.amount and sale.currency != (request.currency or self._currency):
                raise Refusal("AMOUNT", sale.currency)
            heard = self._heard
            if heard is not None and heard[0].is_refund and heard[0].state == heard[1]:
                self._write_ack(heard[0])  # where flash did not take it then: it tells a further one from this one
            partly = 0 < request.amount < sale.amount
            name = self._with_refunds().name_of(sale, request.amount) if partly else ""
            self._asked = self.refund(sale, request.amount, name, now)
        elif kind == "LAST":
            known = self.last(now)
            if known is None:
                raise Refusal("NO_SUCH_SALE", "")
            self._tell(known, now)
        else:
            word = "NOT_READY" if self.blocked or self.setup_fault else "BUSY" if self.busy_with else "NONE"
            self._answer(Outcome(word, currency=self._currency, when=self._wall()), None, now)

    def _unheard(self, amount, now):
        """The reference of the last sale, where it had none, was of this amount, and may still be paid or ended in a
        way that the till has not heard: then it is what the till asks for. Else ""."""
        ticket = self._current
        if ticket is None or ticket.sale.amount != amount or ticket.sale.ref[0] != "~":
            return ""
        sale = ticket.sale
        if not sale.is_open:
            if sale.acked or self._heard == (sale, sale.state) or now >= ticket.payment.finished_at + KEPT_MS:
                return ""
            if sale.seq == self._restored and abs(self._wall() - sale.at) > _OLD_S:
                return ""  # the box may have been off since then; without a clock nobody knows
        return sale.ref

    def _ref_of(self, request, now):
        """The reference of the sale that a refund is of. Raises Refusal."""
        if request.ref:
            return request.ref
        found = None
        if not request.seq:
            found = record_of(self.last(now))
        else:
            for sale in self._journal.sales():
                fits = not sale.is_refund and short(sale.seq, request.top) == request.seq
                if fits and (found is None or sale.seq >= found.seq):
                    found = sale
        if found is None:
            raise Refusal("NO_SUCH_SALE", "")
        return found.ref

    # ---- what the till hears --------------------------------------------------------------------------------------

    def _report(self, now):
        """The result of what the till waits for, as soon as there is one; until then how far it is, now and then: tills
        that hear nothing give up, and what is said while a frame is on its way is lost."""
        known = self._asked
        if isinstance(known, Payment):
            if known.in_progress:
                stage = known.stage(now)
                if stage != self._stage or now >= self._stage_at:
                    self._stage = stage
                    self._stage_at = now + _STAGE_MS
                    self._protocol.progress(stage, max(known.deadline - now, 0) // 1000, now)
                return
        elif known.is_refund and self.busy_with == known.ref:
            return
        self._tell(known, now)
        self._asked = None
        self._stage = ""

    def _tell(self, known, now):
        """Raises JournalError."""
        sale = record_of(known)
        if isinstance(known, Payment):
            word = known.result or "UNKNOWN"
        elif sale.is_refund:
            word = self._refunds.hear(sale)
            if word not in (REFUNDED, REFUND_FAILED):
                word = "UNKNOWN"
        else:
            word = "UNKNOWN" if sale.is_open else sale.state
        if word == PAID and self.mark(sale) == REFUNDED:
            word = REFUNDED
        outcome = Outcome(word, sale.ref, sale.amount, sale.currency, sale.code, sale.seq, sale.at)
        self._answer(outcome, None if word == "UNKNOWN" else (sale, sale.state), now)

    def _answer(self, outcome, answered, now):
        self._answered = answered
        self._protocol.answer(outcome, now)
