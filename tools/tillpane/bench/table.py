"""The rows of the benchmark: what was measured, beside what it was measured against, and whether it is good enough."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Row:
    """`met` is None for what has no target; `note` says why a target is missed, or what a figure means."""

    what: str
    ours: str
    alternative: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        word = "" if self.met is None else "met" if self.met else "**not met**"
        return ": ".join(part for part in (word, self.note) if part)


HEAD = ("what", "ours", "alternative", "ours / alternative", "target", "result")


def cells(row: Row) -> tuple[str, ...]:
    return row.what, row.ours, row.alternative, row.ratio, row.target, row.verdict


def markdown(rows: Iterable[Row]) -> str:
    lines = [_line(HEAD), _line("---" for _ in HEAD)]
    lines += [_line(cells(row)) for row in rows]
    return "\n".join(lines)


def _line(parts: Iterable[str]) -> str:
    return "| " + " | ".join(parts) + " |"


def ratio(ours: float, alternative: float | None) -> str:
    """ "0.06" as "1/16": how people say it. Empty where there is nothing to compare with."""
    if not alternative:
        return ""
    value = ours / alternative
    if value == 0:
        return "0"
    return f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"


def micro(value: float | None) -> str:
    """Microseconds, readable."""
    if value is None:
        return ""
    if value < 1000:
        return f"{value:.0f} µs"
    return f"{value / 1000:.1f} ms" if value < 100_000 else f"{value / 1000:.0f} ms"


def size(value: float | None) -> str:
    """Bytes, readable and exact where that matters."""
    if value is None:
        return ""
    return f"{value:,.0f} B"
