"""Asks a time server once (SNTP, RFC 4330), without blocking. Loaded while it is asked."""

import asyncio
import os
import socket
import struct
import time

from micropython import const

_NTP_TO_UNIX_S = const(2208988800)
_ANSWER_MS = const(3000)
_PACKET = const(48)
_EAGAIN = const(11)


class TimeError(OSError):
    """No believable answer from the time server."""


async def ask(server, port):
    """Seconds since 1970 from the time server at this address. Raises OSError."""
    address = socket.getaddrinfo(server, port, 0, socket.SOCK_DGRAM)[0][-1]
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.setblocking(False)
        link.connect(address)
        request = bytearray(_PACKET)
        request[0] = 0x23  # no warning, version 4, client
        request[40:48] = os.urandom(8)  # comes back as the originate stamp: an answer to somebody else is not ours
        link.send(request)
        return read(await _answer(link), request)
    finally:
        link.close()


async def _answer(link):
    answer = bytearray(_PACKET)
    started = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), started) < _ANSWER_MS:
        try:
            got = link.readinto(answer)
        except OSError as error:
            if error.args[0] != _EAGAIN:
                raise
            got = None
        if got:
            return answer if got == _PACKET else b""
        await asyncio.sleep_ms(20)
    raise TimeError("no answer in 3 s")


def read(answer, request):
    """Seconds since 1970 of a server's answer to this request. Raises TimeError."""
    if len(answer) != _PACKET or answer[24:32] != request[40:48]:
        raise TimeError("not an answer to this question")
    if answer[0] & 7 != 4 or answer[0] >> 6 == 3 or not 1 <= answer[1] <= 15:
        raise TimeError("the time server has no time")
    seconds = struct.unpack("!I", answer[40:44])[0]
    if seconds < 0x80000000:
        seconds += 0x100000000  # second era, from 2036
    return seconds - _NTP_TO_UNIX_S
