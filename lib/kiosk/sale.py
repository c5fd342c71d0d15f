"""One sale from the till's amount to its definite result: a state machine without I/O.

`next_call(now)` says which API call is due, `answered` and `failed` take its outcome, `tick(now)` lets time pass.
`now` is monotonic milliseconds. What must outlive a power cut is in the journal before the step that depends on it.

Why each step is safe (docs/money.md has the rules):
- A request whose id is not in the journal is never drawn, and what was never drawn cannot be paid: nobody has its URL.
- A lost create answer is looked up by external reference before another create. Where the account id for the look-up is
  not set, one more create is allowed; the lost request was never drawn and dies at its expiry.
- The API has no call that only cancels: void refunds what was paid meanwhile. So the request is read before it is
  voided, and the void's answer (or, when that is lost, the activities) decides what is said.
- A call counts as lost from the moment it is taken, so a fault of ours in the midst of it ends like a lost answer.
"""

import binascii
import gc

from micropython import const

from centrapay import RateLimited, Refused, SetupFault, Unknown
from kiosk.journal import JournalError
from kiosk.record import CANCELLED, EXPIRED, FAILED, HEARD, NEW, PAID, PAYABLE, VOID_SENT, VOIDING

CREATE = "create"
GET = "get"
VOID = "void"
FIND = "find"
ACTIVITIES = "activities"

