"""What faults do to one call: they wait, answer in its place, edit the answer, or spoil its bytes."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .answer import Answer, Wire
from .checks import ApiError
from .faults import Fault, noise

HTML = "<!DOCTYPE html>\n<html><head><title>{0}</title></head>\n<body><center><h1>{0}</h1></center></body></html>\n"


@dataclass
class Scene:
    """What the edits may look at."""

    other: Callable[[Any, str | None], Any]  # (the true answer's document, wanted id) -> another request's document
    rng: random.Random


@dataclass
class Plan:
    """The faults of one call put together."""

    wait_before: float = 0.0
    wait_after: float = 0.0
    hang: str | None = None
    drop: str | None = None
    instead: Answer | None = None
    instead_when: str = "before"
    edits: list[Callable[[Answer, Scene], None]] = field(default_factory=list)  # of the document
    dressings: list[Callable[[Answer, Scene], None]] = field(default_factory=list)  # of its bytes, after the edits
    wire: Wire = field(default_factory=Wire)


def plan_for(faults: Iterable[Fault]) -> Plan:
    plan = Plan()
    for fault in faults:
        _PLANNERS[fault.kind](plan, fault.settings, fault)
    return plan


def _delay(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    if settings["when"] == "before":
        plan.wait_before += settings["seconds"]
    else:
        plan.wait_after += settings["seconds"]


def _hang(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.hang = settings["when"]


def _instead(make: Callable[[dict[str, Any]], Answer]) -> Callable[[Plan, dict[str, Any], Fault], None]:
    def planner(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
        plan.instead = make(settings)
        plan.instead_when = settings["when"]

    return planner


def _status_answer(settings: dict[str, Any]) -> Answer:
    status, form = settings["status"], settings["body"]
    error = ApiError(status, "An internal server error occurred" if status >= 500 else "Forbidden").document()
    if form == "json":
        return Answer(status, error)
    if form == "html":
        return _html_answer(status, f"{status} {error['error']}")
    if form == "text":
        return Answer(status, body=error["error"].encode(), content_type="text/plain")
    return Answer(status, body=b"")


def _html_answer(status: int, title: str) -> Answer:
    return Answer(status, body=HTML.format(title).encode(), content_type="text/html")


def error_answer(error: ApiError) -> Answer:
    return Answer(error.status, error.document(), headers=dict(error.headers))


def rate_limited(retry_after: int | None) -> ApiError:
    error = ApiError(429, "RATE_LIMIT_EXCEEDED")
    if retry_after is not None:
        error.headers["Retry-After"] = str(retry_after)
    return error


def _redirect_answer(settings: dict[str, Any]) -> Answer:
    page = _html_answer(settings["status"], "Moved")
    page.headers["Location"] = settings["location"]
    return page


def _edit(
    change: Callable[[Answer, Scene, dict[str, Any]], None], *, of_bytes: bool = False
) -> Callable[[Plan, dict[str, Any], Fault], None]:
    def planner(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
        steps = plan.dressings if of_bytes else plan.edits
        steps.append(lambda answer, scene: change(answer, scene, settings))

    return planner


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def _parent(document: Any, path: str) -> tuple[Any, str | int] | None:
    *way, last = _steps(path)
    for step in way:
        document = _child(document, step)
    return (document, last) if isinstance(document, (dict, list)) else None


def _child(document: Any, step: str | int) -> Any:
    if isinstance(document, dict):
        return document.get(str(step))
    if isinstance(document, list) and isinstance(step, int) and step < len(document):
        return document[step]
    return None


def _missing(answer: Answer, _: Scene, settings: dict[str, Any]) -> None:
    place = _parent(answer.document, settings["field"])
    if place is None:
        return
    parent, last = place
    if isinstance(parent, dict):
        parent.pop(str(last), None)
    elif isinstance(last, int) and last < len(parent):
        del parent[last]


def _wrong(answer: Answer, _: Scene, settings: dict[str, Any]) -> None:
    place = _parent(answer.document, settings["field"])
    if place is None:
        return
    parent, last = place
    if isinstance(parent, list) and not (isinstance(last, int) and last < len(parent)):
        return
    key: Any = last if isinstance(parent, list) else str(last)
    parent[key] = settings["value"] if "value" in settings else _plausible(str(last), _child(parent, last))


def _plausible(name: str, value: Any) -> Any:
    if name in ("amount", "remainingAmount"):
        return str(int(value or 0) + 1)
    if name == "currency":
        return "AUD" if value != "AUD" else "NZD"
    if name == "status":
        return "paid" if value != "paid" else "new"
    if isinstance(value, str) and value:
        return value[:-1] + ("x" if value[-1] != "x" else "y")
    return None


def _other(answer: Answer, scene: Scene, settings: dict[str, Any]) -> None:
    answer.document = scene.other(answer.document, settings["id"])


def _huge(answer: Answer, _: Scene, settings: dict[str, Any]) -> None:
    padding = {"padding": "x" * settings["size"]}
    if isinstance(answer.document, dict):
        front = settings["where"] == "front"
        answer.document = {**padding, **answer.document} if front else {**answer.document, **padding}


def _reorder(answer: Answer, scene: Scene, settings: dict[str, Any]) -> None:
    answer.document = _reordered(answer.document, settings["how"], scene.rng)


def _reordered(value: Any, how: str, rng: random.Random) -> Any:
    if isinstance(value, list):
        return [_reordered(one, how, rng) for one in value]
    if not isinstance(value, dict):
        return value
    names = list(value)[::-1]
    if how == "shuffle":
        rng.shuffle(names)
    return {name: _reordered(value[name], how, rng) for name in names}


def _escape(answer: Answer, _: Scene, __: dict[str, Any]) -> None:
    answer.body = re.sub(r'"((?:[^"\\]|\\.)*)"', _escaped, json.dumps(answer.document)).encode()


def _escaped(match: re.Match[str]) -> str:
    text = json.loads(match.group(0))
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'


def _space(answer: Answer, _: Scene, __: dict[str, Any]) -> None:
    text = json.dumps(answer.document, ensure_ascii=False, indent=3, separators=(" ,", "\t:\r\n "))
    answer.body = ("\r\n \t" + text + "\n\n").encode()


def _malformed(answer: Answer, _: Scene, settings: dict[str, Any]) -> None:
    body = answer.encode()
    how = settings["how"]
    if how == "cut":
        answer.body = body[: max(1, len(body) * 2 // 3)]
    elif how == "comma":
        answer.body = body[:-1] + b",,}"
    elif how == "quote":
        answer.body = body.replace(b'"', b"'")
    elif how == "garbage":
        answer.body = body + b"}<!-- trailing -->"
    elif how == "nan":
        answer.body = b'{"amount":NaN,' + body[1:]
    else:
        answer.body = body[:-1] + b',"name":"\xc3\x28\xff"}'


def _truncate(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.cut_body = settings["at"]
    plan.wire.end = settings["end"]


def _reset(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.cut_answer = settings["at"]
    plan.wire.end = settings["end"]


def _drop(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.drop = settings["when"]
    plan.wire.end = settings["end"]


def _close(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.close = True
    plan.wire.announce = settings["announce"]
    plan.wire.end = settings["end"]


def _chunked(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.chunk_sizes = tuple(settings["sizes"])


def _no_length(plan: Plan, _: dict[str, Any], __: Fault) -> None:
    plan.wire.no_length = True


def _trickle(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.piece = max(1, settings["size"])
    plan.wire.pause = settings["pause"]


def _interim(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.interim = settings["times"]


def _big_head(plan: Plan, settings: dict[str, Any], _: Fault) -> None:
    plan.wire.padding_headers = settings["size"]


def _garbage(plan: Plan, settings: dict[str, Any], fault: Fault) -> None:
    plan.wire.first = noise(settings["size"], fault.seed)


_PLANNERS: dict[str, Callable[[Plan, dict[str, Any], Fault], None]] = {
    "delay": _delay,
    "hang": _hang,
    "status": _instead(_status_answer),
    "error": _instead(lambda s: error_answer(ApiError(s["status"], s["message"], s["reason"]))),
    "rate_limit": _instead(lambda s: error_answer(rate_limited(s["retry_after"]))),
    "unauthorized": _instead(lambda _: error_answer(ApiError(401, "Missing authentication"))),
    "forbidden": _instead(lambda _: error_answer(ApiError(403, "Forbidden"))),
    "redirect": _instead(_redirect_answer),
    "html": _instead(lambda s: _html_answer(s["status"], "Welcome")),
    "text": _instead(lambda s: Answer(s["status"], body=s["text"].encode(), content_type="text/plain")),
    "empty": _instead(lambda s: Answer(s["status"], body=b"")),
    "malformed": _edit(_malformed, of_bytes=True),
    "missing": _edit(_missing),
    "wrong": _edit(_wrong),
    "other": _edit(_other),
    "huge": _edit(_huge),
    "reorder": _edit(_reorder),
    "escape": _edit(_escape, of_bytes=True),
    "space": _edit(_space, of_bytes=True),
    "truncate": _truncate,
    "reset": _reset,
    "drop": _drop,
    "close": _close,
    "chunked": _chunked,
    "no_length": _no_length,
    "trickle": _trickle,
    "interim": _interim,
    "big_head": _big_head,
    "garbage": _garbage,
}


def edited(answer: Answer, plan: Plan, scene: Scene) -> Answer:
    """A copy of the true answer with the plan's edits; answers that are not JSON stay as they are."""
    steps = plan.edits + plan.dressings
    if not steps or answer.body is not None:
        return answer
    spoilt = copy.deepcopy(answer)
    for edit in steps:
        edit(spoilt, scene)
    return spoilt
