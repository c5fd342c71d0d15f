"""Faults that can be asked for: which call or connection they hit, how often, and what they do to it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .answer import ENDS

OPS = (
    "create", "get", "find", "short_code", "summary", "void", "refund", "pay", "activities", "merchant_activities",
    "confirm", "release", "condition", "decode", "unknown",
)  # fmt: skip
_REQUIRED = object()


@dataclass(frozen=True)
class Kind:
    """`settings`: every setting it takes, with its default. `door`: it hits a connection, not a call."""

    help: str
    settings: dict[str, Any] = field(default_factory=dict)
    door: bool = False


_WHEN = {"when": "before"}
KINDS: dict[str, Kind] = {
    # time
    "delay": Kind("waits, before or after the call is processed", {"seconds": 1.0, **_WHEN}),
    "hang": Kind("never answers, and keeps the connection open", _WHEN),
    # another answer; when="after" still carries the call out
    "status": Kind("an error status; body json, html, text or empty", {"status": 500, "body": "json", **_WHEN}),
    "error": Kind("an error in the documented form", {"status": 403, "message": _REQUIRED, "reason": None, **_WHEN}),
    "rate_limit": Kind("429; retry_after None leaves the header out", {"retry_after": 2, **_WHEN}),
    "unauthorized": Kind("401 as for a revoked key", _WHEN),
    "forbidden": Kind("403 Forbidden", _WHEN),
    "redirect": Kind("sends the client elsewhere", {"location": "https://127.0.0.1:1/", "status": 302, **_WHEN}),
    "html": Kind("a web page instead of JSON", {"status": 200, "when": "after"}),
    "text": Kind("plain text instead of JSON", {"status": 200, "text": "OK", "when": "after"}),
    "empty": Kind("no body at all", {"status": 200, "when": "after"}),
    # the right answer with something wrong in it
    "malformed": Kind("JSON that is none: cut, comma, quote, garbage, nan or utf8", {"how": "cut"}),
    "missing": Kind("a field is left out", {"field": _REQUIRED}),
    "wrong": Kind("a field has another value, by default a plausible one", {"field": "id", "value": _REQUIRED}),
    "other": Kind("another request's answer", {"id": None}),
    "huge": Kind("a JSON string of that many bytes comes first, or last", {"size": 1_000_000, "where": "front"}),
    # the right answer in another dress: clients must not mind
    "reorder": Kind("the fields in another order: reverse or shuffle", {"how": "reverse"}),
    "escape": Kind("every character of every string as \\u escape", {}),
    "space": Kind("white space wherever JSON allows it", {}),
    # the wire
    "truncate": Kind("the body stops after `at` bytes, the length says more", {"at": 0, "end": "close"}),
    "reset": Kind("the connection ends after `at` bytes of the answer", {"at": 0, "end": "reset"}),
    "drop": Kind("no answer: when=before never happened, after did", {"end": "reset", "when": "after"}),
    "close": Kind("ends the connection after the answer, announced or not", {"announce": True, "end": "close"}),
    "chunked": Kind("chunked, with these sizes in turn", {"sizes": (16,)}),
    "no_length": Kind("neither length nor chunks: the end of the connection ends the body", {}),
    "trickle": Kind("`size` bytes at a time with a pause", {"size": 1, "pause": 0.02}),
    "interim": Kind("that many 100 Continue first", {"times": 1}),
    "big_head": Kind("that many bytes of further headers", {"size": 20_000}),
    "garbage": Kind("bytes that are no HTTP", {"size": 64}),
    # the door: these hit new connections
    "tls_wrong_ca": Kind("a certificate from a CA nobody trusts", door=True),
    "tls_wrong_host": Kind("a certificate for another host", door=True),
    "tls_expired": Kind("an expired certificate", door=True),
    "tls_not_yet_valid": Kind("a certificate from tomorrow", door=True),
    "tls_cut": Kind("closed after `at` bytes of the server's handshake", {"at": 0, "end": "fin"}, door=True),
    "tls_stall": Kind("the handshake never goes on", {}, door=True),
    "tls_garbage": Kind("noise instead of a handshake", {"size": 64}, door=True),
    "tls_plain": Kind("plain HTTP where TLS should be", {}, door=True),
    "tcp_reset": Kind("reset as soon as it is accepted", {}, door=True),
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "when": ("before", "after"),
    "end": ENDS,
    "body": ("json", "html", "text", "empty"),
    "where": ("front", "back"),
}
_HOW = {"malformed": ("cut", "comma", "quote", "garbage", "nan", "utf8"), "reorder": ("reverse", "shuffle")}


@dataclass
class Fault:
    """One injected fault. `count` 0 hits until it is cleared; `after` lets that many matches pass first."""

    number: int
    kind: str
    settings: dict[str, Any]
    op: str | None = None
    method: str | None = None
    path: str | None = None
    count: int = 1
    after: int = 0
    probability: float = 1.0
    seed: int = 0
    hits: int = 0
    seen: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        try:
            self._path = re.compile(self.path) if self.path is not None else None
        except re.error as error:
            raise ValueError(f"path is a regular expression: {error}") from error

    @property
    def spent(self) -> bool:
        return 0 < self.count <= self.hits

    def document(self) -> dict[str, Any]:
        names = ("number", "kind", "op", "method", "path", "count", "after", "probability", "seed", "hits", "seen")
        return {**{name: getattr(self, name) for name in names}, "settings": self.settings}

    def strikes(self, op: str, method: str, path: str) -> bool:
        """Whether it hits this call; every match counts and moves its random numbers on."""
        if self.spent:
            return False
        if self.op not in (None, op) or self.method not in (None, method):
            return False
        if self._path is not None and not self._path.search(path):
            return False
        self.seen += 1
        if self.seen <= self.after:
            return False
        if self.probability < 1.0 and self._rng.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """All faults in force, in the order they were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last = 0
        self.counts: Counter[str] = Counter()

    def inject(
        self,
        kind: str,
        *,
        op: str | None = None,
        method: str | None = None,
        path: str | None = None,
        count: int = 1,
        after: int = 0,
        probability: float = 1.0,
        seed: int = 0,
        **settings: Any,
    ) -> Fault:
        """Raises ValueError for a kind, operation or setting that does not exist: no test waits in vain."""
        whole = _settings(kind, settings)
        if KINDS[kind].door and (op or method or path):
            raise ValueError(f"{kind} hits connections: it takes no op, method or path")
        if op is not None and op not in OPS:
            raise ValueError(f"no operation {op!r}; there are {', '.join(OPS)}")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0 or after < 0 or not 0 <= probability <= 1:
            raise ValueError("count and after are at least 0, probability is between 0 and 1")
        for text in (method, path):
            if text is not None and not isinstance(text, str):
                raise ValueError("method and path are strings")
        method = method.upper() if method else None
        self._last += 1
        fault = Fault(self._last, kind, whole, op, method, path, count, after, probability, seed)
        self._faults.append(fault)
        return fault

    def clear(self, number: int | None = None) -> int:
        """Removes one fault, or all; answers how many there were."""
        kept = [fault for fault in self._faults if number is not None and fault.number != number]
        gone = len(self._faults) - len(kept)
        self._faults = kept
        return gone

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def for_call(self, op: str, method: str, path: str) -> list[Fault]:
        return self._struck(False, op, method, path)

    def for_connection(self) -> Fault | None:
        """The first door fault that hits; the others wait for the next connection."""
        struck = self._struck(True, "", "", "", 1)
        return struck[0] if struck else None

    def _struck(self, door: bool, op: str, method: str, path: str, most: int = 99) -> list[Fault]:
        struck: list[Fault] = []
        for fault in self._faults:
            if len(struck) < most and KINDS[fault.kind].door is door and fault.strikes(op, method, path):
                struck.append(fault)
                self.counts[fault.kind] += 1
        return struck


