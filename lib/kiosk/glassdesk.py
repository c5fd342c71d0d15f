"""The desk for tills that hear a result when they ask for it or never: the glass tells the cashier. Without I/O."""

from micropython import const

from kiosk.desk import Desk, Refusal
from kiosk.ticket import took_money

_MAX_NEWS = const(8)
_LET_GO_MS = const(1000)


class GlassDesk(Desk):
    """The arguments are Desk's."""

    def __init__(self, *desk):
        super().__init__(*desk)
        self._let_go_at = 0

    def restore(self, now):
        last = super().restore(now)
        self._arrears = None  # what the till does not hear the cashier reads: the newest eight at each start
        return last

    def take_up(self, sale, now):
        """After restore: the last sale is on the glass again, unless nothing can come of it."""
        ticket = self._ticket(sale.ref)
        if ticket is not None and not ticket.is_settled(now):
            self._unsettled.remove(ticket)
            self._current = ticket

    def count_as_told(self, sale):
        """The result was delivered, or has been on the glass."""
        try:
            self._write_ack(sale)
        except Refusal as refusal:
            print("[tillpane] journal:", refusal.words)

    def let_go(self, now):
        """What is settled is news, one after the other. Each counts as told when the cashier has pressed, after half an
        hour on the glass, or when there is more of it than is kept."""
        if now < self._let_go_at:
            return
        self._let_go_at = now + _LET_GO_MS  # what flash does not take is not tried again at once
        news = self._unread()
        for ticket in news:
            if ticket.dismissed:
                self.count_as_told(ticket.sale)
            elif self._news.ticket is None:
                self._news.notice(ticket, now)
        if len(news) > _MAX_NEWS:
            self._give_up_one(news)

    def _unread(self):
        """The tickets of which the cashier has still to read, oldest first."""
        return [ticket for ticket in self._unsettled if ticket.payment.is_over and not ticket.sale.acked]

    def _give_up_one(self, news):
        """The oldest counts as told: of what took no money where there is such, and not what is on the glass."""
        hidden = [ticket for ticket in news if ticket is not self._news.ticket] or news
        lesser = [ticket for ticket in hidden if not took_money(ticket.sale)]
        self.count_as_told((lesser or hidden)[0].sale)

    def _make_room(self, now):
        """A sale comes before news."""
        news = self._unread()
        if news:
            self._give_up_one(news)
        super()._make_room(now)
