"""Tills that know a card terminal: for each ECR protocol a small client, which is the till's side of docs/ecr.md.

    till = CLIENTS["zvt"](path, "EUR")
    answer = await till.sale(1234)

They are written from the protocols' documents and not from the box's code, but by the same hands: other people's
clients are in host_tests/test_any_till.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

ENQ, ACK, NAK, EOT, STX, ETX, SOH, DLE = b"\x05", b"\x06", b"\x15", b"\x04", b"\x02", b"\x03", b"\x01", b"\x10"
_LINK_S = 4.0  # for an acknowledgement
_RESULT_S = 150.0
_TRIES = 3
_NUMERIC = {"EUR": "978", "NZD": "554", "CLP": "152"}

News = Callable[[str], None]


class NoAnswer(Exception):
    """The terminal did not answer as the protocol has it; what became of the sale is not known."""


@dataclass(frozen=True)
class Answer:
    """What the terminal said. paid: its plain approval of the amount that was asked.

    words: for people. amount: minor units, None where the answer carries none. number: by which the sale can be found
    again and refunded, "" where there is none.
    """

    paid: bool
    words: str
    amount: int | None = None
    number: str = ""


@dataclass
class Link:
    """The till's end of a serial line, read as it comes."""

    path: str
    _fd: int = -1
    _heard: bytearray = field(default_factory=bytearray)

    def open(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._heard += os.read(self._fd, 4096)
            self._news.set()

    def write(self, data: bytes) -> None:
        os.write(self._fd, data)

    async def read(self, count: int = 1, seconds: float = _LINK_S) -> bytes:
        """The next `count` bytes. Raises NoAnswer."""
        end = asyncio.get_running_loop().time() + seconds
        while len(self._heard) < count:
            self._news.clear()
            left = end - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._news.wait(), max(left, 0))
            except asyncio.TimeoutError:
                raise NoAnswer(f"no answer within {seconds:g} s") from None
        data = bytes(self._heard[:count])
        del self._heard[:count]
        return data

    def forget(self) -> None:
        self._heard.clear()

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def _xor(data: bytes, seed: int = 0) -> int:
    for byte in data:
        seed ^= byte
    return seed


class Client:
    """What all of them do. One question at a time; `cancel` and `close` may come beside it.

    verbs: what the protocol has, of sale, cancel, last, refund. news hears how far the terminal is.
    """

    verbs: tuple[str, ...] = ("sale",)
    seed = 3  # of the check byte, in which ETX is

    def __init__(self, path: str, currency: str, news: News = lambda _: None) -> None:
        self.currency = currency
        self.news = news
        self.link = Link(path)
        self.link.open()

    def close(self) -> None:
        self.link.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def sale(self, amount: int, ref: str = "") -> Answer:
        """amount in minor units; ref where the protocol has room for one. Raises NoAnswer."""
        raise NotImplementedError

    async def last(self) -> Answer:
        """The last result once more. Raises NoAnswer."""
        raise NotImplementedError

    async def refund(self, number: str, amount: int) -> Answer:
        """number: Answer.number of the sale. Raises NoAnswer."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Wants the sale that is running gone. What became of it is its answer."""
        raise NotImplementedError

    # ---- frames STX body ETX check ----------------------------------------------------------------------------------

    async def _ask(self, body: bytes) -> None:
        """Sends a frame until it is acknowledged."""
        frame = STX + body + ETX + bytes((_xor(body, self.seed),))
        for _ in range(_TRIES):
            self.link.forget()
            self.link.write(frame)
            with contextlib.suppress(NoAnswer):
                if await self.link.read() == ACK:
                    return
        raise NoAnswer("the terminal does not acknowledge")

    async def _frame(self, seconds: float) -> bytes:
        """The body of the next whole frame, acknowledged; progress of ECR17 on the way is news."""
        while True:
            first = await self.link.read(1, seconds)
            if first == SOH:
                self.news((await self.link.read(21))[:20].decode("ascii", "replace").strip())
            if first != STX:
                continue
            body = b""
            while (byte := await self.link.read()) != ETX:
                body += byte
            if (await self.link.read())[0] == _xor(body, self.seed):
                self.link.write(ACK)
                return body
            self.link.write(NAK)


