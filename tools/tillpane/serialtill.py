"""A till for people and scripts: one sale, refund or question over a serial port, in Tillpane's line protocol.

docs/till-protocol.md is the protocol. Every line sent carries its checksum. What is sent again after a silence is the
same line with the same reference, so it can never become a second sale.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import serial

from tillpane.trouble import Trouble, port_trouble

PAID, CANCELLED, EXPIRED, FAILED, UNKNOWN, NO_DEVICE = range(6)  # exit codes
_EXITS = {
    "PAID": PAID,
    "REFUNDED": PAID,
    "CANCELLED": CANCELLED,
    "EXPIRED": EXPIRED,
    "FAILED": FAILED,
    "REFUND_FAILED": FAILED,
    "REFUSED": FAILED,
    "UNKNOWN": UNKNOWN,
    "REFUND_UNKNOWN": UNKNOWN,
    "NO_DEVICE": NO_DEVICE,
}
_SALE_WORDS = ("PAID", "CANCELLED", "EXPIRED", "FAILED", "UNKNOWN")
_REFUND_WORDS = ("REFUNDED", "REFUND_FAILED", "REFUND_UNKNOWN")

_ANSWER_S = 2.0  # an answer comes at once; this is generous to 1200 baud
_TRIES = 4
_QUIET_S = 8.0  # the device speaks every 5 s while a sale is under way
_LISTING_S = 30.0  # between two entries; while a sale is under way the box sends none
_TRUTH_S = 60.0  # after a cancel, the longest wait for what happened
_MAX_LINE = 256
_REF = re.compile(r"[A-Za-z0-9._-]{1,24}")

Report = Callable[[str, int], None]  # (what the device is doing, seconds left or -1)


def silent(_what: str, _left: int) -> None:
    pass


def checksum(text: str) -> str:
    """XOR of all characters, as two hexadecimal digits (the form of NMEA 0183)."""
    value = 0
    for byte in text.encode("ascii"):
        value ^= byte
    return f"{value:02X}"


@dataclass(frozen=True)
class Line:
    """One line from the device. `checked`: it carried its checksum, and that was right."""

    words: tuple[str, ...]
    checked: bool

    @property
    def text(self) -> str:
        return " ".join(self.words)


def understood(raw: bytes) -> Line | None:
    """A line as words, or None for noise: not printable ASCII, empty, or with a wrong checksum."""
    text = raw.strip(b"\r\n\0 ").decode("latin-1")
    if not text or any(not " " <= character <= "~" for character in text):
        return None
    body, star, digits = text.rpartition("*")
    if not star:
        return Line(tuple(text.split()), False)
    if digits.upper() != checksum(body):
        return None
    words = tuple(body.split())
    return Line(words, True) if words else None


@dataclass
class Outcome:
    """How it ended: `result` is the protocol's word, REFUSED (with `code`) or NO_DEVICE."""

    result: str
    ref: str
    amount: str = ""
    currency: str = ""
    short_code: str = ""
    reason: str = ""
    words: str = ""
    code: str = ""
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return _EXITS[self.result]

    def as_dict(self) -> dict:
        return {**asdict(self), "exit_code": self.exit_code}


class Wire:
    """Lines over a serial port."""

    def __init__(self, port: str, baud: int = 9600) -> None:
        try:
            self._serial = serial.serial_for_url(port, baudrate=baud, timeout=0.1, write_timeout=5, do_not_open=True)
            self._serial.exclusive = True
            self._serial.open()
        except (serial.SerialException, OSError, ValueError) as error:
            raise port_trouble(port, str(error), NO_DEVICE) from error
        self._buffer = bytearray()
        self.log: list[str] = []

    def close(self) -> None:
        self._serial.close()

    def send(self, text: str) -> None:
        self.log.append("> " + text)
        self._serial.write(f"{text}*{checksum(text)}\r\n".encode("ascii"))
        self._serial.flush()

    def clear(self) -> None:
        """Ends a half line that someone left, and forgets what the device said before."""
        self._serial.write(b"\r\n")
        self._serial.flush()
        time.sleep(0.05)
        self._serial.reset_input_buffer()
        self._buffer.clear()

    def line(self, until: float) -> Line | None:
        """The next line of sense, or None when time.monotonic() reached until."""
        while time.monotonic() < until:
            found = self._next()
            if found is not None:
                return found
            self._buffer += self._serial.read(max(1, min(self._serial.in_waiting, 4096)))
        return None

    def _next(self) -> Line | None:
        while (match := re.search(rb"[\r\n]", self._buffer)) is not None:
            raw = bytes(self._buffer[: match.start()])
            del self._buffer[: match.end()]
            found = understood(raw) if len(raw) <= _MAX_LINE else None
            if found is not None:
                self.log.append("< " + found.text)
                return found
        if len(self._buffer) > _MAX_LINE:
            del self._buffer[:-_MAX_LINE]  # an endless line is noise, but its end may be ours
        return None


