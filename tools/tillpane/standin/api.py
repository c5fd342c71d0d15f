"""The routes: who may call, what the call means, and what it goes through on the way."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from .answer import Answer, Wire, WireAnswer
from .checks import ApiError, pay_body, refund_body
from .clock import Clock, RateLimit
from .codes import new_id
from .effects import Plan, Scene, edited, error_answer, plan_for, rate_limited
from .faults import Faults
from .model import Book, document, listed, summary

BODY_LIMIT = 256 * 1024
_PAGE = 20
_PAGE_MOST = 100
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*")
_SECRET_HEADERS = ("x-api-key", "authorization")
# What CloudFront adds in front of the real service: a client must skip it.
_EDGE = {
    "X-Cache": "Miss from cloudfront",
    "Via": "1.1 standin.cloudfront.net (CloudFront)",
    "X-Amz-Cf-Pop": "AKL50-C1",
}


@dataclass
class Call:
    """One call as it was seen. `status` is None while it runs and for an answer that was never sent in full."""

    at: int  # the server's clock, ms
    method: str
    path: str  # with the query
    op: str
    connection: int
    headers: dict[str, str]  # keys and tokens blanked
    body: Any = None  # parsed JSON, or None
    request_id: str | None = None  # payment request it was about
    status: int | None = None
    message: str | None = None  # of an error answer
    faults: tuple[str, ...] = ()
    processed: bool = False
    ms: float = 0.0  # how long it took, on the real clock

    def record(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass
class Caller:
    """Who calls: an account with a merchant's key, or a user with a token."""

    account: str | None
    crn: str


@dataclass
class Context:
    """What the routes need from the stand-in."""

    book: Book
    clock: Clock
    limit: RateLimit
    faults: Faults
    keys: dict[str, str]  # API key -> account id
    connection_of: Callable[[web.BaseRequest], int]
    stopping: asyncio.Event
    rng: random.Random
    calls: list[Call] = field(default_factory=list)
    on_create: Callable[[str], None] | None = None
    on_call: Callable[[Call], None] | None = None
    calls_kept: int = 200_000


@dataclass
class Visit:
    """One call on its way through."""

    request: web.BaseRequest
    call: Call
    body: dict[str, Any]
    caller: Caller
    names: tuple[str, ...]
    now: int

    def query(self, name: str) -> str | None:
        return self.request.query.get(name)

    def id_of(self) -> str:
        return self.names[0]


