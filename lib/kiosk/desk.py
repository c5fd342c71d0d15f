"""The cashier's desk, without I/O: the till's commands in, protocol lines and views out, one sale at a time.

Beside the sale of the moment it keeps those that are not settled: outcome unknown, result not yet acknowledged, or
found open in the journal after a power cut. They are resolved beside new work. `now` is monotonic milliseconds.
"""

from micropython import const

from centrapay import SetupFault
from kiosk import view
from kiosk.journal import JournalError
from kiosk.record import CANCELLED, EXPIRED, FAILED, NEW, PAID, PAYABLE, Sale
from kiosk.refund import Refund
from kiosk.sale import PAID_THEN_REFUNDED, Payment
from kiosk.words import reason_words
from till.amount import plain, shown
from till.line import LineError

_MAX_UNSETTLED = const(16)
_PROGRESS_MS = const(5000)
_TELL_OFTEN_MS = const(2000)
_TELL_SELDOM_MS = const(15000)
_TELL_OFTEN = const(15)  # times, before it is told less often
_RESULT_SHOWN_MS = const(30000)  # cancelled, expired, failed; paid stays until the next sale
_NEWS_SHOWN_MS = const(30 * 60 * 1000)


class Telling:
    """When a result is due on the wire: at once, then again until it is acknowledged."""

    def __init__(self):
        self.word = ""
        self._times = 0
        self._next_at = 0
        self._silent = False

    def due(self, word, now):
        """Whether the result `word` should be sent now; a new word starts again from the first time."""
        if word != self.word:
            self.word = word
            self._times = 0
            self._next_at = now
            self._silent = False
        return bool(word) and not self._silent and now >= self._next_at

    def told(self, now):
        self._times += 1
        self._next_at = now + (_TELL_OFTEN_MS if self._times < _TELL_OFTEN else _TELL_SELDOM_MS)

    def stop(self):
        self._silent = True

    def moved_on(self):
        """The till began something new: what it has been told once is not repeated."""
        if self._times:
            self._silent = True

    @property
    def finished(self):
        return self._silent


class Ticket:
    """A live payment with what the till has been told of it."""

    def __init__(self, payment):
        self.payment = payment
        self.sale = payment.sale
        self.telling = Telling()
        self.dismissed = False  # the cashier is done with its screen

    def is_over(self, now):
        """Whether its screen may go: what was paid stays until the next sale, other results for half a minute."""
        if self.sale.is_open:
            return False
        if self.dismissed:
            return True
        if self.sale.state == PAID or self.sale.reason == PAID_THEN_REFUNDED:
            return False
        return now >= self.payment.finished_at + _RESULT_SHOWN_MS