def new_ref() -> str:
    """A reference that no other sale of this till has: date, time and five random bytes."""
    return time.strftime("%y%m%d-%H%M%S-") + secrets.token_hex(5)


def _check_word(word: str, what: str, pattern: re.Pattern = _REF) -> None:
    if not pattern.fullmatch(word):
        advice = "A reference is 1 to 24 of A-Z a-z 0-9 . _ -, an amount is like 12.34."
        raise Trouble(f"{word!r} is not {what}.", advice, exit_code=64)


class _Conversation:
    """One sale or refund: asks until it is accepted, then listens for its result."""

    def __init__(self, wire: Wire, verb: str, ref: str, words: tuple[str, ...], request: str, report: Report) -> None:
        self._wire = wire
        self._verb = verb
        self._ref = ref
        self._final = words
        self._request = request
        self._report = report
        self._cancel_at: float | None = None  # when CANCEL was last sent
        self._cancel_taken = False
        self._unsure: Outcome | None = None
        asked = request.split()[2:]
        self._amount = asked[0] if asked else ""
        self._currency = asked[1] if verb == "SALE" and len(asked) > 1 else ""
        self._began = time.monotonic()

    def run(self, timeout: float | None) -> Outcome:
        try:
            outcome = self._accepted() or self._listen(timeout)
        except KeyboardInterrupt:
            outcome = self._listen(timeout, self._cancel("cancelled by you"))
        if outcome.result not in ("REFUSED", "NO_DEVICE", "UNKNOWN"):
            self._acknowledge()
        outcome.seconds = round(time.monotonic() - self._began, 3)
        outcome.lines = self._wire.log
        return outcome

    def _accepted(self) -> Outcome | None:
        """None once the device said OK; else the outcome that it answered with at once."""
        self._wire.clear()
        heard = False
        for attempt in range(_TRIES):
            self._wire.send(self._request)
            until = time.monotonic() + _ANSWER_S
            while (line := self._wire.line(until)) is not None:
                heard = True
                words = line.words
                if words[:3] == ("OK", self._verb, self._ref):
                    return None
                if words[0] == "ERR" and len(words) > 1:
                    if words[1] in ("CHECKSUM", "SYNTAX"):
                        break  # the line was spoiled on its way: send it again
                    if attempt and words[1:3] == ("BUSY", self._ref):
                        return None  # with this very one: it was the OK that got lost
                    return self._outcome("REFUSED", code=words[1], words=" ".join(words[2:]))
                if words[:2] == ("WAIT", self._ref) and self._verb == "SALE":
                    return None
                outcome = self._final_of(line)
                if outcome is not None and self._verb == "SALE":
                    return outcome if outcome.result != "UNKNOWN" else None
        if heard:
            return self._outcome("UNKNOWN", words="the device speaks, but does not answer this; its state is not known")
        return self._outcome("NO_DEVICE", words="nothing answers; check cable, port and speed")

    def _listen(self, timeout: float | None, give_up: float | None = None) -> Outcome:
        started = time.monotonic()
        heard_at = asked_at = started
        while True:
            now = time.monotonic()
            if give_up is not None and now >= give_up:
                return self._unsure or self._outcome("UNKNOWN", words="the device has not said how it ended")
            if timeout is not None and give_up is None and now >= started + timeout:
                give_up = self._cancel("time is up")
            if self._cancel_at is not None and not self._cancel_taken and now >= self._cancel_at + _ANSWER_S:
                self._cancel("cancelling")
            if now >= max(heard_at, asked_at) + _QUIET_S:
                self._wire.send(f"STATUS {self._ref}")
                asked_at = now
            if give_up is None and now >= heard_at + 10 * _QUIET_S:
                return self._outcome("UNKNOWN", words="the device fell silent during the sale")
            try:
                line = self._wire.line(now + 0.25)
                if line is None:
                    continue
                if self._ref in line.words and line.words[0] != "ERR":
                    heard_at = time.monotonic()
                outcome = self._heard(line)
                if outcome is not None:
                    return outcome
                if self._unsure is not None and give_up is None:
                    give_up = time.monotonic() + (timeout or _TRUTH_S)
            except KeyboardInterrupt:
                if self._cancel_at is not None:
                    return self._outcome("UNKNOWN", words="you left before the device knew")
                give_up = self._cancel("cancelled by you")

    def _heard(self, line: Line) -> Outcome | None:
        words = line.words
        if words[:2] == ("WAIT", self._ref) and len(words) >= 4:
            self._report(words[2], int(words[3]) if words[3].isdigit() else -1)
            return None
        if words[:3] == ("OK", "CANCEL", self._ref):
            self._cancel_taken = True
            return None
        if self._cancel_at is not None and words[:3] == ("ERR", "NO_SUCH_SALE", self._ref):
            return self._outcome("REFUSED", code="NO_SUCH_SALE", words="the sale never began")
        outcome = self._final_of(line)
        if outcome is not None and outcome.result == "UNKNOWN":
            self._unsure = outcome
            self._report("UNKNOWN", -1)
            return None
        return outcome

    def _final_of(self, line: Line) -> Outcome | None:
        """The outcome in a RESULT line for this reference, or None. One without a checksum is asked for again."""
        words = line.words
        if words[0] != "RESULT" or len(words) != 7 or words[1] != self._ref or words[2] not in self._final:
            return None
        if not line.checked:
            if self._verb == "SALE":
                self._wire.send(f"STATUS {self._ref}")
            return None
        given = [word if word != "-" else "" for word in words[5:]]
        outcome = self._outcome(words[2], words[3], words[4], given[0], given[1])
        if (self._amount or words[3]) != words[3] or (self._currency or words[4]) != words[4]:
            outcome.words = f"the device says {words[2]} for another sum than the {self._amount} that was asked"
            outcome.result = "UNKNOWN"
        return outcome

    def _outcome(self, result: str, amount="", currency="", short_code="", reason="", words="", code="") -> Outcome:
        return Outcome(result, self._ref, amount, currency, short_code, reason, words, code)

    def _cancel(self, why: str) -> float:
        """Asks the device to cancel; what it then says is the truth, paid included. Gives when to stop waiting."""
        self._cancel_at = time.monotonic()
        self._report(why, -1)
        if self._verb == "SALE":
            self._wire.send(f"CANCEL {self._ref}")
        return self._cancel_at + _TRUTH_S

    def _acknowledge(self) -> None:
        for _ in range(_TRIES):
            self._wire.send(f"ACK {self._ref}")
            until = time.monotonic() + _ANSWER_S
            while (line := self._wire.line(until)) is not None:
                if line.words[:3] == ("OK", "ACK", self._ref):
                    return
                if line.words[0] == "ERR" and line.words[1:2] not in (("CHECKSUM",), ("SYNTAX",)):
                    return  # it knows no such sale any more, which is as good


