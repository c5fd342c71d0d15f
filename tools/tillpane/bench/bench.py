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

from tillpane import ROOT, wasmport
from tillpane.bench import cases, counter, measure, till_rows
from tillpane.bench.cases import CaseError
from tillpane.bench.counter import Heap
from tillpane.bench.table import HEAD, Row, cells, markdown
from tillpane.linker import LinkError
from tillpane.program import CompileError
from tillpane.sim.device import BOARD_HEAP_KW, SimError

PAGE = ROOT / "docs" / "benchmarks.md"
_BAD = (CaseError, SimError, CompileError, LinkError, OSError, asyncio.TimeoutError)

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
writes the modules one by one into a folder of its own, runs the cases of `tools/tillpane/bench/` through the raw REPL,
leaves nothing on the board, and resets it.
With `--network` it also asks for one payment request over the board's own Wi-Fi and settings, polls it, and voids it.

## How to read it
- **Heap of an ESP32**: the unix port is 64-bit, and its objects are exactly twice an ESP32's, so its figures are halved
  (as `-X heapsize=NwK` does). Raw bytes (bytecode, buffers, the text of strings) are the same size on both, so what is
  mostly those weighs more on a board than the halved figure: a buffer of 4 KiB counts as 2. The workspace of the
  QR encoder is not halved but added up: its buffers as they are, the objects around them halved. What the idle
  product holds is measured a second time where words are 32 bits, on MicroPython's WebAssembly port; that needs Node.js
  and npm, and fetches one pinned package into `build/`.
- **A board's program** is what deploying builds: all that stays in memory is one module, private names are short. The
  whole box runs that; the cases of single modules (QR, panel, JSON, polls) run the modules as they are written.
- **Polls**: the whole of `Centrapay.get()`, from the path to the checked `PaymentRequest`. *Kept* is what {polls} polls
  leave behind after a collection, *churned* what one takes with the collector off. The stand-in counts handshakes too.
- **Sales in a row** run in the simulator: `boot.py`, `main.py` and `lib/` as `.mpy`, a real TLS connection, a till on a
  serial line. The figure in KiB is the free heap when `boot.py` begins: what stands in for the board's C modules is not
  in it. It is halved too, so it says that nothing leaks, and not that a board with so much heap would do: that is the
  row on 32 bits.
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
        qr = await subject("QR encode", cases.run("qr_bench", folder), lambda found: measure.qr_rows(found, twin))
        await subject("the panel", cases.run("panel_bench", folder), measure.panel_rows)
        await subject("JSON", cases.run("json_bench", folder), measure.json_rows)
        await subject("polls", measure.polls(folder), measure.poll_rows)
        miniqr_us = measure.pick(qr, "qr.time")["alternative"] if qr else None
        await subject("what tills send", till_rows.measure(folder), lambda found: till_rows.rows(found, miniqr_us))
        sale = await subject(
            "one sale with 60 polls in the simulated box: a minute",
            counter.one_sale(polls=measure.POLLS),
            measure.sale_rows,
        )
        with cases.product(joined=True) as board_folder:
            idle = await subject(
                "the idle box", measure.idle(folder, board_folder), lambda found: measure.idle_rows(found.all)
            )
    idle32 = None
    if idle:
        try:
            work = measure.idle32(idle.all)
            idle32 = await subject("the idle product on a 32-bit heap", work, measure.idle32_rows)
        except wasmport.Missing as error:
            rows.append(measure.idle32_missing(str(error)))
            tell(f"    not measured: {error}")
    await subject(f"{sales} sales in a row", _endurance(sales, tell), measure.endurance_rows)
    if sale:
        below.append(_breakdown(sale))
    if idle:
        below.append(_modules(idle))
    if idle32:
        below.append(_steps32(idle32))
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
    heap, kib, parts, code, names = idle
    plain = sum(size for _, size in parts)
    lines = ["", "## Heap of the idle box, by module", "", "| what | KiB of an ESP32 |", "|---|---|"]
    lines += [f"| {name} | {size:.2f} |" for name, size in parts]
    lines.append(f"| modules one by one | {plain:.1f} |")
    lines.append(f"| saved by joining those that stay in memory, and by short private names | {code - plain:.1f} |")
    lines.append(f"| modules as a board has them; {names:.1f} of it is MicroPython's table of names | {code:.1f} |")
    lines.append(f"| main.py, objects, buffers, tasks, TLS | {kib - code:.1f} |")
    lines.append(f"| **all** | **{kib:.1f}** |")
    lines += [
        "",
        "The table of names grows by pieces of some KiB; the module during whose import it does carries the piece. "
        f"Largest free block then: {Heap.kib(heap.largest):.1f} KiB of {Heap.kib(heap.free):.1f} KiB free.",
    ]
    return "\n".join(lines)


def _steps32(idle: measure.Idle32) -> str:
    lines = ["", "## Heap of the idle box on 32 bits, by step", ""]
    lines += ["| step | KiB more | KiB held | on the 64-bit port, halved |", "|---|---|---|---|"]
    before = 0
    for (name, held), (_, there) in zip(idle.here, idle.there, strict=True):
        lines.append(f"| {name} | {(held - before) / 1024:.1f} | {held / 1024:.1f} | {Heap.kib(there):.1f} |")
        before = held
    lines.append(f"| asyncio, tasks, the open connection: the 64-bit box has that much more | {idle.rest:.1f} | | |")
    lines.append(f"| **all** | | **{idle.all:.1f}** | **{Heap.kib(idle.there[-1][1]) + idle.rest:.1f}** |")
    lines += [
        "",
        f"MicroPython's WebAssembly port ({wasmport.RELEASE}) has the words and heap blocks of an "
        "ESP32, and loads the program that a board gets. Halving what the 64-bit port says is right for objects and "
        "too kind to bytecode, which is as long on a board as on a laptop. An ESP32's Python heap is 56 KiB and "
        "doubles once, to 112 KiB; what it does not take must hold a TLS connection, 33 KB at its peak. Native code "
        f"lies in instruction RAM there and is left out: the bodies of the viper functions, {idle.native:,} B. asyncio "
        "is each port's own; it, the tasks and the connection are taken from the 64-bit box, where buffers count half. "
        "The table of names doubles when it is full: at 300 names, at 620 (by 4.4 KiB), at 1,260. Here it has "
        f"{idle.names}, {idle.foreign} of them not the product's; a board's firmware knows those of its own modules "
        "(machine, network, tls), so that its table may stay one size smaller.",
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