class Desk:
    """
    journal    Journal
    currency   ISO 4217 code of amounts without one
    expiry_s   seconds a patron has
    terminal   beginning of every external reference
    can_find   whether the look-up by reference is available
    nonce      callable: a few random characters, to make an external reference unique
    wall       callable: seconds since 1970, 0 while the clock is not set
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
        self._refund = None
        self._progress_at = 0
        self._progress = ""
        self._news = None
        self._news_until = 0
        self.setup_fault = ""  # HTTP_401 and the like since the last good answer: staff must act

    def restore(self, now):
        """After a restart: open sales are resolved, and the last result is told again unless it was acknowledged."""
        for sale in self._journal.unresolved():
            self._unsettled.append(Ticket(self._payment(sale, now, True)))
        last = self._journal.last()
        if last is not None and not last.is_open:
            payment = self._payment(last, now)
            payment.finished_at = now
            payment.recheck(now)
            self._unsettled.append(Ticket(payment))

    def _payment(self, sale, now, restored=False):
        return Payment(sale, self._journal, now, self._expiry_ms, self._can_find, self._needs_url, restored)

    # ---- what the till says -------------------------------------------------------------------------------------

    def command(self, command, now):
        """Answers one Command with one line of text. Raises LineError for a refusal."""
        self.revision += 1
        verb = command.verb
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
        try:
            self._journal.write(sale)
        except JournalError:
            raise LineError("NOT_READY", "FLASH_FAULT")
        self._set_aside()
        self._current = Ticket(self._payment(sale, now))
        self._progress = "PREPARING"
        self._progress_at = now + _PROGRESS_MS
        return "OK SALE " + _sum_of(sale)

    def _same_sale(self, known, command, now):
        sale = known.sale if isinstance(known, Payment) else known
        if sale.amount != command.amount or sale.currency != command.currency:
            raise LineError("REF_AMOUNT", sale.ref + " was " + plain(sale.amount, sale.currency) + " " + sale.currency)
        if isinstance(known, Payment) and known.in_progress:
            self._progress_at = now
            return "OK SALE " + _sum_of(sale)
        return self._report(known, now)

    def _external_ref(self, ref):
        return self._terminal + "-" + ref + "-" + self._nonce()

    def _set_aside(self):
        """Makes room for a new sale; what is not settled goes on beside it."""
        if self._current is not None:
            self._unsettled.append(self._current)
        for ticket in self._unsettled:
            ticket.telling.moved_on()
        self._refund = None

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
        if self._refund is not None and self._refund.sale.ref == ref and self._refund.result:
            self._refund = None
            return "OK ACK " + ref
        ticket = self._ticket(ref)
        sale = ticket.payment.sale if ticket else self._journal.find(ref)
        if sale is None:
            raise LineError("NO_SUCH_SALE", ref)
        if ticket and ticket.payment.in_progress:
            raise LineError("NOT_FINAL", ref)
        if ticket:
            ticket.telling.stop()
        if not sale.is_open and not sale.acked:
            sale.acked = True
            self._write_ack(sale)
        return "OK ACK " + ref

    def _write_ack(self, sale):
        try:
            self._journal.write(sale)
        except JournalError:
            sale.acked = False
            raise LineError("NOT_READY", "FLASH_FAULT")

    def _start_refund(self, command, now):
        busy = self._busy_with()
        if busy:
            raise LineError("BUSY", busy + " is still under way")
        known = self._known(command.ref, now)
        if known is None:
            raise LineError("NO_SUCH_SALE", command.ref)
        sale = known.sale if isinstance(known, Payment) else known
        if sale.state != PAID:
            raise LineError("NOT_PAID", sale.ref)
        if self.blocked:
            raise LineError("NOT_READY", self.blocked)
        amount = command.amount or sale.amount
        if amount > sale.amount:
            raise LineError("AMOUNT", sale.ref + " was " + plain(sale.amount, sale.currency))
        self._refund = Refund(sale, amount, command.refund_ref, now)
        return "OK REFUND " + sale.ref + " " + plain(amount, sale.currency) + " " + sale.currency

    def _info(self):
        state = "READY"
        if self.blocked:
            state = "NOT_READY " + self.blocked
        elif self._busy_with():
            state = "BUSY " + self._busy_with()
        return "INFO tillpane " + self._version + " " + self._terminal + " " + self._currency + " " + state

    # ---- what the till hears ------------------------------------------------------------------------------------

    def outbox(self, now):
        """The next unasked line that is due, or None."""
        if self._current is not None and self._current.payment.in_progress:
            return self._next_progress(now)
        if self._refund is not None and self._refund.telling_due(now):
            return self._refund.line()
        if self._current is not None:
            line = self._next_result(self._current, now)
            if line:
                return line
        for ticket in self._unsettled:
            line = self._next_result(ticket, now)
            if line:
                return line
        return None

    def _next_progress(self, now):
        stage = self._current.payment.stage(now)
        if stage == self._progress and now < self._progress_at:
            return None
        self._progress = stage
        self._progress_at = now + _PROGRESS_MS
        return _wait_line(self._current.payment, now)

    def _next_result(self, ticket, now):
        payment = ticket.payment
        if payment.sale.acked or not ticket.telling.due(payment.result, now):
            return None
        ticket.telling.told(now)
        return _result_line(payment.sale, payment.result)

    def _report(self, known, now):
        if not isinstance(known, Payment):
            return _result_line(known, known.state)
        if known.in_progress:
            return _wait_line(known, now)
        return _result_line(known.sale, known.result)

    # ---- what the API should do ---------------------------------------------------------------------------------

    def tick(self, now):
        """Lets time pass in every payment and settles what is settled."""
        for ticket in self._tickets():
            before = ticket.payment.result
            ticket.payment.tick(now)
            if ticket.payment.result != before:
                self.revision += 1
                self._notice(ticket, before, now)
        self._unsettled = [ticket for ticket in self._unsettled if not _settled(ticket, now)]

    def next_call(self, now):
        """The API call that is due as (owner, verb, id), or None. Its outcome goes to answered() or failed()."""
        for ticket in self._tickets():
            call = ticket.payment.next_call(now)
            if call is not None:
                return ticket, call[0], call[1]
        if self._refund is not None and self._refund.next_call(now):
            return self._refund, "refund", self._refund.sale.id
        return None

    def due_in(self, now):
        """Milliseconds until a call may be due, or None if none is."""
        waits = [ticket.payment.due_in(now) for ticket in self._tickets()]
        if self._refund is not None:
            waits.append(self._refund.due_in(now))
        waits = [wait for wait in waits if wait is not None]
        return min(waits) if waits else None

    def answered(self, owner, verb, answer, now):
        """Takes the checked answer of a call that next_call gave."""
        self.setup_fault = ""
        self.revision += 1
        if isinstance(owner, Refund):
            owner.answered(now)
            return
        before = owner.payment.result
        owner.payment.answered(verb, answer, now)
        self._notice(owner, before, now)

    def failed(self, owner, verb, error, now):
        """Takes the CentrapayError of a call that next_call gave."""
        self.revision += 1
        if isinstance(error, SetupFault):
            self.setup_fault = error.code
        if isinstance(owner, Refund):
            owner.failed(error, now)
            return
        before = owner.payment.result
        owner.payment.failed(verb, error, now)
        self._notice(owner, before, now)

    def _notice(self, ticket, before, now):
        """Keeps late news: a definite word after the till was told another."""
        after = ticket.payment.result
        if before == after or not after or after == "UNKNOWN" or not before:
            return
        if ticket is self._current:
            return
        self._news = ticket
        self._news_until = now + _NEWS_SHOWN_MS

    # ---- what the glass shows -----------------------------------------------------------------------------------

    def view(self, now):
        """The View for this moment while the box can work; what keeps it from working is the app's to show."""
        if self._current is None or self._current.is_over(now):
            return view.View(view.READY, merchant=self._merchant, note=self._news_words(now))
        return self._sale_view(self._current.payment, now)

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

    def _sale_view(self, payment, now):
        sale = payment.sale
        shows = view.View(_KINDS.get(sale.state, view.CHECKING), shown(sale.amount, sale.currency), sale.currency)
        shows.merchant = payment.merchant or self._merchant
        shows.code = sale.code
        shows.method = payment.method
        if payment.test:
            shows.note = "Test mode: no real money"
        if payment.unknown and sale.is_open:
            shows.kind = view.CHECKING
            shows.detail = "Outcome not known yet. Do not take another payment for this sale."
        elif sale.is_open:
            self._open_view(shows, payment, now)
        else:
            shows.detail = reason_words(sale.reason)
            shows.note = self._news_words(now) or shows.note
        return shows

    def _open_view(self, shows, payment, now):
        stage = payment.stage(now)
        if stage == "PREPARING":
            shows.kind = view.PREPARING
        elif stage == "CANCELLING":
            shows.kind = view.CHECKING
            shows.detail = "Cancelling. Please wait for the answer."
        elif stage == "CHECKING":
            shows.kind = view.CHECKING
            shows.detail = "Time is up. Checking that nothing was paid."
        else:
            shows.kind = view.PAY
            shows.payload = self._payload(payment)
            shows.left_s = max(payment.deadline - now + 999, 0) // 1000
            shows.total_s = self._expiry_ms // 1000
            if payment.trouble:
                shows.note = "Connection lost, retrying"

    def _news_words(self, now):
        if self._news is None:
            return ""
        sale = self._news.payment.sale
        if now >= self._news_until or sale.acked:
            self._news = None
            return ""
        return "Sale " + sale.ref + ", " + shown(sale.amount, sale.currency) + ": " + _NEWS[sale.state]

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
        if self._current is not None and self._current.payment.in_progress:
            return self._current.payment.sale.ref
        if self._refund is not None and not self._refund.result:
            return self._refund.sale.ref
        return ""


_KINDS = {
    NEW: view.PREPARING,
    PAYABLE: view.PAY,
    PAID: view.PAID,
    CANCELLED: view.CANCELLED,
    EXPIRED: view.EXPIRED,
    FAILED: view.FAILED,
}
_NEWS = {PAID: "paid after all", CANCELLED: "cancelled", EXPIRED: "expired unpaid", FAILED: "never started"}


def _settled(ticket, now):
    """Whether nothing more can come of it: a definite result that was acknowledged, or told and moved on from."""
    payment = ticket.payment
    if payment.sale.is_open or payment.due_in(now) is not None:
        return False
    return payment.sale.acked or ticket.telling.finished


def _sum_of(sale):
    return sale.ref + " " + plain(sale.amount, sale.currency) + " " + sale.currency


def _wait_line(payment, now):
    left = max(payment.deadline - now + 999, 0) // 1000
    return "WAIT " + payment.sale.ref + " " + payment.stage(now) + " " + str(left)


def _result_line(sale, word):
    return (
        "RESULT "
        + sale.ref
        + " "
        + word
        + " "
        + plain(sale.amount, sale.currency)
        + " "
        + sale.currency
        + " "
        + (sale.code or "-")
        + " "
        + (sale.reason or "-")
    )
