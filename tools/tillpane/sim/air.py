"""The simulated box's surroundings on the network: the air between it and the API, and a clock to ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from typing import cast

_NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
UP, DOWN, SILENT = "up", "down", "silent"


class Air:
    """A TCP proxy between the device and the API, which is the radio link's switch.

    up      bytes pass
    down    connections are torn down, and new ones at once (the access point is gone)
    silent  bytes stop and nothing says so (an access point whose uplink is dead); they flow again when up
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self._target = (target_host, target_port)
        self._server: asyncio.Server | None = None
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter | None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.state = UP
        self.port = 0
        self.connections = 0
        self.sent = 0  # bytes from the device to the API
        self.received = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # a name server may give localhost's IPv6 address first
            second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            second.bind(("::1", self.port))
            self._second = await asyncio.start_server(self._accepted, sock=second)

    def set(self, state: str) -> None:
        """Switches to up, down or silent."""
        self.state = state
        if state == SILENT:
            self._flowing.clear()
            return
        self._flowing.set()
        if state == DOWN:
            for pair in list(self._links):
                for writer in pair:
                    _tear(writer)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.state == DOWN:
            _tear(writer)
            return
        self.connections += 1
        # Only close() cancels; asyncio's server would print that as a fault.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._flowing.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            pair = (writer, far_writer)
            self._links.add(pair)
            try:
                await asyncio.gather(self._pump(reader, far_writer, True), self._pump(far_reader, writer, False))
            finally:
                self._links.discard(pair)
                for end in pair:
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: bool) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            if out:
                self.sent += len(data)
            else:
                self.received += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def close(self) -> None:
        self.set(DOWN)
        for server in (self._server, getattr(self, "_second", None)):
            if server:
                server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _tear(writer: asyncio.StreamWriter | None) -> None:
    """Closes with a reset, as a peer does that has forgotten the connection."""
    if writer is None:
        return
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Clock(asyncio.DatagramProtocol):
    """An SNTP server (RFC 4330) on loopback. `answering` switches it off, `lie_s` makes it wrong."""

    def __init__(self) -> None:
        self.answering = True
        self.lie_s = 0.0
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None
        self.port = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = transport.get_extra_info("sockname")[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if not self.answering or len(data) < 48 or self._transport is None:
            return
        now = time.time() + self.lie_s + _NTP_EPOCH
        stamp = struct.pack("!II", int(now) & 0xFFFFFFFF, int(now % 1 * (1 << 32)))
        version = data[0] & 0x38
        head = struct.pack("!BBbbII4s", version | 4, 1, data[2] % 128, -20, 0, 0, b"SIM\0")
        self._transport.sendto(head + stamp + data[40:48] + stamp + stamp, addr)

    def close(self) -> None:
        if self._transport:
            self._transport.close()