def _settings(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind not in KINDS:
        raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
    known = KINDS[kind].settings
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{kind} has no setting {name!r}; it takes {', '.join(known) or 'none'}")
        choices = _HOW.get(kind) if name == "how" else _CHOICES.get(name)
        if choices and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")
        _typed(kind, name, known[name], value)
    whole = {**known, **given}
    for name, value in whole.items():
        if value is _REQUIRED and (kind, name) != ("wrong", "value"):
            raise ValueError(f"{kind} needs {name}")
    return {name: value for name, value in whole.items() if value is not _REQUIRED}


def _typed(kind: str, name: str, default: Any, value: Any) -> None:
    if name == "sizes":
        good = isinstance(value, (list, tuple)) and value and all(isinstance(n, int) and n > 0 for n in value)
    elif isinstance(default, bool):
        good = isinstance(value, bool)
    elif isinstance(default, int):
        good = isinstance(value, int) and value >= 0 or value is None and name == "retry_after"
    elif isinstance(default, float):
        good = isinstance(value, (int, float)) and value >= 0
    else:
        good = isinstance(value, str) or name in ("value", "id", "reason")
    if not good:
        raise ValueError(f"{kind}: {name} cannot be {value!r}")


def noise(size: int, seed: int) -> bytes:
    """The same bytes for the same seed; never the start of an HTTP answer or a TLS record."""
    return b"\x00" + random.Random(seed).randbytes(max(0, size - 1))
