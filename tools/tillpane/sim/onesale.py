"""One sale from the till's bytes to PAID, without a browser: `make demo ONCE=1 OUT=out TILL=escpos`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from rich.console import Console
from rich.text import Text

from tillpane.sim import anytill
from tillpane.sim.device import Screen, SimError
from tillpane.sim.shop import Shop
from tillpane.tills.terminals import CLIENTS, NoAnswer

_STYLES = {"till": "cyan", "box": "green", "glass": "magenta", "phone": "yellow", "sim": "dim", "api": "blue"}

T = TypeVar("T")
_INTERRUPTED = 130
_FAR_S = 0.4  # a create call over the internet; on loopback nobody would see the box prepare


class Story:
    """The transcript on stdout, and a picture of every screen."""

    def __init__(self, out: Path) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._out = out
        self.pictures: list[Path] = []
        self._last = ""

    def tell(self, who: str, text: str) -> None:
        line = Text(f"{time.monotonic() - self._began:7.2f}  ")
        line.append(f"{who:<6} ", style=_STYLES.get(who, ""))
        line.append(text)
        self._console.print(line)

    def wire(self, who: str, data: bytes) -> None:
        self.tell(who, f"{data.hex(' ').upper()}  {anytill.printable(data)}")

    def screen(self, screen: Screen) -> None:
        if screen.name == self._last:
            return
        self._last = screen.name
        path = self._out / f"{len(self.pictures) + 1:02d}-{screen.name}.png"
        screen.image.save(path)
        self.pictures.append(path)
        self.tell("glass", f"{screen.name}  ({path.name})")

    def sheet(self) -> Path:
        """All screens beside each other at twice their size, in order."""
        pictures = [Image.open(path) for path in self.pictures]
        columns = min(4, len(pictures))
        width, height = (2 * max(size) + 32 for size in zip(*(picture.size for picture in pictures), strict=True))
        rows = -(-len(pictures) // columns)
        sheet = Image.new("RGB", (columns * width + 32, rows * height + 32), "#e9e6e1")
        for index, picture in enumerate(pictures):
            double = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST)
            sheet.paste(double, (32 + index % columns * width, 32 + index // columns * height))
        path = self._out / "screens.png"
        sheet.save(path)
        return path


def once(out: str | Path, amount: str = "", timeout: float = 60, till: str = anytill.LINE) -> int:
    """Runs one sale; pictures and spi.bin go to `out`, the transcript to stdout.

    till: one of anytill.NAMES. amount: "" for a usual one. 0 only if the till was told PAID; from a customer display's
    till, which cannot be told anything, only if PAID was on the glass.
    """
    folder = Path(out)
    story = Story(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9][0-9]-*.png"):
            old.unlink()
        code = run(asyncio.wait_for(_once(folder, amount, story, till), timeout))
        return _INTERRUPTED if code is None else code
    except asyncio.TimeoutError:
        story.tell("sim", f"gave up after {timeout:g} s")
        return 1
    except OSError as error:
        story.tell("sim", f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def run(work: Coroutine[Any, Any, T]) -> T | None:
    """asyncio.run, for which SIGTERM is as good as Ctrl-C: what was started is ended. None when it was stopped."""

    async def guarded() -> T | None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    return asyncio.run(guarded())


async def _once(folder: Path, amount: str, story: Story, name: str) -> int:
    try:
        about = anytill.about(name)
        amount = amount or about.usual
        about.minor(amount)
        shop = Shop(
            anytill.settings(name),
            record=folder / "spi.bin",
            on_screen=story.screen,
            on_power=lambda text: story.tell("sim", text),
            on_wire=None if about.kind == "line" else story.wire,
            tell=lambda text: story.tell("sim", text),
        )
        async with shop:
            story.tell("sim", f"the till's serial port is {shop.device.port.path}, {about.line}")
            try:
                paid = await _SALES[about.kind](shop, about, amount, story)
            except (asyncio.CancelledError, NoAnswer):
                story.tell("sim", shop.device.report())
                raise
    except (SimError, NoAnswer) as error:
        story.tell("sim", f"failed: {error}")
        return 1
    if not paid:
        return 1
    if shop.device.panel.faults:
        story.tell("sim", "the panel's controller complains: " + "; ".join(shop.device.panel.faults[:5]))
        return 1
    story.sheet()
    story.tell("sim", f"PAID. {len(story.pictures)} pictures and spi.bin ({shop.device.spi_bytes} bytes on the wire)")
    return 0


async def _line_sale(shop: Shop, about: anytill.About, amount: str, story: Story) -> bool:
    device = shop.device
    with shop.till(story.tell) as till:
        await device.wait_screen("ready", timeout=30)
        await till.wait_ready()
        shop.api.inject("delay", op="create", count=1, seconds=_FAR_S)
        seen = len(device.screens)
        await till.ask(f"SALE 1 {amount}", "OK SALE 1")
        await _patron_pays(shop, about, seen, story)
        words = await till.result("1", timeout=20)
        if words[0] != "PAID":
            story.tell("sim", f"the till was told {' '.join(words)}, not PAID")
            return False
        await device.wait_screen("paid", timeout=5, after=seen)
    return True


async def _display_sale(shop: Shop, about: anytill.About, amount: str, story: Story) -> bool:
    """Nothing but the bytes of a customer display goes over the wire; that it is paid is seen on the glass."""
    device = shop.device
    await device.wait_screen("ready", timeout=30)
    shop.api.inject("delay", op="create", count=1, seconds=_FAR_S)
    seen = len(device.screens)
    with anytill.DisplayTill(about.name, device.port.path) as till:
        story.tell("till", f"{about.title} ({about.source})")
        await till.start()
        await till.item("Flat white", 1, about.minor(amount))
        await asyncio.sleep(1)
        await till.total(about.minor(amount))
        story.tell("till", f"shows |{till.rows[0]:<20}|{till.rows[1]:<20}|")
        await _patron_pays(shop, about, seen, story)
        await device.wait_screen("paid", timeout=20, after=seen)
    return True


async def _terminal_sale(shop: Shop, about: anytill.About, amount: str, story: Story) -> bool:
    device = shop.device
    await device.wait_screen("ready", timeout=30)
    shop.api.inject("delay", op="create", count=1, seconds=_FAR_S)
    seen = len(device.screens)
    with CLIENTS[about.name](device.port.path, about.currency, lambda text: story.tell("till", text)) as till:
        story.tell("till", f"sale of {amount} {about.currency} on a terminal that speaks {about.title}")
        asked = asyncio.ensure_future(till.sale(about.minor(amount)))
        try:
            await _patron_pays(shop, about, seen, story)
            answer = await asked
        finally:
            asked.cancel()
            with contextlib.suppress(asyncio.CancelledError, NoAnswer):
                await asked
        story.tell("till", f"was told: {answer.words}")
        await device.wait_screen("paid", timeout=5, after=seen)
    return answer.paid


_SALES = {"line": _line_sale, "display": _display_sale, "terminal": _terminal_sale}


async def _patron_pays(shop: Shop, about: anytill.About, seen: int, story: Story) -> None:
    await shop.device.wait_screen("pay", timeout=15, after=seen)
    request = await shop.scan()
    story.tell("phone", f"read payment request {request} from the glass")
    summary = await shop.phone.summary(request)
    value = summary.get("value") or {}
    asked = f"{about.money(int(value.get('amount', 0)))} {value.get('currency', '')}"
    story.tell("phone", f"{summary.get('merchantName', '?')} asks for {asked}")
    await shop.phone.pay(request)
    story.tell("phone", "paid")
