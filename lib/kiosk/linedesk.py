"""The desk for a till that speaks Tillpane's line protocol (docs/till-protocol.md), without I/O."""

from micropython import const

from kiosk.desk import Desk, Refusal, record_of
from kiosk.journal import JournalError
from kiosk.record import REFUNDED
from kiosk.sale import Payment
from kiosk.version import VERSION
from till.amount import plain
from till.line import LineError, LineReader, amount_in, encode, understand

_PROGRESS_MS = const(5000)
_LISTED = const(200)
_IDLE_LINE_MS = const(20000)  # a person may type; a cable that fell out mid-line is forgotten after this
_NOISE_MS = const(2000)


class LineDesk(Desk):
    """Commands come in by feed(), lines go out by outgoing(). For the other arguments see Desk.

    checksum   whether a line without its checksum is refused
    """

    def __init__(self, *desk, checksum=False):
        super().__init__(*desk)
        self._reader = LineReader()
        self._checksum = checksum
        self._checked = checksum  # whether the till's last line had one
        self._answers = []
        self._line_at = 0
        self._noise_at = -_NOISE_MS
        self._progress_at = 0
        self._progress = ""

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether the till said something whole"""
        heard = False
        for i in range(count):
            if self._reader.push(data[i]):
                self._hear(now)
                heard = True
        if count:
            self._line_at = now
        elif self._reader.waiting and now - self._line_at > _IDLE_LINE_MS:
            self._reader.drop()
        return heard

    def _hear(self, now):
        """One line: understood in full or refused."""
        try:
            command = understand(self._reader.take(), self._currency, self._checksum)
            self._checked = command.checked
            answer = self.command(command, now)
        except (LineError, Refusal) as error:
            if error.code == "NOISE" and not self._first_noise(now):
                return
            answer = "ERR " + error.code + " " + error.words
        self._answers.append(encode(answer, self._checked))

    def _first_noise(self, now):
        """Whether it is worth an answer: a line at the wrong speed is many bad lines, and one error says it."""
        quiet = now - self._noise_at
        self._noise_at = now
        return quiet > _NOISE_MS

    def answer(self):
        """The next bytes that answer what was fed, or None."""
        return self._answers.pop(0) if self._answers else None

    def outgoing(self, now):
        """The next bytes for the till that are due unasked, or None."""
        line = self.outbox(now)
        return encode(line, self._checked) if line else None

    # ---- commands -----------------------------------------------------------------------------------------------

    def command(self, command, now):
        """Answers one Command with one line of text. Raises Refusal."""
        self.revision += 1
        if self._arrears is not None:
            self._arrears.heard_till(self._unsettled, self._refunds)
        try:
            return self._obey(command, now)
        except JournalError:
            raise Refusal("NOT_READY", "FLASH_FAULT")

    def _obey(self, command, now):
        verb = command.verb
        ref = command.ref
        if verb == "SALE":
            return self._sale(command, now)
        if verb == "CANCEL":
            known = self.cancel(ref, now)
            return "OK CANCEL " + ref if record_of(known).is_open else self._report(known, now)
        if verb == "STATUS":
            return self._status(ref, now)
        if verb == "LAST":
            known = self.last(now)
            if known is None:
                raise Refusal("NO_SUCH_SALE", "none yet")
            return self._report(known, now)
        if verb == "REFUND":
            return self._refund(command, now)
        if verb == "ACK":
            known = self.acknowledge(ref)
            if known is None:
                return "OK ACK " + ref
            return self._report(known, now) if isinstance(known, Payment) else self._report_refund(known)
        if verb == "JOURNAL":
            return self._list(command.amount or _LISTED)
        return self._info()

    def _sale(self, command, now):
        before = self._current
        known = self.sale(command.ref, command.amount, command.currency, now)
        if not isinstance(known, Payment) or not known.in_progress:
            return self._report(known, now)
        self._progress_at = now
        if self._current is not before:
            self._progress = "PREPARING"
            self._progress_at = now + _PROGRESS_MS
        return "OK SALE " + sum_of(known.sale)

    def _refund(self, command, now):
        sale = self.sold(command.ref, now)
        amount = amount_in(command.written, sale.currency) if command.written else 0
        record = self.refund(sale, amount, command.refund_ref, now)
        if self._refunds.hear(record) == REFUNDED:
            return result_line(record, REFUNDED)
        return "OK REFUND " + sum_of(record)

    def _status(self, ref, now):
        if not ref:
            if self._current is None:
                return "OK STATUS IDLE"
            return self._report(self._current.payment, now)
        known = self.known(ref, now)
        refund = self._refunds.status(ref, record_of(known)) if self._refunds is not None else None
        if refund is not None:
            return self._report_refund(refund)
        if known is None:
            raise Refusal("NO_SUCH_SALE", ref)
        return self._report(known, now)

    def _list(self, count):
        from kiosk.listing import Listing  # for reconciliation, once a day at most

        self.listing = Listing(self._journal, count)
        return "OK JOURNAL"

    def _info(self):
        state = "READY"
        if self.blocked:
            state = "NOT_READY " + self.blocked
        elif self.busy_with:
            state = "BUSY " + self.busy_with
        elif self.setup_fault:
            state = "NOT_READY " + self.setup_fault  # a sale may still be tried: the fault may have been mended
        return "INFO tillpane " + VERSION + " " + self._terminal + " " + self._currency + " " + state

    def _report_refund(self, record):
        word = self._refunds.hear(record)
        return result_line(record, word) if word else "WAIT " + record.ref + " REFUNDING 0"

    def _report(self, known, now):
        if isinstance(known, Payment):
            if known.in_progress:
                return wait_line(known, now)
            self._ticket(known.sale.ref).telling.said = known.result
            return result_line(known.sale, known.result, self.mark(known.sale))
        return result_line(known, known.state, self.mark(known))

    # ---- what the till hears unasked ----------------------------------------------------------------------------

    def outbox(self, now):
        """The next unasked line that is due, or None."""
        if self.selling:
            return self._next_progress(now)
        told = self.next_result(now)
        if told:
            return result_line(told[0], told[1])
        return self._next_entry() if self.listing is not None else None

    def _next_progress(self, now):
        stage = self._current.payment.stage(now)
        if stage == self._progress and now < self._progress_at:
            return None
        self._progress = stage
        self._progress_at = now + _PROGRESS_MS
        return wait_line(self._current.payment, now)

    def _next_entry(self):
        line = self.listing.next_line()
        if self.listing.over:
            self.listing = None
        return line


def sum_of(sale):
    return sale.ref + " " + plain(sale.amount, sale.currency) + " " + sale.currency


def wait_line(payment, now):
    left = max(payment.deadline - now + 999, 0) // 1000
    return "WAIT " + payment.sale.ref + " " + payment.stage(now) + " " + str(left)


def result_line(sale, word, reason=""):
    amount = plain(sale.amount, sale.currency) + " " + sale.currency
    if word == sale.state:
        reason = reason or sale.reason  # of UNKNOWN none: it would tell what is not on flash yet
    return " ".join(("RESULT", sale.ref, word, amount, sale.code or "-", reason or "-"))