class Api:
    """An aiohttp request handler that plays Centrapay."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        context = self._context
        started = time.perf_counter()
        path = request.rel_url.raw_path
        op, names = _route(request.method, path)
        call = self._note(request, op)
        struck = context.faults.for_call(op, request.method, path)
        call.faults = tuple(fault.kind for fault in struck)
        call.request_id = names[0] if names and op not in ("find", "short_code") else None
        plan = plan_for(struck)
        seed = struck[0].seed if struck else 0
        try:
            answer = await self._through(request, call, plan, names)
            if answer is not None:
                answer = edited(answer, plan, Scene(self._another, random.Random(seed)))
                answer.headers = {**_EDGE, **answer.headers}
        finally:
            call.ms = (time.perf_counter() - started) * 1000
        self._finish(call, answer, plan)
        if answer is not None and plan.wire.plain:
            return answer.response()
        return WireAnswer(answer, plan.wire, context.stopping)

    def _note(self, request: web.BaseRequest, op: str) -> Call:
        context = self._context
        headers = {name: "…" if name.lower() in _SECRET_HEADERS else value for name, value in request.headers.items()}
        number = context.connection_of(request)
        call = Call(context.clock.now(), request.method, request.path_qs, op, number, headers)
        if len(context.calls) >= context.calls_kept:
            del context.calls[: context.calls_kept // 10]
        context.calls.append(call)
        return call

    def _finish(self, call: Call, answer: Answer | None, plan: Plan) -> None:
        if answer is not None:
            cut_short = plan.wire.cut or plan.wire.first
            call.status = None if cut_short else answer.status
            if isinstance(answer.document, dict) and answer.status >= 400:
                call.message = answer.document.get("message")
        if self._context.on_call is not None:
            self._context.on_call(call)

    async def _through(self, request: web.BaseRequest, call: Call, plan: Plan, names: tuple[str, ...]) -> Answer | None:
        """The call with its faults; None when nothing shall be answered."""
        await self._sleep(plan.wait_before)
        if plan.hang == "before":
            return self._silence(plan.wire, "stall")
        if plan.drop == "before":
            return None
        if plan.instead is not None and plan.instead_when == "before":
            return plan.instead
        answer = await self._process(request, call, names)
        await self._sleep(plan.wait_after)
        if plan.hang == "after":
            return self._silence(plan.wire, "stall")
        if plan.drop == "after":
            return None
        return plan.instead or answer

    @staticmethod
    def _silence(wire: Wire, end: str) -> None:
        wire.end = end

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._context.stopping.wait(), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            return

    async def _process(self, request: web.BaseRequest, call: Call, names: tuple[str, ...]) -> Answer:
        try:
            body = await _read_json(request, call)
            call.processed = True
            handler = _HANDLERS.get(call.op)
            if handler is None:
                raise ApiError(404, "Not Found")
            now = self._context.clock.now()
            caller = self._admit(request, call.op, now)
            visit = Visit(request, call, body, caller, names, now)
            return Answer(200, await handler(self._context, visit))
        except ApiError as error:
            return error_answer(error)

    def _admit(self, request: web.BaseRequest, op: str, now: int) -> Caller:
        """Who is calling, within the account's rate limit."""
        if op == "summary":
            return Caller(None, "crn::anonymous")
        caller = self._identify(request)
        if caller.account is not None:
            wait = self._context.limit.wait_ms(caller.account, now)
            if wait:
                raise rate_limited(math.ceil(wait / 1000))
        return caller

    def _identify(self, request: web.BaseRequest) -> Caller:
        key = request.headers.get("X-Api-Key")
        if key is not None:
            account = self._context.keys.get(key)
            if account is None:
                raise ApiError(401, "Unauthorized")
            return Caller(account, f"crn:{account}:api-key:till")
        token = request.headers.get("Authorization")
        if token is None:
            raise ApiError(401, "Missing authentication")
        if not _JWT.fullmatch(token):
            raise ApiError(401, "Invalid token")
        return Caller(None, "crn::user:patron")

    def _another(self, true: Any, wanted: str | None) -> Any:
        """The same kind of answer about the wanted request, the latest other one, or an invented one."""
        if not isinstance(true, dict):
            return true
        if isinstance(true.get("items"), list):
            return {**true, "items": [self._another(item, wanted) for item in true["items"]]}
        name = "paymentRequestId" if "paymentRequestId" in true else "id"
        own = true.get(name)
        if own is None:
            return true
        requests = self._context.book.all(self._context.clock.now())
        for request in reversed(requests):
            if request.id == own or wanted not in (None, request.id):
                continue
            if name == "id":
                return document(request) if "shortCode" in true else listed(request)
            for activity in reversed(request.activities):
                if activity["type"] == true["type"]:
                    return activity
        stranger = wanted or new_id(self._context.rng)
        swapped = {**true, name: stranger}
        if "url" in true:
            swapped["url"] = true["url"].replace(own, stranger)
        return swapped


async def _read_json(request: web.BaseRequest, call: Call) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    try:
        data = await request.content.read(BODY_LIMIT + 1)
        while len(data) <= BODY_LIMIT and not request.content.at_eof():
            data += await request.content.read(BODY_LIMIT + 1)
    except (web.RequestPayloadError, ConnectionResetError) as error:  # the latter: nobody is left to hear it
        raise ApiError(400, "Invalid request payload") from error
    if len(data) > BODY_LIMIT:
        raise ApiError(413, "Payload content length greater than maximum allowed")
    if not data:
        return {}
    if request.content_type != "application/json":
        raise ApiError(415, "Unsupported Media Type")
    try:
        call.body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "Invalid request payload JSON format") from error
    if not isinstance(call.body, dict):
        raise ApiError(400, "Invalid request payload input")
    return call.body


# ---- routes ----

