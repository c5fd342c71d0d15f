"""What a till sends, with its timings, in a text file that a person can read and a test can replay.

docs/add-a-till.md describes the file and what it is for. The box writes the same form itself, as /capture.txt.
"""

import binascii
import contextlib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

import serial

from tillpane import __version__
from tillpane.trouble import Trouble, port_trouble

DEVICE_FILE = "/capture.txt"
_MAGIC = "# tillpane-capture 1"
_BURST_MS = 10  # bytes closer together than this are one line of the file
_BURST_BYTES = 64
_MAX_LINE = 4096  # characters of the file; the box writes far shorter ones
_MAX_DEVICE_FILE = 1 << 20
_CHUNK = 768  # of the board's file at a time

_PARITIES = {"none": "N", "even": "E", "odd": "O"}
_SETTINGS = re.compile(r"(\d{3,6}),([78])([NEO])([12])")

Burst = tuple[int, bytes]  # (ms since the recording began, what came)
Show = Callable[[int, bytes], None]


@dataclass(frozen=True)
class LineSettings:
    """How the till's port is set. parity: none, even or odd."""

    baud: int = 9600
    bits: int = 8
    parity: str = "none"
    stop: int = 1

    def __str__(self) -> str:
        return f"{self.baud},{self.bits}{_PARITIES[self.parity]}{self.stop}"

    @classmethod
    def read(cls, text: str) -> "LineSettings":
        """From `9600,8N1`. Raises ValueError."""
        match = _SETTINGS.fullmatch(text)
        if match is None:
            raise ValueError(text)
        names = {letter: name for name, letter in _PARITIES.items()}
        return cls(int(match[1]), int(match[2]), names[match[3]], int(match[4]))


# ---- the file -------------------------------------------------------------------------------------------------------


def header(line: LineSettings, by: str, date: str) -> str:
    """The file's first line. date: ISO 8601 UTC, or `-` where no clock was set."""
    return f"{_MAGIC} by={by} date={date} line={line}\n"


def read_capture(path: Path | str) -> list[Burst]:
    """Everything that was heard, oldest first: (ms since the recording began, bytes). Raises Trouble.

    A last line that a power cut broke off is left out.
    """
    return list(_bursts(Path(path)))


def read_notes(path: Path | str) -> list[tuple[int, str]]:
    """What people wrote into a capture: (ms of the burst before it, text). Raises Trouble."""
    notes = []
    now = 0
    with _opened(Path(path)) as file:
        _first(file, Path(path))
        while line := file.readline(_MAX_LINE):
            words = line.split(None, 1)
            if line.startswith("#"):
                notes.append((now, line.strip("# \r\n")))
            elif words and words[0].isdecimal():
                now = int(words[0])
    return notes


def read_settings(path: Path | str) -> LineSettings:
    """The line settings of a capture's header. Raises Trouble."""
    with _opened(Path(path)) as file:
        words = dict(word.split("=", 1) for word in _first(file, Path(path)).split() if "=" in word)
    try:
        return LineSettings.read(words.get("line", ""))
    except ValueError as error:
        what = "Say --baud, and --parity, --bits, --stop where they are not none, 8, 1."
        raise Trouble(f"{path}, line 1 has no line=9600,8N1.", what) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            yield file
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}.", "Is the name right?") from error


def _first(file: TextIO, path: Path) -> str:
    line = file.readline(_MAX_LINE)
    if not line.startswith(_MAGIC):
        raise Trouble(f"{path} is no capture.", f"Its first line must begin with: {_MAGIC}")
    return line


def _bursts(path: Path) -> Iterator[Burst]:
    with _opened(path) as file:
        _first(file, path)
        last = number = 0
        while line := file.readline(_MAX_LINE):
            number += 1
            whole = line.endswith("\n")
            if len(line) < _MAX_LINE and (line.startswith("#") or not line.strip()):
                continue
            try:
                if not whole and len(line) == _MAX_LINE:
                    raise ValueError("the line is too long")
                ms, data = _burst(line)
                if ms < last:
                    raise ValueError("the time runs backwards")
            except ValueError as error:
                if not whole and len(line) < _MAX_LINE:
                    return  # the last line of the file
                raise Trouble(
                    f"{path}, line {number + 1} is not `<ms> <hex>`: {error}.", "docs/add-a-till.md has the form."
                ) from error
            last = ms
            yield ms, data


