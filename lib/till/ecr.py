"""What the card-terminal (ECR) protocols share, without I/O: a till asks, the box answers in the terminal's place.

docs/ecr.md tells what each protocol can carry. Only the configured one is loaded.
"""

import time

from micropython import const

from till.amount import decimals

_MAX_MINOR = const(99999999)
_GAP = const(1000)  # ms of silence that end a half-received frame
_TRIES = const(3)
KEPT_MS = const(600000)  # how long a result nobody heard stands for the same frame: later, it is another patron's
_BACKLOG = const(4)  # answers waiting to be written; a till that floods hears no more than these
# ISO 4217: alpha code, numeric code. The currencies of till/amount.py.
_CODES = (
    b"AED784AUD036BHD048BIF108BRL986CAD124CHF756CLP152CNY156CZK203DJF262DKK208EUR978FJD242GBP826GNF324HKD344HUF348"
    b"IDR360ILS376INR356IQD368ISK352JOD400JPY392KMF174KRW410KWD414LYD434MXN484MYR458NOK578NZD554OMR512PGK598PHP608"
    b"PLN985PYG600RON946RWF646SBD090SEK752SGD702THB764TND788TOP776TRY949TWD901UGX800USD840VND704VUV548WST882XAF950"
    b"XOF952XPF953ZAR710"
)


class Options:
    """What every protocol is set up with. currency: ISO alpha; terminal: 8 characters."""

    def __init__(self, currency, till_variant, terminal):
        self.currency = currency
        self.till_variant = till_variant
        self.terminal = terminal


class Request:
    """What the till asks. kind: "SALE", "CANCEL", "LAST", "REFUND", "STATUS"; data: the frame's body, for the protocol.

    ref: the till's reference, "" where it gave none. amount: minor units, 0 where it gave none. currency: ISO alpha,
    "" = the box's own. seq and top: a sale named by its number in the journal, as `short(number, top)`; 0: none.
    A REFUND without amount is of all; without ref and seq it is of the last sale.
    """

    def __init__(self, kind, data, ref="", amount=0, currency="", seq=0, top=0):
        self.kind = kind
        self.data = data
        self.ref = ref
        self.amount = amount
        self.currency = currency
        self.seq = seq
        self.top = top


class Outcome:
    """What became of it. word: "PAID", "CANCELLED", "EXPIRED", "FAILED", "UNKNOWN", "REFUNDED", "REFUND_FAILED",
    "BUSY", "NOT_READY", "NONE" (no such sale, none yet; to a STATUS: ready). code: Centrapay's short code, "" unknown.
    seq: its number in the journal, 0 none. when: Unix seconds, 0 unknown; to a STATUS: now.
    """

    def __init__(self, word, ref="", amount=0, currency="", code="", seq=0, when=0):
        self.word = word
        self.ref = ref
        self.amount = amount
        self.currency = currency
        self.code = code
        self.seq = seq
        self.when = when

    def says(self, request):
        """The word as it is safe to say; "OK": done as asked. PAID counts of this sale and amount alone."""
        word = self.word
        if request.kind == "SALE" and (self.amount != request.amount or (request.ref and self.ref != request.ref)):
            return "UNKNOWN" if word == "PAID" else word
        if word == ("REFUNDED" if request.kind == "REFUND" else "PAID"):
            return "OK"
        return word

    def date(self):
        """(year, month, day, hour, minute, second, weekday, day of the year) of `when`, UTC."""
        return time.gmtime(self.when - (946684800 if time.gmtime(0)[0] == 2000 else 0))  # an ESP32 counts from 2000

    def auth(self):
        """The short code in the six characters of an authorisation code: CP-C7F-ZS5 -> C7FZS5; blanks where unknown."""
        return (self.code.replace("CP-", "").replace("-", "") + "      ")[:6]


def short(seq, top):
    """A journal number as a protocol's few digits hold it: 1 to top, then 1 again; 0 stays 0."""
    return (seq - 1) % top + 1 if seq else 0


def numeric(currency):
    """ISO 4217 numeric code of an alpha code, three digits as bytes; b"000" for one that is not known."""
    at = _CODES.find(currency.encode()) if len(currency) == 3 else -1
    return b"000" if at % 6 else _CODES[at + 3 : at + 6]


def number(data):
    """The value of ASCII digits, -1 where there is anything else or nothing."""
    value = 0 if data else -1
    for byte in data:
        if not 48 <= byte <= 57:
            return -1
        value = value * 10 + byte - 48
    return value


def reference(data):
    """The till's reference in a field: "" for blank or nothing but zeros; None for what cannot be one."""
    ref = data.strip()
    if not ref.strip(b"0"):
        return ""
    for byte in ref:
        if not (48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"._-"):
            return None
    return ref.decode()


