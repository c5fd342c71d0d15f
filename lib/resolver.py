"""Host name -> IPv4 address, without blocking: getaddrinfo may stop everything for 14 s."""

import time

from micropython import const

from ondemand import drop_modules, load_module

_PORT = const(53)
_BLOCK_AGAIN_MS = const(60000)


def is_literal(host):
    """Whether host needs no look-up: an address, or this very machine."""
    return host == "localhost" or ":" in host or all("0" <= c <= "9" or c == "." for c in host)


class Resolver:
    """`wlan.ifconfig()[3]` is the name server. What was found last is used where nobody answers."""

    def __init__(self, wlan, port=_PORT):
        self._wlan = wlan
        self._port = port
        self._known = {}
        self._blocked_at = None

    async def resolve(self, host):
        """An address of host, as text; host itself where only getaddrinfo may know. Raises OSError."""
        if is_literal(host):
            return host
        try:
            self._known[host] = await self._ask(host)
        except OSError:
            if host not in self._known:
                return self._let_block(host)
        return self._known[host]

    def _let_block(self, host):
        """getaddrinfo knows a second name server. It blocks, so it is tried once a minute at most."""
        now = time.ticks_ms()
        # Half a period of the ticks later, 6 days on a board, the difference is negative.
        if self._blocked_at is not None and 0 <= time.ticks_diff(now, self._blocked_at) < _BLOCK_AGAIN_MS:
            raise OSError("the name server does not answer")
        self._blocked_at = now
        return host

    async def _ask(self, host):
        try:
            return await load_module("dns").ask(self._wlan.ifconfig()[3], self._port, host)
        finally:
            drop_modules("dns")
