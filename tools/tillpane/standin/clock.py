"""The server's clock: the real one, plus what a test added."""

from __future__ import annotations

import time


class Clock:
    """Whole milliseconds since 1970. `advance` jumps forward; a `frozen_at` clock moves in no other way."""

    def __init__(self, frozen_at: int | None = None) -> None:
        self._frozen_at = frozen_at
        self._offset = 0

    def now(self) -> int:
        base = time.time_ns() // 1_000_000 if self._frozen_at is None else self._frozen_at
        return base + self._offset

    def advance(self, seconds: float) -> int:
        """Jumps, and answers the new time. There is no way back: statuses have been told."""
        if not seconds >= 0 or seconds > 1e9:
            raise ValueError("a clock goes forward, by at most 1e9 seconds")
        self._offset += round(seconds * 1000)
        return self.now()


class RateLimit:
    """So many calls in any 60 seconds per account; 0 means no limit."""

    WINDOW_MS = 60_000

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._calls: dict[str, list[int]] = {}

    def wait_ms(self, account: str, now: int) -> int:
        """0 and counted, or how long this account must wait."""
        if self.per_minute <= 0:
            return 0
        recent = [moment for moment in self._calls.get(account, []) if moment > now - self.WINDOW_MS]
        self._calls[account] = recent
        if len(recent) >= self.per_minute:
            return recent[0] + self.WINDOW_MS - now
        recent.append(now)
        return 0
