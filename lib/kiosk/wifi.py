"""Wi-Fi: joins, notices when the link is gone, joins again with back-off, for ever.

The driver's own endless reconnecting is switched off by whoever made `wlan` (reconnects=0): calling connect() while the
driver is connecting raises. One owner of connect(), with a pause before each, is what works. The driver then tries once
and stops at the first failure, whose reason status() gives: any number below 1000.
"""

import asyncio
import time

from micropython import const

_ATTEMPT_MS = const(25000)
_PAUSE_MS = const(1000)  # an ESP32 does not recover from a router's restart without one
_STALE = (201, 202, 210, 211, 212)  # these status() goes on to give, through the next attempt, until it succeeds
_STALE_MS = const(8000)  # so long such a one may be the attempt's before: a join takes 2 to 4.5 s on a board
_FIRST_BACK_OFF_MS = const(1000)
_LONGEST_BACK_OFF_MS = const(30000)
_LOOK_MS = const(250)


class Wifi:
    """`wlan` has active, connect, disconnect, isconnected, status. `up` tells whether there is an address."""

    def __init__(self, wlan, ssid, password):
        self.ssid = ssid
        self.up = False
        self.why = ""  # the last attempt failed: WIFI_ with the ESP32's reason code, or with a word
        self.joins = 0
        self._wlan = wlan
        self._password = password
        self._back_off_ms = _FIRST_BACK_OFF_MS

    async def run(self, beat):
        """Keeps the link. `beat()` is called at least every few hundred milliseconds."""
        while True:
            if self._wlan.isconnected() or await self._join(beat):
                await self._watch(beat)
            else:
                await self._pause(self._back_off_ms, beat, self._wlan.isconnected)  # given up, it may still come up
                self._back_off_ms = min(self._back_off_ms * 2, _LONGEST_BACK_OFF_MS)

    async def _watch(self, beat):
        self.up = True
        self.joins += 1
        self.why = ""
        self._back_off_ms = _FIRST_BACK_OFF_MS
        while self._wlan.isconnected():
            beat()
            await asyncio.sleep_ms(_LOOK_MS)
        self.up = False
        self.why = "WIFI_200"

    async def _join(self, beat):
        try:
            self._wlan.active(True)
            self._wlan.disconnect()
            await self._pause(_PAUSE_MS, beat)
            before = self._wlan.status()
            self._wlan.connect(self.ssid, self._password)
        except (OSError, RuntimeError):  # RuntimeError: what the port has no words for, such as no memory
            self.why = "WIFI_BUSY"
            return False
        return await self._await_address(before if before in _STALE else 0, beat)

    async def _await_address(self, stale, beat):
        """Whether an address came. stale: the status that may be the attempt's before, or 0."""
        started = time.ticks_ms()
        while True:
            beat()
            if self._wlan.isconnected():
                return True
            elapsed = time.ticks_diff(time.ticks_ms(), started)
            status = self._wlan.status()
            if elapsed >= _ATTEMPT_MS:
                status = 204
            # 1000 idle, 1001 connecting, 1010 got an address; what is less ended the attempt
            if 0 < status < 1000 and (status != stale or elapsed >= _STALE_MS):
                self.why = "WIFI_" + str(status)
                return False
            await asyncio.sleep_ms(_LOOK_MS)

    async def _pause(self, ms, beat, over=None):
        while ms > 0 and not (over and over()):
            beat()
            await asyncio.sleep_ms(min(ms, _LOOK_MS))
            ms -= _LOOK_MS
