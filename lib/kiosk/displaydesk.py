"""The desk for a till that drives a 2x20 customer display and knows nothing of payments, without I/O.

The till cannot be told anything: the glass tells the cashier. So a result counts as told when it has been on the glass
for some seconds, late news when the cashier has pressed the button.

Where the till's template carries a receipt number (a tag), that is the sale's reference. A receipt whose sale came to
nothing may be paid for once more: its sales are 1017, 1017~2, 1017~3 ...; one that was paid, or may have been, never.
"""

from micropython import const

from kiosk import view
from kiosk.desk import Refusal, record_of
from kiosk.glassdesk import GlassDesk
from kiosk.journal import JournalError
from kiosk.record import PAID
from kiosk.saleview import reason_words
from kiosk.ticket import took_money
from till.amount import plain
from till.pole import Pole
from till.watcher import Watcher

_READ_MS = const(3000)  # a result that stood on the glass for so long was seen
_SEEN_MS = const(30000)  # without a button: one of a sale that was withdrawn too late
_TURNS = const(10)  # one more than there may be sales of one receipt number


class DisplayDesk(GlassDesk):
    """dialect: class Dialect of a module of till/. The other arguments of its own are Watcher's; the rest is Desk's."""

    def __init__(self, dialect, words, style, policy, stable_ms, *desk):
        super().__init__(*desk)
        self._pole = Pole()
        self._dialect = dialect(self._pole)
        self._watcher = Watcher(self._pole, self._currency, words, style, policy, stable_ms)
        self._policy = policy
        # What the watcher knows of its last sale. None: it is on; else whether it may have been paid.
        self._told = False
        self._withdrawn = False  # the till took that sale's total back
        self._word = ""  # of the sale of the moment
        self._word_at = 0
        self._state = ""
        self._why = ""  # there is no code

    def restore(self, now):
        last = super().restore(now)
        if last is not None:
            self.take_up(last, now)
            self._watcher.began(last.ref.split("~")[0], last.amount)
            self._told = None
            if self._current is None:
                self._told = last.state == PAID
                self._watcher.settled(self._told)
        return last

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether it said anything"""
        watcher = self._watcher
        if count:
            self._dialect.feed(data, count)
            watcher.heard(now)
            if self._pole.undefined:
                self.revision += 1
        self._settle(now)
        intent = watcher.tick(now)
        if watcher.state != self._state:
            self._state = watcher.state
            self._why = ""
            self.revision += 1
            if self._told is not None and self._shows_another() and self._current.sale.acked:
                self._current.dismissed = True  # the till is at the next patron's
        if intent is not None:
            self._obey(intent[0], intent[1], intent[2], now)
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

    def _obey(self, verb, tag, amount, now):
        ticket = self._current
        if verb == "CANCEL":
            self._withdrawn = True
            if ticket is not None:
                ticket.payment.cancel(now)
            return
        self._told = None  # a fault of ours in the midst of it leads to _settle
        self._withdrawn = False
        if ticket is not None and not ticket.sale.is_open and not took_money(ticket.sale):
            self.count_as_told(ticket.sale)  # what stood there goes: nothing was paid
        try:
            known = None
            ref = tag or "~" + str(self._journal.next_seq())
            for turn in range(2, _TURNS):
                known = self.known(ref, now)
                sale = record_of(known)
                if sale is None or sale.is_open or sale.state == PAID or sale.amount != amount:
                    break
                ref = tag + "~" + str(turn)
            self.sale(ref, amount, self._currency, now)
            if known is None:
                return
            self._why = ref + " was paid, or may be."
        except Refusal as refusal:
            self._why = refusal.words if refusal.code != "NOT_READY" else reason_words(refusal.words)
        except JournalError:
            self._why = reason_words("FLASH_FAULT")
        self._told = False
        self._watcher.settled(False)
        print("[tillpane] no code:", self._why)

    def _settle(self, now):
        """Tells the watcher that its sale is closed; one withdrawn too late, once the cashier knows."""
        ticket = self._current
        if ticket is None:
            if self._told is None:
                self._told = False
                self._watcher.settled(False)
            return
        word = ticket.payment.result
        if word != self._word:
            self._word = word
            self._word_at = now
        if not word:
            return
        sale = ticket.sale
        paid = sale.state == PAID or sale.is_open  # not known: its total starts no second sale by itself
        unseen = self._withdrawn and (paid or took_money(sale)) and not ticket.dismissed
        if paid != self._told and not (self._told is None and unseen and now < self._word_at + _SEEN_MS):
            self._told = paid
            self._watcher.settled(paid)

    def tick(self, now):
        super().tick(now)
        self.let_go(now)
        ticket = self._current
        if ticket is None or ticket.sale.acked or not ticket.payment.is_over or self._word != ticket.payment.result:
            return
        if now >= self._word_at + _READ_MS:
            self._word_at = now  # what flash does not take is not tried again at once
            self.count_as_told(ticket.sale)

    def press(self, now):
        """The cashier's button: what became of a sale may go from the glass; or the total on the till is to be paid.
        One press does both where the till shows another total."""
        if not super().press(now) or self._shows_another():
            self._watcher.press(now)

    # ---- what the glass shows -------------------------------------------------------------------------------------

    def _shows_another(self):
        """Whether the till shows another total than that of the sale whose result is on the glass."""
        ticket = self._current
        if ticket is None or not ticket.payment.result or not self._state[:1].isdigit():
            return False
        return self._state.split(" ")[0] != plain(ticket.sale.amount, self._currency)

    def view(self, now):
        shows = super().view(now)
        ready = shows.kind == view.READY
        if not ready and not self._shows_another():
            return shows
        words = self._why or self._state
        if ready and self._pole.undefined:
            shows.kind = view.MIRROR
            shows.method = self._pole.row(0)
            shows.detail = self._pole.row(1)
        elif self._why:
            words = "No code: " + words
        elif words:
            words = "Till: " + words
            if self._policy == "button" and self._state[:1].isdigit():
                words += ". Press for the code."
        shows.note = shows.note or words
        return shows
