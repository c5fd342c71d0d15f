"""An answer on its way out: what it says, and how its bytes go onto the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

JSON_TYPE = "application/json; charset=utf-8"
_PIECE = 16_384
_FLUSH_LIMIT = 262_144
_RST = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: closing sends RST

ENDS = ("close", "fin", "reset", "stall")


@dataclass
class Answer:
    """`document` is answered as JSON unless `body` holds ready bytes."""

    status: int
    document: Any = None
    body: bytes | None = None
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        if self.body is not None:
            return self.body
        try:
            return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # half a surrogate pair, from a request that escaped one
            return json.dumps(self.document, separators=(",", ":")).encode()

    def response(self) -> web.Response:
        """The answer as a well-behaved server sends it."""
        headers = {"Content-Type": self.content_type, **self.headers}
        return web.Response(status=self.status, body=self.encode(), headers=headers)


@dataclass
class Wire:
    """How the bytes of one answer are spoilt; as made, they are not."""

    chunk_sizes: tuple[int, ...] = ()
    no_length: bool = False
    interim: int = 0
    padding_headers: int = 0
    first: bytes = b""  # sent in place of everything
    piece: int = 0
    pause: float = 0.0
    cut_body: int | None = None
    cut_answer: int | None = None
    close: bool = False
    announce: bool = True
    end: str = "close"

    @property
    def plain(self) -> bool:
        return self == Wire()

    @property
    def cut(self) -> bool:
        return self.cut_body is not None or self.cut_answer is not None


def _head(answer: Answer, wire: Wire, length: int) -> bytes:
    reason = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {reason}", f"Content-Type: {answer.content_type}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    lines += [f"X-Padding-{n}: {'p' * 100}" for n in range(-(-wire.padding_headers // 114))]
    if wire.chunk_sizes:
        lines.append("Transfer-Encoding: chunked")
    elif not wire.no_length:
        lines.append(f"Content-Length: {length}")
    if (wire.close or wire.no_length) and wire.announce:
        lines.append("Connection: close")
    interim = "HTTP/1.1 100 Continue\r\n\r\n" * wire.interim
    return (interim + "\r\n".join(lines) + "\r\n\r\n").encode()


def _chunks(body: bytes, sizes: tuple[int, ...]) -> Iterable[bytes]:
    at = turn = 0
    while at < len(body):
        piece = body[at : at + sizes[turn % len(sizes)]]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
        at += len(piece)
        turn += 1
    yield b"0\r\n\r\n"


def _split(data: bytes, size: int) -> Iterable[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def pieces(answer: Answer, wire: Wire) -> list[bytes]:
    """The writes that carry this answer, each at least a TLS record of its own."""
    if wire.first:
        return [wire.first]
    body = answer.encode()
    head = _head(answer, wire, len(body))
    if wire.cut_body is not None:
        body_writes = [body[: wire.cut_body]] if not wire.chunk_sizes else list(_chunks(body, wire.chunk_sizes))
        if wire.chunk_sizes:
            body_writes = _upto(body_writes, wire.cut_body)
    else:
        body_writes = list(_chunks(body, wire.chunk_sizes)) if wire.chunk_sizes else [body]
    writes = [head, *body_writes]
    if wire.cut_answer is not None:
        writes = _upto(writes, wire.cut_answer)
    size = wire.piece or _PIECE
    return [piece for write in writes for piece in _split(write, size)]


def _upto(writes: Iterable[bytes], count: int) -> list[bytes]:
    kept = []
    for write in writes:
        if count <= 0:
            break
        kept.append(write[:count])
        count -= len(write)
    return kept


async def _flushed(transport: asyncio.Transport, limit: int = 0) -> None:
    while not transport.is_closing() and transport.get_write_buffer_size() > limit:
        await asyncio.sleep(0.002)


async def end_connection(transport: asyncio.Transport | None, how: str, stopping: asyncio.Event) -> None:
    """Ends a connection: "close" says goodbye in TLS, "fin" only in TCP, "reset" is rude, "stall" leaves it open."""
    if transport is None:
        return
    await _flushed(transport)
    if how == "stall":
        while not transport.is_closing() and not stopping.is_set():
            await asyncio.sleep(0.02)
        transport.abort()
        return
    if how == "close":
        transport.close()
        return
    # What is still in the kernel would be lost with a reset: a moment lets loopback deliver it.
    await asyncio.sleep(0.02)
    if how == "reset" and not transport.is_closing():
        reset_on_close(transport.get_extra_info("socket"))
    transport.abort()


def reset_on_close(sock: socket.socket) -> None:
    """From now on, closing this socket sends RST and drops what the kernel still held."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)


class WireAnswer(web.StreamResponse):
    """Writes ready bytes past aiohttp's own framing; `wire` None sends nothing and ends the connection."""

    def __init__(self, answer: Answer | None, wire: Wire, stopping: asyncio.Event) -> None:
        super().__init__(status=answer.status if answer else 200)
        self._answer = answer
        self._wire = wire
        self._stopping = stopping
        self._request: web.BaseRequest | None = None

    @property
    def keep_alive(self) -> bool:
        wire = self._wire
        stays = not (wire.cut or wire.close or wire.no_length or wire.first)
        return self._answer is not None and stays

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._request = request
        return None

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002
        request = self._request
        transport = request.transport if request is not None else None
        if transport is None:
            return
        if self._answer is not None:
            await self._write(transport, pieces(self._answer, self._wire))
        if not self.keep_alive:
            await end_connection(transport, self._wire.end, self._stopping)

    async def _write(self, transport: asyncio.Transport, writes: list[bytes]) -> None:
        for write in writes:
            if transport.is_closing() or self._stopping.is_set():
                return
            transport.write(write)
            await _flushed(transport, _FLUSH_LIMIT)
            if self._wire.pause:
                await asyncio.sleep(self._wire.pause)
