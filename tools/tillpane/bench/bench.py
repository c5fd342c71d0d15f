"""`make bench`: everything measured in one run, printed as one table, written to docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import datetime
import platform
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.table import Table

from tillpane import ROOT
from tillpane.bench import cases, counter, measure
from tillpane.bench.cases import CaseError
from tillpane.bench.counter import Heap
from tillpane.bench.table import HEAD, Row, cells, markdown
from tillpane.sim.device import BOARD_HEAP_KW, SimError

PAGE = ROOT / "docs" / "benchmarks.md"
_BAD = (CaseError, SimError, OSError, asyncio.TimeoutError)

T = TypeVar("T")
Tell = Callable[[str], None]

_TOP = """# Benchmarks

Written by `make bench` on {date}: {machine}, CPython {python}, MicroPython's unix port. Everything in the
table was measured in that one run, ours and the alternative in turns. Times differ from machine to machine; ratios
hardly do. What is counted (heap, bytes, handshakes) is exact; `make test` asserts it (`host_tests/test_counts*.py`).

"""

_REPEAT = """
## How to repeat it
```
make bench                             # all of it; {sales} sales take most of the time
make bench ARGS='--sales 100'          # sooner
make test ARGS='-k counts'             # the exact ones alone, as assertions
tillpane bench --port /dev/ttyUSB0     # the device's own cases on a board
```
A board needs the same checkout on it first (`tillpane deploy`); the bench says so if it is not. It stops the product,
runs the files `tools/tillpane/bench/*_bench.py` through the raw REPL, leaves nothing on the board, and resets it.
With `--network` it also asks for one payment request over the board's own Wi-Fi and settings, polls it, and voids it.

## How to read it
- **Heap of an ESP32**: the unix port is 64-bit, and its objects are exactly twice an ESP32's, so its figures are halved
  (as `-X heapsize=NwK` does). Raw bytes (buffers, the text of strings) are the same size on both, so what is mostly
  those weighs more on a board than the halved figure: the panel's band, 5.6 KiB, counts as 2.8. The workspace of the QR
  encoder is not halved but added up: its buffers as they are, the objects around them halved.
- **Polls**: the whole of `Centrapay.get()`, from the path to the checked `PaymentRequest`. *Kept* is what {polls} polls
  leave behind after a collection, *churned* what one takes with the collector off. The stand-in counts handshakes too.
- **Sales in a row** run in the simulator: `boot.py`, `main.py` and `lib/` as `.mpy`, a real TLS connection, a till on a
  serial line. The figure in KiB is the free heap when `boot.py` begins: what stands in for the board's C modules is not
  in it.
- **requests** is MicroPython's own, frozen, and does not verify certificates; `https.py` does.
"""


async def everything(sales: int, tell: Tell) -> str:
    """Measures; the page's text. Rows appear as they are ready."""
    rows: list[Row] = []
    below: list[str] = []

    async def subject(name: str, work: Awaitable[T], use: Callable[[T], list[Row]]) -> T | None:
        tell(f"... {name}")
        try:
            found = await work
        except _BAD as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            rows.append(Row(name, "failed", met=False, note=f"{words[0]} ... {words[-1]}".replace("|", "/")))
            tell(f"failed: {error}")
            return None
        fresh = use(found)
        rows.extend(fresh)
        for row in fresh:
            tell("    " + "  ".join(part for part in cells(row) if part).replace("**", ""))
        return found

    with cases.product() as folder:
        twin = await cases.run_on_cpython("qr_bench")
        await subject("QR encode", cases.run("qr_bench", folder), lambda found: measure.qr_rows(found, twin))
        await subject("the panel", cases.run("panel_bench", folder), measure.panel_rows)
        await subject("JSON", cases.run("json_bench", folder), measure.json_rows)
        await subject("polls", measure.polls(folder), measure.poll_rows)
        sale = await subject(
            "one sale with 60 polls in the simulated box: a minute",
            counter.one_sale(polls=measure.POLLS),
            measure.sale_rows,
        )
        idle = await subject("the idle box", measure.idle(folder), lambda found: measure.idle_rows(found.all))
    await subject(f"{sales} sales in a row", _endurance(sales, tell), measure.endurance_rows)
    if sale:
        below.append(_breakdown(sale))
    if idle:
        below.append(_modules(idle))
    return "\n".join([_top(), markdown(rows), *below, _repeat(sales)])


async def _endurance(sales: int, tell: Tell) -> counter.Endurance:
    """In the heap that is the target; where the product does not even start in it, in a board's, which the row says."""

    def inner(text: str) -> None:
        tell("    " + text)

    try:
        return await counter.many_sales(sales, heap_kw=measure.HEAP_KW, tell=inner)
    except SimError as error:
        tell(f"    not in {measure.HEAP_KW} KiB: {error}")
        tell(f"    so in {BOARD_HEAP_KW} KiB, what a board has")
        return await counter.many_sales(sales, heap_kw=BOARD_HEAP_KW, tell=inner)


def _top() -> str:
    return (
        _TOP.format(
            date=datetime.date.today().isoformat(),
            machine=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
        ).rstrip("\n")
        + "\n"
    )


def _repeat(sales: int) -> str:
    return _REPEAT.format(sales=sales, polls=measure.POLLS)


def _breakdown(sale: counter.Sale) -> str:
    lines = ["", "## From the till's last byte to the code's last pixel", "", "| step | ms |", "|---|---|"]
    lines += [f"| {name} | {ms:.1f} |" for name, ms in measure.breakdown(sale)]
    lines.append(f"| **all** | **{sale.steps['paint.end'] * 1000:.1f}** |")
    lines += [
        "",
        f"Stamped inside the running device on the host's clock; the stand-in took {sale.api_ms:.1f} ms of the round "
        "trip. The steps that are not the round trip, the encode and the paint are naps of at most 10 ms, by which the "
        "tasks wait for each other, and the journal.",
    ]
    return "\n".join(lines)


def _modules(idle: measure.Idle) -> str:
    heap, kib, parts, names = idle
    code = sum(size for _, size in parts)
    lines = ["", "## Heap of the idle box, by module", "", "| what | KiB of an ESP32 |", "|---|---|"]
    lines += [f"| {name} | {size:.2f} |" for name, size in parts]
    lines.append(f"| modules together; {names:.1f} of it is MicroPython's table of names | {code:.1f} |")
    lines.append(f"| main.py, objects, buffers, tasks, TLS | {kib - code:.1f} |")
    lines.append(f"| **all** | **{kib:.1f}** |")
    lines += [
        "",
        "The table of names grows by pieces of some KiB; the module during whose import it does carries the piece. "
        f"Largest free block then: {Heap.kib(heap.largest):.1f} KiB of {Heap.kib(heap.free):.1f} KiB free.",
    ]
    return "\n".join(lines)


def run(sales: int, out: Path = PAGE) -> int:
    """The whole of `make bench`. 0 when every subject could be measured; whether a target is met is in the table."""
    progress = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    text = asyncio.run(everything(sales, progress.print))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    show(text)
    print(f"written to {out}")
    return 1 if "| failed |" in text else 0


def show(text: str) -> None:
    """The page's first table, a line a row: the notes are in the page."""
    table = Table(*HEAD, box=box.SIMPLE_HEAD)
    for line in text.splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if len(parts) == len(HEAD) and parts[0] != HEAD[0] and not parts[0].startswith("---"):
            result = parts[-1].replace("**", "").split(":")[0]
            table.add_row(*parts[:-1], result if "met" in result else "")
    Console(highlight=False, width=200).print(table, crop=False)
