"""A live payment beside what the till and the cashier have been told of it."""

from micropython import const

from kiosk.record import CANCELLED, PAID, PAYABLE
from kiosk.saleview import news_words
from kiosk.telling import Telling

_RESULT_SHOWN_MS = const(30000)  # cancelled, expired, failed; paid stays until the next sale
NEWS_SHOWN_MS = const(30 * 60 * 1000)


class Ticket:
    """A live payment with what the till has been told of it."""

    def __init__(self, payment):
        self.payment = payment
        self.sale = payment.sale
        self.telling = Telling()
        self.dismissed = False  # the cashier is done with its screen

    def is_over(self, now):
        """Whether its screen may go: what was paid stays until the next sale, other results for half a minute."""
        if self.sale.is_open:
            return False
        if self.dismissed:
            return True
        if took_money(self.sale):
            return False
        return now >= self.payment.finished_at + _RESULT_SHOWN_MS

    @property
    def patient(self):
        """Whether a read may take long: the last one did, or it is no longer one of a poll every second."""
        return self.sale.state != PAYABLE or bool(self.payment.trouble)

    @property
    def is_told(self):
        """Whether it has a definite result that was acknowledged, or told and moved on from."""
        return self.payment.is_over and (self.sale.acked or self.telling.is_done(self.payment.result))

    def is_settled(self, now):
        """Whether nothing more can come of it."""
        return self.is_told and not self.payment.is_calling and self.payment.due_in(now) is None


class News:
    """What became of a sale that is no longer on the glass, for the cashier."""

    def __init__(self):
        self.ticket = None
        self._until = 0

    def notice(self, ticket, now):
        """Keeps a definite word that came late; money that was taken is not covered by lesser news."""
        if self.ticket is not None and took_money(self.ticket.sale) and not took_money(ticket.sale):
            return
        self.ticket = ticket
        self._until = now + NEWS_SHOWN_MS

    def dismiss(self):
        """The cashier has seen it. -> whether there was any"""
        ticket = self.ticket
        self.ticket = None
        if ticket is not None:
            ticket.dismissed = True
        return ticket is not None

    def words(self, now):
        """A sentence, or "" once the till has acknowledged it, it is under way again, or half an hour has gone."""
        if self.ticket is None:
            return ""
        if now >= self._until:
            self.dismiss()
            return ""
        if self.ticket.sale.acked or self.ticket.sale.is_open:
            self.ticket = None
            return ""
        return news_words(self.ticket.sale)


def took_money(sale):
    """Whether the patron paid, even where the money went back."""
    return sale.state == PAID or sale.state == CANCELLED and sale.reason == "PAID_THEN_REFUNDED"
