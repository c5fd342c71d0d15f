"""ZVT over a serial line, without I/O: the till (ECR) asks, the box answers as the payment terminal (PT).

A frame is DLE STX APDU DLE ETX crc-low crc-high, a DLE in the APDU doubled, the CRC that of HDLC's polynomial (8408h
reflected, from 0) over the APDU and ETX; each frame is answered with ACK or NAK. An APDU is class, instruction, length,
fields (ECR-Interface ZVT-Protocol 13.11, chapters 2, 3, 13). The PT accepts with 80 00 00 or refuses with 84 xx 00, and
the till accepts what the PT then sends in the same way.

    06 00 registration   06 0F        05 01 status enquiry   06 0F status        06 B0 abort          the sale's end
    06 01 authorisation  04 FF ...    04 0F result and 06 0F, or 04 0F 27 error and 06 1E error
    06 20 repeat receipt, 06 30 reversal: 04 0F as above
"""

from till.ecr import Request, Terminal, number, numeric, short

_TOP = 9999  # a receipt number has four digits
# bitmap, length of its field; F2h and F3h: LLVAR and LLLVAR, FFh: a TLV container
_FIELDS = (
    b"\x01\x01\x02\x01\x03\x01\x04\x06\x05\x01\x06\xff\x0b\x03\x0e\x02\x19\x01\x22\xf2\x23\xf2\x24\xf3\x2d\xf2\x37\x03"
    b"\x3a\x02\x3b\x08\x3c\xf3\x49\x02\x87\x02\x8a\x01"
)
# Error messages, chapter 10. UNKNOWN is 7Dh, communication error: it is not known, and not paid for the till.
_ERRORS = {
    "OK": 0,
    "UNKNOWN": 0x7D,
    "CANCELLED": 0x6C,
    "EXPIRED": 0x6C,
    "NOT_READY": 0xA0,
    "BUSY": 0x9C,
    "REFUNDED": 0xB4,
    "REFUND_FAILED": 0xB5,
    "NONE": 0x83,
}


