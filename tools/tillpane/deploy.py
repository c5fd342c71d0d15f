"""Puts the program on a board: cross-compiled for its chip, only what changed, checked by hash afterwards.

What a board gets is the checkout's own tree: boot.py and main.py as they are, lib/ as .mpy, the fonts, the CA roots.
The wire is mpremote's serial transport and its raw REPL.
"""

import binascii
import contextlib
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from tillpane import ROOT, interpreters, program
from tillpane.linker import LinkError
from tillpane.trouble import Trouble, port_trouble

# sys.implementation._mpy: version in bits 0-7, sub-version in 8-9, this index above (py/persistentcode.h)
_MARCHES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
_CHUNK = 1024
_BLOCK = 4096  # LittleFS gives a file whole blocks, and each folder two
_BOARD_S = 5  # a board that says nothing for so long has gone
_RESET_S = 8

# Run on the board. One line a file under the names given: size, SHA-256, path.
_LIST = """
import os,hashlib,binascii
def _w(p):
 try:
  d=os.stat(p)[0]&0x4000
 except OSError:
  return
 if d:
  for e in os.ilistdir(p):
   _w(p+'/'+e[0])
  return
 h=hashlib.sha256();n=0
 with open(p,'rb') as f:
  while 1:
   k=f.readinto(_b)
   if not k:break
   n+=k;h.update(_m[:k])
 print(n,binascii.hexlify(h.digest()).decode(),p)
_b=bytearray(512);_m=memoryview(_b)
for _p in %s:_w(_p)
"""

Report = Callable[[str, int, int], None]  # (step, how much of it is done, how much there is; 0: unknown)


def silent(_what: str, _done: int, _total: int) -> None:
    pass


@dataclass
class Done:
    """What a deploy did, by path on the board."""

    board: str = ""
    march: str = ""
    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bytes_written: int = 0


# ---- what a board gets ----------------------------------------------------------------------------------------------


def staged(root: Path, march: str, settings: Path | None = None, report: Report = silent) -> dict[str, bytes]:
    """Path on the board -> bytes, in the order in which they are written: main.py last."""
    missing = [name for name in ("boot.py", "main.py", "lib") if not (root / name).exists()]
    if missing:
        raise Trouble(f"{root} has no {' and no '.join(missing)}.", "Run this from a checkout of Tillpane.")
    tree = {"boot.py": (root / "boot.py").read_bytes()}
    report("compile", 0, 1)
    try:
        built = program.build(root / "lib", march)
    except (program.CompileError, LinkError) as error:
        raise Trouble(str(error), "`make lint` shows this for every file.") from error
    tree.update({f"lib/{path}": code for path, code in sorted(built.items())})
    report("compile", len(built), len(built))
    firmware = root / "firmware"
    for file in [
        *sorted((root / "lib").rglob("*.font")),
        *sorted(firmware.glob("roots/*.der")),
        *firmware.glob("*.der"),
    ]:
        tree[file.relative_to(root).as_posix()] = file.read_bytes()
    if settings is not None:
        tree["settings.json"] = read_settings(settings)
    tree["main.py"] = (root / "main.py").read_bytes()
    return tree


def read_settings(file: Path) -> bytes:
    """The bytes of a settings file that is at least one flat JSON object. Never says what is in it."""
    try:
        data = file.read_bytes()
        known = json.loads(data)
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.", "settings.example.json is a start.") from error
    except ValueError as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Trouble(
            f"{file} is not JSON{where}.", "Nothing was sent. settings.example.json shows the form."
        ) from error
    if not isinstance(known, dict) or any(isinstance(value, (dict, list)) for value in known.values()):
        raise Trouble(f"{file} is not one flat JSON object.", "Nothing was sent. settings.example.json shows the form.")
    return data


# Run by MicroPython on this computer: the device's own check. Its words name the setting, never the value.
_CHECK = """
import sys
from kiosk.settings import SettingsError, read
try:
    read(sys.argv[1])
except SettingsError as error:
    print(error.args[0])
    sys.exit(9)
"""


