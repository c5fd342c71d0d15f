"""Watches a customer display and says when a sale begins and when the till has taken its total back. No I/O.

A screen counts once nothing has arrived for the settle time and a second reading, one settle time later or after a
repaint, equals the first. What a screen does then:

    a total that may start (see policy)         SALE
    the total of the sale that is on            nothing: it is the same sale
    a greeting or a blank while a sale is on    nothing: tills rest while people pay
    anything else while a sale is on            CANCEL, a doubtful screen too: nobody should pay a total that is gone
    it does not come to rest (see _glimpse)     starts nothing; CANCEL when the sale's total is not on it any more
    bytes that the dialect does not define      no sale starts until the cashier's button has cleared the screen

After CANCEL nothing starts until `settled()`: the old request is voided first. What may start after a sale:

    another screen came between            everything
    none came, it closed unpaid            the same total on the button only, another total by the policy
    none came, it was paid                 another total on the button or with another tag; the same one never
    the receipt number of the last tag     on the button only, until paid, and under the same number: the same sale.
                                           With another amount it is doubtful

"Another screen" is an item, a greeting, change, money given. A blank, a doubtful, a scrolling one and one with
undefined bytes are none, so that a repaint or noise does not turn one sale into two. What remains: a repaint of a total
that was paid, with its word damaged into another, reads as an item, and the next good repaint as a new sale; it needs
the policy "stable". Messages that a till queued and repeats stand for a second or so each: stable_ms is to be longer.
"""

from micropython import const

from till.amount import plain
from till.reading import CHARGE, IDLE, RUNNING, UNCLEAR, VETO, read

_NOTHING = (IDLE, 0, "")
_CALM_MS = const(2000)  # without rest, before anyone looks
_GLIMPSE_MS = const(40)
_MISSES = const(25)  # looks that found another screen than the sale's


class Watcher:
    """One till's display.

    pole: .row(index), .lamp, .scrolling, .undefined, .forgive(), see till.pole. words, style: see till.reading. policy:
    "button" (the cashier's), "stable" (a total that has stood for stable_ms; the button is quicker), "tag" (only the
    private tag, at once). A running total, with items beside it, starts on the button only. state: what the glass says
    of the screen, "" where there is nothing to say. Times are monotonic ms.
    """

    def __init__(self, pole, currency, words, style="auto", policy="button", stable_ms=3000, settle_ms=250):
        self._pole = pole
        self._currency = currency
        self._words = words
        self._style = style
        self._policy = policy
        self._stable_ms = stable_ms
        self._settle_ms = settle_ms
        self.state = ""
        self._due = None  # when to read next; None: what was read is what stands there
        self._glimpse_at = 0
        self._misses = 0
        self._seen = self._read = _NOTHING  # read once; read twice
        self._since = 0  # when _seen was first read
        self._pressed = False
        self._sale = ("", 0)  # the last one: receipt number of its tag, amount
        self._on = False  # it has a request that may be payable
        self._withdrawn = False
        self._between = True  # another screen came since it began
        self._paid = False

    def heard(self, now):
        """Bytes have just been fed to the pole."""
        if self._due is None:
            self._calm(now)
        self._due = now + self._settle_ms

    def press(self, now):
        """The cashier's button: whether it will start a sale with the next tick. Clears undefined bytes, and the screen
        with them: the till paints it again."""
        if self._pole.undefined:
            self._pole.forgive()
            self.heard(now)
            return False
        self._pressed = self._due is None and self._may_start(True)
        return self._pressed

    def began(self, ref, amount):
        """A sale is on that this watcher did not start: one from before a restart. Its total starts no second one."""
        self._sale = (ref, amount)
        self._on = True
        self._between = self._withdrawn = self._paid = False

    def settled(self, paid=True):
        """The last sale is closed: paid, or never to be paid. Where it was withdrawn and is paid all the same, to be
        called once the cashier has seen that."""
        self._on = self._withdrawn = False
        self._paid = paid
        if paid and self._read[0] > VETO:
            self._between = False  # what stands there may be what was paid

    def tick(self, now):
        """None, ("SALE", ref, amount) with ref "" where the till gave none, or ("CANCEL", "", 0)."""
        if self._due is not None and now >= self._due:
            self._evaluate(now)
        pressed, self._pressed = self._pressed, False
        if self._due is not None:
            return self._glimpse(now)
        kind, amount, ref = self._read
        if self._on:
            if kind == IDLE or self._sale == (ref, amount):
                return None
            return self._withdraw()
        if not pressed:
            stands = self._policy == "tag" or self._policy == "stable" and now - self._since >= self._stable_ms
            if not stands or kind != CHARGE or not self._may_start(False):
                return None
        self.began(ref, amount)
        return "SALE", ref, amount

    def _may_start(self, pressed):
        kind, amount, ref = self._read
        if self._on or kind < RUNNING or self._pole.undefined or self._policy == "tag" and not ref:
            return False
        if ref and ref == self._sale[0]:
            return pressed and not self._paid
        if self._between:
            return True
        if self._paid:
            return amount != self._sale[1] and bool(pressed or ref)
        return pressed or self._sale != (ref, amount)

    def _withdraw(self):
        if self._withdrawn:
            return None
        self._withdrawn = True
        return "CANCEL", "", 0

    def _calm(self, now):
        self._glimpse_at = now + _CALM_MS
        self._misses = 0

    def _glimpse(self, now):
        """Looks at a screen that does not come to rest, half painted as it may be. The sale's total seen once is still
        there; it is gone when a second of looks has found others. A greeting, and what cannot be read with no other
        screen before it, may move for as long as it likes."""
        if now < self._glimpse_at:
            return None
        self._glimpse_at = now + _GLIMPSE_MS
        kind, amount, ref = self._look()
        if self._on and self._sale == (ref, amount):
            self._calm(now)
        elif kind != IDLE and (kind != UNCLEAR or self._misses or not self._on):
            self._misses += 1
        if self._misses < _MISSES:
            return None
        self._calm(now)
        self._say("screen does not rest")
        return self._withdraw() if self._on else None

    def _look(self):
        pole = self._pole
        if pole.scrolling:
            return _NOTHING
        return read(pole.row(0), pole.row(1), pole.lamp, self._currency, self._words, self._style)

    def _say(self, words):
        self.state = "unknown bytes: check dialect" if self._pole.undefined else words

    def _evaluate(self, now):
        """Reads the screen; what was read twice running is what stands there."""
        pole = self._pole
        reading = kind, amount, ref = self._look()
        if ref and ref == self._sale[0] and amount != self._sale[1]:
            reading = kind, amount, ref = UNCLEAR, 0, "receipt has another amount"
        if reading != self._seen:
            self._seen, self._since = reading, now
            self._due = now + self._settle_ms
            return
        self._due = None
        self._read = reading
        if kind <= VETO and not pole.undefined and not pole.scrolling and (pole.row(0) + pole.row(1)).strip():
            self._between = True
        elif self._on and not self._withdrawn and self._sale == (ref, amount):
            self._between = False
        words = plain(amount, self._currency) if amount else ref
        self._say(words + " beside items" if kind == RUNNING else words)