def _converse(
    port: str, baud: int, verb: str, ref: str, final: tuple, request: str, report: Report, timeout: float | None
) -> Outcome:
    try:
        wire = Wire(port, baud)
    except Trouble as trouble:
        return Outcome("NO_DEVICE", ref, words=f"{trouble} {trouble.advice}")
    try:
        return _Conversation(wire, verb, ref, final, request, report).run(timeout)
    except (serial.SerialException, OSError) as error:
        return Outcome("UNKNOWN", ref, words=f"the port went away ({error})", lines=wire.log)
    except KeyboardInterrupt:
        return Outcome("UNKNOWN", ref, words="you left before the device had answered", lines=wire.log)
    finally:
        wire.close()


def sell(
    port: str,
    amount: str,
    ref: str = "",
    currency: str = "",
    timeout: float | None = None,
    baud: int = 9600,
    report: Report = silent,
) -> Outcome:
    """One sale, until its outcome is known. After `timeout` seconds it is cancelled; what that led to is it.

    amount is text as the till writes it (`12.34`), currency an ISO 4217 code or "" for the device's own.
    """
    ref = ref or new_ref()
    _check_word(ref, "a reference")
    _check_word(amount, "an amount", re.compile(r"[0-9.]{1,16}"))
    request = f"SALE {ref} {amount}"
    if currency:
        _check_word(currency, "a currency", re.compile(r"[A-Z]{3}"))
        request += f" {currency}"
    return _converse(port, baud, "SALE", ref, _SALE_WORDS, request, report, timeout)