def check_settings(root: Path, file: Path) -> None:
    """Asks the checkout's own lib/kiosk/settings.py whether the box would take this file. Raises Trouble."""
    read_settings(file)
    if not (root / "lib" / "kiosk" / "settings.py").exists():
        return
    try:
        interpreter = interpreters.micropython()
    except FileNotFoundError:
        return  # no unix port for this machine: the box itself will say
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "check.py"
        script.write_text(_CHECK, encoding="utf-8")
        environment = {**os.environ, "MICROPYPATH": f"{root / 'lib'}:.frozen"}
        command = [interpreter, str(script), str(file.resolve())]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode == 9:
        raise Trouble(f"{file}: {run.stdout.strip()}", "Nothing was sent. docs/settings.md explains each setting.")


def owned(path: str, tree: dict[str, bytes]) -> bool:
    """Whether a file on the board is of this product, so that it may be removed when the tree no longer has it.

    Ours are the CA roots, and below lib/ every folder and module whose name is in the tree. What else a merchant's
    integrator keeps on the board is left alone.
    """
    if path.startswith("firmware/roots/"):
        return path.endswith(".der")
    parts = path.split("/")
    if parts[0] != "lib" or len(parts) < 2:
        return False
    ours = {name.split("/")[1].rsplit(".", 1)[0] for name in tree if name.startswith("lib/")}
    return parts[1].rsplit(".", 1)[0] in ours


# ---- the board ------------------------------------------------------------------------------------------------------


