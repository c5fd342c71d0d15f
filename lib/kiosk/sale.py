"""One sale from the till's amount to its definite result: a state machine without I/O.

`next_call(now)` says which API call is due, `answered` and `failed` take its outcome, `tick(now)` lets time pass.
`now` is monotonic milliseconds. What must outlive a power cut is in the journal before the step that depends on it.

Why each step is safe (docs/architecture.md, "Money rules"):
- A request whose id is not in the journal is never drawn, and what was never drawn cannot be paid: nobody has its URL.
- A lost create answer is looked up by external reference before another create. Where the account id for the look-up is
  not set, one more create is allowed; the lost request was never drawn and dies at its expiry.
- The API has no call that only cancels: void refunds what was paid meanwhile. So the request is read before it is
  voided, and the void's answer (or, when that is lost, the activities) decides what is said.
"""

from micropython import const

from centrapay import RateLimited, Refused, SetupFault
from kiosk.journal import JournalError
from kiosk.record import CANCELLED, EXPIRED, FAILED, NEW, PAID, PAYABLE, VOIDING

CREATE = "create"
GET = "get"
VOID = "void"
FIND = "find"
ACTIVITIES = "activities"

_POLL_MS = const(1000)
_SLOWEST_MS = const(30000)
_CREATE_GIVE_UP_MS = const(30000)
_CANCEL_GIVE_UP_MS = const(20000)
_VOID_AFTER_MS = const(8000)  # past the expiry: the API still says new, so it is closed by a void
_GRACE_MS = const(10000)  # past the expiry: integration checklist 103.1 wants 5 to 10 s
_DEAD_MS = const(60000)  # past the expiry: a request nobody ever saw is certainly gone
_FIND_AFTER_MS = const(3000)  # a request may take a moment to be found by its reference
_SETUP_RETRY_MS = const(10000)
_MAX_CREATES = const(2)
_MAX_WITHOUT_URL = const(3)

PAID_THEN_REFUNDED = "PAID_THEN_REFUNDED"