_SEGMENT = r"([^/]+)"
_ROUTES = [
    ("POST", "/api/payment-requests", "create"),
    ("GET", f"/api/payment-requests/short-code/{_SEGMENT}", "short_code"),
    ("GET", f"/api/payment-requests/external-ref/{_SEGMENT}", "find"),
    ("GET", f"/api/payment-requests/{_SEGMENT}", "get"),
    ("GET", f"/api/payment-requests/{_SEGMENT}/summary", "summary"),
    ("GET", f"/api/payment-requests/{_SEGMENT}/activities", "activities"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/void", "void"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/refund", "refund"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/pay", "pay"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/confirm", "confirm"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/release", "release"),
    ("POST", f"/api/payment-requests/{_SEGMENT}/conditions/{_SEGMENT}/(accept|decline)", "condition"),
    ("GET", "/api/payment-activities", "merchant_activities"),
    ("POST", "/api/decode", "decode"),
]
_COMPILED = [(method, re.compile(pattern), op) for method, pattern, op in _ROUTES]


def _route(method: str, path: str) -> tuple[str, tuple[str, ...]]:
    """The operation and the names in the path. An encoded slash belongs to a name: names are decoded last."""
    for wanted, pattern, op in _COMPILED:
        match = pattern.fullmatch(path) if method == wanted else None
        if match:
            return op, tuple(unquote(name) for name in match.groups())
    return "unknown", ()


def _merchant_only(context: Context, visit: Visit) -> None:
    """Void, refund and conditions work within the caller's own account."""
    if visit.caller.account != context.book.merchant.account_id:
        raise ApiError(403, "Forbidden")


def _merchant_side(visit: Visit) -> None:
    if visit.caller.account is None:
        raise ApiError(403, "Forbidden")


async def _create(context: Context, visit: Visit) -> Any:
    _merchant_side(visit)
    request = context.book.create(visit.body, visit.now, visit.caller.crn, visit.caller.account or "")
    visit.call.request_id = request.id
    if context.on_create is not None:
        context.on_create(request.id)
    return document(request)


async def _get(context: Context, visit: Visit) -> Any:
    return document(context.book.get(visit.id_of(), visit.now))


async def _find(context: Context, visit: Visit) -> Any:
    account = visit.query("merchantAccountId")
    if not account:
        raise ApiError(400, "merchantAccountId is required")
    if account != context.book.merchant.account_id:
        raise ApiError(403, "Forbidden")
    found = context.book.find(visit.names[0], visit.now)
    page, following = _page(found, visit.query("pageKey"), visit.query("paginationLimit"))
    answer: dict[str, Any] = {"items": [listed(request) for request in page]}
    if following is not None:
        answer["pageKey"] = following
    return answer


def _page(items: list[Any], key: str | None, limit: str | None) -> tuple[list[Any], str | None]:
    """One page and the key of the next, which is None on the last."""
    for text in (key, limit):
        if text and not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ApiError(400, "pageKey and paginationLimit are numbers")
    start = int(key) if key else 0
    size = min(int(limit), _PAGE_MOST) if limit else _PAGE
    if not size:
        raise ApiError(400, "paginationLimit must be positive")
    end = start + size
    return items[start:end], str(end) if end < len(items) else None


async def _short_code(context: Context, visit: Visit) -> Any:
    return document(context.book.by_short_code(visit.names[0], visit.now))


async def _summary(context: Context, visit: Visit) -> Any:
    request = context.book.get(visit.id_of(), visit.now)
    if request.status != "new":
        raise ApiError(403, f"REQUEST_{request.status.upper()}")
    return summary(request)


async def _activities(context: Context, visit: Visit) -> Any:
    request = context.book.get(visit.id_of(), visit.now)
    return {"items": request.activities[::-1]}


async def _merchant_activities(context: Context, visit: Visit) -> Any:
    merchant = visit.query("merchantId")
    if not merchant:
        raise ApiError(400, "merchantId is required")
    if merchant != context.book.merchant.id:
        raise ApiError(403, "Forbidden")
    _merchant_only(context, visit)
    page, following = _page(context.book.activities(visit.now), visit.query("pageKey"), None)
    return {"items": page, **({"nextPageKey": following} if following else {})}


async def _void(context: Context, visit: Visit) -> Any:
    _merchant_only(context, visit)
    return context.book.void(visit.id_of(), visit.now, visit.caller.crn)


async def _refund(context: Context, visit: Visit) -> Any:
    _merchant_only(context, visit)
    return context.book.refund(visit.id_of(), refund_body(visit.body), visit.now, visit.caller.crn)


async def _pay(context: Context, visit: Visit) -> Any:
    return context.book.pay(visit.id_of(), pay_body(visit.body), visit.now, visit.caller.crn)


async def _confirm(context: Context, visit: Visit) -> Any:
    """Pre-authorization is not played: every request here is of the other type."""
    context.book.get(visit.id_of(), visit.now)
    raise ApiError(403, "INVALID_PAYMENT_REQUEST_TYPE")


async def _condition(context: Context, visit: Visit) -> Any:
    _merchant_only(context, visit)
    request_id, condition_id, verdict = visit.names
    return context.book.settle_condition(request_id, condition_id, verdict == "accept", visit.now, visit.caller.crn)


async def _decode(context: Context, visit: Visit) -> Any:
    for name in ("code", "scannedBy", "merchantConfigId"):
        if not isinstance(visit.body.get(name), str):
            raise ApiError(400, f"{name} is required")
    if visit.body["merchantConfigId"] != context.book.merchant.config_id:
        raise ApiError(403, "MERCHANT_CONFIG_NOT_FOUND")
    raise ApiError(403, "UNKNOWN_CODE")


_HANDLERS: dict[str, Callable[[Context, Visit], Awaitable[Any]]] = {
    "create": _create,
    "get": _get,
    "find": _find,
    "short_code": _short_code,
    "summary": _summary,
    "activities": _activities,
    "merchant_activities": _merchant_activities,
    "void": _void,
    "refund": _refund,
    "pay": _pay,
    "confirm": _confirm,
    "release": _confirm,
    "condition": _condition,
    "decode": _decode,
}
