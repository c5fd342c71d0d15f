"""One refund, without I/O. The same reference is the same refund at Centrapay, so it is safe to send it again."""

from micropython import const

from centrapay import RateLimited, Refused, SetupFault
from till.amount import plain

_RETRY_MS = const(2000)
_GIVE_UP_MS = const(60000)
_TELL_MS = const(2000)
_TELLS = const(15)


class Refund:
    """amount in minor units; ref distinguishes several refunds of one amount, "" where the till gave none."""

    def __init__(self, sale, amount, ref, now):
        self.sale = sale
        self.amount = amount
        self.external_ref = sale.external_ref + "-R" + (ref or str(amount))
        self.result = ""
        self._reason = ""
        self._in_flight = False
        self._next_at = now
        self._give_up_at = now + _GIVE_UP_MS
        self._tells = 0

    def due_in(self, now):
        return None if self.result or self._in_flight else max(self._next_at - now, 0)

    def next_call(self, now):
        """Whether the call is due; True means taken, until answered() or failed()."""
        if self.result or self._in_flight or now < self._next_at:
            return False
        self._in_flight = True
        return True

    def answered(self, now):
        self._end("REFUNDED", "", now)

    def failed(self, error, now):
        """Refused is definite; the rest is asked again for a minute, then told as unknown: the till may repeat it."""
        self._in_flight = False
        if isinstance(error, (Refused, SetupFault)):
            self._end("REFUND_FAILED", error.code, now)
        elif now >= self._give_up_at:
            self._end("REFUND_UNKNOWN", "", now)
        elif isinstance(error, RateLimited):
            self._next_at = now + error.retry_after * 1000
        else:
            self._next_at = now + _RETRY_MS

    def _end(self, result, reason, now):
        self._in_flight = False
        self.result = result
        self._reason = reason
        self._next_at = now

    def telling_due(self, now):
        """Whether the result should be sent now; it is repeated until the till acknowledges it or moves on."""
        if not self.result or now < self._next_at or self._tells >= _TELLS:
            return False
        self._tells += 1
        self._next_at = now + _TELL_MS
        return True

    def line(self):
        sale = self.sale
        amount = plain(self.amount, sale.currency) + " " + sale.currency
        return (
            "RESULT "
            + sale.ref
            + " "
            + self.result
            + " "
            + amount
            + " "
            + (sale.code or "-")
            + " "
            + (self._reason or "-")
        )
