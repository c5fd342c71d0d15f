"""What the till hears about sales and refunds, as lines of the protocol (docs/till-protocol.md)."""

from till.amount import plain


def sum_of(sale):
    return sale.ref + " " + plain(sale.amount, sale.currency) + " " + sale.currency


def wait_line(payment, now):
    left = max(payment.deadline - now + 999, 0) // 1000
    return "WAIT " + payment.sale.ref + " " + payment.stage(now) + " " + str(left)


def result_line(sale, word, reason=""):
    amount = plain(sale.amount, sale.currency) + " " + sale.currency
    return " ".join(("RESULT", sale.ref, word, amount, sale.code or "-", reason or sale.reason or "-"))
