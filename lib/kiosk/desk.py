"""The cashier's desk, without I/O: the till's commands in, protocol lines and views out, one sale at a time.

Beside the sale of the moment it keeps those that are not settled: outcome unknown, result not yet acknowledged, or
found open in the journal after a power cut. They are resolved beside new work. `now` is monotonic milliseconds.
"""

from micropython import const

from centrapay import SetupFault
from kiosk import view
from kiosk.journal import JournalError
from kiosk.lines import result_line, sum_of, wait_line
from kiosk.record import PAID, Sale
from kiosk.sale import Payment
from kiosk.saleview import sale_view
from kiosk.ticket import News, Ticket
from kiosk.turns import Turns
from till.amount import plain
from till.line import LineError

_MAX_UNSETTLED = const(16)
_PROGRESS_MS = const(5000)
_LISTED = const(200)


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
        version="",
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
        self._version = version
        self.blocked = "STARTING"  # why no sale can start, "" when ready
        self.revision = 0  # counts what may have changed the glass
        self._current = None
        self._unsettled = []
        self._refunds = None  # Refunds, from the first on
        self._progress_at = 0
        self._progress = ""
        self._news = News()
        self._turns = Turns()
        self._listing = None
        self.setup_fault = ""  # HTTP_401 and the like since the last good answer: staff must act

    def restore(self, now):
        """After a restart: what is open is resolved, and the last result is told again unless it was acknowledged."""
        for sale in self._journal.unresolved():
            if sale.is_refund:
                self._with_refunds().restore(sale, now)
            elif sale.is_open:
                self._unsettled.append(Ticket(self._payment(sale, now, True)))
            elif sale.owed:
                self._tell_again(sale, now)
            else:
                self._tell_again(sale, now).stop()  # expired, and the power may have gone before it was read once more
        last = self._journal.last()
        if last is not None and not last.is_open and not last.owed:
            self._unsettled = [ticket for ticket in self._unsettled if ticket.sale.seq != last.seq]
            self._tell_again(last, now)
        newest = self._journal.last(True)
        if newest is not None and newest.is_refund and not newest.is_open and not newest.owed:
            self._with_refunds().restore(newest, now)

    def _tell_again(self, sale, now):
        payment = self._payment(sale, now)
        payment.finished_at = now
        payment.recheck(now)
        ticket = Ticket(payment)
        ticket.telling.due(payment.result, now)
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

    # ---- what the till says -------------------------------------------------------------------------------------

    def command(self, command, now):
        """Answers one Command with one line of text. Raises LineError for a refusal."""
        self.revision += 1
        verb = command.verb
        try:
            if verb == "SALE":
                return self._sale(command, now)
            if verb == "CANCEL":
                return self._cancel(command.ref, now)
            if verb == "STATUS":
                return self._status(command.ref, now)
            if verb == "LAST":
                return self._last(now)
            if verb == "REFUND":
                return self._start_refund(command, now)
            if verb == "ACK":
                return self._acknowledge(command.ref)
            if verb == "JOURNAL":
                return self._list(command.amount or _LISTED)
        except JournalError:
            raise LineError("NOT_READY", "FLASH_FAULT")
        return self._info()

    def _sale(self, command, now):
        known = self._known(command.ref, now)
        if known is not None:
            return self._same_sale(known, command, now)
        busy = self._busy_with()
        if busy:
            raise LineError("BUSY", busy + " is still under way")
        if self.blocked:
            raise LineError("NOT_READY", self.blocked)
        if len(self._unsettled) >= _MAX_UNSETTLED:
            raise LineError("NOT_READY", "TOO_MANY_UNSETTLED")
        sale = Sale(
            self._journal.next_seq(),
            command.ref,
            command.amount,
            command.currency,
            self._external_ref(command.ref),
            self._wall(),
        )
        self._journal.write(sale)
        ticket = Ticket(self._payment(sale, now))
        self._set_aside()
        self._current = ticket
        self._progress = "PREPARING"
        self._progress_at = now + _PROGRESS_MS
        return "OK SALE " + sum_of(sale)

    def _same_sale(self, known, command, now):
        sale = known.sale if isinstance(known, Payment) else known
        if sale.amount != command.amount or sale.currency != command.currency:
            raise LineError("REF_AMOUNT", sale.ref + " was " + plain(sale.amount, sale.currency) + " " + sale.currency)
        if isinstance(known, Payment) and known.in_progress:
            self._progress_at = now
            return "OK SALE " + sum_of(sale)
        return self._report(known, now)

    def _external_ref(self, ref):
        return self._terminal + "-" + ref + "-" + self._nonce()

    def _set_aside(self):
        """Makes room for a new sale; what is not settled goes on beside it."""
        if self._current is not None:
            self._unsettled.append(self._current)
            self._current = None
        for other in self._unsettled:
            other.telling.moved_on()
        if self._refunds is not None:
            self._refunds.set_aside()

    def _cancel(self, ref, now):
        payment = self._known(ref, now)
        if payment is None:
            raise LineError("NO_SUCH_SALE", ref)
        if isinstance(payment, Payment) and payment.sale.is_open:
            payment.cancel(now)
            if payment.sale.is_open:
                return "OK CANCEL " + ref
        if self._current is not None and self._current.payment is payment:
            self._current.dismissed = True
        return self._report(payment, now)

    def _status(self, ref, now):
        if not ref:
            if self._current is None:
                return "OK STATUS IDLE"
            return self._report(self._current.payment, now)
        line = self._refunds.status(ref) if self._refunds is not None else None
        if line:
            return line
        known = self._known(ref, now)
        if known is None:
            raise LineError("NO_SUCH_SALE", ref)
        return self._report(known, now)

    def _last(self, now):
        if self._current is not None:
            return self._report(self._current.payment, now)
        sale = self._journal.last()
        if sale is None:
            raise LineError("NO_SUCH_SALE", "none yet")
        return self._report(self._known(sale.ref, now), now)

    def _acknowledge(self, ref):
        refund = self._refunds.told(ref) if self._refunds is not None else None
        if refund:
            self._write_ack(refund.sale)
            refund.telling.stop()
            return "OK ACK " + ref
        ticket = self._ticket(ref)
        sale = ticket.payment.sale if ticket else self._journal.find(ref)
        if sale is None:
            raise LineError("NO_SUCH_SALE", ref)
        if ticket and ticket.payment.in_progress:
            raise LineError("NOT_FINAL", ref)
        self._write_ack(sale)
        if ticket:
            ticket.telling.stop()
        return "OK ACK " + ref

    def _write_ack(self, sale):
        if sale.is_open or sale.acked:
            return
        sale.acked = True
        try:
            self._journal.write(sale)
        except (JournalError, MemoryError):
            sale.acked = False
            raise LineError("NOT_READY", "FLASH_FAULT")

    def _list(self, count):
        from kiosk.listing import Listing  # for reconciliation, once a day at most

        self._listing = Listing(self._journal, count)
        return "OK JOURNAL"

    def _info(self):
        state = "READY"
        if self.blocked:
            state = "NOT_READY " + self.blocked
        elif self._busy_with():
            state = "BUSY " + self._busy_with()
        elif self.setup_fault:
            state = "NOT_READY " + self.setup_fault  # a sale may still be tried: the fault may have been mended
        return "INFO tillpane " + self._version + " " + self._terminal + " " + self._currency + " " + state

    def _start_refund(self, command, now):
        known = self._known(command.ref, now)
        if known is None:
            raise LineError("NO_SUCH_SALE", command.ref)
        sale = known.sale if isinstance(known, Payment) else known
        if self._refunds is not None and self._refunds.is_waited_for(sale, command):
            return (
                "OK REFUND "
                + sale.ref
                + " "
                + plain(command.amount or sale.amount, sale.currency)
                + " "
                + sale.currency
            )
        busy = self._busy_with()
        if busy:
            raise LineError("BUSY", busy + " is still under way")
        if sale.state != PAID:
            raise LineError("NOT_PAID", sale.ref)
        return self._with_refunds().start(sale, command, self.blocked, now)

    def _with_refunds(self):
        if self._refunds is None:
            from kiosk.refunds import Refunds  # most days see none, and it is not small

            self._refunds = Refunds(self._journal, self._wall)
        return self._refunds

    # ---- what the till hears ------------------------------------------------------------------------------------

    def outbox(self, now):
        """The next unasked line that is due, or None."""
        if self._current is not None and self._current.payment.in_progress:
            return self._next_progress(now)
        line = self._refunds.next_result(now) if self._refunds is not None else None
        if line:
            return line
        for ticket in self._tickets():
            line = _next_result(ticket, now)
            if line:
                return line
        return self._next_entry() if self._listing is not None else None

    def _next_progress(self, now):
        stage = self._current.payment.stage(now)
        if stage == self._progress and now < self._progress_at:
            return None
        self._progress = stage
        self._progress_at = now + _PROGRESS_MS
        return wait_line(self._current.payment, now)

    def _next_entry(self):
        line = self._listing.next_line()
        if self._listing.over:
            self._listing = None
        return line

    @property
    def listing(self):
        """Whether the journal is being read out, and must not be compacted."""
        return self._listing is not None

    def _report(self, known, now):
        if isinstance(known, Payment):
            if known.in_progress:
                return wait_line(known, now)
            return result_line(known.sale, known.result, self._mark(known.sale))
        return result_line(known, known.state, self._mark(known))

    def _mark(self, sale):
        """What to say beside PAID, to a till that asks, where money went back."""
        if sale.state != PAID or not self._journal.has_refunds(sale.ref):
            return ""
        return self._with_refunds().mark(sale)

    # ---- what the API should do ---------------------------------------------------------------------------------

    def tick(self, now):
        """Lets time pass in every payment and settles what is settled."""
        for ticket in self._tickets():
            before = ticket.payment.result
            ticket.payment.tick(now)
            if ticket.payment.result != before:
                self.revision += 1
                self._notice(ticket, before, now)
        if self._refunds is not None:
            self._refunds.tick(now)
        if any(ticket.is_settled(now) for ticket in self._unsettled):
            self._unsettled = [ticket for ticket in self._unsettled if not ticket.is_settled(now)]

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
            owner.answered()
            return
        before = owner.payment.result
        owner.payment.answered(verb, answer, now)
        owner.payment.slow(self._turns.slower_ms)
        self._notice(owner, before, now)

    def failed(self, owner, verb, error, now):
        """Takes the CentrapayError of a call that next_call gave."""
        self.revision += 1
        if isinstance(error, SetupFault) and (owner is self._current or verb == "refund" or error.code == "HTTP_401"):
            self.setup_fault = error.code  # an old sale of another account is no reason to close the shop
        self._turns.failed(error, owner is not self._current, now)
        if verb == "refund":
            owner.failed(error, now)
            return
        before = owner.payment.result
        owner.payment.failed(verb, error, now)
        self._notice(owner, before, now)

    def _notice(self, ticket, before, now):
        """A definite word on a sale that is not the one on the glass."""
        if before != ticket.payment.result and not ticket.sale.is_open and ticket is not self._current:
            self._news.notice(ticket, now)

    # ---- what the glass shows -----------------------------------------------------------------------------------

    def view(self, now):
        """The View for this moment while the box can work; what keeps it from working is the app's to show."""
        news = self._news.words(now)
        if self._current is None or self._current.is_over(now):
            return view.View(view.READY, merchant=self._merchant, note=news)
        return sale_view(self._current.payment, now, self._merchant, self._expiry_ms, self._payload, news)

    @property
    def selling(self):
        """Whether a sale is under way, so that its screen comes before anything else."""
        return self._current is not None and self._current.payment.in_progress

    def shows_sale(self, now):
        """Whether a sale or its result is on the glass."""
        return self._current is not None and not self._current.is_over(now)

    def could_not_draw(self, now):
        """The code does not fit the glass: nobody can pay it, so it is withdrawn."""
        if self._current is not None:
            self._current.payment.cancel(now, "NO_QR_CODE")

    # ---- finding -----------------------------------------------------------------------------------------------

    def _tickets(self):
        return ([self._current] if self._current is not None else []) + self._unsettled

    def _ticket(self, ref):
        for ticket in self._tickets():
            if ticket.payment.sale.ref == ref:
                return ticket
        return None

    def _known(self, ref, now):
        """The live Payment of this reference, else its Sale from the journal, else None."""
        ticket = self._ticket(ref)
        if ticket:
            return ticket.payment
        sale = self._journal.find(ref)
        if sale is None or not sale.is_open:
            return sale
        payment = self._payment(sale, now, True)  # written down, then dropped by a fault: taken up as after a restart
        self._unsettled.append(Ticket(payment))
        return payment

    def _busy_with(self):
        if self.selling:
            return self._current.payment.sale.ref
        return self._refunds.busy_with if self._refunds is not None else ""


def _next_result(ticket, now):
    """The result line of a sale, if it is due."""
    payment = ticket.payment
    if payment.sale.acked or not ticket.telling.due(payment.result, now):
        return None
    ticket.telling.told(now)
    return result_line(payment.sale, payment.result)


def earlier(a, b):
    """The lesser of two waits, either of which may be None."""
    if a is None or b is None:
        return a if b is None else b
    return min(a, b)