def refund(
    port: str,
    ref: str,
    amount: str = "",
    refund_ref: str = "",
    timeout: float | None = 90,
    baud: int = 9600,
    report: Report = silent,
) -> Outcome:
    """Gives back a paid sale, or `amount` of it. Several refunds of one sum need a refund_ref each."""
    _check_word(ref, "a reference")
    request = f"REFUND {ref}"
    if amount:
        _check_word(amount, "an amount", re.compile(r"[0-9.]{1,16}"))
        request += f" {amount}"
    if refund_ref:
        _check_word(refund_ref, "a reference")
        if not amount:
            raise Trouble("A refund reference needs an amount.", "Say how much: refund REF 12.34", exit_code=64)
        request += f" {refund_ref}"
    return _converse(port, baud, "REFUND", ref, _REFUND_WORDS, request, report, timeout)


def ask(port: str, request: str, baud: int = 9600) -> tuple[int, list[str]]:
    """Sends one line as it is and gives (exit code, what was answered): 0 answered, 3 refused, 5 nothing came."""
    if not request.strip() or len(request) > 80 or any(not " " <= char <= "~" or char == "*" for char in request):
        raise Trouble("That is not one line of printable ASCII.", "For example: STATUS 4711", exit_code=64)
    words = request.split()
    wire = Wire(port, baud)
    try:
        wire.clear()
        for _ in range(_TRIES):
            wire.send(" ".join(words))
            until = time.monotonic() + _ANSWER_S
            while (line := wire.line(until)) is not None:
                if line.words[0] == "ERR":
                    return FAILED, [line.text]
                if _answers(line, words):
                    return 0, [line.text]
        return NO_DEVICE, []
    except (serial.SerialException, OSError) as error:
        raise port_trouble(port, str(error), NO_DEVICE) from error
    finally:
        wire.close()


@dataclass(frozen=True)
class Entry:
    """One sale or refund as the box has written it down. `date` is UTC, ISO 8601 basic; "" without a clock."""

    number: str
    date: str
    ref: str
    amount: str
    currency: str
    state: str
    short_code: str


def journal(port: str, count: int = 200, baud: int = 9600) -> list[Entry]:
    """The newest sales and refunds of the box, oldest first. Raises Trouble where it says less than all of them."""
    wire = Wire(port, baud)
    try:
        for _ in range(_TRIES):
            wire.clear()
            wire.send(f"JOURNAL {count}")
            entries = _read_out(wire)
            if entries is not None:
                return entries
    except (serial.SerialException, OSError) as error:
        raise port_trouble(port, str(error), NO_DEVICE) from error
    finally:
        wire.close()
    raise Trouble(f"Nothing answers at {port}, or not in full.", "Check cable, port and speed.", exit_code=NO_DEVICE)


def _read_out(wire: Wire) -> list[Entry] | None:
    """What comes up to END JOURNAL; None where it does not begin, does not end, or a line of it was lost."""
    entries: list[Entry] = []
    begun = False
    until = time.monotonic() + _ANSWER_S
    while (line := wire.line(until)) is not None:
        if line.words[0] == "ERR":
            raise Trouble(f"The box says: {line.text}.", "A sale may be under way; try again.", exit_code=FAILED)
        if line.words[:2] == ("OK", "JOURNAL"):
            begun, entries, until = True, [], time.monotonic() + _LISTING_S
        elif begun and line.words[0] == "ENTRY" and len(line.words) == 8:
            number, date, ref, amount, currency, state, code = line.words[1:]
            entries.append(Entry(number, date.strip("-"), ref, amount, currency, state, code if code != "-" else ""))
            until = time.monotonic() + _LISTING_S
        elif line.words[:2] == ("END", "JOURNAL"):
            return entries if begun and line.words[2:] == (str(len(entries)),) else None
    return None


def _answers(line: Line, asked: list[str]) -> bool:
    """Whether a line from the device answers what was asked, and is not something it says of its own accord."""
    verb, ref = asked[0].upper(), asked[1] if len(asked) > 1 else ""
    kind = line.words[0]
    if kind == "OK":
        return len(line.words) > 1 and line.words[1] == verb
    if kind == "INFO":
        return verb == "INFO"
    return kind in ("RESULT", "WAIT") and verb != "INFO" and (not ref or line.words[1:2] == (ref,))
