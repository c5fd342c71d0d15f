"""One refund, without I/O. The same external reference is the same refund at Centrapay, so it is safe to send it again:
after a lost answer, and after a power cut, for which it is in the journal before it is sent."""

from micropython import const

from centrapay import RateLimited, Refused, SetupFault, Unknown
from kiosk.journal import JournalError
from kiosk.record import REFUND_FAILED, REFUNDED, REFUNDING
from kiosk.sale import write
from kiosk.telling import Telling

_RETRY_MS = const(2000)
_SLOWEST_MS = const(30000)
_SETUP_MS = const(300000)
_GIVE_UP_MS = const(60000)
_SAVE_AGAIN_MS = const(5000)


class Refund:
    """`sale` is the refund's own record: ref, id and code of the sale, amount and external reference of the refund."""

    def __init__(self, record, journal, now, restored=False):
        self.sale = record
        self.amount = record.amount
        self.external_ref = record.external_ref
        self.telling = Telling()
        self.unknown = False
        self._journal = journal
        self._unsaved = False  # the record on flash is behind: what it does not hold is not said
        self._save_at = now
        self._in_flight = False
        self._lost = restored  # an attempt may have worked, and its answer has not come back
        self._failures = 0
        self._next_at = now
        self._give_up_at = now + _GIVE_UP_MS

    @property
    def in_progress(self):
        """Whether the till is waiting for it."""
        return (self.sale.is_open or self._unsaved) and not self.unknown

    @property
    def result(self):
        """The word for the till, or "" while in progress."""
        if self.in_progress:
            return ""
        return "REFUND_UNKNOWN" if self.sale.is_open or self._unsaved else self.sale.state

    @property
    def is_untold(self):
        """Whether it has a definite result that nobody may have heard of, and a restart would not tell."""
        sale = self.sale
        return not (sale.is_open or self._unsaved or sale.acked or sale.owed or self.telling.times)

    def due_in(self, now):
        """Milliseconds until the call is due, or None if there is none to come."""
        if self._in_flight or not self.sale.is_open:
            return None
        return max(self._next_at - now, 0)

    def next_call(self, now):
        """Whether the call is due; True means taken, until answered() or failed()."""
        if self.due_in(now) != 0:
            return False
        self._in_flight = True
        return True

    def again(self, now):
        """The till repeats what had failed or is not known yet."""
        self.unknown = False
        self._give_up_at = now + _GIVE_UP_MS
        self._next_at = now
        self._failures = 0

    def lost(self, now):
        """A fault of ours ended whatever was in flight."""
        if self._in_flight:
            self.failed(Unknown("fault"), now)

    def answered(self):
        self._end(REFUNDED, "")

    def failed(self, error, now):
        """Refused is definite; the rest is asked again, after a minute beside being told as unknown."""
        self._in_flight = False
        self._failures = min(self._failures + 1, 8)
        wait = _RETRY_MS if not self.unknown else min(_RETRY_MS << self._failures, _SLOWEST_MS)
        if isinstance(error, Refused):
            self._refused(error.code)
        elif isinstance(error, SetupFault):
            if not self._lost:
                self._end(REFUND_FAILED, error.code)
            wait = min(_RETRY_MS << self._failures, _SETUP_MS)
        elif isinstance(error, RateLimited):
            wait = error.retry_after * 1000
        else:
            self._lost = self._lost or error.sent
        self._next_at = now + wait
        self.tick(now)

    def _refused(self, code):
        if not self._lost:
            self._end(REFUND_FAILED, code)
        elif code == "ALREADY_REFUNDED":
            self._end(REFUNDED, code)  # the money is back, by the attempt whose answer was lost
        elif code != "BAD_REQUEST":  # without a code of Centrapay's it may be some proxy's word, and says nothing
            self._end(REFUND_FAILED, code)

    def tick(self, now):
        """Lets time pass: after a minute the till hears that it is not known yet."""
        if self._unsaved and now >= self._save_at:
            self._save_at = now + _SAVE_AGAIN_MS
            self._save()
        if not self.in_progress or now < self._give_up_at:
            return
        if not self.sale.is_open:
            self.unknown = self.sale.owed = True
            return
        if not self._lost and not self._in_flight:
            self._end(REFUND_FAILED, "NO_CONNECTION")
            return
        self.unknown = True
        self.sale.owed = True
        self._save()

    def _end(self, state, reason):
        self._in_flight = False
        self._unsaved = True
        self.sale.state = state
        self.sale.reason = reason
        self.sale.acked = False
        self.sale.owed = bool(self.sale.owed)  # not HEARD: this is another word
        self._save()

    def _save(self):
        self._unsaved = True
        self._unsaved = not write(self._journal, self.sale)

    def retry(self, now):
        """One that failed is tried again under the same reference. Raises JournalError."""
        self._lost = False  # its last answer was definite
        self.start(now)

    def start(self, now):
        """It is due once it is on flash. Raises JournalError, and then it has failed, also on flash as soon as that
        works again: what the write left there is not known, and must not be sent after a restart."""
        sale = self.sale
        sale.state, sale.reason, sale.acked = REFUNDING, "", False
        try:
            self._journal.write(sale)
        except (JournalError, MemoryError):
            sale.state, sale.reason = REFUND_FAILED, "FLASH_FAULT"
            self._unsaved = True
            raise
        self.again(now)

    def is_settled(self):
        """Whether nothing more can come of it."""
        return not self.sale.is_open and not self._unsaved and (self.sale.acked or self.telling.is_done(self.result))
