"""Telium / Caisse Concert, protocols E and E+, without I/O: the till asks, the box answers as the terminal.

A message goes ENQ, ACK, STX body ETX LRC, ACK, EOT, whichever side sends it. What a till asks (Association du Paiement,
Concert E and E+; PayXpert's Concert V2 tables):

    cash register(2) amount(8, cents) answer(1: 0 short, 1 long) mode(1) type(1: 0 debit, 2 refund)
    currency(3, ISO numeric) private(10), and in E+ delay(4: A010 at the end, A011 at once) authorisation(4: B010, B011)

The answer: cash register(2) result(1: 0 approved, 7 refused, 9 not verified) amount(8) mode(1) [report(55)] currency(3)
private(10). Variants: "E+" takes the longer question alone, any other takes both.
"""

from till.ecr import Request, Terminal, number, numeric, reference

_TOP = 99999999


class Protocol(Terminal):
    """One till that speaks Telium. options: currency, till_variant."""

    def __init__(self, options):
        super().__init__(options, 34)
        self._asked = None  # a question that was heard and whose EOT has not come yet
        self._follows = None  # the frame that follows our ENQ

    def _control(self, byte, now):
        if byte == 5:
            self._asked = None  # the till has given that question up
            self._sent = None  # both wanted the line: the till goes first
            self._put(b"\x06")
        elif byte == 4:
            if self._asked is not None:
                self._start(self._asked, now)
        elif byte != 21 or self._sent is self._follows:
            super()._control(byte, now)

    def _understand(self, body, now):
        self._asked = None  # the EOT to come is of this frame
        size = len(body)
        if size != 34 and (size != 26 or self.options.till_variant == "E+"):
            return False
        if number(body[:11] + body[13:16]) < 0 or body[10] > 49:
            return False
        if size == 34 and (body[26:29] != b"A01" or body[30:33] != b"B01" or not 48 <= min(body[29], body[33]) <= 49):
            return False
        self._put(b"\x06")
        self._asked = body
        return True

    def progress(self, stage, seconds_left, now):
        """Telium has no words for it."""

    def tick(self, now):
        if now - self._heard > self.patience:
            self._asked = None  # no EOT: the till did not hear that it was understood
        super().tick(now)

    def _start(self, body, now):
        self._asked = None
        own = self.options.currency
        ref = reference(body[16:26])
        seq = 0
        kind = "REFUND" if body[12] == 50 else "SALE"
        if kind == "REFUND" and ref and ref[:2] == "QR":
            seq = number(body[18:26])  # our own name for a sale that had none
            ref = "" if seq > 0 else ref
        request = Request(kind, body, ref, number(body[2:10]), own, max(seq, 0), _TOP)
        known = kind == "SALE" and body[12] == 48 or kind == "REFUND" and (ref or seq > 0)
        if (
            known
            and ref is not None
            and body[11] in b"01"
            and body[13:16] == numeric(own)
            and self._good(request.amount, 2)
        ):
            self._ask(request, now)
        else:
            self._refuse(request, "FAILED", now)

    def _frame(self, request, outcome):
        body = request.data
        word = outcome.says(request)
        text = body[:2] + (b"0" if word == "OK" else b"9" if word == "UNKNOWN" else b"7")
        text += (b"%08d" % outcome.amount) + body[11:12]
        if body[10] == 49:
            text += b" " * 55
        private = body[16:26]
        if not private.strip():
            private = b"QR%08d" % outcome.seq
        return self._framed(text + body[13:16] + private)

    def _send(self, frame, now):
        self._follows = frame
        super()._send(b"\x05", now)

    def _settle(self, heard, now):
        if self._sent is self._follows:
            self._put(b"\x04")
        elif heard:
            super()._send(self._follows, now)
            return
        self._sent = self._follows
        super()._settle(heard, now)
