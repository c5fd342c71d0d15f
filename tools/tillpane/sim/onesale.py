"""One sale from the till's bytes to PAID, without a browser: `make demo ONCE=1 OUT=out`."""

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

from tillpane.sim.device import Screen, SimError
from tillpane.sim.shop import Shop

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


def once(out: str | Path, amount: str = "12.34", timeout: float = 60) -> int:
    """Runs one sale; pictures and spi.bin go to `out`, the transcript to stdout. 0 only if the till was told PAID."""
    folder = Path(out)
    story = Story(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("[0-9][0-9]-*.png"):
            old.unlink()
        code = run(asyncio.wait_for(_once(folder, amount, story), timeout))
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


async def _once(folder: Path, amount: str, story: Story) -> int:
    shop = Shop(
        record=folder / "spi.bin",
        on_screen=story.screen,
        on_power=lambda text: story.tell("sim", text),
        tell=lambda text: story.tell("sim", text),
    )
    try:
        async with shop:
            try:
                return await _sale(shop, amount, story)
            except asyncio.CancelledError:
                story.tell("sim", shop.device.report())
                raise
    except SimError as error:
        story.tell("sim", f"failed: {error}")
        return 1


async def _sale(shop: Shop, amount: str, story: Story) -> int:
    device = shop.device
    story.tell("sim", f"the till's serial port is {device.port.path}")
    with shop.till(story.tell) as till:
        await device.wait_screen("ready", timeout=30)
        await till.wait_ready()
        shop.api.inject("delay", op="create", count=1, seconds=_FAR_S)
        seen = len(device.screens)
        await till.ask(f"SALE 1 {amount}", "OK SALE 1")
        await device.wait_screen("pay", timeout=15, after=seen)
        request = await shop.scan()
        story.tell("phone", f"read payment request {request} from the glass")
        summary = await shop.phone.summary(request)
        story.tell("phone", f"{summary.get('merchantName', '?')} asks for {_money(summary)}")
        await shop.phone.pay(request)
        story.tell("phone", "paid")
        words = await till.result("1", timeout=20)
        if words[0] != "PAID":
            story.tell("sim", f"the till was told {' '.join(words)}, not PAID")
            return 1
        await device.wait_screen("paid", timeout=5, after=seen)
    if shop.device.panel.faults:
        story.tell("sim", "the panel's controller complains: " + "; ".join(shop.device.panel.faults[:5]))
        return 1
    story.sheet()
    story.tell("sim", f"PAID. {len(story.pictures)} pictures and spi.bin ({device.spi_bytes} bytes on the wire)")
    return 0


def _money(summary: dict[str, Any]) -> str:
    value = summary.get("value") or {}
    digits = str(value.get("amount", "?")).rjust(3, "0")
    return f"{digits[:-2]}.{digits[-2:]} {value.get('currency', '')}"