def _burst(line: str) -> Burst:
    words = line.split()
    if len(words) != 2 or not re.fullmatch(r"[0-9]{1,12}", words[0]):
        raise ValueError("two words are needed, the first a whole number")
    return int(words[0]), binascii.unhexlify(words[1])


class Recorder:
    """Writes a capture, a line per burst, each at once: what was heard is in the file when the cable is pulled."""

    def __init__(self, file: TextIO, line: LineSettings, show: Show | None = None, by: str = "") -> None:
        self.count = 0
        self._file = file
        self._show = show
        self._held = bytearray()
        self._since = 0  # ms of the first byte held
        self._last = 0  # ms of the last one
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._write(header(line, by or f"tillpane/{__version__}", now))

    def feed(self, data: bytes, now: int) -> None:
        """What came by `now` (ms since the start); nothing came if it is empty."""
        if self._held and now - self._last > _BURST_MS:
            self.flush()
        for start in range(0, len(data), _BURST_BYTES):
            if not self._held:
                self._since = now
            self._held += data[start : start + _BURST_BYTES]
            self._last = now
            if len(self._held) >= _BURST_BYTES:
                self.flush()

    def note(self, text: str) -> None:
        """A remark between the bursts: what the cashier did."""
        self.flush()
        plain = "".join(c if " " <= c <= "~" else "?" for c in text.strip())
        self._write(f"# {plain}\n")

    def flush(self) -> None:
        if not self._held:
            return
        data = bytes(self._held)
        self._held.clear()
        self.count += len(data)
        self._write(f"{self._since} {data.hex().upper()}\n")
        if self._show:
            self._show(self._since, data)

    def _write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()


def view(ms: int, data: bytes) -> list[str]:
    """Lines for a person: seconds, bytes in hex, and the same as text, 16 to a line."""
    lines = []
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        when = f"{ms / 1000:9.3f}" if not start else " " * 9
        lines.append(f"{when}  {part.hex(' ').upper():47}  {text}")
    return lines


# ---- a serial port --------------------------------------------------------------------------------------------------


def _port(name: str, line: LineSettings) -> serial.SerialBase:
    try:
        port = serial.serial_for_url(
            name,
            baudrate=line.baud,
            bytesize=line.bits,
            parity=_PARITIES[line.parity],
            stopbits=line.stop,
            timeout=0.005,
            write_timeout=5,
            do_not_open=True,
        )
        port.exclusive = True
        port.open()
    except (serial.SerialException, OSError, ValueError) as error:
        raise port_trouble(name, str(error)) from error
    return port


def record(
    name: str,
    out: Path,
    line: LineSettings,
    seconds: float | None = None,
    show: Show | None = None,
    notes: "queue.SimpleQueue[str] | None" = None,
) -> int:
    """Records until Ctrl-C or for so many seconds, and gives how many bytes came. Raises Trouble.

    Nothing is ever sent. What was heard before a fault stays in the file; a file with nothing in it is removed.
    """
    port = _port(name, line)
    try:
        file = out.open("x", encoding="ascii", newline="\n")
    except OSError as error:
        port.close()
        if isinstance(error, FileExistsError):
            raise Trouble(f"{out} exists already.", "Name another file with -o, or remove it.") from error
        raise Trouble(f"{out} cannot be written: {error.strerror}.", "Name another file with -o.") from error
    with port, file:
        recorder = Recorder(file, line, show)
        try:
            _listen(port, recorder, seconds, notes)
        except KeyboardInterrupt:
            pass
        except (serial.SerialException, OSError) as error:
            recorder.flush()
            raise Trouble(
                f"{name} went away: {error}.", f"{recorder.count} bytes that came before are in {out}."
            ) from error
        finally:
            recorder.flush()
    if not recorder.count:
        out.unlink()
        raise Trouble(f"Nothing came from {name}.", _NOTHING)
    return recorder.count


_NOTHING = """Ring something up while this runs. Still nothing? In this order:
- The till must have a customer display switched on in its settings, on the port that the cable is in.
- Display cables carry the till's TXD on pin 2 or on pin 3: try a null-modem adapter.
- Many tills wait for DSR and CTS: bridge 4-6 and 7-8 in the plug at the till."""