class Terminal:
    """One till's link, as stop and wait: one frame in flight, sent again unless acknowledged, three times in all.

    A frame that comes again while its sale runs, or before its result was acknowledged, is the same request. Any other
    request lets go of the running one: its result then goes only to the same frame again, or to a last-result query,
    lest the till take it for the answer to something else, and for ten minutes. Times are monotonic ms.
    """

    seed = 3  # of the check byte: ETX is in it
    patience = 3000  # ms for the till to acknowledge

    def __init__(self, options, size):
        self.options = options
        self._in = bytearray(size)
        self._length = -1  # of the frame that is arriving; -1: none is
        self._ended = False
        self._check = 0
        self._heard = 0
        self._noise = False
        self._out = []
        self._sent = None  # the frame in flight
        self._tries = 0
        self._due = 0
        self._request = None
        self._fresh = False
        self._result = None  # its result, until acknowledged
        self._until = 0
        self._quiet = False
        self._delivered = False

    def take_request(self):
        """The Request that has come in, once; or None. A CANCEL has no answer of its own: the sale's outcome is it."""
        if not self._fresh:
            return None
        self._fresh = False
        return self._request

    def take_delivered(self):
        """True once after the till acknowledged the frame that carries the last `answer`."""
        delivered = self._delivered
        self._delivered = False
        return delivered

    def outgoing(self):
        """The next bytes to write, a whole frame; or None."""
        return self._out.pop(0) if self._out else None

    def answer(self, outcome, now):
        """The result of the request that was taken, once: later news is for the last-result query."""
        if self._request is not None and not self._fresh and self._result is None:
            self._result = self._frame(self._request, outcome)
            self._until = now + KEPT_MS
            if self._sent is None:
                self._next(now)

    def _listen(self, now):
        """Bytes may come at this moment: half a frame is forgotten after a silence, an old result after its time."""
        if now - self._heard > _GAP:
            self._length = -1
            self._ended = self._noise = False
        if self._sent is None and self._result is not None and now >= self._until:
            self._result = self._request = None

    def tick(self, now):
        """What time does: half a frame is forgotten, a frame that was not acknowledged is sent again.

        Not while the till's next frame is arriving, though: a result said once more would be taken for its answer.
        """
        self._listen(now)
        if self._length >= 0 or self._ended:
            return
        silence = now - self._heard
        if self._sent is None:
            if silence > self.patience:
                self._next(now)
        elif now >= self._due:
            self._again(now)

    def feed(self, data, count, now):
        """data[:count] as they came, for frames STX body ETX check."""
        self._listen(now)
        self._heard = now
        for at in range(count):
            byte = data[at]
            if self._ended:
                self._ended = False
                length = self._length
                self._length = -1
                whole = byte == self._check and length <= len(self._in)
                if not self._understand(bytes(memoryview(self._in)[:length]) if whole else b"", now):
                    self._put(b"\x15")
            elif byte == 2:
                self._length = 0
                self._check = self.seed
                self._noise = False
            elif self._length < 0:
                self._outside(byte, now)
            elif byte == 3:
                self._ended = True
            else:  # an over-long frame is heard to its end, so that nothing in it is taken for something else
                if self._length < len(self._in):
                    self._in[self._length] = byte
                if self._length <= len(self._in):
                    self._length += 1
                self._check ^= byte

    def _understand(self, body, now):
        """The protocol's own: False for a body that cannot be right, and gets NAK; else it puts ACK and acts. b"": the
        frame is damaged."""

    def _frame(self, request, outcome):
        """The protocol's own: the whole frame that answers this request so."""

    def _framed(self, body):
        check = self.seed
        for byte in body:
            check ^= byte
        return b"\x02" + body + b"\x03" + bytes((check,))

    def _outside(self, byte, now):
        # what follows a stray byte may be the rest of a frame whose start was lost: no ACK
        if byte in b"\x04\x05\x06\x15" and not self._noise:
            self._control(byte, now)
        elif byte:
            self._noise = True

    def _control(self, byte, now):
        if self._sent is not None:
            if byte == 6:
                self._settle(True, now)
            elif byte == 21:
                self._again(now)

    def _put(self, frame):
        if len(self._out) < _BACKLOG:
            self._out.append(frame)

    def _send(self, frame, now):
        self._sent = frame
        self._tries = 1
        self._due = now + self.patience
        self._put(frame)

    def _again(self, now):
        if self._tries < _TRIES:
            self._tries += 1
            self._due = now + self.patience
            self._put(self._sent)
        else:
            self._settle(False, now)

    def _settle(self, heard, now):
        sent = self._sent
        self._sent = None
        if sent is not self._result:
            self._next(now)
        elif heard:
            self._delivered = self._request.kind != "STATUS"
            self._result = self._request = None
        else:
            self._quiet = True

    def _next(self, now):
        if self._result is not None and not self._quiet:
            self._send(self._result, now)

    def _accept(self, now):
        self._next(now)

    def _ask(self, request, now):
        running = self._request
        kind = request.kind
        known = running is not None and request.data == running.data
        busy = kind == "STATUS" or (self._result is None and running is not None and running.kind != "STATUS")
        if running is not None and not known and busy:
            self._refuse(request, "UNKNOWN" if kind == "LAST" else "BUSY", now)
            return
        if not known or (self._result is not None and kind != "SALE" and kind != "REFUND"):
            if self._sent in self._out:
                self._out.remove(self._sent)  # not yet on the wire: it is no answer to this
            self._request = request
            self._fresh = True
            self._result = None
        self._quiet = False
        self._sent = None
        self._accept(now)

    def _refuse(self, request, word, now):
        if request.kind != "STATUS":
            self._quiet = True
        about = self._request if request.kind == "LAST" else request
        self._send(self._frame(request, Outcome(word, about.ref, about.amount)), now)

    def _good(self, amount, places):
        """Whether it is an amount in the box's own currency, which must have the protocol's decimals."""
        return 0 < amount <= _MAX_MINOR and decimals(self.options.currency) == places
