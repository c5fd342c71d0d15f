"""Time: monotonic milliseconds that do not wrap, and the wall clock by SNTP (RFC 4330), which certificates need."""

import time

from micropython import const

from ondemand import drop_modules, load_module

_2000_TO_UNIX_S = const(946684800)
_EARLIEST_UNIX_S = const(1735689600)  # 2025-01-01: a clock before this was never set
_LATEST_UNIX_S = const(4102444800)  # 2100-01-01


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
            server = self._server if self._resolve is None else await self._resolve(self._server)
            unix = await load_module("sntp").ask(server, self._port)
        except OSError as error:
            raise ClockError("no answer: " + str(error.args[0]))
        finally:
            drop_modules("sntp")
        if not _EARLIEST_UNIX_S <= unix < _LATEST_UNIX_S:
            raise ClockError("the time server's time is impossible")
        year, month, day, hour, minute, second, weekday, _ = time.gmtime(unix - self._epoch_s)[:8]
        self._set_rtc((year, month, day, weekday, hour, minute, second, 0))