class Payment:
    """A live sale. `sale` is its record; `unknown`: the till must hear UNKNOWN until there is a definite result."""

    def __init__(self, sale, journal, now, expiry_ms, can_find, needs_url=True, restored=False):
        self.sale = sale
        self.url = ""
        self.merchant = ""
        self.method = ""
        self.test = False
        self.unknown = False
        self.trouble = ""  # why the last call gave no answer; "" after one that did
        self.flash_fault = False
        self.deadline = now + expiry_ms
        self._expiry_ms = expiry_ms
        self.finished_at = None
        self._journal = journal
        self._can_find = can_find
        self._needs_url = needs_url
        self._next_at = now
        self._give_up_at = now + _CREATE_GIVE_UP_MS
        self._in_flight = ""
        self._failures = 0
        self._creates = 0
        self._without_url = 0
        self._lost_at = None  # when a create left the box and its answer did not come back
        self._drawable = not restored
        self._cancel_reason = ""
        self._void_due = False
        self._void_lost = False
        self._ask_activities = False
        self._recheck_at = (
            None  # an expired request is read once more: a provider may still have let the payment through
        )
        self._strays = []  # further requests of this very sale, found by look-up, to be voided
        if restored:
            self._restore(now)

    def _restore(self, now):
        self._cancel_reason = "RESTARTED"
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        if self.sale.state == NEW:
            self._lost_at = now
        else:
            self.sale.state = VOIDING

    # What the rest of the product asks

    @property
    def in_progress(self):
        """Whether the till is waiting: no definite result, and not yet told UNKNOWN."""
        return self.sale.is_open and not self.unknown

    @property
    def result(self):
        """The final word for the till, or "" while in progress."""
        if self.in_progress:
            return ""
        return "UNKNOWN" if self.sale.is_open else self.sale.state

    def stage(self, now):
        """What it is doing, as the till hears it: PREPARING, PAYABLE, CANCELLING or CHECKING."""
        if self.sale.state == VOIDING or self._cancel_reason:
            return "CHECKING" if self._cancel_reason == EXPIRED else "CANCELLING"
        if self.sale.state == NEW:
            return "PREPARING"
        if self._needs_url and not self.url:
            return "PREPARING"
        return "PAYABLE" if now < self.deadline else "CHECKING"

    def due_in(self, now):
        """Milliseconds until the next call is due, or None if there is none to come."""
        if self._in_flight or self._choose() is None:
            return None
        at = self._next_at if self.sale.is_open else self._recheck_at
        return max(at - now, 0)

    def next_call(self, now):
        """The call that is due now as (verb, id), or None. Taken means in flight, until answered() or failed()."""
        wait = self.due_in(now)
        if wait is None or wait > 0:
            return None
        call = self._choose()
        self._in_flight = call[0]
        if call[0] == CREATE:
            self._creates += 1
            self.deadline = now + self._expiry_ms
        return call

    def _choose(self):
        """The call that comes next, or None while there is none to make."""
        if not self.sale.is_open:
            return None if self._recheck_at is None else (GET, self.sale.id)
        if self._strays:
            return VOID, self._strays[0]
        if self.sale.state == NEW:
            return self._choose_before_id()
        if self._ask_activities:
            return ACTIVITIES, self.sale.id
        if self.sale.state == VOIDING and self._void_due:
            return VOID, self.sale.id
        return GET, self.sale.id

    def _choose_before_id(self):
        if self._lost_at is None:
            return None if self._cancel_reason else (CREATE, "")
        if self._can_find:
            return FIND, ""
        if self._drawable and not self._cancel_reason and self._creates < _MAX_CREATES:
            return CREATE, ""
        return None

    # What the till and time do to it

    def cancel(self, now, reason="CANCELLED_BY_MERCHANT"):
        """The till, the cashier or a fault of ours wants it gone. The outcome comes later, whichever it is."""
        if not self.in_progress or self._cancel_reason:
            return
        self._cancel_reason = reason
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        if self.sale.state == PAYABLE:
            self._start_void(now)
        elif self._lost_at is None and not self._in_flight:
            self._finish(FAILED, reason, now)

    def recheck(self, now):
        """After a restart: an expired request is read once more, in case the power went before it was."""
        if self.sale.state == EXPIRED and self.sale.id:
            self._recheck_at = now

    def tick(self, now):
        """Lets time pass: gives up waiting where a definite answer is overdue."""
        if not self.sale.is_open:
            return
        if self.sale.state == NEW:
            self._tick_before_id(now)
        elif self.sale.state == PAYABLE:
            if now >= self.deadline + _GRACE_MS:
                self._cancel_reason = EXPIRED
                self._start_void(now)
                self.unknown = True
        elif now >= self._give_up_at:
            self.unknown = True

    def _tick_before_id(self, now):
        if self._in_flight:
            return
        if self._lost_at is None:
            if self._cancel_reason:
                self._finish(FAILED, self._cancel_reason, now)
            elif now >= self._give_up_at:
                self._finish(FAILED, "RATE_LIMITED" if self.trouble == "429" else "NO_CONNECTION", now)
            return
        if now >= self._give_up_at:
            self.unknown = True
            self._drawable = False
        if not self._can_find and now >= self.deadline + _DEAD_MS:
            self._finish(FAILED, "NEVER_SHOWN", now)

    # What the API does to it

    def answered(self, verb, answer, now):
        """Takes a checked answer: PaymentRequest for create and get, the activity's type for void, a list of Found for
        find, (was paid, was refunded) for activities."""
        self._in_flight = ""
        self._failures = 0
        self.trouble = ""
        if verb == CREATE:
            self._created(answer, now)
        elif verb == GET:
            self._read(answer, now)
        elif verb == VOID:
            self._voided(answer, now)
        elif verb == FIND:
            self._found(answer, now)
        elif verb == ACTIVITIES:
            self._know_activities(answer, now)

    def _created(self, request, now):
        if not self._adopt(request.id, request.code, now):
            return
        self._read(request, now)

    def _adopt(self, identity, code, now):
        """Writes the id down; only then may it be drawn. Returns whether the sale goes on."""
        self.sale.id = identity
        self.sale.code = code
        self.sale.state = PAYABLE
        written = self._save()
        if written and self._drawable and not self._cancel_reason:
            self._next_at = now
            return True
        self._cancel_reason = self._cancel_reason or ("TIMED_OUT" if written else "FLASH_FAULT")
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        self._start_void(now)
        return False

    def _read(self, request, now):
        self.sale.code = request.code or self.sale.code
        self.merchant = request.merchant or self.merchant
        self.url = request.url or self.url
        self.test = request.test
        if not self.sale.is_open:
            self._reread(request, now)
        elif request.status == "new":
            self._still_new(now)
        elif self._void_lost and request.status != "expired":
            self._settle_lost_void(request, now)
        elif request.status == "paid":
            self.method = request.method
            self._finish(PAID, "", now)
        elif request.status == "cancelled":
            self._finish(CANCELLED, request.reason or "CANCELLED", now)
        else:
            self._finish(EXPIRED, "", now)

    def _settle_lost_void(self, request, now):
        """A void went out and its answer did not come back, so it may still arrive and refund. What was paid is voided
        again, until an answer says that the money is back: PAID could be undone a moment after it was said."""
        self._next_at = now
        if request.status == "paid":
            self._void_due = True
        else:
            self._ask_activities = True

    def _reread(self, request, now):
        self._recheck_at = None
        if request.status == "paid":
            self.method = request.method
            self._finish(PAID, "LATE", now)

    def _still_new(self, now):
        self._next_at = now + _POLL_MS
        if self.sale.state == VOIDING:
            self._void_due = True
            self._next_at = now
            return
        if now >= self.deadline + _VOID_AFTER_MS:
            self._cancel_reason = EXPIRED
            self._give_up_at = now + _CANCEL_GIVE_UP_MS
            self._start_void(now)
            return
        if self._needs_url and not self.url:
            self._without_url += 1
            if self._without_url >= _MAX_WITHOUT_URL:
                self.cancel(now, "NO_QR_CODE")

    def _voided(self, activity, now):
        if self._strays:
            self._strays.pop(0)
            self._next_at = now
            return
        if activity == "refund":
            self._finish(CANCELLED, PAID_THEN_REFUNDED, now)
        elif self._cancel_reason == EXPIRED:
            self._finish(EXPIRED, "", now)
        else:
            self._finish(CANCELLED, self._cancel_reason, now)

    def _found(self, found, now):
        if not found:
            self._not_found(now)
            return
        alive = [hit for hit in found if hit.status in ("new", "paid")] or found
        keep = alive[0]
        self._strays = [hit.id for hit in alive[1:] if hit.status == "new"]
        self._adopt(keep.id, "", now)

    def _not_found(self, now):
        if now < self._lost_at + _FIND_AFTER_MS:
            self._next_at = now + _POLL_MS
        elif self._drawable and not self._cancel_reason and not self.unknown:
            self._lost_at = None
            self._next_at = now
        else:
            self._finish(FAILED, self._cancel_reason or "NOT_CREATED", now)

    def _know_activities(self, happened, now):
        was_paid, was_refunded = happened
        self._ask_activities = False
        if was_paid and not was_refunded:
            self._next_at = now + _POLL_MS  # status and activities disagree: read both again
        else:
            self._finish(CANCELLED, PAID_THEN_REFUNDED if was_refunded else self._cancel_reason, now)

    def failed(self, verb, error, now):
        """Takes the CentrapayError of a call."""
        self._in_flight = ""
        if not self.sale.is_open:
            self._recheck_at = (
                now + _SETUP_RETRY_MS if self._recheck_at is not None and now < self.finished_at + _DEAD_MS else None
            )
            return
        if verb == VOID and self._strays and not isinstance(error, RateLimited):
            self._strays.pop(0)  # never drawn: it dies at its expiry
            self._next_at = now
            return
        if isinstance(error, RateLimited):
            self.trouble = "429"
            self._next_at = now + error.retry_after * 1000
        elif isinstance(error, SetupFault):
            self._setup_failed(verb, error, now)
        elif isinstance(error, Refused):
            self._refused(verb, error.code, now)
        else:
            self._unanswered(verb, error, now)

    def _setup_failed(self, verb, error, now):
        self.trouble = error.code
        if verb == CREATE and self._lost_at is None:
            self._finish(FAILED, error.code, now)
        elif verb == FIND:
            self._can_find = False
            self._next_at = now
        else:
            self._next_at = now + _SETUP_RETRY_MS

    def _refused(self, verb, code, now):
        self.trouble = code
        self._next_at = now + _POLL_MS
        if verb == CREATE:
            self._finish(FAILED, code, now)
        elif verb == VOID:
            self._void_refused(code, now)
        elif verb == FIND:
            self._can_find = False
        elif verb == ACTIVITIES:
            self._ask_activities = False
            self._void_lost = False
        else:
            self._back_off(now)

    def _void_refused(self, code, now):
        """Read on: only a status or ALREADY_REFUNDED says what happened to the money."""
        self._void_due = False
        if code == "ALREADY_REFUNDED":
            self._finish(CANCELLED, PAID_THEN_REFUNDED, now)
        elif code == "REQUEST_EXPIRED":
            self._finish(EXPIRED, "", now)
        else:
            self._void_lost = False  # what cannot be voided now could not be before
            self._back_off(now)

    def _unanswered(self, verb, error, now):
        self.trouble = error.words
        self._back_off(now)
        if verb == CREATE and error.sent:
            self._lost_at = now
        elif verb == VOID:
            self._void_due = False  # read before it is voided again
            self._void_lost = self._void_lost or error.sent

    def _back_off(self, now):
        self._failures += 1
        wait = _POLL_MS
        if self.unknown:
            wait = min(_POLL_MS << min(self._failures, 5), _SLOWEST_MS)
        self._next_at = now + wait

    def _start_void(self, now):
        self.sale.state = VOIDING
        self._void_due = False
        self._next_at = now
        self._save()

    def _finish(self, state, reason, now):
        self.sale.state = state
        self.sale.reason = reason
        self.sale.acked = False
        self.finished_at = now
        self._cancel_reason = ""
        self._recheck_at = now + _GRACE_MS if state == EXPIRED else None
        self._save()

    def _save(self):
        """Writes the record. What is lost with a failed write is only speed: the record before it leads back here."""
        try:
            self._journal.write(self.sale)
        except JournalError:
            self.flash_fault = True
            return False
        self.flash_fault = False
        return True
