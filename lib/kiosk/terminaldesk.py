"""The desk for a till that knows a card terminal (docs/ecr.md), without I/O: the box answers in its place."""

from micropython import const

from kiosk.desk import Desk, Refusal, record_of
from kiosk.journal import JournalError
from kiosk.record import PAID, REFUNDED, REFUNDING
from kiosk.sale import Payment
from till.ecr import Outcome, short

_RECENT_S = const(600)
_REFUSALS = ("BUSY", "NOT_READY")  # words that a terminal has too; every other refusal is FAILED


class TerminalDesk(Desk):
    """protocol: Protocol of a module of till/. The rest is Desk's."""

    def __init__(self, protocol, *desk):
        super().__init__(*desk)
        self._protocol = protocol
        self._asked = None  # the Payment, Sale or refund's record whose result the till waits for
        self._answered = None  # the record whose result is on its way to the till
        self._stage = ""

    def tick(self, now):
        super().tick(now)
        self.let_go(now)

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether it asked for something"""
        protocol = self._protocol
        if count:
            protocol.feed(data, count, now)
        else:
            protocol.tick(now)
        if protocol.take_delivered():
            self._delivered()
        request = protocol.take_request()
        if request is not None:
            self._hear(request, now)
        if self._asked is not None:
            self._report(now)
        return request is not None

    def answer(self):
        """The next frame for the till's wire, or None."""
        return self._protocol.outgoing()

    def outgoing(self, now):
        """Nothing is due unasked: what a till may be sent, and when, is the protocol's."""

    # ---- what the till asks ---------------------------------------------------------------------------------------

    def _hear(self, request, now):
        try:
            self._obey(request, now)
        except Refusal as refusal:
            word = refusal.code if refusal.code in _REFUSALS else "FAILED"
            if refusal.code in ("NO_SUCH_SALE", "NOT_PAID"):
                word = "NONE"
            self._answer(Outcome(word, request.ref, request.amount, request.currency or self._currency), now)
        except JournalError:
            self._answer(Outcome("NOT_READY", request.ref, request.amount, self._currency), now)

    def _obey(self, request, now):
        kind = request.kind
        if kind == "SALE":
            ref = request.ref or self._open_ref(request, now) or "E" + str(self._journal.next_seq())
            self._asked = self.sale(ref, request.amount, request.currency or self._currency, now)
        elif kind == "CANCEL":
            if self._current is not None and self.selling:
                self._current.payment.cancel(now)
        elif kind == "REFUND":
            self._asked = self.refund(self._ref_of(request, now), request.amount, "", now)
        elif kind == "LAST":
            known = self.last(now)
            self._answer(Outcome("NONE") if known is None else self._outcome(known, True), now)
        else:
            word = "NOT_READY" if self.blocked or self.setup_fault else "BUSY" if self.busy_with else "NONE"
            self._answer(Outcome(word, currency=self._currency, when=self._wall()), now)

    def _open_ref(self, request, now):
        """The reference of a sale without one that may still be paid, or was paid just now and the till has not heard
        of it, where the till asks for the same again; or ""."""
        known = self.last(now)
        sale = None if known is None else record_of(known)
        if sale is None or sale.amount != request.amount or sale.ref[:1] != "E" or not sale.ref[1:].isdigit():
            return ""
        unheard = sale.state == PAID and not sale.acked and self._wall() - sale.at < _RECENT_S
        return sale.ref if sale.is_open or unheard else ""

    def _ref_of(self, request, now):
        """The reference of the sale that a refund is of. Raises Refusal."""
        if request.ref:
            return request.ref
        if not request.seq:
            known = self.last(now)
            if known is not None:
                return record_of(known).ref
        found = None
        for sale in self._journal.sales():
            fits = not sale.is_refund and short(sale.seq, request.top) == request.seq
            if fits and (found is None or sale.seq >= found.seq):
                found = sale
        if found is None or not request.seq:
            raise Refusal("NO_SUCH_SALE", "")
        return found.ref

    # ---- what the till hears --------------------------------------------------------------------------------------

    def _report(self, now):
        """The result of what the till waits for, as soon as there is one; how far it is, where it changes."""
        known = self._asked
        if isinstance(known, Payment) and known.in_progress:
            stage = known.stage(now)
            if stage != self._stage:
                self._stage = stage
                self._protocol.progress(stage, max(known.deadline - now, 0) // 1000, now)
            return
        if not isinstance(known, Payment) and known.is_refund and known.is_open and self.busy_with == known.ref:
            return
        self._asked = None
        self._stage = ""
        self._answer(self._outcome(known), now)
        ticket = self._ticket(record_of(known).ref)
        if ticket is not None:
            ticket.telling.due(ticket.payment.result, now)  # told: what comes next does not wait for it
            ticket.telling.told(now)

    def _outcome(self, known, again=False):
        sale = record_of(known)
        word = sale.state
        if isinstance(known, Payment):
            word = known.result or "UNKNOWN"
        elif sale.is_open or sale.state == REFUNDING:
            word = "UNKNOWN"
        if again and word == PAID and self.mark(sale) == REFUNDED:
            word = REFUNDED
        self._answered = sale
        return Outcome(word, sale.ref, sale.amount, sale.currency, sale.code, sale.seq, sale.at)

    def _answer(self, outcome, now):
        self._protocol.answer(outcome, now)

    def _delivered(self):
        """The till acknowledged the frame that carried the last answer."""
        sale, self._answered = self._answered, None
        if sale is not None:
            self.count_as_told(sale)
