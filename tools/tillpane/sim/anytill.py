"""Any till at the other end of the simulator's serial line: a customer display's, or a card terminal's.

settings(name) are the box's; DisplayTill and the clients of tillpane.tills.terminals are the tills.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass

from tillpane.capture import LineSettings
from tillpane.sim.device import SimError
from tillpane.tills import TILLS, Stream, Till
from tillpane.tills.terminals import CLIENTS

LINE = "line"
NAMES = (LINE, *TILLS, *CLIENTS)
BUTTON_PIN = 13
STABLE_S = 2
_DECIMALS = {"CLP": 0}


@dataclass(frozen=True)
class About:
    """A kind of till, for people. kind: line, display or terminal; verbs: what such a till can do."""

    name: str
    kind: str
    title: str
    source: str
    line: LineSettings
    currency: str
    verbs: tuple[str, ...]

    @property
    def decimals(self) -> int:
        return _DECIMALS.get(self.currency, 2)

    @property
    def usual(self) -> str:
        """An amount to try it with."""
        return "12.34" if self.decimals else "1990"

    def minor(self, text: str) -> int:
        """The amount in minor units. Raises SimError."""
        whole, _, part = text.partition(".")
        if not (whole.isdigit() and whole.isascii()) or len(part) != (self.decimals if "." in text else 0):
            raise SimError(f"{text!r} is no amount in {self.currency}, such as {self.usual}")
        if part and not part.isdigit():
            raise SimError(f"{text!r} is no amount in {self.currency}, such as {self.usual}")
        return int(whole + (part or "0" * self.decimals))

    def money(self, amount: int) -> str:
        digits = str(amount).rjust(self.decimals + 1, "0")
        return f"{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else digits


_TERMINALS = {
    "telium": ("Telium / Caisse Concert, protocol E+", "EUR", 9600),
    "transbank": ("Transbank POS Integrado", "CLP", 115200),
    "ecr17": ("Nexi ECR17 (Protocollo 17)", "EUR", 9600),
    "zvt": ("ZVT 13.11", "EUR", 115200),
}


def about(name: str) -> About:
    """Raises SimError for a name that is none of NAMES."""
    if name == LINE:
        return About(name, "line", "Tillpane's line protocol", "docs/till-protocol.md", LineSettings(), "NZD", ())
    if name in TILLS:
        till = TILLS[name]
        currency = "EUR" if name == "odoo" else "NZD"
        verbs = ("item", "total", "change", "idle")
        return About(name, "display", till.sender, till.source, till.line, currency, verbs)
    if name in CLIENTS:
        title, currency, baud = _TERMINALS[name]
        return About(name, "terminal", title, "a client of our own", LineSettings(baud), currency, CLIENTS[name].verbs)
    raise SimError(f"There is no till {name}. There are: {', '.join(NAMES)}.")


def settings(name: str) -> dict[str, object]:
    """The box's settings for this till. Raises SimError."""
    kind = about(name)
    if kind.kind == "line":
        return {"button_pin": BUTTON_PIN}
    chosen: dict[str, object] = {
        "till_baud": kind.line.baud,
        "till_bits": kind.line.bits,
        "till_parity": kind.line.parity,
        "till_stop": kind.line.stop,
        "currency": kind.currency,
        "button_pin": BUTTON_PIN,
    }
    if kind.kind == "terminal":
        variant = {"ecr17": "std", "telium": "E+"}.get(name, "")
        return chosen | {"till_protocol": name, "till_variant": variant, "terminal_id": "00000001"}
    return chosen | {
        "till_protocol": TILLS[name].dialect,
        "till_start": "stable",
        "till_stable_seconds": STABLE_S,
    }


def printable(data: bytes) -> str:
    """The bytes as text, a dot for each that is none."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


class DisplayTill:
    """A till that shows its sales on a customer display, and hears nothing back. Amounts are in minor units.

    rows: what its own customer display would show. One message at a time; each verb returns when its bytes are written.
    """

    def __init__(self, name: str, path: str) -> None:
        self._till: Till = TILLS[name]
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._turn = asyncio.Lock()
        self.rows = ("", "")

    async def start(self) -> None:
        await self._send(self._till.start(), self._till.words.welcome())

    async def item(self, name: str, count: int, price: int) -> None:
        await self._send(self._till.item(name, count, price), self._till.words.item(name, count, price))

    async def total(self, amount: int, ref: str = "") -> None:
        """ref: on a till whose template carries the private tag."""
        words = self._till.words
        await self._send(self._till.total(amount, ref), words.tag(amount, ref) if ref else words.total(amount))

    async def change(self, amount: int, given: int) -> None:
        await self._send(self._till.change(amount, given), self._till.words.change(amount, given))

    async def idle(self) -> None:
        await self._send(self._till.idle(), self._till.words.welcome())

    async def _send(self, stream: Stream, rows: tuple[str, str]) -> None:
        async with self._turn:
            self.rows = rows
            for pause_ms, data in stream:
                if pause_ms:
                    await asyncio.sleep(pause_ms / 1000)
                self._forget()
                os.write(self._fd, data)

    def _forget(self) -> None:
        """What the display says back, an ACK for each command, is of no use to it."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.read(self._fd, 4096)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> DisplayTill:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
