"""Transbank POS Integrado, without I/O: the till asks, the box answers as the terminal.

A message is STX fields ETX LRC, the fields separated by `|`, each answered with ACK or NAK (Transbank Developers, POS
Integrado, Referencia). Amounts are whole pesos: the box's currency must be one without decimals, or the till_variant
"minor", which takes them for minor units of the box's currency.

    0100 poll, 0300 normal mode      ACK is all of the answer
    0200|amount|ticket|||status|     sale: 0900|code while it runs, where status is 1; then 0210
    0250|                            last sale: 0260
    1200|operation|                  refund: 1210
    0800                             load keys: 0810, done at once
"""

from till.amount import decimals
from till.ecr import Request, Terminal, number, reference, short

_TOP = 999999
# Tabla de respuestas. UNKNOWN is 02, "host does not answer": the nearest there is to not knowing.
_CODES = {
    "OK": b"00",
    "UNKNOWN": b"02",
    "NOT_READY": b"03",
    "REFUNDED": b"04",
    "CANCELLED": b"07",
    "NONE": b"11",
    "REFUND_FAILED": b"21",
    "EXPIRED": b"22",
    "UNSUPPORTED": b"12",
    "TICKET": b"70",
    "AMOUNT": b"72",
}


class Protocol(Terminal):
    """One till that speaks Transbank. options: currency, till_variant, terminal."""

    patience = 10000

    def __init__(self, options):
        super().__init__(options, 48)
        self._shop = ("|000000000000|" + options.terminal).encode()

    def _understand(self, body, now):
        fields = body.split(b"|")
        command = fields[0]
        if len(command) != 4 or number(command) < 0:
            return False
        self._put(b"\x06")
        if command == b"0200":
            self._sale(body, fields, now)
        elif command == b"1200":
            seq = number(fields[1]) if len(fields) == 3 and len(fields[1]) < 7 else 0
            request = Request("REFUND", body, "", 0, "", max(seq, 0), _TOP)
            if seq > 0:
                self._ask(request, now)
            else:
                self._refuse(request, "NONE", now)
        elif command == b"0250":
            self._ask(Request("LAST", body), now)
        elif command == b"0800":
            self._send(self._framed(b"0810|00" + self._shop), now)
        elif command != b"0100" and command != b"0300":
            self._refuse(Request("", body), "UNSUPPORTED", now)
        return True

    def _sale(self, body, fields, now):
        own = self.options.currency
        count = len(fields)
        amount = number(fields[1]) if count > 1 and len(fields[1]) < 10 else -1
        ref = reference(fields[2]) if count > 2 and len(fields[2]) < 7 else None
        request = Request("SALE", body, ref or "", max(amount, 0), own)
        whole = count == 6 or count == 7 and not fields[6]
        places = decimals(own) if self.options.till_variant == "minor" else 0
        if not whole or (fields[3] + fields[4]).strip() or fields[5] not in (b"0", b"1"):
            self._refuse(request, "UNSUPPORTED", now)
        elif not self._good(amount, places):
            self._refuse(request, "AMOUNT", now)
        elif ref is None:
            self._refuse(request, "TICKET", now)
        else:
            self._ask(request, now)

    def progress(self, stage, seconds_left, now):
        """0900|78 (waiting for the card) while it can be paid, 0900|82 (asking the host) else; where asked for."""
        request = self._request
        if request is None or self._result is not None or self._sent is not None or self._quiet:
            return
        if request.kind == "SALE" and request.data.split(b"|")[5] == b"1":
            self._send(self._framed(b"0900|78" if stage == "PAYABLE" or stage == "WAITING" else b"0900|82"), now)
            self._tries = 9  # news: said once

    def _frame(self, request, outcome):
        word = outcome.says(request)
        code = _CODES.get(word, b"01")
        auth = outcome.auth() if word == "OK" else ""
        body = request.data
        operation = str(short(outcome.seq, _TOP) or request.seq or "")
        if request.kind == "REFUND":
            if word == "NONE":
                code = b"05"
            text = auth + "|" + operation + "|"
        else:
            ticket = outcome.ref if len(outcome.ref) < 7 else ""  # a longer one is the box's own name for the sale
            date = time = ""
            if outcome.when:
                when = outcome.date()
                date = "%02d%02d%04d" % (when[2], when[1], when[0])
                time = "%02d%02d%02d" % (when[3], when[4], when[5])
            text = "%s|%s|%d|0|||%s|DB|||QR|%s|%s||0|" % (ticket, auth, outcome.amount, operation, date, time)
        command = b"0261" if body[:4] == b"0260" else b"%04d" % (number(body[:4]) + 10)
        return self._framed(command + b"|" + code + self._shop + b"|" + text.encode())
