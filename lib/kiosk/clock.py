"""Time: monotonic milliseconds that do not wrap, and the wall clock by SNTP (RFC 4330), which certificates need."""

import asyncio
import os
import socket
import struct
import time

from micropython import const

_NTP_TO_UNIX_S = const(2208988800)
_2000_TO_UNIX_S = const(946684800)
_EARLIEST_UNIX_S = const(1735689600)  # 2025-01-01: a clock before this was never set
_LATEST_UNIX_S = const(4102444800)  # 2100-01-01
_ANSWER_MS = const(3000)
_PACKET = const(48)


class ClockError(Exception):
    """No believable answer from the time server."""


class Clock:
    """`set_rtc(tuple)` takes (year, month, day, weekday, hour, minute, second, microsecond) in UTC.

    `resolve(host)` is a coroutine that gives an address; without it getaddrinfo, which blocks, asks for the host.
    """

    def __init__(self, set_rtc, server, port, resolve=None):
        self._set_rtc = set_rtc
        self._server = server
        self._port = port
        self._resolve = resolve
        self._epoch_s = _2000_TO_UNIX_S if time.gmtime(0)[0] == 2000 else 0
        self._last_ticks = time.ticks_ms()
        self._now = 0

    def now(self):
        """Milliseconds since start, growing for ever; call it at least every few days."""
        ticks = time.ticks_ms()
        self._now += time.ticks_diff(ticks, self._last_ticks)
        self._last_ticks = ticks
        return self._now

    def is_set(self):
        """Whether the wall clock can be believed; it keeps its value over a reset without power loss."""
        return _EARLIEST_UNIX_S <= self._unix() < _LATEST_UNIX_S

    def wall(self):
        """Seconds since 1970, or 0 while the clock is not set."""
        return self._unix() if self.is_set() else 0

    def _unix(self):
        return int(time.time()) + self._epoch_s

    async def sync(self):
        """Asks the time server once and sets the clock. Raises ClockError."""
        try:
            unix = await self._ask()
        except OSError as error:
            raise ClockError("no answer: " + str(error.args[0]))
        if not _EARLIEST_UNIX_S <= unix < _LATEST_UNIX_S:
            raise ClockError("the time server's time is impossible")
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(unix - self._epoch_s)[:8]
        self._set_rtc((year, month, day, weekday, hour, minute, second, 0))

    async def _ask(self):
        server = self._server if self._resolve is None else await self._resolve(self._server)
        address = socket.getaddrinfo(server, self._port, 0, socket.SOCK_DGRAM)[0][-1]
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            link.setblocking(False)
            link.connect(address)
            request = bytearray(_PACKET)
            request[0] = 0x23  # no warning, version 4, client
            request[40:48] = os.urandom(8)  # comes back as the originate stamp: an answer to somebody else is not ours
            link.send(request)
            return _read(await self._answer(link), request)
        finally:
            link.close()

    async def _answer(self, link):
        answer = bytearray(_PACKET)
        started = time.ticks_ms()
        while time.ticks_diff(time.ticks_ms(), started) < _ANSWER_MS:
            try:
                got = link.readinto(answer)
            except OSError as error:
                if error.args[0] != 11:  # EAGAIN
                    raise
                got = None
            if got:
                return answer if got == _PACKET else b""
            await asyncio.sleep_ms(20)
        raise ClockError("no answer in 3 s")


def _read(answer, request):
    """Seconds since 1970 of a server's answer to this request. Raises ClockError."""
    if len(answer) != _PACKET or answer[24:32] != request[40:48]:
        raise ClockError("not an answer to this question")
    if answer[0] & 7 != 4 or answer[0] >> 6 == 3 or not 1 <= answer[1] <= 15:
        raise ClockError("the time server has no time")
    seconds = struct.unpack("!I", answer[40:44])[0]
    if seconds < 0x80000000:
        seconds += 0x100000000  # second era, from 2036
    return seconds - _NTP_TO_UNIX_S