class Board:
    """A MicroPython board at the other end of a raw REPL."""

    def __init__(self, port: str) -> None:
        self.port = port
        self._transport = self._opened()

    def _opened(self) -> SerialTransport:
        try:
            return SerialTransport(self.port, baudrate=115200, timeout=_BOARD_S)
        except (TransportError, serial.SerialException, OSError) as error:
            raise port_trouble(self.port) from error

    def close(self) -> None:
        with contextlib.suppress(OSError, serial.SerialException):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
        with contextlib.suppress(OSError, serial.SerialException):
            self._transport.close()

    def interrupt(self, patience_s: float) -> bool:
        """Ctrl-C until the raw REPL answers. False when it did not within patience_s."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            try:
                if self._enter(0.5):
                    time.sleep(0.1)  # an earlier try may be answered late; what it says must not be taken for an answer
                    self._transport.serial.reset_input_buffer()
                    return self._enter(1)
            except (serial.SerialException, OSError):
                time.sleep(0.3)  # native USB: the port goes away with a reset and comes back
                self._reopen(until)
        return False

    def _enter(self, seconds: float) -> bool:
        self._transport.serial.timeout = 0.05  # on a pseudo-terminal mpremote waits out each read
        with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it could not use
            try:
                self._transport.enter_raw_repl(soft_reset=False, timeout_overall=seconds)
            except TransportError:
                return False
            finally:
                self._transport.serial.timeout = _BOARD_S
        return True

    def _reopen(self, until: float) -> None:
        with contextlib.suppress(OSError, serial.SerialException):
            self._transport.close()
        while True:
            try:
                self._transport = self._opened()
                return
            except Trouble:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.2)

    def run(self, code: str) -> str:
        """Runs code on the board and gives what it printed. Raises Trouble."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return self._transport.exec(code).decode()
        except TransportExecError as error:
            last = error.error_output.strip().splitlines()[-1:] or ["no words"]
            raise BoardError(last[0]) from error
        except (TransportError, serial.SerialException, OSError, struct.error, UnicodeDecodeError) as error:
            raise Trouble(
                f"The board stopped answering ({error or type(error).__name__}).",
                "Check the cable, press RESET and run this again: what is already there is skipped.",
            ) from error

    def start_over(self) -> None:
        """Resets the board and catches it in boot.py's two seconds: nothing of ours runs then, and no watchdog."""
        for _ in range(3):
            self.leave()
            if self.interrupt(_RESET_S) and self._has_files():
                return
        raise Trouble(
            "The board does not come back to its REPL after a reset.",
            "Press BOOT within two seconds after power came and hold it, then run this again with --no-reset.",
        )

    def _has_files(self) -> bool:
        """Whether the file system is mounted: a Ctrl-C early enough keeps _boot.py from it."""
        try:
            return int(self.run("import os\nprint(os.statvfs('/')[2])")) > 0
        except BoardError:
            return False

    def leave(self) -> None:
        """A hard reset; the program starts."""
        with contextlib.suppress(TransportError, serial.SerialException, OSError, struct.error):
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")
        self._transport.in_raw_repl = False

    def facts(self) -> tuple[str, str, int]:
        """(sys.platform, what the board calls itself, sys.implementation._mpy)."""
        said = self.run(
            "import sys\ni=sys.implementation\nprint(sys.platform)\n"
            "print(getattr(i,'_machine',''),'/ MicroPython','.'.join(str(n) for n in i[1][:3]))\n"
            "print(getattr(i,'_mpy',0))"
        )
        try:
            platform, name, mpy = said.strip().splitlines()
            return platform, name, int(mpy)
        except ValueError as error:
            raise Trouble(
                f"The board answers, but not as MicroPython does: {said[:80]!r}.", "Flash it first: make flash."
            ) from error

    def files(self, names: list[str]) -> dict[str, tuple[int, str]]:
        """Path -> (size, SHA-256) of every file under names."""
        found = {}
        for line in self.run(_LIST % repr(names)).splitlines():
            size, digest, path = line.split(" ", 2)
            found[path] = (int(size), digest)
        return found

    def room(self) -> int:
        """Free bytes of the file system."""
        return int(self.run("import os\ns=os.statvfs('.')\nprint(s[0]*s[3])"))

    def make_folders(self, paths: Iterator[str] | list[str]) -> None:
        folders = sorted(
            {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
        )
        self.run(
            f"import os\nfor _p in {folders!r}:\n try:\n  os.mkdir(_p)\n except OSError as _e:\n  if _e.errno!=17:raise"
        )

    def write(self, path: str, data: bytes, wrote: Callable[[int], None]) -> None:
        self.run(
            f"from binascii import a2b_base64 as _a\nfrom io import BytesIO\nfrom deflate import DeflateIO,RAW\n"
            f"_f=open({path!r},'wb')"
        )
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            packer = zlib.compressobj(level=9, wbits=-10)
            packed = binascii.b2a_base64(packer.compress(chunk) + packer.flush(), newline=False)
            self.run(f"_f.write(DeflateIO(BytesIO(_a({packed!r})),RAW,10).read())")
            wrote(len(chunk))
        self.run("_f.close()")

    def remove(self, path: str) -> None:
        self.run(f"import os\nos.remove({path!r})")


class BoardError(Trouble):
    """The board raised: its exception's line is the text."""


# ---- the deploy -----------------------------------------------------------------------------------------------------


def own_version() -> tuple[int, int]:
    """(.mpy version, sub-version of native code) that this mpy-cross writes."""
    source = "import micropython\n@micropython.native\ndef a():\n    pass\n"
    header = program.compile_source(source, "a.py", "xtensawin")
    return header[1], header[2] & 3


def march_of(mpy: int) -> str:
    """The -march of a board from its sys.implementation._mpy. Raises Trouble where our .mpy cannot run."""
    ours = own_version()
    theirs = (mpy & 0xFF, mpy >> 8 & 3)
    if theirs != ours:
        have = f".mpy {theirs[0]}.{theirs[1]}" if mpy else "no .mpy files"
        raise Trouble(
            f"The board loads {have}; this tool writes {ours[0]}.{ours[1]}.",
            "Flash the pinned image first: make flash.",
        )
    index = mpy >> 10 & 0x0F
    if not 0 < index < len(_MARCHES):
        raise Trouble(
            "The board does not say which machine code it takes.", "Name it: --march xtensawin (ESP32) or rv32imc (C3)."
        )
    return _MARCHES[index]


def deploy(
    port: str,
    settings: Path | None = None,
    march: str = "",
    reset: bool | None = None,
    root: Path = ROOT,
    report: Report = silent,
) -> Done:
    """The whole of `tillpane deploy`.

    reset: whether the board is reset before and after; None is yes, but for a REPL on a computer.
    """
    early = staged(root, march, settings, report) if march else {}
    if settings is not None:
        check_settings(root, settings)
    report("connect", 0, 0)
    board = Board(port)
    try:
        if not board.interrupt(6):
            raise Trouble(
                f"No MicroPython answers at {port}.",
                "Press RESET and run this again within a second. A board that was never flashed: make flash first.",
            )
        platform, name, mpy = board.facts()
        if reset is None:
            reset = platform not in ("linux", "darwin", "win32")
        if reset:
            report("reset", 0, 0)
            board.start_over()
        done = Done(board=name, march=march or march_of(mpy))
        _put(board, early or staged(root, done.march, settings, report), done, report)
        if reset:
            board.leave()
        return done
    finally:
        board.close()


def _put(board: Board, tree: dict[str, bytes], done: Done, report: Report) -> None:
    report("compare", 0, 0)
    there = board.files(["boot.py", "main.py", "settings.json", "lib", "firmware/roots", "firmware/selftest.der"])
    for path in sorted(there):
        if path not in tree and owned(path, tree):
            board.remove(path)
            done.removed.append(path)
    changed = {path: data for path, data in tree.items() if there.get(path) != _described(data)}
    done.skipped = [path for path in tree if path not in changed]
    _check_room(board, changed, there)
    if changed:
        board.make_folders(list(changed))
    _write_all(board, changed, done, report)
    report("verify", 0, 0)
    _verify(board, tree, list(changed))
    done.warnings = _shadows(board, tree)


def _described(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


def _check_room(board: Board, changed: dict[str, bytes], there: dict[str, tuple[int, str]]) -> None:
    blocks = sum(-(-len(data) // _BLOCK) for data in changed.values())
    blocks -= sum(-(-there[path][0] // _BLOCK) for path in changed if path in there)
    folders = {path.rsplit("/", 1)[0] for path in changed if "/" in path and path not in there}
    needed = (blocks + 2 * len(folders)) * _BLOCK
    free = board.room()
    if needed > free:
        raise _full(f"it has {free // 1024} KB free and {needed // 1024} KB are needed")


def _full(why: str) -> Trouble:
    return Trouble(
        f"The board's file system is full: {why}.",
        "Remove files of your own (mpremote rm :FILE), or start clean: make flash, then make deploy.",
    )


def _write_all(board: Board, changed: dict[str, bytes], done: Done, report: Report) -> None:
    total = sum(len(data) for data in changed.values())

    def wrote(count: int) -> None:
        done.bytes_written += count
        report("write", done.bytes_written, total)

    for path, data in changed.items():
        try:
            board.write(path, data, wrote)
        except BoardError as error:
            if re.search(r"ENOSPC|OSError: 28\b|\[Errno 28\]", str(error)):
                raise _full(f"no room for {path}") from error
            raise Trouble(f"The board could not write {path}: {error}.", "Press RESET and run this again.") from error
        done.written.append(path)


def _verify(board: Board, tree: dict[str, bytes], paths: list[str]) -> None:
    there = board.files(paths) if paths else {}
    for path in paths:
        if there.get(path) != _described(tree[path]):
            raise Trouble(
                f"{path} is not on the board as it was sent.", "Run this again; if it stays so, the flash is worn out."
            )


def _shadows(board: Board, tree: dict[str, bytes]) -> list[str]:
    """Files in the board's root that Python would import in place of ours: the root comes before lib."""
    names = {path.split("/")[1].removesuffix(".mpy") for path in tree if path.startswith("lib/")}
    listed = board.run("import os\nprint('\\n'.join(e[0] for e in os.ilistdir('.')))").split()
    bare = [(name, re.sub(r"\.m?py$", "", name)) for name in listed]
    return [f"{name} in the board's root hides lib/{module}" for name, module in bare if module in names]
