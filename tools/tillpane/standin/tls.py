"""The front door: a throwaway CA, the certificates it and others issue, and the loop that accepts connections."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import pathlib
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import trustme

from .answer import reset_on_close
from .faults import Fault, noise

_log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT = 20.0  # an ESP32 needs seconds for its side
_HELLO_LIMIT = 16_384
_SHUTDOWN: dict[str, Any] = {"ssl_shutdown_timeout": 2.0} if sys.version_info >= (3, 11) else {}
_BAD_CERTIFICATES = ("tls_wrong_ca", "tls_wrong_host", "tls_expired", "tls_not_yet_valid")


class Authority:
    """A throwaway CA and the server contexts that go with it, made when first asked for."""

    def __init__(
        self, names: Sequence[str], key_type: str = "ecdsa", ca: trustme.CA | None = None, days: int = 90
    ) -> None:
        if key_type not in ("ecdsa", "rsa"):
            raise ValueError("key_type is 'ecdsa' or 'rsa'")
        self._key_type = trustme.KeyType.RSA if key_type == "rsa" else trustme.KeyType.ECDSA
        self.names = tuple(names)
        self.ca = ca or self._new_ca()
        self._days = days
        self._contexts: dict[str, ssl.SSLContext] = {}

    def _new_ca(self) -> trustme.CA:
        return trustme.CA(organization_name="Tillpane stand-in", key_type=self._key_type)

    @property
    def root_pem(self) -> bytes:
        return self.ca.cert_pem.bytes()

    @property
    def root_der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.root_pem.decode())

    def context(self, kind: str = "good") -> ssl.SSLContext:
        """The server context for "good" or for one of the certificate faults."""
        if kind not in self._contexts:
            self._contexts[kind] = self._make(kind)
        return self._contexts[kind]

    def _make(self, kind: str) -> ssl.SSLContext:
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
        day = datetime.timedelta(days=1)
        # A day of slack for clocks that are slow; a device whose clock was never set still finds it not yet valid.
        since, until = now - day, now + self._days * day
        ca, names = self.ca, self.names
        if kind == "tls_wrong_ca":
            ca = self._new_ca()
        elif kind == "tls_wrong_host":
            names = ("elsewhere.invalid",)
        elif kind == "tls_expired":
            since, until = now - 60 * day, now - day
        elif kind == "tls_not_yet_valid":
            since, until = now + day, now + 60 * day
        leaf = ca.issue_cert(*names, not_before=since, not_after=until, key_type=self._key_type)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        leaf.configure_cert(context)
        return context


def kept_ca(folder: pathlib.Path, key_type: str) -> trustme.CA:
    """The CA of an earlier run in this folder, or a new one that is left there for the next run."""
    cert_path, key_path = folder / "root.pem", folder / "root-key.pem"
    if cert_path.exists() and key_path.exists():
        return trustme.CA.from_pem(cert_path.read_bytes(), key_path.read_bytes())
    kind = trustme.KeyType.RSA if key_type == "rsa" else trustme.KeyType.ECDSA
    ca = trustme.CA(organization_name="Tillpane stand-in", key_type=kind)
    folder.mkdir(parents=True, exist_ok=True)
    key_path.unlink(missing_ok=True)
    with open(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(ca.private_key_pem.bytes())
    cert_path.write_bytes(ca.cert_pem.bytes())
    return ca


@dataclass
class Connection:
    number: int
    peer: str
    protocol: asyncio.Protocol | None = None
    transport: asyncio.Transport | None = None
    fault: str | None = None
    tls_version: str | None = None

    @property
    def open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()


class Door:
    """Accepts connections one by one, so that each can get another certificate or a fault of its own.

    `connections` counts what was accepted, `handshakes` what came through TLS, `failed_handshakes` the rest.
    (With TLS 1.3 a server cannot see that the client refuses its certificate: such a handshake counts as done.)
    """

    def __init__(
        self,
        authority: Authority,
        protocol: Callable[[], asyncio.Protocol],
        next_fault: Callable[[], Fault | None],
    ) -> None:
        self._authority = authority
        self._protocol = protocol
        self._next_fault = next_fault
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: list[Connection] = []
        self.connections = 0
        self.handshakes = 0
        self.failed_handshakes = 0

    async def listen(self, host: str, port: int) -> int:
        """Opens the door; answers the port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener))
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Stops listening and ends every connection. New clients are refused."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.hang_up()

    def hang_up(self, reset: bool = False) -> int:
        """Ends every open connection at once; answers how many there were."""
        alive = [connection for connection in self._open if connection.open]
        for connection in alive:
            assert connection.transport is not None
            if reset:
                reset_on_close(connection.transport.get_extra_info("socket"))
            connection.transport.abort()
        return len(alive)

    def number_of(self, protocol: asyncio.Protocol) -> int:
        """Which connection a protocol serves: 1 for the first that was accepted."""
        for connection in self._open:
            if connection.protocol is protocol:
                return connection.number
        return 0

    @property
    def listening(self) -> bool:
        return self._listener is not None

    @property
    def open_connections(self) -> list[Connection]:
        return [connection for connection in self._open if connection.open]

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, peer = await loop.sock_accept(listener)
            except OSError as error:  # for instance a client gone before it was accepted, or no file handle left
                _log.warning("accept: %s", error)
                await asyncio.sleep(0.05)
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            connection = Connection(self.connections, f"{peer[0]}:{peer[1]}")
            task = asyncio.create_task(self._serve(connection, sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection, sock: socket.socket) -> None:
        fault = self._next_fault()
        connection.fault = fault.kind if fault else None
        try:
            if fault is not None and fault.kind not in _BAD_CERTIFICATES:
                self.failed_handshakes += 1
                await self._misbehave(sock, fault)
                return
            await self._handshake(connection, sock, fault.kind if fault else "good")
        except (OSError, asyncio.TimeoutError, TimeoutError) as error:
            _log.debug("connection %d: %s", connection.number, error)

    async def _handshake(self, connection: Connection, sock: socket.socket, certificate: str) -> None:
        protocol = self._protocol()
        connection.protocol = protocol
        self._open = [one for one in self._open if one.open or one.transport is None]
        self._open.append(connection)
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._authority.context(certificate),
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                **_SHUTDOWN,
            )
        except BaseException:
            self._open.remove(connection)
            self.failed_handshakes += 1
            raise
        connection.transport = transport
        connection.tls_version = transport.get_extra_info("ssl_object").version()
        self.handshakes += 1

    async def _misbehave(self, sock: socket.socket, fault: Fault) -> None:
        loop = asyncio.get_running_loop()
        try:
            if fault.kind == "tcp_reset":
                reset_on_close(sock)
                return
            hello = await asyncio.wait_for(_client_hello(sock), HANDSHAKE_TIMEOUT)
            if fault.kind == "tls_stall":
                await self._until_gone(sock)
            elif fault.kind == "tls_garbage":
                await loop.sock_sendall(sock, noise(fault.settings["size"], fault.seed))
            elif fault.kind == "tls_plain":
                await loop.sock_sendall(
                    sock, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                )
            elif fault.kind == "tls_cut":
                flight = _server_flight(self._authority.context(), hello)
                await loop.sock_sendall(sock, flight[: fault.settings["at"]])
                await asyncio.sleep(0.02)
                if fault.settings["end"] == "stall":
                    await self._until_gone(sock)
                elif fault.settings["end"] == "reset":
                    reset_on_close(sock)
        finally:
            sock.close()

    async def _until_gone(self, sock: socket.socket) -> None:
        while await asyncio.get_running_loop().sock_recv(sock, 4096):
            pass


async def _client_hello(sock: socket.socket) -> bytes:
    """The first TLS record, so that closing afterwards is a FIN: unread bytes would make it a reset."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
        more = await loop.sock_recv(sock, _HELLO_LIMIT)
        if not more or len(data) > _HELLO_LIMIT:
            break
        data += more
    return data


def _server_flight(context: ssl.SSLContext, hello: bytes) -> bytes:
    """What a server answers to this ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    try:
        server.do_handshake()
    except ssl.SSLError as error:  # wants the client's next bytes, or the hello was none
        _log.debug("handshake to be cut: %s", error)
    return outgoing.read()
