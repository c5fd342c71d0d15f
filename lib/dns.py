"""One DNS question and its answer (RFC 1035), without blocking. Loaded while a name is looked up.

The builder and the parser do no I/O. What comes back is only an address to try: who answers there is proved by TLS.
"""

import asyncio
import os
import socket
import time

from micropython import const

_PACKET = const(512)
_ASK_MS = const(1200)  # then the question is asked again
_TIMES = const(3)
_NAP_MS = const(20)
_EAGAIN = const(11)


class ResolveError(OSError):
    """No address: no answer, or the name is not known."""


def question(host, number):
    """The bytes that ask for the A records of host. Raises ResolveError for what is not a host name."""
    packet = bytearray(b"\0\0\1\0\0\1\0\0\0\0\0\0")  # recursion desired, one question
    packet[0] = number >> 8
    packet[1] = number & 0xFF
    for label in host.split("."):
        if not 1 <= len(label) <= 63 or len(host) > 253:
            raise ResolveError("not a host name")
        packet.append(len(label))
        packet.extend(label.encode())
    packet.extend(b"\0\0\1\0\1")
    return packet


def answer(asked, data):
    """The first address in data, an answer to `asked`; "" if it answers something else. Raises ResolveError."""
    size = len(data)
    if size < len(asked) or data[0] != asked[0] or data[1] != asked[1] or not data[2] & 0x80:
        return ""
    if data[4] or data[5] != 1 or data[12 : len(asked)] != asked[12:]:
        return ""
    if data[3] & 15 or data[2] & 2:
        raise ResolveError("the name server says no")
    at = len(asked)
    for _ in range(data[6] << 8 | data[7]):
        at = _after_name(data, at, size)
        if at + 10 > size:
            break
        length = data[at + 8] << 8 | data[at + 9]
        is_address = data[at : at + 4] == b"\0\1\0\1" and length == 4
        at += 10 + length
        if at > size:
            break
        if is_address:
            return ".".join([str(data[at - 4 + i]) for i in range(4)])
    raise ResolveError("no address in the answer")


def _after_name(data, at, size):
    """The place behind a name, which ends in a zero or in a pointer (RFC 1035, section 4.1.4)."""
    while at < size:
        length = data[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return size


async def ask(server, port, host):
    """An address of host, as text, from the name server at this address. Raises OSError."""
    asked = question(host, int.from_bytes(os.urandom(2), "big"))
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.setblocking(False)
        link.connect(socket.getaddrinfo(server, port, 0, socket.SOCK_DGRAM)[0][-1])
        for _ in range(_TIMES):
            link.send(asked)
            address = await _listen(link, asked)
            if address:
                return address
    finally:
        link.close()
    raise ResolveError("the name server does not answer")


async def _listen(link, asked):
    started = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), started) < _ASK_MS:
        try:
            data = link.recv(_PACKET)  # readinto() would put several datagrams together
        except OSError as error:
            if error.args[0] != _EAGAIN:
                raise
            data = b""
        if data:
            address = answer(asked, data)
            if address:
                return address
            continue
        await asyncio.sleep_ms(_NAP_MS)
    return ""
