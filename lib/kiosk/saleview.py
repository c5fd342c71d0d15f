"""A sale as the glass should show it."""

from micropython import const

from kiosk import view
from kiosk.record import CANCELLED, EXPIRED, FAILED, NEW, PAID, PAYABLE, REFUND_FAILED, REFUNDED
from ondemand import drop_modules, load_module
from till.amount import shown

_KINDS = {
    NEW: view.PREPARING,
    PAYABLE: view.PAY,
    PAID: view.PAID,
    CANCELLED: view.CANCELLED,
    EXPIRED: view.EXPIRED,
    FAILED: view.FAILED,
}
_NEWS = {
    PAID: "paid after all",
    CANCELLED: "cancelled",
    EXPIRED: "expired unpaid",
    FAILED: "never started",
    REFUNDED: "refunded",
    REFUND_FAILED: "refund failed",
}


_KNOWN_MOST = const(4)
_known = {"": ""}  # the view is made several times a second


def reason_words(reason):
    """A sentence for a reason code, "" for none."""
    if reason not in _known:
        if len(_known) > _KNOWN_MOST:
            _known.clear()
            _known[""] = ""
        _known[reason] = load_module("kiosk.words").reason_words(reason)
        drop_modules("kiosk.words")
    return _known[reason]


def sale_view(payment, now, merchant, total_ms, payload, news):
    """The View of a Payment. payload(payment) gives the QR code's bytes, news is what to say beside a result."""
    sale = payment.sale
    shows = view.View(_KINDS.get(sale.state, view.CHECKING), shown(sale.amount, sale.currency), sale.currency)
    shows.merchant = payment.merchant or merchant
    shows.code = sale.code
    shows.method = payment.method
    if payment.test:
        shows.note = "Test mode: no real money"
    if payment.unknown and sale.is_open:
        shows.kind = view.CHECKING
        shows.detail = "Outcome not known yet. Do not take another payment for this sale."
    elif sale.is_open:
        _show_open(shows, payment, now, total_ms, payload)
    else:
        shows.detail = reason_words(sale.reason)
        shows.note = news or shows.note
    return shows


def _show_open(shows, payment, now, total_ms, payload):
    stage = payment.stage(now)
    if stage == "PREPARING":
        shows.kind = view.PREPARING
    elif stage == "CANCELLING":
        shows.kind = view.CHECKING
        shows.detail = "Cancelling. Please wait for the answer."
    elif stage == "CHECKING":
        shows.kind = view.CHECKING
        shows.detail = "Time is up. Checking that nothing was paid."
    else:
        shows.kind = view.PAY
        shows.payload = payload(payment)
        shows.left_s = max(payment.deadline - now + 999, 0) // 1000
        shows.total_s = total_ms // 1000
        if payment.trouble:
            shows.note = "Connection lost, retrying"


def news_words(sale):
    """A sale's outcome that came late, for the cashier."""
    return "Sale " + sale.ref + ", " + shown(sale.amount, sale.currency) + ": " + _NEWS[sale.state]
