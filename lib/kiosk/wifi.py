"""Wi-Fi: joins, notices when the link is gone, joins again with back-off, for ever.

The driver's own endless reconnecting is switched off by whoever made `wlan` (reconnects=0): calling connect() while the
driver is connecting raises, and its last error code stays visible. One owner of connect(), with a pause before each,
is what works.
"""

import asyncio
import time

from micropython import const

_ATTEMPT_MS = const(25000)
_PAUSE_MS = const(1000)  # an ESP32 does not recover from a router's restart without one
_STALE_MS = const(2000)  # until then an error code may be the one of the attempt before
_FIRST_BACK_OFF_MS = const(1000)
_LONGEST_BACK_OFF_MS = const(30000)
_LOOK_MS = const(250)


class Wifi:
    """`wlan` has active, connect, disconnect, isconnected, status. `up` tells whether there is an address."""

    def __init__(self, wlan, ssid, password):
        self.ssid = ssid
        self.up = False
        self.why = ""  # the last attempt failed: WIFI_ with the ESP32's status code, or with a word
        self.joins = 0
        self._wlan = wlan
        self._password = password
        self._back_off_ms = _FIRST_BACK_OFF_MS

    async def run(self, beat):
        """Keeps the link. `beat()` is called at least every few hundred milliseconds."""
        self._wlan.active(True)
        while True:
            if self._wlan.isconnected() or await self._join(beat):
                await self._watch(beat)
            else:
                await self._pause(self._back_off_ms, beat)
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
            self._wlan.disconnect()
            await self._pause(_PAUSE_MS, beat)
            self._wlan.connect(self.ssid, self._password)
        except OSError:
            self.why = "WIFI_BUSY"
            return False
        return await self._await_address(beat)

    async def _await_address(self, beat):
        started = time.ticks_ms()
        while True:
            beat()
            if self._wlan.isconnected():
                return True
            elapsed = time.ticks_diff(time.ticks_ms(), started)
            if elapsed >= _ATTEMPT_MS:
                break
            status = self._wlan.status()
            # 1000 idle, 1001 connecting, 1010 got an address; 200..212 say why the last attempt failed
            if 200 <= status < 1000 and elapsed >= _STALE_MS:
                self.why = "WIFI_" + str(status)
                return False
            await asyncio.sleep_ms(_LOOK_MS)
        self.why = "WIFI_204"
        return False

    async def _pause(self, ms, beat):
        while ms > 0:
            beat()
            await asyncio.sleep_ms(min(ms, _LOOK_MS))
            ms -= _LOOK_MS
