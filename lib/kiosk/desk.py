"""The cashier's desk, without I/O: what every kind of till can ask of it, results and views out, one sale at a time.

How a till says it and hears it is its protocol's: `linedesk`, `displaydesk` and `terminaldesk` build on this.

Beside the sale of the moment it keeps those that are not settled: outcome unknown, result not yet acknowledged, or
found open in the journal after a power cut. They are resolved beside new work. `now` is monotonic milliseconds.
"""

from micropython import const

from centrapay import SetupFault
from kiosk import view
from kiosk.journal import JournalError
from kiosk.record import PAID, Sale
from kiosk.sale import Payment, note_heard, write
from kiosk.saleview import sale_view
from kiosk.ticket import News, Ticket
from kiosk.turns import Turns
from till.amount import plain

_MAX_UNSETTLED = const(16)
_FAULT_SHOWN_MS = const(60000)  # then it is Ready again: only the next sale can tell whether the fault was mended


class Refusal(Exception):
    """What the till asks is not done. `code` and `words` say why, as docs/till-protocol.md lists them."""

    def __init__(self, code, words):
        super().__init__(code, words)
        self.code = code
        self.words = words


class Desk:
    """
    journal    Journal
    currency   ISO 4217 code of amounts without one
    expiry_s   seconds a patron has
    terminal   beginning of every external reference
    can_find   whether the look-up by reference is available
    nonce      callable: a few random characters, to make an external reference unique
    wall       callable: seconds since 1970, 0 while the clock is not set; written down, never counted with
    payload    callable(payment) -> bytes of the QR code
    needs_url  whether that payload is the answer's url
    """

    def __init__(
        self,
        journal,
        currency,
        expiry_s,
        terminal,
        can_find,
        nonce,
        wall,
        payload,
        needs_url=True,
        merchant="",
    ):
        self._journal = journal
        self._currency = currency
        self._expiry_ms = expiry_s * 1000
        self._terminal = terminal
        self._can_find = can_find
        self._nonce = nonce
        self._wall = wall
        self._payload = payload
        self._needs_url = needs_url
        self._merchant = merchant
        self.blocked = "STARTING"  # why no sale can start, "" when ready
        self.revision = 0  # counts what may have changed the glass
        self._current = None
        self._unsettled = []
        self._refunds = None  # Refunds, from the first on
        self._news = News()
        self._turns = Turns()
        self.notice = ""  # what the ready screen says besides
        self.listing = None  # the journal being read out: it must not be compacted meanwhile
        self._arrears = None  # Arrears, where the till is owed more than it was told at the start
        self.setup_fault = ""  # HTTP_401 and the like since the last good answer, a minute: staff must act
        self._fault_until = 0

    def restore(self, now):
        """After a restart: what is open is resolved, and the last result is told again unless it was acknowledged.

        -> the Sale that was started last, or None
        """
        unfinished, last, newest, self._arrears = self._journal.unfinished()
        for sale in unfinished:
            if sale.is_refund:
                self._with_refunds().restore(sale, now)
            elif sale.is_open:
                self._unsettled.append(Ticket(self._payment(sale, now, True)))
            else:
                telling = self._tell_again(sale, now)
                if not sale.owed and sale is not last:
                    telling.stop()  # it is to be read once more
        if last is not None and self._ticket(last.ref) is None:
            self._tell_again(last, now)
        if newest is not None and newest.is_refund:
            self._with_refunds().restore(newest, now)
        return last

    def _take_up_arrears(self, now):
        """What the till is owed from longer ago than what it was told at the start, a few at a time."""
        arrears = self._arrears
        found = arrears.step(self._unsettled, self._refunds, self.busy_with, now)
        if found is None:
            return
        for sale in found:
            if sale.is_refund:
                self._with_refunds().restore(sale, now)
            elif self._ticket(sale.ref) is None:
                self._tell_again(sale, now)
        if not arrears.taken(self._unsettled, self._refunds):
            self._arrears = None

    def _tell_again(self, sale, now):
        payment = self._payment(sale, now)
        payment.finished_at = now
        payment.recheck(now)
        ticket = Ticket(payment)
        ticket.telling.due(payment.result, now)
        if not sale.owed:
            ticket.telling.said = payment.result  # if the till has had a word before the power went, it was this
        self._unsettled.append(ticket)
        return ticket.telling

    def recover(self, now):
        """A fault of ours ended the call in flight, if there was one: its outcome is not known."""
        for ticket in self._tickets():
            ticket.payment.lost(now)
        if self._refunds is not None:
            self._refunds.recover(now)

    def _payment(self, sale, now, restored=False):
        return Payment(sale, self._journal, now, self._expiry_ms, self._can_find, self._needs_url, restored)

    # ---- what a till can ask ------------------------------------------------------------------------------------

    def sale(self, ref, amount, currency, now):
        """Starts a sale, or finds the one with this reference. -> its live Payment, or its Sale from the journal.

        amount in minor units. Raises Refusal, JournalError.
        """
        self.revision += 1
        known = self.known(ref, now)
        if known is not None:
            sale = record_of(known)
            if sale.amount != amount or sale.currency != currency:
                raise Refusal("REF_AMOUNT", ref + " was " + plain(sale.amount, sale.currency) + " " + sale.currency)
            return known
        busy = self.busy_with
        if busy:
            raise Refusal("BUSY", busy + " is still under way")
        if self.blocked:
            raise Refusal("NOT_READY", self.blocked)
        if len(self._unsettled) >= _MAX_UNSETTLED:
            self._make_room(now)
        last = self._current
        if last is not None and last.payment.is_over and not (last.sale.acked or last.sale.owed or last.telling.times):
            last.sale.owed = True  # nobody may have heard of it yet: a restart must not forget it
            write(self._journal, last.sale)
        external_ref = self._terminal + "-" + ref + "-" + self._nonce()
        sale = Sale(self._journal.next_seq(), ref, amount, currency, external_ref, self._wall())
        self._journal.write(sale)
        ticket = Ticket(self._payment(sale, now))
        self._set_aside()
        self._current = ticket
        return ticket.payment

    def _make_room(self, now):
        """The till begins something new: what it was told of is settled. Raises Refusal where the rest is too much."""
        for other in self._unsettled:
            other.telling.moved_on()
        self._drop_settled(now)
        if len(self._unsettled) < _MAX_UNSETTLED:
            return
        for ticket in self._unsettled:
            # Only watched, and its record says so: it is read once more after the next restart.
            if ticket.is_told and not ticket.payment.is_calling:
                self._unsettled.remove(ticket)
                return
        raise Refusal("NOT_READY", "TOO_MANY_UNSETTLED")

    def _set_aside(self):
        """What is not settled goes on beside a new sale."""
        if self._current is not None:
            self._unsettled.append(self._current)
            self._current = None
        for other in self._unsettled:
            other.telling.moved_on()
        if self._refunds is not None:
            self._refunds.set_aside()

    def cancel(self, ref, now):
        """Wants the sale gone. -> its Payment or Sale; where its record is still open, the outcome comes later.

        Raises Refusal, JournalError.
        """
        self.revision += 1
        known = self.known(ref, now)
        if known is None:
            raise Refusal("NO_SUCH_SALE", ref)
        if isinstance(known, Payment) and known.sale.is_open:
            known.cancel(now)
            if known.sale.is_open:
                return known
        if self._current is not None and self._current.payment is known:
            self._current.dismissed = True
        return known

    def last(self, now):
        """The Payment or Sale that was started last, or None. Raises JournalError."""
        if self._current is not None:
            return self._current.payment
        sale = self._journal.last()
        return None if sale is None else self.known(sale.ref, now)

    def acknowledge(self, ref):
        """The till has the result of this sale, or of its refund. -> None, or where it cannot have had the newest word
        yet, and has still to hear it, the Payment or the refund's record. Raises Refusal, JournalError."""
        self.revision += 1
        refund = self._refunds.told(ref) if self._refunds is not None else None
        ticket = self._ticket(ref)
        if refund:
            return None if self._end_telling(refund.telling, refund.result, refund.sale) else refund.sale
        if ticket:
            if ticket.payment.in_progress:
                raise Refusal("NOT_FINAL", ref)
            return None if self._end_telling(ticket.telling, ticket.payment.result, ticket.sale) else ticket.payment
        sale = self._journal.find(ref)
        if sale is None:
            raise Refusal("NO_SUCH_SALE", ref)
        refund = self._with_refunds().heard(sale) if self._journal.has_refunds(ref) else None
        self._write_ack(refund or sale)

    def _end_telling(self, telling, result, sale):
        """Whether an acknowledgement is of `result`: one of an older word settles nothing."""
        if telling.said != result:
            return False
        if result == sale.state:
            self._write_ack(sale)
        telling.stop()
        return True

    def _write_ack(self, sale):
        if sale.is_open or sale.acked:
            return
        sale.acked = True
        try:
            self._journal.write(sale)
        except (JournalError, MemoryError):
            sale.acked = False
            raise Refusal("NOT_READY", "FLASH_FAULT")

    def sold(self, ref, now):
        """The Sale of this reference. Raises Refusal, JournalError."""
        known = self.known(ref, now)
        if known is None:
            raise Refusal("NO_SUCH_SALE", ref)
        return record_of(known)

    def refund(self, sale, amount, name, now):
        """Refunds this sale, or so much of it; name tells several of one sale apart. -> the refund's record

        Raises Refusal, JournalError.
        """
        self.revision += 1
        amount = amount or sale.amount
        waited = self._refunds.waited_for(sale, amount, name) if self._refunds is not None else None
        if waited is not None:
            return waited
        busy = self.busy_with
        if busy:
            raise Refusal("BUSY", busy + " is still under way")
        if sale.state != PAID:
            raise Refusal("NOT_PAID", sale.ref)
        ticket = self._ticket(sale.ref)
        if ticket is not None:
            self._end_telling(ticket.telling, PAID, sale)  # who asks for a refund knows that it was paid
        return self._with_refunds().start(sale, amount, name, self.blocked, now)

    def _with_refunds(self):
        if self._refunds is None:
            from kiosk.refunds import Refunds  # most days see none, and it is not small

            self._refunds = Refunds(self._journal, self._wall)
        return self._refunds

    def mark(self, sale):
        """What to say beside PAID, to a till that asks, where money went back: REFUNDED, PART_REFUNDED or ""."""
        if sale.state != PAID or not self._journal.has_refunds(sale.ref):
            return ""
        return self._with_refunds().mark(sale)

    @property
    def busy_with(self):
        """The reference of the sale or refund that the till waits for, or ""."""
        if self.selling:
            return self._current.payment.sale.ref
        return self._refunds.busy_with if self._refunds is not None else ""

    def press(self, now):
        """The cashier's button: what became of a sale may go from the glass, and the news. -> whether there was any"""
        self.revision += 1
        ticket = self._current
        fresh = self.shows_sale(now) and not self.selling and not ticket.dismissed
        if fresh:
            ticket.dismissed = True
        if ticket is not None and ticket.sale.is_open:
            return fresh  # no news is on the glass
        return self._news.dismiss() or fresh

    def hold(self, now):
        """The button held down: the code on the glass is withdrawn. -> whether there was one"""
        if not self.selling:
            return False
        self.revision += 1
        self._current.payment.cancel(now)
        return True

    def next_result(self, now):
        """(record, word) of the next result that the till is to be told unasked, or None. It counts as told."""
        if self.selling:
            return None
        for ticket in self._tickets():
            payment = ticket.payment
            if not payment.sale.acked and ticket.telling.due(payment.result, now):
                ticket.telling.told(now)
                return payment.sale, payment.result
        return self._refunds.next_result(now) if self._refunds is not None else None

    # ---- what the API should do ---------------------------------------------------------------------------------

    def tick(self, now):
        """Lets time pass in every payment and settles what is settled."""
        if self.setup_fault and now >= self._fault_until:
            self.setup_fault = ""
            self.revision += 1
        for ticket in self._tickets():
            before = ticket.payment.result
            ticket.payment.tick(now)
            if ticket.payment.result != before:
                self.revision += 1
                self._notice(ticket, before, now)
        if self._refunds is not None:
            self._refunds.tick(now)
        self._drop_settled(now)
        if self._arrears is not None:
            self._take_up_arrears(now)

    def _drop_settled(self, now):
        for ticket in self._unsettled:
            if ticket.is_settled(now):
                self._unsettled.remove(ticket)
                note_heard(self._journal, ticket.sale)
                return  # one at a time: a write takes its time

    def next_call(self, now):
        """The API call that is due as (owner, verb, id), or None. Its outcome goes to answered() or failed()."""
        if self._turns.wait(now) > 0:
            return None
        refunds = self._refunds
        call = self._call_of(self._current, now) or (refunds.next_call(now, True) if refunds is not None else None)
        if call is not None or not self._has_room(now):
            return call
        for ticket in self._unsettled:
            call = self._call_of(ticket, now)
            if call is not None:
                self._unsettled = [other for other in self._unsettled if other is not ticket] + [ticket]
                break  # the others' turn comes first, next time
        if call is None and refunds is not None:
            call = refunds.next_call(now, False)
        if call is not None:
            self._turns.gave_aside(now)
        return call

    def _call_of(self, ticket, now):
        call = ticket.payment.next_call(now) if ticket is not None else None
        return None if call is None else (ticket, call[0], call[1])

    def _has_room(self, now):
        return not self.selling or self._turns.have_room(self._current.payment, now)

    def due_in(self, now):
        """Milliseconds until a call may be due, or None if none is."""
        least = None
        if self._current is not None:
            least = self._current.payment.due_in(now)
        room = self._has_room(now)
        if self._refunds is not None:
            least = earlier(least, self._refunds.due_in(now, room))
        if room:
            for ticket in self._unsettled:
                least = earlier(least, ticket.payment.due_in(now))
        return None if least is None else max(least, self._turns.wait(now))

    def answered(self, owner, verb, answer, now):
        """Takes the checked answer of a call that next_call gave."""
        self.setup_fault = ""
        self.revision += 1
        self._turns.answered()
        if verb == "refund":
            waited = self.busy_with
            owner.answered()
            self._notice_refund(owner, waited, now)
            return
        before = owner.payment.result
        owner.payment.answered(verb, answer, now)
        owner.payment.slow(self._turns.slower_ms)
        self._notice(owner, before, now)

    def failed(self, owner, verb, error, now):
        """Takes the CentrapayError of a call that next_call gave."""
        self.revision += 1
        ours = owner is self._current and owner.sale.is_open or verb == "refund"
        if isinstance(error, SetupFault) and (ours or error.code == "HTTP_401"):
            self._fault_until = now + _FAULT_SHOWN_MS
            self.setup_fault = error.code  # an old sale of another account is no reason to close the shop
        self._turns.failed(error, owner is not self._current, now)
        if verb == "refund":
            waited = self.busy_with
            owner.failed(error, now)
            self._notice_refund(owner, waited, now)
            return
        before = owner.payment.result
        owner.payment.failed(verb, error, now)
        self._notice(owner, before, now)

    def _notice(self, ticket, before, now):
        """Another word than before: on the glass once more, and news where it is of a sale that was there before."""
        if before != ticket.payment.result:
            ticket.dismissed = False
            if not ticket.sale.is_open and ticket is not self._current:
                self._news.notice(ticket, now)

    def _notice_refund(self, refund, waited, now):
        """A definite word on a refund that the till no longer waited for."""
        if not refund.sale.is_open and waited != refund.sale.ref:
            self._news.notice(refund, now)

    # ---- what the glass shows -----------------------------------------------------------------------------------

    def view(self, now):
        """The View for this moment while the box can work; what keeps it from working is the app's to show."""
        news = self._news.words(now)
        if self._current is None or self._current.is_over(now):
            return view.View(view.READY, merchant=self._merchant, note=news or self.notice)
        return sale_view(self._current.payment, now, self._merchant, self._expiry_ms, self._payload, news)

    @property
    def selling(self):
        """Whether a sale is under way, so that its screen comes before anything else."""
        return self._current is not None and self._current.payment.in_progress

    def shows_sale(self, now):
        """Whether a sale or its result is on the glass."""
        return self._current is not None and not self._current.is_over(now)

    def could_not_draw(self, ref, now):
        """The code of this sale cannot be shown: nobody can pay it, so it is withdrawn."""
        if self.selling and self._current.sale.ref == ref:
            self._current.payment.cancel(now, "NO_QR_CODE")

    # ---- finding -----------------------------------------------------------------------------------------------

    def _tickets(self):
        return ([self._current] if self._current is not None else []) + self._unsettled

    def _ticket(self, ref):
        for ticket in self._tickets():
            if ticket.payment.sale.ref == ref:
                return ticket
        return None

    def known(self, ref, now):
        """The live Payment of this reference, else its Sale from the journal, else None. Raises JournalError."""
        ticket = self._ticket(ref)
        if ticket:
            return ticket.payment
        sale = self._journal.find(ref)
        if sale is None or not sale.is_open:
            return sale
        payment = self._payment(sale, now, True)  # written down, then dropped by a fault: taken up as after a restart
        self._unsettled.append(Ticket(payment))
        return payment


def record_of(known):
    """The Sale of a Payment, or of itself."""
    return known.sale if isinstance(known, Payment) else known


def earlier(a, b):
    """The lesser of two waits, either of which may be None."""
    if a is None or b is None:
        return a if b is None else b
    return min(a, b)
