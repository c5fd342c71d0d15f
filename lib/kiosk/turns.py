"""Whose call may go next, where one account's 200 calls a minute are shared and a patron is waiting."""

from micropython import const

from centrapay import RateLimited, Unknown

_ASIDE_MS = const(5000)  # while a patron is paying, old sales get a call this often
_ASIDE_HUNG_MS = const(60000)  # or that often, where such a call got no answer: it may have taken all its time
_ASIDE_ROOM_MS = const(400)  # and only where the next poll is that far off
_CROWDED_MS = const(500)  # after each 429, polls come this much slower
_MOST_CROWDED_MS = const(3000)
_RELIEF_MS = const(25)  # and after each answer this much quicker again


class Turns:
    def __init__(self):
        self._pause_until = 0  # no call before that, whoever it is for: the account made too many
        self._aside_at = 0
        self.slower_ms = 0  # what polls are put off by

    def wait(self, now):
        """Milliseconds, 0 or less, for which nobody may call."""
        return self._pause_until - now

    def have_room(self, payment, now):
        """Whether old sales may get a call beside this payment in progress: a patron who has paid must not wait."""
        due = payment.due_in(now)
        if due is None:
            return not payment.is_calling
        return due >= _ASIDE_ROOM_MS and not payment.trouble and now >= self._aside_at

    def gave_aside(self, now):
        """An old sale got a call."""
        self._aside_at = now + _ASIDE_MS

    def answered(self):
        self.slower_ms = max(self.slower_ms - _RELIEF_MS, 0)

    def failed(self, error, aside, now):
        if isinstance(error, RateLimited):
            self._pause_until = now + error.retry_after * 1000 + now % 256  # not at the same moment as other displays
            self.slower_ms = min(self.slower_ms + _CROWDED_MS, _MOST_CROWDED_MS)
        elif aside and isinstance(error, Unknown):
            self._aside_at = now + _ASIDE_HUNG_MS
