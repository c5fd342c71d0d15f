"""The desk for a till that drives a 2x20 customer display and knows nothing of payments, without I/O.

The till cannot be told anything: the glass tells the cashier. So a result counts as told when it is on the glass, late
news when the cashier has pressed the button.
"""

from micropython import const

from kiosk import view
from kiosk.desk import Desk, Refusal, record_of
from kiosk.journal import JournalError
from kiosk.record import PAID
from till.pole import Pole
from till.watcher import Watcher

_SEEN_MS = const(30000)  # without a button: how long a payment that was withdrawn too late is shown for the cashier


class DisplayDesk(Desk):
    """dialect: class Dialect of a module of till/. The other arguments of its own are Watcher's; the rest is Desk's."""

    def __init__(self, dialect, words, style, policy, stable_ms, *desk):
        super().__init__(*desk)
        self._pole = Pole()
        self._dialect = dialect(self._pole)
        self._watcher = Watcher(self._pole, self._currency, words, style, policy, stable_ms)
        self._policy = policy
        self._settled = True  # the watcher knows that the last sale is closed
        self._withdrawn = False  # the till took its total back
        self._state = ""

    def restore(self, now):
        super().restore(now)
        last = self.last(now)
        if last is not None and record_of(last).is_open:
            self._watcher.began(_tag_of(record_of(last).ref), record_of(last).amount)
            self._settled = False

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether it said anything"""
        if count:
            self._dialect.feed(data, count)
            self._watcher.heard(now)
        self._settle(now)
        intent = self._watcher.tick(now)
        if intent is not None:
            self._obey(intent[0], intent[1], intent[2], now)
        if self._watcher.state != self._state or self._pole.undefined and count:
            self._state = self._watcher.state
            self.revision += 1
        return bool(count)

    def answer(self):
        """What the display says back to the till (DSP-800's ACK, an identity), or None."""
        replies = self._pole.replies
        if not replies:
            return None
        said = bytes(replies)
        replies[:] = b""
        return said

    def outgoing(self, now):
        """Nothing: no till reads results from a customer display."""

    # ---- what the screen means ------------------------------------------------------------------------------------

    def _obey(self, verb, ref, amount, now):
        try:
            if verb == "CANCEL":
                if self._current is not None:
                    self._current.payment.cancel(now)
                self._withdrawn = True
                return
            self.sale(ref or "D" + str(self._journal.next_seq()), amount, self._currency, now)
            self._settled = self._withdrawn = False
            return
        except Refusal as refusal:
            print("[tillpane] no sale:", refusal.code, refusal.words)
        except JournalError as error:
            print("[tillpane] no sale:", error.args[0])
        self._watcher.settled(False)

    def _settle(self, now):
        """Tells the watcher that the sale of the moment is closed; one withdrawn too late, once the cashier knows."""
        ticket = self._current
        if ticket is None or self._settled or ticket.payment.in_progress:
            return
        sale = ticket.sale
        paid = sale.state == PAID or sale.is_open  # not known: its total starts no second sale by itself
        ended_at = ticket.payment.finished_at or now
        if self._withdrawn and paid and not ticket.dismissed and now < ended_at + _SEEN_MS:
            return
        self._settled = True
        self._watcher.settled(paid)

    def tick(self, now):
        super().tick(now)
        self.let_go(now)
        ticket = self._current
        if ticket is not None and not ticket.payment.in_progress:
            self.count_as_told(ticket.sale)

    def press(self, now):
        """The cashier's button: a result may go from the glass; or the total on the till's display is to be paid."""
        shown = self.shows_sale(now)
        super().press(now)
        if not shown:
            self._watcher.press(now)

    # ---- what the glass shows -------------------------------------------------------------------------------------

    def view(self, now):
        shows = super().view(now)
        if shows.kind != view.READY:
            return shows
        if self._pole.undefined:
            shows.kind = view.MIRROR
            shows.method = self._pole.row(0)
            shows.detail = self._pole.row(1)
            shows.note = self._state
        elif self._state and not shows.note:
            shows.note = "Till: " + self._state
            if self._policy == "button" and self._state[:1].isdigit():
                shows.note += ". Press for the code."
        return shows


def _tag_of(ref):
    """The receipt number that the till gave, "" where the reference is one of ours."""
    return "" if ref[:1] == "D" and ref[1:].isdigit() else ref
