"""Measures on the whole simulated box: a till's line in, pixels out, the stand-in for Centrapay at the far end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tillpane.bench import SCALE
from tillpane.sim.device import BOARD_HEAP_KW, REPOSITORY, SimError
from tillpane.sim.shop import Shop
from tillpane.sim.till import Till
from tillpane.standin import StandIn

PROBE = Path(__file__).with_name("probe_bench.py")
_PROBE_KW = 3  # what the probe weighs; the product gets the rest
_BLOCK = 32  # bytes of a heap block on this 64-bit port: 4 words
_CASET, _RASET, _RAMWR = 0x2A, 0x2B, 0x2C

Tell = Callable[[str], None]


@contextlib.contextmanager
def _environment(**more: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.asynccontextmanager
async def box(trace: bool = False, heap_kw: int | None = None, app: Path = REPOSITORY) -> AsyncIterator[Shop]:
    """A shop with a probe in its device, no rate limit at its API, and the box at its ready screen."""
    api = StandIn(merchant_name="Corner Café", liveness="main", rate_limit=0)
    shop = Shop(api=api, heap_kw=(heap_kw or BOARD_HEAP_KW) + _PROBE_KW, app=app)
    with _environment(TILLPANE_SIM_PROBE=str(PROBE), TILLPANE_BENCH="trace" if trace else ""):
        async with shop:
            await shop.device.wait_screen("ready", timeout=30)
            yield shop


@dataclass
class Heap:
    """What the collector has to say, in bytes of this 64-bit port; `kib` as an ESP32 would count it."""

    total: int
    used: int
    free: int
    largest: int
    modules: list[str] = field(default_factory=list)

    @staticmethod
    def kib(size: int) -> float:
        return size / 1024 / SCALE


async def heap_of(shop: Shop, timeout: float = 10) -> Heap:
    """Asks the device for its heap after a collection."""
    console = shop.device.console
    mark = f"asked {time.monotonic()}"
    console.append(mark)
    shop.device._tell(b"H\0\0")
    end = time.monotonic() + timeout
    while True:
        said = list(console)
        said = said[said.index(mark) :] if mark in said else said
        told = [line for line in said if line.startswith("[probe]") and not line.split()[-1].isdigit()]
        if told:
            break
        if time.monotonic() > end:
            raise SimError(f"the probe does not answer\n{shop.device.report()}")
        await asyncio.sleep(0.02)
    text = "\n".join(said)
    sizes = re.findall(r"GC: total: (\d+), used: (\d+), free: (\d+)", text)[-1]
    largest = re.findall(r"max free sz: (\d+)", text)[-1]
    total, used, free = (int(size) for size in sizes)
    return Heap(total, used, free, int(largest) * _BLOCK, told[-1].split()[1:])


async def settled_heap(shop: Shop) -> Heap:
    """The best of three looks: what a task holds for a moment, or a stale word on the stack, is no loss."""
    looks = []
    for _ in range(3):
        looks.append(await heap_of(shop))
        await asyncio.sleep(0.3)
    best = max(looks, key=lambda heap: heap.free)
    best.largest = max(heap.largest for heap in looks)
    return best


async def sell(shop: Shop, till: Till, ref: str, paid: bool) -> None:
    """One sale to its end: paid by the patron, or cancelled by the till as soon as it is payable."""
    await till.ask(f"SALE {ref} 12.34", f"OK SALE {ref}")
    await till.hear(f"WAIT {ref} PAYABLE", timeout=20)
    if paid:
        shop.api.pay(shop.api.requests[-1].id)
    else:
        till.send(f"CANCEL {ref}")
    words = await till.result(ref, timeout=20)
    if words[0] != ("PAID" if paid else "CANCELLED"):
        raise SimError(f"sale {ref} ended as {' '.join(words)}")


# ---- many sales ------------------------------------------------------------------------------------------------------


@dataclass
class Endurance:
    sales: int
    paid: int
    heap_kib: float  # free when boot.py began
    after: dict[int, Heap]  # by number of sales
    handshakes: int
    seconds: float
    starts: int


async def many_sales(
    sales: int,
    paid_every: int = 5,
    heap_kw: int = 96,
    looks: tuple[int, ...] = (10,),
    tell: Tell = print,
    app: Path = REPOSITORY,
) -> Endurance:
    """So many sales in a row on one box; every `paid_every`-th is paid, the others are cancelled by the till.

    The heap is looked at after the sales in `looks`, every hundredth, and the last.
    """
    began = time.monotonic()
    after: dict[int, Heap] = {}
    paid = 0
    async with box(heap_kw=heap_kw, app=app) as shop:
        with shop.till() as till:
            await till.wait_ready()
            shakes = shop.api.handshakes
            for number in range(1, sales + 1):
                pays = number % paid_every == 0 or number in looks or number == sales  # looked at on the same screen
                await sell(shop, till, f"E{number}", pays)
                paid += pays
                if number in looks or number == sales or number % 100 == 0:
                    after[number] = await settled_heap(shop)
                    heap = after[number]
                    free, largest = Heap.kib(heap.free), Heap.kib(heap.largest)
                    tell(f"sale {number} of {sales}: {free:.2f} KiB free, largest block {largest:.2f} KiB")
            return Endurance(
                sales,
                paid,
                Heap.kib(shop.device.heap_free),
                after,
                shop.api.handshakes - shakes,
                time.monotonic() - began,
                len(shop.device.starts),
            )


# ---- idle ------------------------------------------------------------------------------------------------------------


async def idle_heap(settle_s: float = 1.5) -> tuple[Heap, float]:
    """(heap of the idle box, KiB of an ESP32 that the whole product takes): everything since boot.py began."""
    async with box() as shop:
        with shop.till() as till:
            await till.wait_ready()
        await asyncio.sleep(settle_s)
        heap = await settled_heap(shop)
        return heap, Heap.kib(shop.device.heap_free - heap.free)


# ---- one sale --------------------------------------------------------------------------------------------------------


@dataclass
class Write:
    at: float
    data_level: int
    size: int
    head: bytes  # of commands and windows; of pixels only the count matters


class _Ear:
    """Notes every SPI write of a device with its moment."""

    def __init__(self, shop: Shop) -> None:
        self.writes: list[Write] = []
        device = shop.device
        real = device.spi_written

        def written(number: int, data: bytes) -> None:
            level = device._levels.get(device._dc, 0)
            self.writes.append(Write(time.monotonic(), level, len(data), bytes(data[:4])))
            real(number, data)

        device.spi_written = written  # type: ignore[method-assign]


@dataclass
class Window:
    """What was painted through one window of the controller: its place, every byte it took, first and last moment."""

    x: int
    y: int
    width: int
    height: int
    bytes: int
    began: float
    ended: float


def windows(writes: list[Write]) -> list[Window]:
    """The windows that were painted, in order; the bytes of the commands that set one up are counted as its own."""
    found: list[Window] = []
    word = b""
    command = 0
    span: dict[int, tuple[int, int]] = {}
    pending = 0
    began = 0.0
    for write in writes:
        if not write.data_level:
            command = write.head[0]
            word = b""
            if command == _CASET:
                pending, began = 0, write.at
            pending += write.size
            if command == _RAMWR:
                (x0, x1), (y0, y1) = span[_CASET], span[_RASET]
                found.append(Window(x0, y0, x1 - x0 + 1, y1 - y0 + 1, pending, began, write.at))
        elif command in (_CASET, _RASET):
            word += write.head
            pending += write.size
            if len(word) >= 4:
                first, last = struct.unpack(">HH", word[:4])
                span[command] = first, last
        elif command == _RAMWR and found:
            found[-1].bytes += write.size
            found[-1].ended = write.at
    return found


@dataclass
class Sale:
    """One sale on a warm connection, in seconds from the till's last byte; bytes on the panel's wire."""

    steps: dict[str, float]
    code_bytes: int
    code_pixels: int
    ticks: list[int]  # bytes of each tick of the countdown
    handshakes: int
    polls: int
    api_ms: float  # what the stand-in itself took to answer the create call


async def one_sale(ticks: int = 3, polls: int = 0, delay_ms: int = 0) -> Sale:
    """From the line's last byte to the code's last pixel; then `ticks` seconds of countdown, and `polls` polls."""
    async with box(trace=True) as shop:
        ear = _Ear(shop)
        if delay_ms:
            shop.api.inject("delay", op="create", count=1, seconds=delay_ms / 1000)
        with shop.till() as till:
            await till.wait_ready()
            await asyncio.sleep(1)
            shakes = shop.api.handshakes
            ear.writes.clear()
            sent_at = time.monotonic()
            till.send("SALE L1 12.34")
            await shop.device.wait_screen("pay", timeout=20)
            # The last stamp is told after the screen's note; give the console its turn.
            await shop.device.wait_console("[probe] shown", timeout=5)
            painted = len(ear.writes)
            await asyncio.sleep(ticks + 0.5)
            code = _code_window(windows(ear.writes[:painted]))
            ticked = _ticks(windows(ear.writes[painted:]))
            while _polls(shop) < polls and shop.device.screen == "pay":
                await asyncio.sleep(0.2)
            shop.api.pay(shop.api.requests[-1].id)
            words = await till.result("L1", timeout=20)
            if words[0] != "PAID":
                raise SimError(f"the sale ended as {words}")
            create = next(call for call in shop.api.calls if call.op == "create")
            steps = _steps(list(shop.device.console), sent_at)
            steps["last pixel"] = code.ended - sent_at
            return Sale(
                steps,
                code.bytes,
                code.width * code.height,
                ticked,
                shop.api.handshakes - shakes,
                _polls(shop),
                create.ms,
            )


def _polls(shop: Shop) -> int:
    return sum(call.op == "get" for call in shop.api.calls)


def _code_window(found: list[Window]) -> Window:
    """The code with its quiet zone is the one large square."""
    return max((window for window in found if window.width == window.height), key=lambda window: window.bytes)


def _ticks(found: list[Window]) -> list[int]:
    """Bytes of each tick: it begins with the window of the digits, whenever that was."""
    ticks: list[int] = []
    for window in found:
        if (window.x, window.y, window.width, window.height) == (
            found[0].x,
            found[0].y,
            found[0].width,
            found[0].height,
        ):
            ticks.append(0)
        ticks[-1] += window.bytes
    return ticks


def _steps(console: list[str], sent_at: float) -> dict[str, float]:
    """The probe's stamps of the last sale, in seconds after `sent_at`."""
    found: dict[str, float] = {}
    for line in console:
        words = line.split()
        if words[:1] == ["[probe]"] and len(words) == 3 and words[2].isdigit():
            found[words[1]] = int(words[2]) / 1e6 - sent_at
    return found
