"""The demo page's server: the shop's state out over a WebSocket, people's clicks in. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import json
import os
import time
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from rich.console import Console

from tillpane.sim import anytill
from tillpane.sim.anytill import DisplayTill, printable
from tillpane.sim.device import CAUSES, HARD_RESET, Screen, SimError
from tillpane.sim.onesale import run
from tillpane.sim.phone import read_code, request_id
from tillpane.sim.shop import Shop
from tillpane.standin import ApiError, Fault
from tillpane.tills.terminals import CLIENTS, Answer, Client, NoAnswer

PAGE = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'self'; connect-src 'self' ws://localhost:* ws://127.0.0.1:*; "
    "img-src 'self' blob: data:; frame-ancestors 'none'"
)
_FRAME_S = 0.08
_LOOK_S = 0.35
_KEPT = 200
_LOCAL = ("localhost", "127.0.0.1", "[::1]")

# switch -> how the stand-in is asked for it; the others are the shop's own
_API_FAULTS: dict[str, dict[str, Any]] = {
    "slow": {"kind": "delay", "seconds": 4.0},
    "slower": {"kind": "delay", "seconds": 8.0},  # beyond the box's 5 s for one poll
    "error500": {"kind": "status", "status": 500},
    "html": {"kind": "html", "status": 200, "when": "before"},
    "limit": {"kind": "rate_limit", "retry_after": 5},
}
_CALLS = ("create", "get", "find", "void", "refund")
_BURST_S = 0.06  # bytes closer together than this are one line of the wire's list
_BURST_BYTES = 240
_NOTE = 1000  # minor units: what a patron pays with in cash is rounded up to the next of these


class Demo:
    """One shop and everyone who looks at it. till: one of anytill.NAMES."""

    def __init__(self, tell: Callable[[str], None], till: str = anytill.LINE) -> None:
        self.about = anytill.about(till)
        self.shop = Shop(
            anytill.settings(till),
            on_console=self._console,
            on_screen=self._screen,
            on_power=self._power,
            on_wire=self._wire,
            tell=tell,
        )
        self._viewers: set[web.WebSocketResponse] = set()
        self._lines: list[dict[str, Any]] = []
        self._logs: list[str] = []
        self._partial = {"till": b"", "box": b""}
        self._began = time.monotonic()
        self._faults: dict[str, bool] = {}
        self._injected: dict[str, list[int]] = {}
        self._power_words = "starting"
        self._frame = b""
        self._phone: dict[str, Any] = {"t": "phone", "state": "looking"}
        self._ledger: dict[str, Any] = {"t": "ledger", "rows": []}
        self._number = 0
        self._till: dict[str, Any] = {"t": "till", "state": "idle", "ref": "", "amount": "", "words": ""}
        self._burst: dict[str, Any] = {}
        self._burst_at = 0.0
        self._display: DisplayTill | None = None
        self._client: Client | None = None
        self._asked: asyncio.Task[None] | None = None  # what the till is about to do
        self._basket = 0
        self._sold = Answer(False, "")  # the terminal's sale that a refund is of
        self._lost: Fault | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """To be called once the shop is open."""
        if self.about.kind == "display":
            self._display = DisplayTill(self.about.name, self.shop.device.port.path)
            self._asked = asyncio.create_task(self._display_does("start", 0))
        elif self.about.kind == "terminal":
            make = CLIENTS[self.about.name]
            self._client = make(self.shop.device.port.path, self.about.currency, self._terminal_news)
        for work in (self._stream_panel, self._watch_glass, self._watch_ledger):
            self._tasks.append(asyncio.create_task(work()))

    async def end(self) -> None:
        tasks = [*self._tasks, *([self._asked] if self._asked else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for till in (self._display, self._client):
            if till:
                till.close()
        for viewer in list(self._viewers):
            await viewer.close()

    # --- what happens goes out ----------------------------------------------------------------------------------------

    def _tell(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        for viewer in list(self._viewers):
            asyncio.ensure_future(_quietly(viewer.send_str(text)))

    def _console(self, line: str) -> None:
        self._logs = [*self._logs[-_KEPT:], line]
        self._tell({"t": "console", "text": line})

    def _screen(self, screen: Screen) -> None:
        self._tell({"t": "screen", "name": screen.name})

    def _power(self, words: str) -> None:
        self._power_words = words
        self._tell(self._power_state())

    def _power_state(self) -> dict[str, Any]:
        on = self._power_words in CAUSES.values()
        return {"t": "power", "on": on, "words": self._power_words}

    def _wire(self, who: str, data: bytes) -> None:
        if self.about.kind != "line":
            self._bytes(who, data)
            return
        *lines, self._partial[who] = (self._partial[who] + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line:
                self._line(who, line.decode("ascii", "backslashreplace"))

    def _bytes(self, who: str, data: bytes) -> None:
        """Bytes that come close together are one entry, which grows until the wire is silent."""
        now = time.monotonic()
        held = self._burst
        if held.get("who") == who and now - self._burst_at < _BURST_S and len(held["text"]) < _BURST_BYTES:
            held["hex"] += " " + data.hex(" ").upper()
            held["text"] += printable(data)
        else:
            self._number += 1
            held = {"t": "bytes", "id": self._number, "who": who, "at": round(now - self._began, 2)}
            held |= {"hex": data.hex(" ").upper(), "text": printable(data)}
            self._burst = held
            self._lines = [*self._lines[-_KEPT:], held]
        self._burst_at = now
        self._tell(held)

    def _line(self, who: str, text: str) -> None:
        entry = {"t": "line", "who": who, "text": text, "at": round(time.monotonic() - self._began, 2)}
        self._lines = [*self._lines[-_KEPT:], entry]
        self._tell(entry)
        if who == "box":
            self._till_hears(text.split("*")[0].split())

    def _till_hears(self, words: list[str]) -> None:
        """The keypad's till follows its own sale, and acknowledges its result as a till must."""
        ref = self._till["ref"]
        if not ref or not words:
            return
        if words[:2] == ["RESULT", ref]:
            more = [word for word in words[5:] if word != "-"]  # short code and reason
            self._till |= {"state": words[2].lower() if len(words) > 2 else "unknown", "words": " ".join(more)}
            if self._till["state"] != "unknown":
                asyncio.get_running_loop().call_later(0.4, self.type, f"ACK {ref}")
        elif words[:2] == ["WAIT", ref]:
            self._till |= {"state": "waiting", "words": " ".join(words[2:])}
        elif words[:3] == ["OK", "SALE", ref]:
            self._till |= {"state": "waiting", "words": "accepted"}
        elif words[0] == "ERR" and self._till["state"] == "asked":
            self._till |= {"state": "refused", "words": " ".join(words[1:])}
        else:
            return
        self._tell(self._till)

    async def _stream_panel(self) -> None:
        shown = -1
        while True:
            await asyncio.sleep(_FRAME_S)
            device = self.shop.device
            if device.painted == shown or not self._viewers:
                continue
            shown = device.painted
            await self._send_frame()

    async def _send_frame(self) -> None:
        frame = self._png()
        if frame == self._frame:
            return
        self._frame = frame
        for viewer in list(self._viewers):
            await _quietly(viewer.send_bytes(self._frame))

    def _png(self) -> bytes:
        buffer = io.BytesIO()
        self.shop.device.panel.image().save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    async def _watch_glass(self) -> None:
        """The phone's camera: looks at the pixels, and asks the API what a new code is."""
        looked = -1
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.shop.device.painted == looked:
                continue
            looked = self.shop.device.painted
            text = read_code(self.shop.device.panel.image())
            found = request_id(text) if text else None
            if text and not found:
                self._show_phone({"state": "refused", "url": text, "words": "not a payment code"})
            elif found and found != self._phone.get("id"):
                await self._open_wallet(found, text or "")
            elif self._phone.get("visible") != bool(found):
                self._show_phone(self._phone | {"visible": bool(found)})

    async def _open_wallet(self, request: str, url: str) -> None:
        self._show_phone({"state": "reading", "id": request, "url": url, "visible": True})
        try:
            summary = await self.shop.phone.summary(request)
        except (SimError, OSError, asyncio.TimeoutError) as error:
            self._show_phone({"state": "failed", "id": request, "url": url, "words": str(error), "visible": True})
            return
        value = summary.get("value") or {}
        self._show_phone(
            {
                "state": "asked",
                "id": request,
                "url": url,
                "merchant": summary.get("merchantName", ""),
                "amount": value.get("amount", ""),
                "currency": value.get("currency", ""),
                "visible": True,
            }
        )

    def _show_phone(self, state: dict[str, Any]) -> None:
        self._phone = {"t": "phone", **state}
        self._tell(self._phone)

    async def _watch_ledger(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self._lost and self._lost.spent:
                self._lost = None
                self._faults["lost"] = False
                self._tell({"t": "faults", "on": self._faults})
            rows = list(reversed(self.shop.api.ledger()["requests"]))[:50]
            if rows != self._ledger["rows"]:
                self._ledger = {"t": "ledger", "rows": rows}
                self._tell(self._ledger)

    # --- what people do comes in --------------------------------------------------------------------------------------

    def type(self, line: str) -> None:
        """Types a line at the pseudo-terminal, as any serial program would."""
        handle = os.open(self.shop.device.port.path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(handle, line.encode("ascii", "replace")[:200] + b"\r\n")
        finally:
            os.close(handle)

    async def do(self, message: dict[str, Any]) -> None:
        """One click. Raises SimError, in words for people, for what cannot be done now."""
        actions: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "sale": self._do_sale,
            "till": self._do_till,
            "button": self._do_button,
            "cancel": self._do_cancel,
            "type": self._do_type,
            "phone": self._do_phone,
            "fault": self._do_fault,
            "power": self._do_power,
            "restart": self._do_restart,
        }
        action = actions.get(str(message.get("do")))
        if action is None:
            raise SimError("no such button")
        await action(message)

    async def _do_sale(self, message: dict[str, Any]) -> None:
        amount = str(message.get("amount", ""))[:16]
        if amount == self._till["amount"] and self._till["state"] == "refused":
            ref = self._till["ref"]  # the same sale, tried again
        else:
            self._number += 1
            ref = f"K{self._number:03d}"
        self._till = {"t": "till", "state": "asked", "ref": ref, "amount": amount, "words": ""}
        self._tell(self._till)
        self.type(f"SALE {ref} {amount}")

    async def _do_button(self, message: dict[str, Any]) -> None:
        await self.shop.device.press_button(bool(message.get("hold")))

    async def _do_till(self, message: dict[str, Any]) -> None:
        """A key of a till that is not ours: what it shows on its display, or asks of its terminal."""
        verb = str(message.get("verb"))
        if verb not in self.about.verbs:
            raise SimError("this till has no such key")
        if verb == "cancel" and self._client:
            self._client.cancel()
            return
        if self._asked and not self._asked.done():
            raise SimError("the till is still at it")
        amount = self.about.minor(str(message.get("amount", ""))[:16]) if message.get("amount") else 0
        if verb in ("item", "sale") and not amount:
            raise SimError("an amount first")
        work = self._display_does if self._display else self._terminal_does
        self._asked = asyncio.create_task(work(verb, amount))

    async def _display_does(self, verb: str, amount: int) -> None:
        till = self._display
        assert till is not None
        words = "On its own customer display"
        if verb == "start":
            sends = till.start()
        elif verb == "item":
            self._basket += amount
            sends = till.item("Flat white", 1, amount)
        elif verb == "total":
            self._basket = self._basket or amount
            sends = till.total(self._basket)
        elif verb == "change":
            given = (self._basket // _NOTE + 1) * _NOTE
            sends = till.change(self._basket, given)
            self._basket = 0
        else:
            self._basket = 0
            sends = till.idle()
        self._till |= {"state": "asked", "ref": verb, "amount": "", "words": words}
        sending = asyncio.ensure_future(sends)
        await asyncio.sleep(0)
        self._till |= {"rows": [row[:20] for row in till.rows], "amount": self.about.money(self._basket)}
        self._tell(self._till)
        await sending
        self._till["state"] = "idle"
        self._tell(self._till)

    def _terminal_news(self, text: str) -> None:
        self._till |= {"state": "waiting", "words": text}
        self._tell(self._till)

    async def _terminal_does(self, verb: str, amount: int) -> None:
        client = self._client
        assert client is not None
        self._till |= {"state": "asked", "ref": verb, "words": f"{verb}: asking the terminal"}
        if verb == "sale":
            self._till["amount"] = self.about.money(amount)
        self._tell(self._till)
        self._number += 1
        try:
            if verb == "sale":
                # a reference where the protocol has room for one, other than those of the demo before
                answer = await client.sale(amount, f"{int(time.time()) % 100000 * 10 + self._number % 10:06}")
                self._sold = answer if answer.paid else self._sold
            elif verb == "last":
                answer = await client.last()
            elif self._sold.paid:
                answer = await client.refund(self._sold.number, self._sold.amount or 0)
            else:
                answer = Answer(False, "no paid sale to refund yet")
        except NoAnswer as error:
            answer = Answer(False, f"no answer: {error}")
        said = "" if answer.amount is None else f", {self.about.money(answer.amount)} {self.about.currency}"
        state = "paid" if answer.paid and verb == "sale" else "idle" if answer.paid else "refused"
        self._till |= {"state": state, "ref": verb, "words": f"{verb}: {answer.words}{said}"}
        self._tell(self._till)

    async def _do_cancel(self, _: dict[str, Any]) -> None:
        if not self._till["ref"]:
            raise SimError("there is no sale to cancel")
        self.type(f"CANCEL {self._till['ref']}")

    async def _do_type(self, message: dict[str, Any]) -> None:
        self.type(str(message.get("line", "")))

    async def _do_phone(self, message: dict[str, Any]) -> None:
        request = str(self._phone.get("id") or "")
        if not request:
            raise SimError("the phone has not read a code yet")
        how = message.get("how")
        if how == "decline":
            try:
                self.shop.api.cancel_by_patron(request, "DECLINED_BY_PATRON")
            except ApiError as error:
                raise SimError(str(error)) from None
            self._show_phone(self._phone | {"state": "declined", "words": ""})
            return
        if how == "late":
            with contextlib.suppress(ApiError):
                self.shop.api.expire(request)
        try:
            await self.shop.phone.pay(request)
        except (SimError, OSError, asyncio.TimeoutError) as error:
            self._show_phone(self._phone | {"state": "failed", "words": str(error)})
            return
        self._show_phone(self._phone | {"state": "paid", "words": ""})

    async def _do_fault(self, message: dict[str, Any]) -> None:
        name, on = str(message.get("name")), bool(message.get("on"))
        if name in ("wifi", "silent"):
            self._faults |= {"wifi": name == "wifi" and on, "silent": name == "silent" and on}
            self.shop.wifi(not on, silent=name == "silent")
        elif name == "cable":
            self.shop.device.port.plugged = not on
            self._faults[name] = on
        elif name == "panel":
            self.shop.device.set_glass(not on)
            self._faults[name] = on
        elif name == "lost":
            self._faults[name] = True
            self._lost = self.shop.api.inject("drop", op="create", when="after", count=1)
        elif name in _API_FAULTS:
            if name in ("slow", "slower"):
                self._inject("slow" if name == "slower" else "slower", False)
            self._inject(name, on)
        else:
            raise SimError("no such switch")
        self._tell({"t": "faults", "on": self._faults})

    def _inject(self, name: str, on: bool) -> None:
        for number in self._injected.pop(name, []):
            self.shop.api.faults.clear(number)
        if on:
            how = dict(_API_FAULTS[name])
            kind = how.pop("kind")
            self._injected[name] = [self.shop.api.inject(kind, op=op, count=0, **how).number for op in _CALLS]
        self._faults[name] = on

    async def _do_power(self, message: dict[str, Any]) -> None:
        if message.get("on"):
            await self.shop.device.start()
        else:
            await self.shop.device.kill()

    async def _do_restart(self, _: dict[str, Any]) -> None:
        await self.shop.device.restart(HARD_RESET)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def page(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info.get("name") or "index.html"
        path = PAGE / name
        if path.parent != PAGE or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=path.read_bytes(),
            content_type=_TYPES[path.suffix],
            charset="utf-8",
            headers={
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": _POLICY,
            },
        )

    async def picture(self, _: web.Request) -> web.Response:
        """The glass as it is now: the page's first frame, which is there before the page counts as loaded."""
        return web.Response(body=self._png(), content_type="image/png", headers={"Cache-Control": "no-store"})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """One viewer. Pages of other sites are refused: only ours may press buttons."""
        origin = request.headers.get("Origin", "")
        if request.host.rsplit(":", 1)[0] not in _LOCAL or origin and origin != f"http://{request.host}":
            raise web.HTTPForbidden
        viewer = web.WebSocketResponse(heartbeat=20, max_msg_size=4096)
        await viewer.prepare(request)
        await viewer.send_str(json.dumps(self._everything()))
        self._viewers.add(viewer)
        self._frame = b""
        try:
            await self._send_frame()
            async for message in viewer:
                if message.type == WSMsgType.TEXT:
                    await self._clicked(viewer, message.data)
        finally:
            self._viewers.discard(viewer)
        return viewer

    async def _clicked(self, viewer: web.WebSocketResponse, text: str) -> None:
        try:
            message = json.loads(text)
            if not isinstance(message, dict):
                raise SimError("not understood")
            await self.do(message)
        except (SimError, ValueError, OSError) as error:
            await _quietly(viewer.send_str(json.dumps({"t": "sorry", "words": str(error) or type(error).__name__})))

    def _everything(self) -> dict[str, Any]:
        device = self.shop.device
        return {
            "t": "hello",
            "path": device.port.path,
            "about": {
                "name": self.about.name,
                "kind": self.about.kind,
                "title": self.about.title,
                "line": str(self.about.line),
                "verbs": self.about.verbs,
                "decimals": self.about.decimals,
            },
            "api": self.shop.api.url,
            "lines": self._lines[-80:],
            "console": self._logs[-80:],
            "screen": device.screen,
            "power": self._power_state(),
            "phone": self._phone,
            "till": self._till,
            "ledger": self._ledger,
            "faults": self._faults,
        }


async def _quietly(work: Awaitable[None]) -> None:
    """A viewer that has gone is no error."""
    with contextlib.suppress(ConnectionError, RuntimeError):
        await work


def demo(port: int = 8080, open_browser: bool = True, till: str = anytill.LINE) -> int:
    """Serves the page until Ctrl-C. 0 when it was stopped, 1 when it could not start."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        run(_demo(port, open_browser, till, console))
    except KeyboardInterrupt:
        pass
    except (SimError, OSError) as error:
        console.print(f"[bold red]The demo could not start:[/] {error}")
        return 1
    return 0


async def _demo(port: int, open_browser: bool, till: str, console: Console) -> None:
    console.print("[bold]Tillpane demo[/], setting up")
    stage = Demo(lambda text: console.print(f"  [green]•[/] {text}"), till)
    app = web.Application()
    app.router.add_get("/", stage.page)
    app.router.add_get("/ws", stage.socket)
    app.router.add_get("/panel.png", stage.picture)
    app.router.add_get("/{name}", stage.page)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        async with stage.shop:
            await _listen(runner, port, console)
            await stage.begin()
            try:
                _welcome(console, runner.addresses[0][1], stage, open_browser)
                await asyncio.Event().wait()
            finally:
                await stage.end()
    finally:
        await runner.cleanup()
        console.print("stopped; nothing is left running")


async def _listen(runner: web.AppRunner, port: int, console: Console) -> None:
    """On the wanted port, or on a free one when somebody else has it."""
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        console.print(f"  [yellow]•[/] port {port} is taken: using another")
        await web.TCPSite(runner, "127.0.0.1", 0).start()


def _welcome(console: Console, port: int, stage: Demo, open_browser: bool) -> None:
    address = f"http://localhost:{port}/"
    path = stage.shop.device.port.path
    console.print(f"\n  Open    [bold]{address}[/]")
    console.print(f"  Till    [bold]{path}[/]   any serial program may be the till:")
    if stage.about.kind == "line":
        console.print(f"          printf 'SALE 1 12.34\\r\\n' > {path}; cat {path}")
    else:
        console.print(f"          {stage.about.name}: {stage.about.title}")
    console.print(f"  API     {stage.shop.api.url} (a stand-in)")
    console.print("  Stop    Ctrl-C\n")
    if open_browser:
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(address)