_POLL_MS = const(1000)
_SLOWER_MS = const(400)  # more, in the middle of a sale: there several displays may share 200 calls a minute
_QUICK_MS = const(30000)  # at first, when most patrons pay
_NEAR_END_MS = const(10000)
_JITTER_MS = const(100)
_SLOWEST_MS = const(30000)
_REFUSED_SLOWEST_MS = const(300000)  # where the API answers, and says no
_CREATE_GIVE_UP_MS = const(30000)
_CANCEL_GIVE_UP_MS = const(20000)
_VOID_AFTER_MS = const(8000)  # past the expiry: the API still says new, so it is closed by a void
_GRACE_MS = const(9500)  # past the expiry: integration checklist 103.1 wants 5 to 10 s
_DEAD_MS = const(60000)  # past the expiry: a request nobody ever saw is certainly gone
_RECHECK_MS = const(3600000)  # how long the last look at an expired request is tried often
_RECHECK_SELDOM_MS = const(600000)
_FIND_AFTER_MS = const(3000)  # a request may take a moment to be found by its reference
_SETUP_RETRY_MS = const(10000)
_UNSAVED_MS = const(10000)  # a result that flash does not take is not said: a power cut could unsay it
_SAVE_AGAIN_MS = const(5000)
_MAX_LOST = const(2)
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
        self._unsaved = False  # the record on flash is behind; it leads back here, at the price of asking again
        self._save_at = now
        self.deadline = now + expiry_ms
        self._expiry_ms = expiry_ms
        self.finished_at = None
        self._journal = journal
        self._can_find = can_find
        self._needs_url = needs_url
        self._next_at = now
        self._give_up_at = now + _CREATE_GIVE_UP_MS
        self._in_flight = ""
        self._failures = 0  # calls in a row without an answer
        self._refusals = 0  # answers that left it open, since it is to be closed
        self._losses = 0
        self._without_url = 0
        self._lost_at = None  # when a create left the box and its answer has not come back
        self._was_lost = None  # what that was before the call in flight
        self._drawable = not restored
        self._safe = False  # its id is on flash, so its code may be drawn
        self._cancel_reason = ""
        self._void_due = False
        self._void_out = False  # a void may have reached the API, and its answer has not come back
        self._was_out = False  # what that was before the call in flight
        self._void_refused = False
        self._ask_activities = False
        self._recheck_at = None  # an expired request is read again: a provider may still have let the payment through
        self._late = False  # it has, and flash did not take that yet
        self._strays = []  # further requests of this very sale, found by look-up, to be voided
        self._dice = binascii.crc32(sale.external_ref.encode()) & 0xFFFF
        if restored:
            self._restore(now)

    def _restore(self, now):
        self._cancel_reason = "RESTARTED"
        self.sale.owed = True  # its result may come while nothing can be said, and the power go again
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        if self.sale.state == NEW:
            self._lost_at = now
            return
        self._void_out = self.sale.state == VOID_SENT
        self._safe = True  # it may have been drawn
        if not self._void_out:
            self.sale.state = VOIDING

    # What the rest of the product asks

    @property
    def in_progress(self):
        """Whether the till is waiting: no definite result, and not yet told UNKNOWN."""
        return not self.is_over and not self.unknown

    @property
    def is_calling(self):
        """Whether a call is in flight."""
        return bool(self._in_flight)

    @property
    def result(self):
        """The final word for the till, or "" while in progress."""
        if self.in_progress:
            return ""
        return self.sale.state if self.is_over else "UNKNOWN"

    @property
    def _closing(self):
        return self.sale.state == VOIDING or self.sale.state == VOID_SENT

    def stage(self, now):
        """What it is doing, as the till hears it: PREPARING, PAYABLE, CANCELLING or CHECKING."""
        if not self.sale.is_open:
            return "CHECKING"
        if self._closing or self._cancel_reason:
            return "CHECKING" if self._cancel_reason == EXPIRED else "CANCELLING"
        if self.sale.state == NEW or not self._safe:
            return "PREPARING"
        if self._needs_url and not self.url:
            return "PREPARING"
        return "PAYABLE" if now < self.deadline else "CHECKING"

    @property
    def is_over(self):
        """Whether it has a definite result, and that is on flash."""
        return not self.sale.is_open and not self._unsaved

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
        if call[0] == CREATE:
            self._was_lost, self._lost_at = self._lost_at, now
            self._losses += 1
            self.deadline = now + self._expiry_ms
        elif call[0] == VOID and not self._strays and not self._note_void(now):
            return None
        self._in_flight = call[0]
        return call

    def _note_void(self, now):
        """Writes down that a void goes out. False, and it must not, where that fails for a code that may be paid."""
        if self.sale.state != VOID_SENT:
            self.sale.state = VOID_SENT
            if not self._save() and self._safe:
                self.sale.state = VOIDING
                self._void_due = False  # it is read until it has come to an end by itself, or the flash works again
                self._back_off(now)
                return False
        self._was_out, self._void_out = self._void_out, True
        return True

    def lost(self, now):
        """A fault of ours ended whatever was in flight."""
        if self._in_flight:
            self.failed(self._in_flight, Unknown("fault"), now)

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
        if self._closing and self._void_due:
            return VOID, self.sale.id
        return GET, self.sale.id

    def _choose_before_id(self):
        if self._lost_at is None:
            return None if self._cancel_reason else (CREATE, "")
        if self._can_find:
            return FIND, ""
        if self._drawable and not self._cancel_reason and self._losses < _MAX_LOST:
            return CREATE, ""
        return None

    # What the till and time do to it

    def cancel(self, now, reason="CANCELLED_BY_MERCHANT"):
        """The till, the cashier or a fault of ours wants it gone. The outcome comes later, whichever it is."""
        if not self.in_progress or not self.sale.is_open or self._cancel_reason:
            return
        self._cancel_reason = reason
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        if self.sale.state == PAYABLE:
            self._start_void(now)
        elif self._lost_at is None and not self._in_flight:
            self._finish(FAILED, reason, now)

    def recheck(self, now):
        """After a restart: an expired request is read once more, if the power went before it was. Not at once: the cut
        may have been short, and a provider's late payment still on its way."""
        if self.sale.watched:
            self._recheck_at = now + _GRACE_MS

    def slow(self, ms):
        """Puts the next poll off: the account's calls run short."""
        if self.sale.state == PAYABLE:
            self._next_at += ms

    def tick(self, now):
        """Lets time pass: gives up waiting where a definite answer is overdue."""
        if self._unsaved and now >= self._save_at:
            self._save_at = now + _SAVE_AGAIN_MS
            self._save()
        elif self._late and now >= self._save_at and not self._in_flight:
            self._save_at = now + _SAVE_AGAIN_MS
            self._say_late(now)
        if not self.sale.is_open:
            self.unknown = self._unsaved and now >= self.finished_at + _UNSAVED_MS
            self.sale.owed = self.sale.owed or self.unknown
            return
        if self.sale.state == NEW:
            self._tick_before_id(now)
        elif self.sale.state == PAYABLE:
            if not self._safe:
                self._withdraw("FLASH_FAULT", now)
            elif now >= self.deadline + _GRACE_MS:
                self._cancel_reason = EXPIRED
                self._start_void(now)
                self._say_unknown()
        elif now >= self._give_up_at:
            self._say_unknown()

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
            self._drawable = False
            self._say_unknown()
        if now >= self.deadline + _DEAD_MS:
            self._finish(FAILED, "NEVER_SHOWN", now)

    def _say_unknown(self):
        """From now on the till is owed a definite result, also over a power cut."""
        if self.unknown:
            return
        self.unknown = True
        self.sale.owed = True
        self._save()

    # What the API does to it

    def answered(self, verb, answer, now):
        """Takes a checked answer: PaymentRequest for create and get, the activity's type for void, a list of Found for
        find, (was paid, was refunded) for activities."""
        self._in_flight = ""
        self.trouble = ""
        if verb != GET or not self._closing:  # voids that get no answer each follow a read that does
            self._failures = 0
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
            self._safe = True
            self._next_at = now
            return True
        self._withdraw("TIMED_OUT" if written else "FLASH_FAULT", now)
        return False

    def _withdraw(self, reason, now):
        self._cancel_reason = self._cancel_reason or reason
        self._give_up_at = now + _CANCEL_GIVE_UP_MS
        self._start_void(now)

    def _read(self, request, now):
        self.sale.code = request.code or self.sale.code
        self.merchant = request.merchant or self.merchant
        self.url = request.url or self.url
        self.test = request.test
        if not self.sale.is_open:
            self._reread(request, now)
        elif request.status == "new":
            self._still_new(now)
        elif self._void_out and request.status != "expired":
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
        self._retry_after(now)
        if request.status == "paid":
            self._void_due = True
        else:
            self._ask_activities = True

    def _reread(self, request, now):
        if request.status == "paid":
            self.method = request.method
            self._say_late(now)
        elif request.status == "new" and now < self.finished_at + _RECHECK_MS:
            # Its void was refused as expired, but its status lags: a provider may still be at work on it.
            self._recheck_at = now + max(_SETUP_RETRY_MS, (now - self.finished_at) // 2)
        else:
            self._stop_watching()

    def _say_late(self, now):
        """It was paid after all. Where EXPIRED was said, that stands until flash has taken the better word."""
        sale = self.sale
        said = not self._unsaved
        before = sale.acked, self.finished_at
        sale.owed = True
        self._finish(PAID, "LATE", now)
        self._late = said and self._unsaved
        if self._late:
            self._unsaved = False
            sale.state, sale.reason, sale.watched = EXPIRED, "", True
            sale.acked, self.finished_at = before
            self._recheck_at = now + _SETUP_RETRY_MS

    def _stop_watching(self):
        self._recheck_at = None
        self._late = self.sale.watched = False
        write(self._journal, self.sale)  # where that fails it is only read once more after the next restart

    def _still_new(self, now):
        if self._closing:
            self._void_due = True
            self._next_at = now  # what was just read is true for a moment only
        elif now >= self.deadline + _VOID_AFTER_MS:
            self._withdraw(EXPIRED, now)
        else:
            self._next_at = now + self._pace(now)
            self._await_url(now)

    def _retry_after(self, now):
        """At once, but with growing pauses where answers keep leaving it open."""
        self._next_at = now
        if self._refusals > 1:
            self._wait_longer(now)

    def _await_url(self, now):
        if self._needs_url and not self.url:
            self._without_url += 1
            if self._without_url >= _MAX_WITHOUT_URL:
                self.cancel(now, "NO_QR_CODE")

    def _pace(self, now):
        """Milliseconds to the next poll: quick at first and near the end, slower between; 1500 at most."""
        self._dice = (self._dice * 75 + 74) % 65537  # displays that started together do not stay together
        wait = _POLL_MS - _JITTER_MS + self._dice % (2 * _JITTER_MS + 1)
        left = self.deadline - now
        if _NEAR_END_MS <= left < self._expiry_ms - _QUICK_MS:
            wait += _SLOWER_MS
        return wait

    def _voided(self, activity, now):
        if self._strays:
            self._strays.pop(0)
            self._next_at = now
            return
        if activity == "refund":
            self._finish(CANCELLED, PAID_THEN_REFUNDED, now)
        else:
            self._close(now)

    def _close(self, now):
        """It can no longer be paid, and was not."""
        if self._cancel_reason == EXPIRED:
            self._finish(EXPIRED, "", now)
        else:
            self._finish(CANCELLED, self._cancel_reason, now)

    def _found(self, found, now):
        if not found:
            self._not_found(now)
            return
        self._strays = [hit.id for hit in found[1:] if hit.status == "new"]
        self._adopt(found[0].id, "", now)

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
        if was_refunded:
            self._finish(CANCELLED, PAID_THEN_REFUNDED, now)
        elif self._void_refused:
            self._void_refused = self._void_out = False  # no void came through: the status is the truth
            self._next_at = now
        elif was_paid:
            self._wait_longer(now)  # status and activities disagree: both are read again
        else:
            self._close(now)

    def failed(self, verb, error, now):
        """Takes the CentrapayError of a call."""
        self._in_flight = ""
        if not self.sale.is_open:
            self._reread_failed(error, now)
            return
        if verb == VOID and self._strays:
            self._stray_failed(error, now)
            return
        if verb == CREATE and not _may_have_worked(error):
            self._lost_at = self._was_lost
            self._losses -= 1
        elif verb == VOID and not _may_have_worked(error):
            self._void_out = self._was_out
        if verb == VOID:
            self._void_due = False  # whatever came of it: it is read before it is voided again
        if isinstance(error, RateLimited):
            self.trouble = "429"
            self._next_at = now + error.retry_after * 1000
        elif isinstance(error, SetupFault):
            self._setup_failed(verb, error, now)
        elif isinstance(error, Refused):
            self._refused(verb, error.code, now)
        else:
            self.trouble = error.words
            self._back_off(now)

    def _reread_failed(self, error, now):
        if now < self.finished_at + _RECHECK_MS:
            self._recheck_at = now + _SETUP_RETRY_MS
        elif isinstance(error, Refused):
            self._stop_watching()  # the API answers, and does not know it any more
        else:
            self._recheck_at = now + _RECHECK_SELDOM_MS

    def _stray_failed(self, error, now):
        if isinstance(error, RateLimited):
            self._next_at = now + error.retry_after * 1000
            return
        self._strays.pop(0)  # never drawn: it dies at its expiry
        self._next_at = now

    def _setup_failed(self, verb, error, now):
        self.trouble = error.code
        if verb == CREATE and self._lost_at is None:
            self._finish(FAILED, error.code, now)
        elif verb == FIND:
            self._can_find = False
            self._next_at = now
        else:
            self._wait_longer(now)
            self._next_at = max(self._next_at, now + _SETUP_RETRY_MS)

    def _refused(self, verb, code, now):
        self.trouble = code
        self._next_at = now + _POLL_MS
        if verb == CREATE:
            self._finish(FAILED, code, now)
        elif verb == VOID:
            self._void_answered_no(code, now)
        elif verb == FIND:
            self._can_find = False
        elif verb == ACTIVITIES and not self._void_refused:
            self._ask_activities = self._void_out = False
        else:
            self._wait_longer(now)

    def _void_answered_no(self, code, now):
        """Read on: only a status, the activities or ALREADY_REFUNDED say what happened to the money. A void that was
        lost before this one may have worked, also where it is refused now (VOID_WINDOW_EXCEEDED after 24 h)."""
        if code == "ALREADY_REFUNDED":
            self._finish(CANCELLED, PAID_THEN_REFUNDED, now)
        elif code == "REQUEST_EXPIRED":
            self._finish(EXPIRED, "", now)
        else:
            self._ask_activities = self._void_refused = self._void_out
            self._wait_longer(now)

    def _back_off(self, now):
        """Nothing came back."""
        self._failures = min(self._failures + 1, 9)
        self._next_at = now + (min(_POLL_MS << self._failures, _SLOWEST_MS) if self.unknown else _POLL_MS)

    def _wait_longer(self, now):
        """The API answers, but what it says does not settle it."""
        self._refusals = min(self._refusals + 1, 9)
        self._next_at = now + (min(_POLL_MS << self._refusals, _REFUSED_SLOWEST_MS) if self.unknown else _POLL_MS)

    def _start_void(self, now):
        self.sale.state = VOIDING
        self._void_due = False
        self._refusals = 0
        self._next_at = now
        self._save()

    def _finish(self, state, reason, now):
        self._unsaved = True
        self.sale.reason = reason
        self.sale.acked = False
        self.finished_at = now
        self.sale.watched = state == EXPIRED
        self._recheck_at = now + _GRACE_MS if state == EXPIRED else None
        self.sale.state = state  # from here on it is over, also where a fault ends this
        self._save()

    def _save(self):
        """Writes the record. What is lost with a failed write is only speed: the record before it leads back here."""
        self._unsaved = True
        self._unsaved = not write(self._journal, self.sale)
        return not self._unsaved


def note_heard(journal, sale):
    """The till was told the definite result, and moved on without acknowledging it: others are owed more."""
    if sale.owed and sale.owed != HEARD and not sale.acked:
        sale.owed = HEARD
        write(journal, sale)


def write(journal, sale):
    """Whether the record is on flash now."""
    try:
        journal.write(sale)
    except JournalError:
        return False
    except MemoryError:
        gc.collect()
        return _write_again(journal, sale)
    return True


def _write_again(journal, sale):
    try:
        journal.write(sale)
    except (JournalError, MemoryError):
        return False
    return True


def _may_have_worked(error):
    if isinstance(error, (RateLimited, SetupFault, Refused)):
        return False
    return error.sent
