"""The cashier's button, debounced: a press counts when it is let go, a hold as soon as it is long enough."""

from micropython import const

_DEBOUNCE_MS = const(30)
_HOLD_MS = const(2000)

PRESS = const(1)
HOLD = const(2)


class Button:
    """level: callable, 0 while it is pressed. Looked at every few ms."""

    def __init__(self, level):
        self._level = level
        self._since = None  # when it went down
        self._held = False

    def look(self, now):
        """PRESS, HOLD, or 0 for nothing new. now: monotonic ms"""
        since = self._since
        if not self._level():
            if since is None:
                self._since = now
                self._held = False
            elif not self._held and now - since >= _HOLD_MS:
                self._held = True
                return HOLD
            return 0
        self._since = None
        if since is None or self._held or now - since < _DEBOUNCE_MS:
            return 0
        return PRESS
