"""One sale or refund as it is kept: the fields that must outlive a power cut, and their line in the journal."""

import binascii

from micropython import const

# States as they stand in the journal. One letter each while open; the order is the life of a sale.
NEW = "N"  # accepted from the till; whether a request exists at Centrapay is not known
PAYABLE = "P"  # id known; the patron may be looking at its QR code
VOIDING = "V"  # to be cancelled; no void has gone out
VOID_SENT = "W"  # a void may have gone out, which refunds what was paid
PAID = "PAID"
CANCELLED = "CANCELLED"
EXPIRED = "EXPIRED"
FAILED = "FAILED"
REFUNDING = "R"  # a refund that may have gone out
REFUNDED = "REFUNDED"
REFUND_FAILED = "REFUND_FAILED"

HEARD = const(2)  # what is owed has been told, and the till has moved on without acknowledging it

_OPEN = (NEW, PAYABLE, VOIDING, VOID_SENT, REFUNDING)
_REFUND = (REFUNDING, REFUNDED, REFUND_FAILED)
_STATES = _OPEN + _REFUND + (PAID, CANCELLED, EXPIRED, FAILED)
_FIELDS = const(11)
MAX_RECORD = const(300)


class Sale:
    """A till's sale, or a refund of one: then ref, id and code are the sale's, amount and external_ref the refund's.

    seq     counts the sales and refunds of this box; the highest is the newest
    amount  minor units
    at      seconds since 1970, 0 while the clock was not set
    id      "" until Centrapay gave one
    acked   whether the till has acknowledged the definite result
    owed    whether the till was told UNKNOWN, or something that has changed since: it must hear the definite result;
            HEARD once it has, but has not acknowledged it
    watched whether it expired and was not read once more since: a provider may still have let the payment through
    """

    def __init__(
        self,
        seq,
        ref,
        amount,
        currency,
        external_ref,
        at=0,
        state=NEW,
        identity="",
        code="",
        reason="",
        acked=False,
        owed=False,
        watched=False,
    ):
        self.seq = seq
        self.ref = ref
        self.amount = amount
        self.currency = currency
        self.external_ref = external_ref
        self.at = at
        self.state = state
        self.id = identity
        self.code = code
        self.reason = reason
        self.acked = acked
        self.owed = owed
        self.watched = watched

    @property
    def is_open(self):
        """Whether its outcome is still to be found out."""
        return self.state in _OPEN

    @property
    def is_unresolved(self):
        """Whether it is still to be asked about, also after a restart."""
        return self.is_open or self.watched

    @property
    def is_refund(self):
        return self.state in _REFUND


def pack(sale):
    """The journal's line: CRC-32, the fields joined by spaces, LF. bytes, 300 at most."""
    fields = (
        str(sale.seq),
        sale.ref,
        str(sale.amount),
        sale.currency,
        sale.external_ref,
        str(sale.at),
        sale.state,
        sale.id or "-",
        sale.code or "-",
        sale.reason or "-",
        _marks(sale),
    )
    line = " ".join(fields).encode()
    return _crc(line) + b" " + line + b"\n"


def unpack(line):
    """The Sale of one journal line, or None for an empty, torn or flipped one, which is never believed."""
    if len(line) < 10 or len(line) > MAX_RECORD or line[-1] != 10 or line[8] != 32:
        return None
    body = line[9:-1]
    if line[:8] != _crc(body):
        return None
    fields = body.decode().split(" ")
    if len(fields) != _FIELDS or fields[6] not in _STATES:
        return None
    seq, ref, amount, currency, external_ref, at, state, identity, code, reason, marks = fields
    return Sale(
        int(seq),
        ref,
        int(amount),
        currency,
        external_ref,
        int(at),
        state,
        _value(identity),
        _value(code),
        _value(reason),
        "A" in marks,
        HEARD if "H" in marks else "U" in marks,
        "W" in marks,
    )


def _marks(sale):
    told = "A" if sale.acked else "H" if sale.owed == HEARD else "U" if sale.owed else ""
    return told + "W" if sale.watched else told or "-"


def _crc(line):
    return ("%08x" % (binascii.crc32(line) & 0xFFFFFFFF)).encode()


def _value(field):
    return "" if field == "-" else field