def _listen(
    port: serial.SerialBase, recorder: Recorder, seconds: float | None, notes: "queue.SimpleQueue[str] | None"
) -> None:
    start = time.monotonic()
    while seconds is None or time.monotonic() - start < seconds:
        data = port.read(min(max(1, port.in_waiting), 4096))
        recorder.feed(data, int((time.monotonic() - start) * 1000))
        while notes is not None and not notes.empty():
            recorder.note(notes.get())


def notes_from(source: TextIO) -> "queue.SimpleQueue[str]":
    """Lines that a person types, as they come."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for text in source:
            if text.strip():
                lines.put(text)

    threading.Thread(target=read, daemon=True).start()
    return lines


def doubt(bursts: Sequence[Burst]) -> str:
    """Why these bytes look like those of a line that is set wrong, or nothing."""
    data = b"".join(part for _, part in bursts)
    odd = sum(byte >= 0x7F for byte in data)
    if odd * 5 <= len(data):
        return ""
    return (
        f"{odd} of {len(data)} bytes are no plain text. If the right-hand column above is not readable, the line is "
        "set wrong: try --baud 2400, 4800, 19200, then --bits 7 --parity even (or odd)."
    )


def replay(
    path: Path, name: str, line: LineSettings | None = None, speed: float = 1.0, show: Show | None = None
) -> int:
    """Sends a capture as it was heard, `speed` times as fast, and gives how many bytes went. Raises Trouble."""
    bursts = read_capture(path)
    port = _port(name, line or read_settings(path))
    start = time.monotonic()
    sent = 0
    with port:
        try:
            for ms, data in bursts:
                # From the start, not from the burst before: small delays must not add up.
                time.sleep(max(0.0, start + ms / 1000 / speed - time.monotonic()))
                port.write(data)
                sent += len(data)
                if show:
                    show(ms, data)
            port.flush()
        except (serial.SerialException, OSError) as error:
            raise Trouble(
                f"{name} stopped taking bytes after {sent}: {error}.", "Is its other end connected and open?"
            ) from error
    return sent


# ---- the box's own recording ----------------------------------------------------------------------------------------


def fetch(name: str, out: Path) -> int:
    """Copies the box's capture to `out` and gives its size in bytes. Raises Trouble.

    name: the serial port of the box's REPL (its USB plug). The box is restarted before and afterwards, because its
    watchdog would end a REPL that comes up beside the running program; a sale under way is resumed from the journal.
    """
    from tillpane.deploy import Board, BoardError

    if out.exists():
        raise Trouble(f"{out} exists already.", "Name another file with -o, or remove it.")
    board = Board(name)
    try:
        if not board.interrupt(6):
            raise Trouble(f"No MicroPython answers at {name}.", "Press RESET and run this again within a second.")
        real = board.facts()[0] not in ("linux", "darwin", "win32")
        if real:
            board.start_over()
        try:
            data = _read_off(board.run)
        except BoardError as error:
            if "ENOENT" in str(error):
                raise Trouble(
                    f"The box has no {DEVICE_FILE}.", "Start a recording on the box first: docs/add-a-till.md."
                ) from error
            raise
        finally:
            if real:
                board.leave()
    finally:
        board.close()
    try:
        out.write_bytes(data)
    except OSError as error:
        raise Trouble(f"{out} cannot be written: {error.strerror}.", "Name another file with -o.") from error
    return len(data)


def _read_off(run: Callable[[str], str]) -> bytes:
    size = int(run(f"import os\nfrom binascii import b2a_base64 as _b\nprint(os.stat({DEVICE_FILE!r})[6])"))
    if size > _MAX_DEVICE_FILE:
        raise Trouble(f"{DEVICE_FILE} has {size} bytes: that is no capture.", "Remove it: mpremote rm :capture.txt")
    data = bytearray()
    run(f"_f=open({DEVICE_FILE!r},'rb')")
    while len(data) < size:
        part = binascii.a2b_base64(run(f"print(_b(_f.read({_CHUNK})).decode())"))
        if not part:
            break
        data += part
    run("_f.close()")
    return bytes(data)