def _crc(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def _bcd(data):
    """The value of packed digits, -1 where a nibble is none or nothing is there."""
    return number(data.hex().encode()) if data else -1  # of no bytes, hex() is bytes in MicroPython 1.26


def _find(data, at, wanted):
    """The field of one bitmap in data from `at`; b"": it is not there; None: it is twice, or data is not sound."""
    found = b""
    while at < len(data):
        bitmap = data[at]
        row = 0
        while row < len(_FIELDS) and _FIELDS[row] != bitmap:
            row += 2
        if row == len(_FIELDS):
            return None
        size = _FIELDS[row + 1]
        at += 1
        if size == 0xFF:
            if at == len(data):
                return None
            size = data[at]
            at += 1
            if size > 127:
                return None
        elif size > 0xF0:
            digits = size & 15
            size = 0
            for byte in data[at : at + digits]:
                size = size * 10 + byte - 0xF0
            at += digits
        if size < 0 or at + size > len(data):
            return None
        if bitmap == wanted:
            if found:
                return None
            found = data[at : at + size]
        at += size
    return found


class Protocol(Terminal):
    """One till that speaks ZVT. options: currency (one of two decimals), terminal (8 digits)."""

    patience = 5000

    def __init__(self, options):
        super().__init__(options, 200)
        self._currency = bytes.fromhex("0" + numeric(options.currency).decode())
        self._terminal = bytes.fromhex("%08d" % max(number(options.terminal.encode()), 0))
        self._dle = False
        self._left = 0  # bytes of the CRC that are still to come
        self._steps = []  # frames to send, each after the till accepted the one before
        self._last = None  # the frame that ends what the result began
        self._proof = None  # that frame, of a refund: heard, the till knows how it ended
        self._wait = False  # for the till to accept
        self._cancel = False
        self._news = False  # the till registered for intermediate status

    def feed(self, data, count, now):
        """data[:count] as they came."""
        self._listen(now)
        self._heard = now
        for at in range(count):
            byte = data[at]
            dle = self._dle
            self._dle = False
            if dle and byte == 2 and (self._length < 0 or not self._left):
                self._length = self._left = 0
                self._noise = False
            elif self._length < 0:
                self._dle = byte == 16
                if byte != 16:
                    self._outside(byte, now)
            elif self._left:
                self._keep(byte)
                self._left -= 1
                if not self._left:
                    self._complete(now)
            elif dle and byte != 16 and byte != 3:
                self._length = -1
                self._noise = True
            elif byte == 16 and not dle:
                self._dle = True
            else:
                self._keep(byte)
                if dle and byte == 3:
                    self._left = 2

    def _keep(self, byte):
        if self._length < len(self._in):
            self._in[self._length] = byte
            self._length += 1
        else:
            self._in[0] = 0xFF  # too long; no class is FFh

    def _complete(self, now):
        end = self._length - 2
        self._length = -1
        data = bytes(memoryview(self._in)[:end])
        crc = _crc(data)
        if end < 4 or data[2] != end - 4 or self._in[end] != crc & 0xFF or self._in[end + 1] != crc >> 8:
            self._put(b"\x15")
            return
        self._put(b"\x06")
        data = data[:-1]
        if data[0] & 0xFB == 0x80:
            if self._wait:
                if data[1] and data[1] != 0x9C and self._steps:
                    self._steps = [self._apdu(6, 0x1E, b"\xb5")]  # it asks for a reversal, which is not ours to decide
                self._wait = False
                self._next(now)
        else:
            self._command(data, now)

    def _command(self, data, now):
        code = data[0] << 8 | data[1]
        if code != 0x6B0:
            self._steps = []  # the last command's end would be taken for this one's; an abort has none of its own
        if code == 0x601:
            amount = _find(data, 3, 4)
            currency = _find(data, 3, 0x49)
            value = _bcd(amount or b"")
            if currency and currency != self._currency:
                self._refuse(None, 0x6F, now)
            elif currency is None or not self._good(value, 2):
                self._refuse(None, 0x83, now)
            else:
                self._ask(Request("SALE", data, "", value, self.options.currency), now)
        elif code == 0x6B0:
            self._cancel = self._request is not None and self._result is None
            self._accept(now)
        elif code == 0x501:
            self._ask(Request("STATUS", data), now)
        elif code == 0x620:
            self._ask(Request("LAST", data), now)
        elif code == 0x630:
            receipt = _find(data, 6, 0x87)
            amount = _find(data, 6, 4)
            seq = _bcd(receipt or b"")
            value = _bcd(amount) if amount else 0
            if seq > 0 and amount is not None and (not amount or self._good(value, 2)):
                self._ask(Request("REFUND", data, "", value, self.options.currency, seq, _TOP), now)
            else:
                self._refuse(None, 0x83, now)
        elif self._request is not None and self._result is None:
            self._refuse(None, 0x9C, now)
        elif code == 0x600 and len(data) > 6 and (len(data) < 9 or data[7:9] == self._currency):
            self._news = bool(data[6] & 8)
            self._steps = [self._apdu(6, 15, b"\x19\x00\x29" + self._terminal + b"\x49" + self._currency)]
            self._accept(now)
        elif code == 0x670 or code == 0x693:  # diagnosis, initialisation: nothing to do
            self._steps = [self._apdu(6, 15, b"")]
            self._accept(now)
        elif code == 0x602:
            self._accept(now)
        else:
            self._refuse(None, 0x6F if code == 0x600 else 0x83, now)

    def take_request(self):
        """As for every Terminal; a CANCEL comes while its sale runs."""
        if self._cancel and not self._fresh:
            self._cancel = False
            return Request("CANCEL", b"")
        return super().take_request()

    def progress(self, stage, seconds_left, now):
        """04 FF 0A (insert card) while it can be paid, 04 FF 0E (please wait) else; for a till that registered so."""
        if self._request is None or self._result is not None or self._sent is not None or self._quiet or self._wait:
            return
        if self._news and self._request.kind == "SALE":
            self._send(self._apdu(4, 0xFF, b"\x0a" if stage == "PAYABLE" or stage == "WAITING" else b"\x0e"), now)
            self._tries = 9  # news: said once

    def tick(self, now):
        if now - self._heard > self.patience:
            self._wait = False
        super().tick(now)

    def _accept(self, now):
        self._wait = False
        self._send(self._framed(b"\x80\x00\x00"), now)

    def _refuse(self, request, word, now):
        self._quiet = self._quiet or request is None or request.kind != "STATUS"
        self._wait = False
        self._send(self._framed(bytes((0x84, word if request is None else 0x9C, 0))), now)

    def _settle(self, heard, now):
        sent = self._sent
        self._wait = heard and sent[2] < 0x80
        refund = sent is self._result and self._request.kind == "REFUND"
        if sent is self._result:
            self._steps = [self._last] if heard and self._last else []
        super()._settle(heard, now)
        if refund:
            self._delivered = False
            self._proof = self._last
        elif heard and sent is self._proof:
            self._delivered = True

    def _next(self, now):
        if self._wait:
            return
        if self._steps:
            self._send(self._steps.pop(0), now)
        else:
            super()._next(now)

    def _apdu(self, group, instruction, data):
        return self._framed(bytes((group, instruction, len(data))) + data)

    def _framed(self, body):
        crc = _crc(body + b"\x03")
        return b"\x10\x02" + body.replace(b"\x10", b"\x10\x10") + b"\x10\x03" + bytes((crc & 0xFF, crc >> 8))

    def _frame(self, request, outcome):
        word = outcome.says(request)
        if request.kind == "STATUS":
            self._last = None
            return self._apdu(6, 15, b"\xdf" if word == "NOT_READY" else b"\x9c" if word == "BUSY" else b"\x00")
        error = _ERRORS.get(word, 0x66)
        self._last = self._apdu(6, 0x1E, bytes((error,))) if error else self._apdu(6, 15, b"")
        text = "27%02x04%012d49" % (error, outcome.amount)
        tail = "29"
        if outcome.seq:
            tail = "0b%06d87%04d29" % (short(outcome.seq, 999999), short(outcome.seq, _TOP))
        text = bytes.fromhex(text) + self._currency + bytes.fromhex(tail) + self._terminal
        if outcome.when:
            when = outcome.date()
            text += bytes.fromhex("0c%02d%02d%02d0d%02d%02d" % (when[3], when[4], when[5], when[1], when[2]))
        code = outcome.code.encode()
        if code and not error:
            text += b"\x3c\xf0" + bytes((0xF0 + len(code) // 10, 0xF0 + len(code) % 10)) + code
        return self._apdu(4, 15, text)
