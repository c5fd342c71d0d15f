"""Tillpane's own line protocol, without I/O: bytes in, commands out; answers in, bytes out.

A line is printable ASCII, ended by CR, LF or CRLF, at most 96 characters. It may end in `*hh`: the XOR of every
character before the `*`, as two hexadecimal digits (the NMEA 0183 form). Where it is present it must be right.
docs/till-protocol.md is the integrator's page.
"""

from micropython import const

from till.amount import AmountError, is_currency, parse

_MAX_LINE = const(96)
_MAX_REF = const(24)
_MAX_COUNT = const(200)
_REF_MARKS = "._-"

# verb -> (fewest, most) words after it
_VERBS = {
    "SALE": (2, 3),
    "CANCEL": (1, 1),
    "STATUS": (0, 1),
    "LAST": (0, 0),
    "REFUND": (1, 3),
    "INFO": (0, 0),
    "ACK": (1, 1),
    "JOURNAL": (0, 1),
}


class LineError(Exception):
    """A line that is refused. `code` and `words` make the ERR answer."""

    def __init__(self, code, words):
        super().__init__(code, words)
        self.code = code
        self.words = words


class Command:
    """One understood line.

    amount    minor units (0: none given; of JOURNAL: how many)
    currency  ISO 4217 code
    written   the amount of a REFUND as it stands there, "" for none: it is in the sale's currency (`amount_in`)
    """

    def __init__(self, verb, ref="", amount=0, currency="", refund_ref="", checked=False):
        self.verb = verb
        self.ref = ref
        self.amount = amount
        self.currency = currency
        self.refund_ref = refund_ref
        self.written = ""
        self.checked = checked


def checksum(data):
    """XOR of all bytes of data, 0 to 255."""
    value = 0
    for byte in data:
        value ^= byte
    return value


class LineReader:
    """Collects bytes into lines in one buffer; noise and over-long lines are dropped whole and reported once."""

    def __init__(self):
        self._buffer = bytearray(_MAX_LINE)
        self._length = 0
        self._spoiled = ""

    def push(self, byte):
        """Takes one byte. Returns None, or True when a line is ready for `take()`."""
        if byte == 13 or byte == 10:
            return True if self._length or self._spoiled else None
        if self._spoiled or (byte == 0 and not self._length):
            return None  # NULs before a line are a cable being plugged in
        if byte < 32 or byte > 126:
            self._spoiled = "NOISE"
        elif self._length == _MAX_LINE:
            self._spoiled = "TOO_LONG"
        else:
            self._buffer[self._length] = byte
            self._length += 1
        return None

    def take(self):
        """The finished line as bytes, and starts the next. Raises LineError for one that was spoiled."""
        spoiled, length = self._spoiled, self._length
        self.drop()
        if spoiled == "TOO_LONG":
            raise LineError("SYNTAX", "line longer than 96 characters")
        if spoiled:
            raise LineError("NOISE", "not printable ASCII; check speed and parity")
        return bytes(memoryview(self._buffer)[:length])

    def drop(self):
        """Forgets a half-received line: the cable fell out, or the line stood still too long."""
        self._length = 0
        self._spoiled = ""

    @property
    def waiting(self):
        """Whether a line has begun and not ended."""
        return bool(self._length or self._spoiled)


def _is_ref(word):
    if not 1 <= len(word) <= _MAX_REF:
        return False
    return all("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in _REF_MARKS for c in word)


def _split_checksum(line, required):
    star = line.find(b"*")
    if star < 0:
        if required:
            raise LineError("CHECKSUM", "missing; end the line with *hh")
        return line, False
    digits = line[star + 1 :]
    if len(digits) != 2 or checksum(line[:star]) != _hex(digits):
        raise LineError("CHECKSUM", "wrong; send the line again")
    return line[:star], True


def _hex(digits):
    value = 0
    for byte in digits:
        nibble = b"0123456789ABCDEF".find(bytes((byte & 0xDF if byte > 0x40 else byte,)))
        if nibble < 0:
            return -1
        value = value * 16 + nibble
    return value


def understand(line, currency, checksum_required=False):
    """A Command from one line's bytes; `currency` is what an amount without one is in. Raises LineError."""
    line, checked = _split_checksum(line, checksum_required)
    words = line.decode().split()
    if not words:
        raise LineError("SYNTAX", "empty line")
    verb = words[0].upper()
    if verb not in _VERBS:
        raise LineError("SYNTAX", "unknown verb; SALE CANCEL STATUS LAST REFUND INFO ACK JOURNAL")
    fewest, most = _VERBS[verb]
    if not fewest <= len(words) - 1 <= most:
        span = str(most) if fewest == most else str(fewest) + " to " + str(most)
        raise LineError("SYNTAX", verb + " takes " + span + (" word" if span == "1" else " words"))
    command = Command(verb, checked=checked)
    if verb == "JOURNAL":
        command.amount = _count(words[1]) if len(words) > 1 else 0
    elif len(words) > 1:
        if not _is_ref(words[1]):
            raise LineError("REF", "1 to 24 of A-Z a-z 0-9 . _ -")
        command.ref = words[1]
    if verb == "SALE":
        command.currency = _currency(words[3] if len(words) > 3 else "", currency)
        command.amount = amount_in(words[2], command.currency)
    elif verb == "REFUND":
        _understand_refund(command, words)
    return command


def _understand_refund(command, words):
    if len(words) > 2:
        command.written = words[2]
    if len(words) > 3:
        if not _is_ref(words[3]):
            raise LineError("REF", "1 to 24 of A-Z a-z 0-9 . _ -")
        command.refund_ref = words[3]


def _count(word):
    if len(word) > 3 or not all("0" <= c <= "9" for c in word) or not 1 <= int(word) <= _MAX_COUNT:
        raise LineError("SYNTAX", "JOURNAL takes 1 to 200")
    return int(word)


def _currency(word, default):
    if not word:
        return default
    word = word.upper()
    if not is_currency(word):
        raise LineError("CURRENCY", "not a currency this device knows")
    return word


def amount_in(word, currency):
    """Minor units of an amount as the till writes it. Raises LineError."""
    try:
        return parse(word, currency)
    except AmountError as error:
        raise LineError("AMOUNT", error.args[0])


def encode(text, checked):
    """One answer as bytes for the wire, with its checksum where the till uses them."""
    if checked:
        text = text + "*%02X" % checksum(text.encode())
    return text.encode() + b"\r\n"