class Telium(Client):
    """Telium / Caisse Concert E+: short answers, at the end."""

    verbs = ("sale", "refund")
    _WORDS = {"0": "approved", "7": "refused", "9": "not verified"}

    async def sale(self, amount: int, ref: str = "") -> Answer:
        return await self._exchange(amount, "0", ref)

    async def refund(self, number: str, amount: int) -> Answer:
        return await self._exchange(amount, "2", number)

    async def _exchange(self, amount: int, kind: str, private: str) -> Answer:
        link = self.link
        await self._hail()
        await self._ask(f"01{amount:08}01{kind}{_NUMERIC[self.currency]}{private:<10}A010B010".encode())
        link.write(EOT)
        while await link.read(1, _RESULT_S) != ENQ:
            pass
        link.write(ACK)
        body = (await self._frame(_LINK_S)).decode("ascii", "replace")
        with contextlib.suppress(NoAnswer):
            await link.read()  # its EOT
        said = int(body[3:11])
        words = self._WORDS.get(body[2], "?") + f" ({body[2]})"
        return Answer(body[2] == "0" and said == amount, words, said, body[15:25].strip())

    async def _hail(self) -> None:
        for _ in range(_TRIES):
            self.link.forget()
            self.link.write(ENQ)
            with contextlib.suppress(NoAnswer):
                if await self.link.read() == ACK:
                    return
        raise NoAnswer("the terminal does not take the line")


class Transbank(Client):
    """Transbank POS Integrado, with progress."""

    verbs = ("sale", "last", "refund")
    _WORDS = {
        "00": "aprobado",
        "01": "rechazado",
        "02": "host no responde",
        "03": "conexión falló",
        "04": "ya anulada",
        "05": "no existe",
        "07": "cancelada en el POS",
        "11": "no existe venta",
        "21": "anulación rechazada",
        "22": "tiempo agotado",
    }
    _NEWS = {"78": "esperando tarjeta", "82": "procesando"}

    async def sale(self, amount: int, ref: str = "") -> Answer:
        await self._ask(f"0200|{amount}|{ref or '1'}|||1|".encode())
        return self._sold(await self._result("0210", _RESULT_S), amount)

    async def last(self) -> Answer:
        await self._ask(b"0250|")
        return self._sold(await self._result("0260", _LINK_S))

    async def refund(self, number: str, amount: int) -> Answer:  # noqa: ARG002  it is of all of the sale
        await self._ask(f"1200|{number}|".encode())
        fields = await self._result("1210", _RESULT_S)
        return Answer(fields[1] == "00", self._words(fields[1]), None, number)

    def _words(self, code: str) -> str:
        return f"{self._WORDS.get(code, 'error')} ({code})"

    async def _result(self, command: str, seconds: float) -> list[str]:
        while True:
            fields = (await self._frame(seconds)).decode("ascii", "replace").split("|")
            if fields[0] == command:
                return fields
            if fields[0] == "0900":
                self.news(self._NEWS.get(fields[1], fields[1]))

    def _sold(self, fields: list[str], asked: int | None = None) -> Answer:
        said = int(fields[6] or 0)
        paid = fields[1] == "00" and asked in (None, said)
        return Answer(paid, self._words(fields[1]), said, fields[10] if len(fields) > 10 else "")


class Ecr17(Client):
    """Nexi ECR17, check byte variant `std`."""

    verbs = ("sale", "last", "refund")
    seed = 0x7F

    async def sale(self, amount: int, ref: str = "") -> Answer:  # noqa: ARG002  it has none
        await self._ask(f"000000000P00000001000000{amount:07}".encode() + b" " * 128 + b"00000000")
        return await self._result(amount)

    async def last(self) -> Answer:
        await self._ask(b"000000000G000000010000")
        return await self._result()

    async def refund(self, number: str, amount: int) -> Answer:  # noqa: ARG002  it is of all of the sale
        await self._ask(f"000000000S00000001{number:0>6}00".encode())
        return await self._result()

    async def _result(self, amount: int | None = None) -> Answer:
        body = (await self._frame(_RESULT_S)).decode("ascii", "replace")
        done = body[9:12] == "E00"
        words = "ESEGUITO (00)" if done else f"{body[12:36].strip()} ({body[10:12]})"
        return Answer(done, words, amount if done else None, body[-12:-6])


_ZVT_FIELDS = {0x04: 6, 0x0B: 3, 0x0C: 3, 0x0D: 2, 0x19: 1, 0x27: 1, 0x29: 4, 0x49: 2, 0x87: 2}
_ZVT_ERRORS = {
    0x00: "completed",
    0x66: "not possible",
    0x6C: "aborted",
    0x7D: "communication error",
    0x83: "no such sale",
    0x9C: "busy",
    0xA0: "not ready",
    0xB4: "already reversed",
    0xB5: "reversal not possible",
}


