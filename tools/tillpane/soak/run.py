"""Runs several stalls side by side, shows how far they are, and reports."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from tillpane.sim.device import REPOSITORY
from tillpane.soak.stall import Disagreement, Stall

_PLAIN_EVERY_S = 15.0
_INTERRUPTED = 130  # as a shell counts: 128 and SIGINT


@dataclass
class Report:
    seed: str
    sales: int = 0
    seconds: float = 0.0
    boxes: int = 0
    compared: int = 0
    paid: int = 0  # minor units, by the ledgers
    kept: int = 0
    results: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    disagreements: list[Disagreement] = field(default_factory=list)

    def add(self, stall: Stall) -> None:
        self.sales += len(stall.sales)
        self.compared += stall.compared
        self.results.update(stall.results)
        self.deeds.update(stall.deeds)
        self.faults.update(stall.faults)
        self.disagreements += stall.disagreements
        total = stall.shop.api.ledger()["totals"].get("NZD", {"paid": 0, "net": 0})
        self.paid += total["paid"]
        self.kept += total["net"]

    def lines(self) -> list[str]:
        lines = [
            f"{self.sales} sales on {self.boxes} boxes in {self.seconds:.0f} s, seed {self.seed}",
            "first result: " + _counted(self.results),
            "patrons and cashiers: " + _counted(self.deeds),
            f"{sum(self.faults.values())} faults: " + _counted(self.faults),
            f"ledger: {self.paid / 100:.2f} NZD paid, {self.kept / 100:.2f} NZD kept; "
            f"journals: {self.compared} sales compared with ledger and till's book",
        ]
        for one in self.disagreements:
            lines.append(f"DISAGREEMENT box {one.box}, sale {one.ref or '-'}, seed {one.seed}: {one.words}")
            lines += ["    " + line for line in one.excerpt.split("\n")]
        count = len(self.disagreements)
        lines.append(f"{count} disagreement{'' if count == 1 else 's'}")
        return lines


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"


class _Progress:
    """A live bar on a terminal, a plain line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._total = total
        self.done = 0
        self._results: Counter[str] = Counter()
        self._began = self._told = time.monotonic()
        whole = Column(no_wrap=True, min_width=5)
        columns = (
            BarColumn(12, table_column=Column(min_width=12)),
            MofNCompleteColumn(table_column=whole),
            TimeElapsedColumn(table_column=whole),
            TextColumn("gone,", table_column=whole),
            TimeRemainingColumn(table_column=whole),
            TextColumn("left: {task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        )
        self._bar = Progress(*columns, console=self._console, expand=True)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> _Progress:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def finished(self, word: str) -> None:
        self.done += 1
        self._results[word] += 1
        if self._console.is_terminal:
            self._bar.update(self._task, advance=1, description=_counted(self._results))
        elif time.monotonic() - self._told > _PLAIN_EVERY_S or self.done == self._total:
            self._told = time.monotonic()
            seconds = self._told - self._began
            print(
                f"{self.done} of {self._total}, {seconds:.0f} s: {_counted(self._results)}",
                file=sys.stderr,
                flush=True,
            )


def _torn(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Connections are torn here all the time; streams of Python 3.11 complain of each that was torn at its birth."""
    if not isinstance(context.get("exception"), (ConnectionError, asyncio.CancelledError)):
        loop.default_exception_handler(context)


def _nobody(_: str) -> None:
    pass


async def soak(
    sales: int, seed: str, boxes: int, *, app: Path = REPOSITORY, note: Callable[[str], None] = _nobody
) -> Report:
    """Spreads `sales` over `boxes` and lets them run side by side."""
    asyncio.get_running_loop().set_exception_handler(_torn)
    began = time.monotonic()
    boxes = min(boxes, sales)
    shares = [sales // boxes + (number < sales % boxes) for number in range(boxes)]
    stalls = [Stall(number, seed, app, note) for number in range(boxes)]
    await asyncio.gather(*(stall.sell(share) for stall, share in zip(stalls, shares, strict=True)))
    report = Report(seed, boxes=boxes, seconds=time.monotonic() - began)
    for stall in stalls:
        report.add(stall)
    return report


def run(sales: int, seed: str = "", boxes: int = 20, app: Path = REPOSITORY) -> int:
    """`make soak`. The exit code: 0 only if nothing disagrees, 130 if it was stopped."""
    seed = seed or secrets.token_hex(4)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the boxes are processes: none may be left behind
    print(f"{sales} sales, seed {seed}", flush=True)
    progress = _Progress(sales)
    try:
        with progress:
            report = asyncio.run(soak(sales, seed, boxes, app=app, note=progress.finished))
    except KeyboardInterrupt:
        print(f"stopped after {progress.done} of {sales} sales: the books were not compared")
        print(f"to run the same again: make soak N={sales} BOXES={boxes} SEED={seed}")
        return _INTERRUPTED
    for line in report.lines():
        print(line)
    return 1 if report.disagreements else 0
