"""Nexi ECR17 (Protocollo 17), without I/O: the till asks, the box answers as the terminal.

A message is STX body ETX LRC, answered with ACK or NAK; progress is SOH text(20) EOT, without either. The LRC is 7Fh
XOR the body, and by till_variant "stx" STX and ETX too, "noext" ETX too, "stx_noext" STX too, "std" neither (Nexi
Developer Portal, Traditional POS; the variants are those of the open clients).

A body is terminal id(8) 0 code(1) fields. Asked: P payment (167 bytes), S reversal (26), G last result (22), s status
(10). Answered: s, or E with result(2: 00 done, 01 not), which carries no amount: the till must compare the STAN.
"""

from till.ecr import Request, Terminal, number, short

_TOP = 999999
_ASKED = b"P\xa7S\x1aG\x16s\x0a"  # message code, length of the body
_SAID = {
    "UNKNOWN": "ESITO NON VERIFICATO",
    "CANCELLED": "ANNULLATO",
    "EXPIRED": "TEMPO SCADUTO",
    "REFUNDED": "STORNATO",
    "BUSY": "TERMINALE OCCUPATO",
    "NOT_READY": "TERMINALE NON PRONTO",
    "NONE": "NESSUNA TRANSAZIONE",
    "AMOUNT": "IMPORTO NON VALIDO",
}


class Protocol(Terminal):
    """One till that speaks ECR17. options: currency (one of two decimals), till_variant, terminal (8 digits)."""

    def __init__(self, options):
        super().__init__(options, 167)
        variant = options.till_variant
        self.seed = 0x7F ^ (2 if variant[:3] == "stx" else 0) ^ (3 if variant == "stx" or variant == "noext" else 0)

    def _understand(self, body, now):
        if len(body) < 10 or body[8] != 48 or (body[:8] != b"00000000" and body[:8] != self.options.terminal.encode()):
            return False
        code = body[9:10]
        at = _ASKED.find(code)
        if at & 1 or _ASKED[at + 1] != len(body) or (len(body) > 10 and number(body[10:19]) < 0):
            return False
        if code == b"P":
            amount = number(body[23:31])
            if amount < 0 or number(body[18:23] + body[159:]) < 0 or body[18] != 48:
                return False  # 1 at 18: more data follows, which would have to be understood
            request = Request("SALE", body, "", amount, self.options.currency)
        elif code == b"S":
            seq = number(body[18:24])
            if seq < 0:
                return False
            request = Request("REFUND", body, "", 0, "", seq, _TOP)
        else:
            request = Request("LAST" if code == b"G" else "STATUS", body)
        self._put(b"\x06")
        if request.kind == "SALE" and not self._good(request.amount, 2):
            self._refuse(request, "AMOUNT", now)
        else:
            self._ask(request, now)
        return True

    def progress(self, stage, seconds_left, now):
        """Twenty characters for the cashier, while nothing else is on the line."""
        if self._request is not None and self._result is None and self._sent is None and not self._quiet:
            said = "INQUADRARE IL QR" if stage == "PAYABLE" or stage == "WAITING" else "ATTENDERE"
            self._put(b"\x01" + ("%-20s" % said).encode() + b"\x04")

    def _frame(self, request, outcome):
        word = outcome.says(request)
        when = outcome.date() if outcome.when else (0, 0, 0, 0, 0, 0, 0, 0)
        head = self.options.terminal + "0"
        if request.kind == "STATUS":
            text = "s0000000000%02d%02d%02d%02d%02d" % (when[2], when[1], when[0] % 100, when[3], when[4])
            text += "0TILLPANE" if word == "NOT_READY" else "2TILLPANE"
        else:
            if word == "OK":
                text = "E000000000000000000000   " + outcome.auth() + "%03d%02d%02d" % (when[7], when[3], when[4])
            else:
                text = "E01%-24s00000000000" % _SAID.get(word, "NON ESEGUITO")
            text += "3CENTRAPAY  %06d000000" % short(outcome.seq, _TOP)
        return self._framed((head + text).encode())
