"""What the glass should show, as plain data: the sale decides it, the screens paint it."""

from micropython import const

STARTING = const(0)
JOINING = const(1)
READY = const(2)
PREPARING = const(3)
PAY = const(4)
PAID = const(5)
CANCELLED = const(6)
EXPIRED = const(7)
CHECKING = const(8)
FAILED = const(9)
OUT_OF_ORDER = const(10)
MIRROR = const(11)

NAMES = (
    "starting",
    "joining-wifi",
    "ready",
    "preparing",
    "pay",
    "paid",
    "cancelled",
    "expired",
    "checking",
    "failed",
    "out-of-order",
    "mirror",
)


class View:
    """One screen. Text fields are str, "" where they do not apply.

    kind      one of the constants above
    amount    as people read it, "$12.34"
    currency  ISO 4217 code, "NZD"
    merchant  name on the patron's screen
    payload   bytes of the QR code (PAY only), else b""
    code      Centrapay short code, "CP-C7F-ZS5"
    method    what the patron paid with, from paidBy (PAID only)
    detail    the main sentence: network name, reason in words, what is wrong
    note      second sentence: late news, what staff should do, test mode
    left_s    whole seconds until the request expires (PAY only)
    total_s   whole seconds it was given (PAY only)
    """

    def __init__(
        self,
        kind,
        amount="",
        currency="",
        merchant="",
        payload=b"",
        code="",
        method="",
        detail="",
        note="",
        left_s=0,
        total_s=0,
    ):
        self.kind = kind
        self.amount = amount
        self.currency = currency
        self.merchant = merchant
        self.payload = payload
        self.code = code
        self.method = method
        self.detail = detail
        self.note = note
        self.left_s = left_s
        self.total_s = total_s