class Zvt(Client):
    """ZVT, registered for intermediate status."""

    verbs = ("sale", "cancel", "last", "refund")

    def __init__(self, path: str, currency: str, news: News = lambda _: None) -> None:
        super().__init__(path, currency, news)
        self._cancel = False
        self._registered = False

    async def sale(self, amount: int, ref: str = "") -> Answer:  # noqa: ARG002  it has none
        await self._register()
        fields = b"\x04" + bytes.fromhex(f"{amount:012}") + b"\x49" + self._currency()
        return await self._exchange(b"\x06\x01", fields, amount)

    async def last(self) -> Answer:
        await self._register()
        return await self._exchange(b"\x06\x20", b"\x00\x00\x00")

    async def refund(self, number: str, amount: int) -> Answer:  # noqa: ARG002  without an amount it is of all
        await self._register()
        return await self._exchange(b"\x06\x30", b"\x00\x00\x00\x87" + bytes.fromhex(f"{number:0>4}"))

    def cancel(self) -> None:
        self._cancel = True

    def _currency(self) -> bytes:
        return bytes.fromhex("0" + _NUMERIC[self.currency])

    async def _register(self) -> None:
        if not self._registered:
            await self._exchange(b"\x06\x00", b"\x00\x00\x00\x08" + self._currency())
            self._registered = True

    async def _exchange(self, command: bytes, fields: bytes, amount: int | None = None) -> Answer:
        """One command to its end; the till accepts everything that the terminal has to say on the way."""
        self.link.forget()
        self._cancel = False
        await self._send(command + bytes((len(fields),)) + fields)
        status: dict[int, bytes] = {}
        end = asyncio.get_running_loop().time() + _RESULT_S
        while asyncio.get_running_loop().time() < end:
            if self._cancel:
                self._cancel = False
                await self._send(b"\x06\xb0\x00")
            apdu = await self._apdu()
            if not apdu or apdu[:2] == b"\x80\x00":
                continue
            if apdu[0] == 0x84:
                return Answer(False, f"{_ZVT_ERRORS.get(apdu[1], 'refused')} (84 {apdu[1]:02X})")
            await self._send(b"\x80\x00\x00")
            if apdu[:2] == b"\x04\xff":
                self.news({10: "insert card", 14: "please wait"}.get(apdu[3], f"status {apdu[3]:02X}"))
            elif apdu[:2] == b"\x04\x0f":
                status = _zvt_fields(apdu[3:])
            elif apdu[:2] in (b"\x06\x0f", b"\x06\x1e"):
                return self._answer(apdu, status, amount)
        raise NoAnswer("no end within 150 s")

    def _answer(self, apdu: bytes, status: dict[int, bytes], amount: int | None) -> Answer:
        code = apdu[3] if apdu[1] == 0x1E else status.get(0x27, b"\0")[0]
        said = int(status[0x04].hex()) if 0x04 in status else None
        done = apdu[1] == 0x0F and code == 0 and amount in (None, said)
        return Answer(done, f"{_ZVT_ERRORS.get(code, 'error')} ({code:02X})", said, status.get(0x87, b"").hex())

    async def _send(self, apdu: bytes) -> None:
        check = _crc(apdu + ETX)
        self.link.write(DLE + STX + apdu.replace(DLE, DLE + DLE) + DLE + ETX + bytes((check & 0xFF, check >> 8)))
        if await self.link.read() != ACK:
            raise NoAnswer("the terminal does not acknowledge")

    async def _apdu(self) -> bytes:
        """The next APDU, acknowledged; b"" where none began within a fifth of a second."""
        try:
            while await self.link.read(1, 0.2) != DLE:
                pass
        except NoAnswer:
            return b""
        await self.link.read()
        apdu = b""
        while True:
            byte = await self.link.read()
            if byte == DLE:
                byte = await self.link.read()
                if byte == ETX:
                    break
            apdu += byte
        check = await self.link.read(2)
        good = _crc(apdu + ETX) == check[0] | check[1] << 8
        self.link.write(ACK if good else NAK)
        return apdu if good else b""


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return crc


def _zvt_fields(data: bytes) -> dict[int, bytes]:
    fields = {}
    at = 0
    while at < len(data):
        tag = data[at]
        if tag not in _ZVT_FIELDS:
            break  # texts come last
        fields[tag] = data[at + 1 : at + 1 + _ZVT_FIELDS[tag]]
        at += 1 + _ZVT_FIELDS[tag]
    return fields


CLIENTS: dict[str, type[Client]] = {"telium": Telium, "transbank": Transbank, "ecr17": Ecr17, "zvt": Zvt}
