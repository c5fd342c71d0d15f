"""Nothing dies silently: each task reports a heartbeat; only while all are fresh is the watchdog fed."""

import asyncio
import sys

_LOOK_MS = 500
_RESTART_MS = 1000


class Supervisor:
    """`feed()` feeds the watchdog; `now()` is monotonic milliseconds; a heart may pause for limit_ms at most."""

    def __init__(self, feed, now, limit_ms):
        self._feed = feed
        self._now = now
        self._limit_ms = limit_ms
        self._hearts = {}

    def heart(self, name):
        """The beat of a new task: a callable that it calls while it is well."""
        self._hearts[name] = self._now()

        def beat():
            self._hearts[name] = self._now()

        return beat

    def stale(self):
        """The name of a task that has not beaten for too long, or ""."""
        now = self._now()
        for name, beaten in self._hearts.items():
            if now - beaten > self._limit_ms:
                return name
        return ""

    async def keep(self, name, work):
        """Runs `await work(beat)` for ever; after a fault it is logged and started again."""
        beat = self.heart(name)
        while True:
            beat()
            try:
                await work(beat)
            except Exception as error:  # noqa: BLE001, a task's last line of defence: told, and the task lives on
                print("[tillpane] fault in", name)
                sys.print_exception(error)
            await asyncio.sleep_ms(_RESTART_MS)

    async def run(self):
        """Feeds the watchdog for as long as everybody is well."""
        while True:
            name = self.stale()
            if name:
                print("[tillpane] no heartbeat from", name)
            else:
                self._feed()
            await asyncio.sleep_ms(_LOOK_MS)
