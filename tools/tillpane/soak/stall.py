"""One stall of the soak: a box, the till at its plug, the patrons in front of it, and the weather around it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tillpane.sim.device import REPOSITORY, Screen, SimError
from tillpane.sim.phone import read_code, request_id
from tillpane.sim.shop import Shop
from tillpane.soak.book import DEFINITE, REFUND_WORDS, Auditor, Sale, money, read_journal
from tillpane.soak.weather import Weather
from tillpane.soak.wire import Cable, well_formed
from tillpane.standin import ApiError, Rules, StandIn

EXPIRY_S = 10  # the shortest that the settings take
_ANSWER_S = 2.0  # docs/till-protocol.md: no answer within 2 s? Send the same line again
_SALE_S = 150.0  # a till that has heard no result at all after this long stops waiting; that is a disagreement
_UNKNOWN_S = 20.0
_CLOSING_S = 180.0
_RATE = 0.06
_ASKED_AT_THE_END = 150  # of the 200 references that the box remembers
_EXCERPT = 80
_REFUSED = ("CHECKSUM", "NOISE", "SYNTAX")


@dataclass(frozen=True)
class Disagreement:
    box: int
    seed: str
    ref: str
    words: str
    excerpt: str


def _nobody(_: str) -> None:
    pass


class Silence(Exception):
    """The box did not answer, however often it was asked."""


class Till:
    """A till as an integrator writes it from docs/till-protocol.md. Knows nothing of how the box works."""

    def __init__(self, cable: Cable, note: Callable[[str], None]) -> None:
        self._cable = cable
        self._note = note
        self.inbox: asyncio.Queue[list[str]] = asyncio.Queue()

    async def hear(self, seconds: float) -> list[str] | None:
        """The next line's words, or None when none came in time."""
        if seconds <= 0:
            return None
        try:
            return await asyncio.wait_for(self.inbox.get(), seconds)
        except asyncio.TimeoutError:
            return None

    async def ask(self, line: str, answers: Callable[[list[str]], bool], seconds: float) -> list[str]:
        """Repeats a line until something answers it. Raises Silence."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._note("till: " + line)
            self._cable.send(line)
            again = time.monotonic() + _ANSWER_S
            while (left := again - time.monotonic()) > 0:
                words = await self.hear(left)
                if words is None:
                    continue
                if words[0] == "ERR" and words[1] in _REFUSED:
                    break
                if answers(words):
                    return words
        raise Silence(line)


class Stall:
    """`sell(n)` makes n sales and closes the book; what did not agree is in `disagreements`.

    number   names the box; with `seed` it determines everything that is random here
    note     hears one word for each finished sale
    """

    def __init__(self, number: int, seed: str, app: Path = REPOSITORY, note: Callable[[str], None] = _nobody) -> None:
        self.number = number
        self.seed = seed
        self.faults: Counter[str] = Counter()
        self.results: Counter[str] = Counter()
        self.deeds: Counter[str] = Counter()  # what patrons and cashiers did
        self.sales: dict[str, Sale] = {}
        self.compared = 0
        self._tell = note
        self._rng = random.Random(f"{seed}/{number}/till")
        self._patron = random.Random(f"{seed}/{number}/patron")
        rng = random.Random(f"{seed}/{number}/shop")
        self._terminal = f"B{number}"
        self._lines: collections.deque[str] = collections.deque(maxlen=4000)
        self._wire: dict[str, bytes] = {"till": b"", "box": b""}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()
        self._excerpts: dict[str, str] = {}
        api = StandIn(
            rate_limit=rng.choice((0, 0, 0, 200)),
            rules=Rules(
                expiry_lag_seconds=rng.choice((0.0, 0.0, 1.5, 12.0)),
                pay_during_lag=rng.random() < 0.5,
                second_void=rng.choice(("refuse", "repeat")),
                void_paid_status=rng.choice(("paid", "cancelled")),
                lookup_lag_seconds=rng.choice((0.0, 0.0, 1.0)),
            ),
            seed=rng.randrange(1 << 30),
            admin_port=None,
        )
        settings: dict[str, object] = {
            "terminal_id": self._terminal,
            "expiry_seconds": EXPIRY_S,
            "till_checksum": "required",
        }
        if rng.random() < 0.25:
            settings["merchant_account_id"] = ""  # no look-up by reference: another way to be right
        self.shop = Shop(
            settings,
            api=api,
            app=app,
            boot_window=False,
            on_screen=self._painted,
            on_wire=self._heard_on_wire,
            on_power=self._note,
            on_console=lambda line: self._note("console: " + line) if "fault" in line or "Error" in line else None,
        )
        self.auditor = Auditor(api, self._terminal, self.sales)

    # ---- what is written down ------------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        self._lines.append(f"{time.monotonic() - self._began:9.2f} {text}")

    def _heard_on_wire(self, direction: str, data: bytes) -> None:
        *lines, self._wire[direction] = (self._wire[direction] + data).split(b"\n")
        for line in lines:
            text = line.strip(b"\r").decode("ascii", "backslashreplace")
            if direction == "box":
                self._note("  box: " + text)
                self.auditor.said(text.rpartition("*")[0])
                self._keep_excerpts()

    def _keep_excerpts(self) -> None:
        """The transcript as it is when something is found, not as it is at the end."""
        for ref, words in self.auditor.found:
            if ref + words not in self._excerpts:
                self._excerpts[ref + words] = "\n".join(self._story(ref))
                print(f"disagreement: box {self.number}, sale {ref or '-'}: {words}", file=sys.stderr, flush=True)

    def _story(self, ref: str) -> list[str]:
        """What happened while this sale was the till's, and every line about it from then on."""
        story: list[str] = []
        its_time = False
        for line in self._lines:
            if " ---- " in line:
                its_time = f" ---- sale {ref} of" in line
            if its_time or re.search(rf"(?<![\w.-]){re.escape(ref)}(?![\w.-])", line) or "power" in line:
                story.append(line)
        first = next((place for place, line in enumerate(story) if f" ---- sale {ref} of" in line), 0)
        story = story[first:] if ref else list(self._lines)
        return story if len(story) <= _EXCERPT else [*story[: _EXCERPT // 2], "    ...", *story[-_EXCERPT // 2 :]]

    @property
    def disagreements(self) -> list[Disagreement]:
        self._keep_excerpts()
        return [
            Disagreement(self.number, self.seed, ref, words, self._excerpts[ref + words])
            for ref, words in self.auditor.found
        ]

    # ---- the patron ----------------------------------------------------------------------------------------------

    def _painted(self, screen: Screen) -> None:
        del self.shop.device.screens[:-2]  # a picture is 230 KB
        del self.shop.device.notes[:-50]
        self._note("glass: " + screen.name)
        if screen.name != "pay":
            return
        text = read_code(screen.image)
        identity = request_id(text) if text else None
        if identity is None:
            self.auditor.object("", f"the pay screen cannot be read: {text!r}")
            return
        sale = self.auditor.drawn(identity)
        if sale is not None and len(sale.drawn) == 1:
            task = asyncio.create_task(self._act(sale, identity))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _act(self, sale: Sale, identity: str) -> None:
        """What the patron who scanned this code does."""
        rng = self._patron
        what = rng.choices(
            ("pay", "pay slowly", "last moment", "late", "confirmed later", "decline", "walk away"),
            (50, 12, 8, 6, 8, 6, 10),
        )[0]
        left = (self.shop.api.request(identity).expires_at - self.shop.api.clock.now()) / 1000
        wait = {
            "pay": rng.uniform(0.0, 1.5),
            "pay slowly": rng.uniform(1.5, 9.0),
            "last moment": left + rng.uniform(-0.4, 0.05),
            "late": left + rng.uniform(0.5, 5.0) + self.shop.api.book.rules.expiry_lag_seconds,
            "confirmed later": rng.uniform(0.2, 5.0),
            "decline": rng.uniform(0.2, 4.0),
            "walk away": 0.0,
        }[what]
        await asyncio.sleep(max(wait, 0.0))
        try:
            self._do(sale, identity, what)
        except ApiError as error:
            self.deeds["refused by Centrapay"] += 1
            self._note(f"patron: {what} {sale.ref}: refused, {error.message}")
        else:
            self.deeds[what] += 1
            self._note(f"patron: {what} {sale.ref}")

    def _do(self, sale: Sale, identity: str, what: str) -> None:
        api = self.shop.api
        if what == "decline":
            api.cancel_by_patron(identity, "CANCELLED_BY_PATRON")
        elif what == "late":
            if api.request(identity).status == "expired":
                sale.forced = True
                api.pay(identity, force=True)
        elif what == "confirmed later":
            api.pay(identity, after=self._patron.uniform(0.2, 6.0))
        elif what != "walk away":
            api.pay(identity)

    # ---- the till ------------------------------------------------------------------------------------------------

    async def sell(self, count: int) -> None:
        """Makes that many sales in all weathers, then closes the book in good weather."""
        try:
            await self._sell(count)
        except Silence as silence:
            self.auditor.object("", f"in good weather, no answer to {silence}")
        except Exception as error:  # noqa: BLE001 - the others sell on, and the report tells
            self.auditor.object("", f"the soak itself failed: {error!r}")

    async def _sell(self, count: int) -> None:
        async with self.shop:
            cable = Cable(
                self.shop.device.port.path,
                random.Random(f"{self.seed}/{self.number}/cable"),
                0.0,
                self.faults,
                self._line_came,
            )
            self.till = Till(cable, self._note)
            weather = Weather(
                self.shop,
                random.Random(f"{self.seed}/{self.number}/weather"),
                self.faults,
                lambda text: self._note("weather: " + text),
            )
            try:
                await self._ready(60)
                cable.set_rate(_RATE)
                rain = asyncio.create_task(weather.run())
                for index in range(count):
                    await self._one(index)
                    if rain.done():
                        rain.result()  # the soak's own fault: told, not hidden
                rain.cancel()
                await asyncio.gather(rain, return_exceptions=True)
                cable.set_rate(0.0)
                await weather.clear()
                await self._close_book()
            finally:
                cable.close()
                self.faults.update(self.shop.api.fault_counts)
                for task in list(self._tasks):
                    task.cancel()

    def _line_came(self, text: str) -> None:
        words = text.split(" ")
        if well_formed(words):
            self.till.inbox.put_nowait(words)

    async def _ready(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(Silence):
                words = await self.till.ask("INFO", lambda words: words[0] == "INFO", 4)
                if words[-1] == "READY":
                    return
            await asyncio.sleep(0.3)
        self.auditor.object("", f"the box was not ready within {seconds:g} s of good weather")

    async def _one(self, index: int) -> None:
        rng = self._rng
        ref = f"{index}" + rng.choice(("", "", ".a", "-2", "_x"))
        amount = rng.choice((rng.randrange(1, 100), rng.randrange(100, 100_000), 1234, 99_999_999))
        sale = self.sales[ref] = Sale(ref, amount)
        self._note(f"---- sale {ref} of {money(amount)}")
        try:
            await self._make(sale)
        except Silence as silence:
            # Whatever became of it, the next LAST or STATUS tells: that is the protocol's promise.
            self.deeds["till gave up"] += 1
            self._note(f"till: no answer to {silence}")
        self._keep_excerpts()
        self.results[sale.word or "none"] += 1
        self._tell(sale.word or "none")

    async def _make(self, sale: Sale) -> None:
        if not await self._start(sale):
            return
        if self._rng.random() < 0.05:
            await self._restart_till(sale)
        cancel_at = time.monotonic() + self._rng.choice((0.0, 0.3, 1.0, 3.0, 8.0, 10.0)) * self._rng.random()
        if self._rng.random() >= 0.22:
            cancel_at = 0.0
        word = await self._await_result(sale, cancel_at)
        if word in DEFINITE and self._rng.random() < 0.9:
            await self._acknowledge(sale)
        if word == "PAID" and self._rng.random() < 0.15:
            await self._refund(sale)

    async def _start(self, sale: Sale) -> bool:
        """Sends SALE until it is accepted. Returns whether it was."""
        line = f"SALE {sale.ref} {money(sale.amount)}"
        end = time.monotonic() + _SALE_S
        while time.monotonic() < end:
            words = await self.till.ask(line, lambda words: self._is_about(words, "SALE", sale.ref), 60)
            if words[0] != "ERR":
                if words[0] == "OK" and words[3] != money(sale.amount):
                    self.auditor.object(sale.ref, f"accepted as {words[3]}")
                sale.accepted = True
                return True
            if words[1] not in ("NOT_READY", "BUSY"):
                self.auditor.object(sale.ref, f"a good sale was refused: {' '.join(words)}")
                return False
            await asyncio.sleep(self._rng.uniform(0.3, 1.0))
        return False

    @staticmethod
    def _is_about(words: list[str], verb: str, ref: str) -> bool:
        """Whether this line answers that command. An ERR names no reference: only one command is out at a time."""
        if words[0] == "ERR":
            return True
        if words[0] == "OK":
            return words[1] == verb and words[2:3] == [ref]
        return words[0] in ("WAIT", "RESULT") and words[1] == ref and words[2] not in REFUND_WORDS

    async def _restart_till(self, sale: Sale) -> None:
        self.deeds["till restarted"] += 1
        await asyncio.sleep(self._rng.uniform(0.0, 4.0))
        # What the box repeats unasked looks like an answer: a till with a book goes by the reference.
        try:
            words = await self.till.ask("LAST", lambda words: words[0] == "ERR" or words[1] == sale.ref, 30)
        except Silence:
            words = ["ERR", "never", "named"]
        if words[0] == "ERR":
            self.auditor.object(sale.ref, f"LAST does not know it: {' '.join(words)}")

    async def _await_result(self, sale: Sale, cancel_at: float) -> str:
        """Waits, cancels if that is the plan, asks when it is quiet. Returns the result's word."""
        end = time.monotonic() + _SALE_S
        unknown_until = 0.0
        quiet = 0
        while time.monotonic() < end:
            if cancel_at and time.monotonic() >= cancel_at:
                cancel_at = 0.0
                self.deeds["cancelled by the till"] += 1
                words: list[str] | None = await self.till.ask(
                    f"CANCEL {sale.ref}", lambda words: self._is_about(words, "CANCEL", sale.ref), 60
                )
            else:
                wait = min(7.0, max(cancel_at - time.monotonic(), 0.05)) if cancel_at else 7.0
                words = await self.till.hear(wait)
            if words is None and not cancel_at:
                quiet += 1
                words = await self._ask_again(sale, "STATUS" if quiet % 2 else "SALE")
            if words is None:
                continue
            if words[:2] == ["ERR", "NO_SUCH_SALE"]:
                self.auditor.object(sale.ref, "accepted, and forgotten")
                return ""
            if words[0] == "RESULT" and words[1] == sale.ref and words[2] in DEFINITE:
                return words[2]
            if words[0] == "RESULT" and words[1] == sale.ref and words[2] == "UNKNOWN":
                unknown_until = unknown_until or time.monotonic() + self._rng.random() * _UNKNOWN_S
            if unknown_until and time.monotonic() > unknown_until:
                return "UNKNOWN"
        self.auditor.object(sale.ref, f"no result within {_SALE_S:g} s")
        return ""

    async def _ask_again(self, sale: Sale, verb: str) -> list[str]:
        """Either question is always safe."""
        line = f"{verb} {sale.ref}" + (f" {money(sale.amount)}" if verb == "SALE" else "")
        return await self.till.ask(line, lambda words: self._is_about(words, verb, sale.ref), 60)

    async def _acknowledge(self, sale: Sale) -> None:
        before = sale.word
        words = await self.till.ask(
            f"ACK {sale.ref}", lambda words: words[:3] == ["OK", "ACK", sale.ref] or words[0] == "ERR", 60
        )
        if words[0] == "OK":
            sale.acked = sale.word == before
        elif words[1] not in ("NOT_READY",):
            self.auditor.object(sale.ref, f"ACK of a result was refused: {' '.join(words)}")

    async def _refund(self, sale: Sale) -> None:
        """Gives back all or part."""
        amount = sale.amount if self._rng.random() < 0.5 else self._rng.randrange(1, sale.amount + 1)
        name = self._rng.choice(("", " A", " till-7"))
        line = f"REFUND {sale.ref} {money(amount)}{name}"
        sale.refund, sale.refund_line = amount, line
        self.deeds["refunded by the till"] += 1
        await self._press_refund(sale, _SALE_S)

    async def _press_refund(self, sale: Sale, seconds: float) -> None:
        """The same line is the same refund, so it is repeated until something definite comes of it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and sale.refund_word not in ("REFUNDED", "REFUND_FAILED"):
            words = await self.till.ask(sale.refund_line, lambda words: self._answers_refund(words, sale.ref), 60)
            if words[0] == "ERR":
                if words[1] not in ("NOT_READY", "BUSY"):
                    self.auditor.object(sale.ref, f"a good refund was refused: {' '.join(words)}")
                    return
                await asyncio.sleep(self._rng.uniform(0.3, 1.5))
                continue
            await self._await_refund(sale, words)
        if sale.refund_word in ("REFUNDED", "REFUND_FAILED"):
            with contextlib.suppress(Silence):
                await self.till.ask(
                    f"ACK {sale.ref}", lambda words: words[:3] == ["OK", "ACK", sale.ref] or words[0] == "ERR", 20
                )

    @staticmethod
    def _answers_refund(words: list[str], ref: str) -> bool:
        if words[0] == "RESULT" and words[1] == ref:
            return words[2] in REFUND_WORDS
        return words[0] == "ERR" or words[:3] == ["OK", "REFUND", ref]

    async def _await_refund(self, sale: Sale, words: list[str] | None) -> None:
        """Until a word for the refund, or silence: a box that lost power says nothing, and the till asks again."""
        end = time.monotonic() + 75
        while time.monotonic() < end:
            if words is not None and words[0] == "RESULT" and words[1] == sale.ref and words[2] in REFUND_WORDS:
                sale.refund_word = words[2]
                return
            words = await self.till.hear(5)
            if words is None:
                return

    # ---- closing time --------------------------------------------------------------------------------------------

    async def _close_book(self) -> None:
        """Good weather: every sale comes to its result, and book, journal and ledger are laid side by side."""
        self._note("---- closing")
        self.shop.air.set("up")
        with contextlib.suppress(SimError):
            await self.shop.device.wait_console("[tillpane]", timeout=20)
        await self._ready(120)
        # An expired request is read once more 10 s later, or 10 s after a restart: late news may still be on its way.
        end = time.monotonic() + _CLOSING_S
        for sale in list(self.sales.values())[-_ASKED_AT_THE_END:]:
            await self._ask_for_the_last_time(sale, end)
        for sale in self.sales.values():
            if sale.refund and sale.refund_word not in ("REFUNDED", "REFUND_FAILED"):
                await self._press_refund(sale, 100)  # its answer never came: the same line is the same refund
            self.auditor.close(sale)
        journal = self.shop.device.root / "journal.log"
        self.compared = self.auditor.compare_journal(read_journal(journal.read_bytes() if journal.exists() else b""))
        self._keep_excerpts()

    async def _ask_for_the_last_time(self, sale: Sale, end: float) -> None:
        while True:
            words = await self.till.ask(
                f"STATUS {sale.ref}", lambda words: self._is_about(words, "STATUS", sale.ref), 30
            )
            if words[:2] == ["ERR", "NO_SUCH_SALE"]:
                if sale.accepted:
                    self.auditor.object(sale.ref, "accepted, and forgotten")
                return
            if words[0] == "RESULT" and words[2] in DEFINITE and not (sale.forced and words[2] == "EXPIRED"):
                return
            if time.monotonic() > end:
                return  # close() names it
            await asyncio.sleep(1)
