"""What goes wrong around the box while the till sells: HTTP, TLS, Wi-Fi, power, from one random generator."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tillpane.sim.device import HARD_RESET
from tillpane.sim.shop import Shop

# The box cannot see through a server that lies in good form: a false `status`, or a 4xx for a call that was carried
# out, is no fault of the network's. Everything here is either visibly wrong or true.
_ENDS = ("close", "fin", "reset")


def _when(rng: random.Random) -> str:
    return rng.choice(("before", "after"))


def _plain(_: random.Random) -> dict[str, Any]:
    return {}


_HTTP: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "reset": lambda rng: {"at": rng.randrange(1200), "end": rng.choice(_ENDS)},
    "truncate": lambda rng: {"at": rng.randrange(600), "end": rng.choice(_ENDS)},
    "drop": lambda rng: {"when": _when(rng), "end": rng.choice(_ENDS)},
    "delay": lambda rng: {"seconds": rng.choice((0.3, 1.0, 3.0, 6.0)), "when": _when(rng)},
    "hang": lambda rng: {"when": _when(rng)},
    "status": lambda rng: {
        "status": rng.choice((500, 502, 503, 504)),
        "body": rng.choice(("json", "html", "text", "empty")),
        "when": _when(rng),
    },
    "rate_limit": lambda rng: {"retry_after": rng.choice((None, 1, 2, 3))},
    "unauthorized": _plain,
    "forbidden": _plain,
    "redirect": lambda rng: {"status": rng.choice((301, 302, 307)), "when": _when(rng)},
    "html": lambda rng: {"status": rng.choice((200, 200, 502))},
    "text": _plain,
    "empty": _plain,
    "malformed": lambda rng: {"how": rng.choice(("cut", "comma", "quote", "garbage", "nan", "utf8"))},
    "missing": lambda rng: {"field": rng.choice(("id", "status", "value", "value.amount", "url", "type", "items"))},
    "wrong": lambda rng: {"field": rng.choice(("id", "value.amount", "value.currency", "paymentRequestId"))},
    "other": _plain,
    "huge": lambda rng: {"size": rng.choice((2000, 200_000)), "where": rng.choice(("front", "back"))},
    "reorder": lambda rng: {"how": rng.choice(("reverse", "shuffle"))},
    "escape": _plain,
    "space": _plain,
    "close": lambda rng: {"announce": rng.random() < 0.5, "end": rng.choice(_ENDS)},
    "chunked": lambda rng: {"sizes": [rng.randrange(1, 200) for _ in range(3)]},
    "no_length": _plain,
    "trickle": lambda rng: {"size": rng.randrange(20, 200), "pause": 0.02},
    "interim": lambda rng: {"times": rng.randrange(1, 4)},
    "big_head": lambda rng: {"size": rng.choice((1000, 9000))},
    "garbage": _plain,
}
_DOOR: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "tls_wrong_ca": _plain,
    "tls_wrong_host": _plain,
    "tls_expired": _plain,
    "tls_not_yet_valid": _plain,
    "tls_cut": lambda rng: {"at": rng.randrange(1500), "end": rng.choice(_ENDS)},
    "tls_garbage": _plain,
    "tls_plain": _plain,
    "tcp_reset": _plain,
}
_OPS = (None, None, "create", "get", "get", "find", "void", "void", "refund", "activities")
_SLOW = ("hang",)


class Weather:
    """`run()` makes it rain until it is cancelled; `clear()` ends every fault that is in force."""

    def __init__(self, shop: Shop, rng: random.Random, counts: Counter[str], note: Callable[[str], None]) -> None:
        self._shop = shop
        self._rng = rng
        self._counts = counts
        self._note = note
        self._events = (
            (60, self._http),
            (9, self._door),
            (5, self._wifi_down),
            (4, self._wifi_silent),
            (3, self._wifi_flaps),
            (1, self._long_outage),
            (3, self._unplugged),
            (4, self._hang_up),
            (8, self._power_cut),
            (2, self._reset_button),
            (2, self._clock_silent),
        )

    async def run(self) -> None:
        while True:
            calm = self._rng.random() < 0.4
            for _ in range(self._rng.randrange(2, 7)):
                await asyncio.sleep(self._rng.expovariate(1 / (4.0 if calm else 1.2)))
                weights = [weight for weight, _ in self._events]
                event = self._rng.choices([event for _, event in self._events], weights)[0]
                await event()

    async def clear(self) -> None:
        self._shop.api.clear_faults()
        self._shop.clock.answering = True
        self._shop.wifi(True)
        await self._shop.api.plug_in()
        await self._shop.device.start()

    def _count(self, kind: str) -> None:
        self._counts[kind] += 1
        self._note(kind)

    async def _http(self) -> None:
        kind = self._rng.choice([kind for kind in _HTTP if kind not in _SLOW or self._rng.random() < 0.3])
        settings = _HTTP[kind](self._rng)
        op = self._rng.choice(_OPS)
        if kind == "wrong" and settings["field"] == "id":  # of a create it would be a lie in good form
            op = "get"
        count = self._rng.choice((1, 1, 1, 2, 4))
        fault = self._shop.api.inject(kind, op=op, count=count, seed=self._rng.randrange(1 << 30), **settings)
        self._note(f"{kind} {op or 'any call'} {settings}")
        asyncio.get_running_loop().call_later(self._rng.uniform(2, 8), self._shop.api.faults.clear, fault.number)

    async def _door(self) -> None:
        kind = self._rng.choice(list(_DOOR))
        fault = self._shop.api.inject(kind, count=self._rng.choice((1, 2)), **_DOOR[kind](self._rng))
        self._note(kind)
        self._shop.api.drop_connections(self._rng.random() < 0.5)
        asyncio.get_running_loop().call_later(self._rng.uniform(2, 6), self._shop.api.faults.clear, fault.number)

    async def _wifi_down(self) -> None:
        self._count("wifi_down")
        self._shop.wifi(False)
        await asyncio.sleep(self._rng.uniform(0.2, 5))
        self._shop.wifi(True)

    async def _wifi_silent(self) -> None:
        self._count("wifi_silent")
        self._shop.wifi(False, silent=True)
        await asyncio.sleep(self._rng.uniform(0.5, 7))
        self._shop.wifi(True)

    async def _long_outage(self) -> None:
        """Longer than the box waits before it says UNKNOWN."""
        self._count("long_outage")
        self._shop.wifi(False, silent=self._rng.random() < 0.5)
        await asyncio.sleep(self._rng.uniform(20, 45))
        self._shop.wifi(True)

    async def _wifi_flaps(self) -> None:
        self._count("wifi_flap")
        for _ in range(self._rng.randrange(2, 5)):
            self._shop.wifi(False)
            await asyncio.sleep(self._rng.uniform(0.05, 0.6))
            self._shop.wifi(True)
            await asyncio.sleep(self._rng.uniform(0.05, 1.5))

    async def _unplugged(self) -> None:
        self._count("server_gone")
        await self._shop.api.unplug()
        await asyncio.sleep(self._rng.uniform(0.3, 4))
        await self._shop.api.plug_in()

    async def _hang_up(self) -> None:
        self._count("connection_closed")
        self._shop.api.drop_connections(self._rng.random() < 0.5)

    async def _power_cut(self) -> None:
        self._count("power_cut")
        await self._shop.device.kill()
        await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.5, 3.0, 12.0)))
        await self._shop.device.start()

    async def _reset_button(self) -> None:
        self._count("reset_button")
        await self._shop.device.restart(HARD_RESET)

    async def _clock_silent(self) -> None:
        self._count("clock_silent")
        self._shop.clock.answering = False
        asyncio.get_running_loop().call_later(self._rng.uniform(1, 6), setattr, self._shop.clock, "answering", True)
