"""The admin API: plain HTTP and JSON on loopback, for tests in any language and for curl."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from .checks import ApiError
from .faults import KINDS
from .model import PaymentRequest, document

if TYPE_CHECKING:
    from .standin import StandIn

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(
        value, status=status, dumps=lambda v: json.dumps(v, ensure_ascii=False, indent=1, default=str)
    )


@web.middleware
async def _guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Errors as JSON; and no web page from elsewhere may steer the stand-in through somebody's browser."""
    for name in ("Origin", "Host"):
        value = request.headers.get(name, "")
        host = urlsplit(value if "//" in value else "//" + value).hostname
        if value and host not in _LOOPBACK:
            return _json({"message": "only from this machine"}, 403)
    try:
        return await handler(request)
    except ApiError as error:
        return _json(error.document(), error.status)
    except (ValueError, TypeError) as error:
        return _json({"statusCode": 400, "error": "Bad Request", "message": str(error)}, 400)


async def _body(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    body = json.loads(text) if text else {}
    if not isinstance(body, dict):
        raise ValueError("a JSON object is wanted")
    return body


def _only(body: dict[str, Any], *names: str) -> dict[str, Any]:
    strange = set(body) - set(names)
    if strange:
        raise ValueError(f"unknown: {', '.join(sorted(strange))}; there are {', '.join(names)}")
    return body


def _view(request: PaymentRequest) -> dict[str, Any]:
    money = {"paid": request.paid, "voided": request.voided, "refunded": request.refunded}
    return {**document(request), "money": money, "activities": request.activities[::-1]}


class _Admin:
    def __init__(self, api: StandIn) -> None:
        self._api = api

    async def info(self, _: web.Request) -> web.Response:
        """where the API is and how to be let in"""
        api = self._api
        names = ("url", "admin_url", "api_key", "config_id", "merchant_id", "merchant_account_id", "jwt")
        answer = {name: getattr(api, name) for name in names}
        answer["clock_ms"] = api.clock.now()
        answer["root_pem"] = api.root_pem.decode()
        answer["routes"] = [f"{method:7}{path}  {handler.__doc__}" for method, path, handler in self.routes()]
        return _json(answer)

    async def root_der(self, _: web.Request) -> web.Response:
        """the root certificate as the device wants it"""
        return web.Response(body=self._api.root_der, content_type="application/pkix-cert")

    async def root_pem(self, _: web.Request) -> web.Response:
        """the root certificate as curl wants it"""
        return web.Response(body=self._api.root_pem, content_type="application/x-pem-file")

    async def requests(self, _: web.Request) -> web.Response:
        """every payment request, oldest first"""
        return _json([_view(request) for request in self._api.requests])

    async def request(self, request: web.Request) -> web.Response:
        """one payment request with its activities"""
        return self._one(request)

    def _one(self, request: web.Request) -> web.Response:
        return _json(_view(self._api.request(request.match_info["id"])))

    async def pay(self, request: web.Request) -> web.Response:
        """a patron pays: {"asset", "amount", "after", "force", "key"}, all optional"""
        wanted = _only(await _body(request), "asset", "amount", "after", "force", "key")
        if wanted.get("amount") is not None:
            wanted["amount"] = int(wanted["amount"])
        self._api.pay(request.match_info["id"], **wanted)
        return self._one(request)

    async def cancel(self, request: web.Request) -> web.Response:
        """a patron cancels: {"reason"}"""
        body = _only(await _body(request), "reason")
        self._api.cancel_by_patron(request.match_info["id"], **body)
        return self._one(request)

    async def expire(self, request: web.Request) -> web.Response:
        """the request expires now"""
        self._api.expire(request.match_info["id"])
        return self._one(request)

    async def condition(self, request: web.Request) -> web.Response:
        """a merchant condition arises: {"name", "message"}"""
        body = _only(await _body(request), "name", "message")
        api = self._api
        name, message = body.get("name", "photo-id-check"), body.get("message", "Please check ID")
        api.book.raise_condition(request.match_info["id"], name, message, api.clock.now())
        return self._one(request)

    async def ledger(self, _: web.Request) -> web.Response:
        """where every cent is"""
        return _json(self._api.ledger())

    async def calls(self, request: web.Request) -> web.Response:
        """the call log; ?since=n leaves out the first n"""
        since = max(0, int(request.query.get("since", "0")))
        return _json([call.record() for call in self._api.calls[since:]])

    async def stats(self, _: web.Request) -> web.Response:
        """connections, handshakes, calls, and how often each fault hit"""
        api = self._api
        names = ("connections", "open_connections", "handshakes", "failed_handshakes")
        counts = {name: getattr(api, name) for name in names}
        return _json({**counts, "calls": len(api.calls), "faults": dict(api.fault_counts)})

    async def clock(self, request: web.Request) -> web.Response:
        """moves the clock: {"advance": seconds}"""
        body = _only(await _body(request), "advance")
        return _json({"clock_ms": self._api.clock.advance(float(body.get("advance", 0)))})

    async def network(self, request: web.Request) -> web.Response:
        """the network: {"up": true or false}, or {"drop": true} to end the open connections"""
        body = _only(await _body(request), "up", "drop")
        if body.get("drop"):
            self._api.drop_connections()
        if body.get("up") is False:
            await self._api.unplug()
        elif body.get("up"):
            await self._api.plug_in()
        return _json({"listening": self._api.listening, "open_connections": self._api.open_connections})

    async def faults(self, _: web.Request) -> web.Response:
        """the faults in force"""
        return _json([fault.document() for fault in self._api.faults])

    async def kinds(self, _: web.Request) -> web.Response:
        """the faults there are, with their settings"""
        return _json({name: {"help": kind.help, "settings": _shown(kind.settings)} for name, kind in KINDS.items()})

    async def inject(self, request: web.Request) -> web.Response:
        """asks for a fault: {"kind", "op", "method", "path", "count", ...its settings}"""
        body = await _body(request)
        kind = body.pop("kind", None)
        return _json(self._api.inject(str(kind), **body).document())

    async def clear(self, _: web.Request) -> web.Response:
        """ends all faults"""
        return _json({"cleared": self._api.clear_faults()})

    async def clear_one(self, request: web.Request) -> web.Response:
        """ends one fault"""
        return _json({"cleared": self._api.faults.clear(int(request.match_info["number"]))})

    def routes(self) -> list[tuple[str, str, _Handler]]:
        return [
            ("GET", "/", self.info),
            ("GET", "/root.der", self.root_der),
            ("GET", "/root.pem", self.root_pem),
            ("GET", "/requests", self.requests),
            ("GET", "/requests/{id}", self.request),
            ("POST", "/requests/{id}/pay", self.pay),
            ("POST", "/requests/{id}/cancel", self.cancel),
            ("POST", "/requests/{id}/expire", self.expire),
            ("POST", "/requests/{id}/condition", self.condition),
            ("GET", "/ledger", self.ledger),
            ("GET", "/calls", self.calls),
            ("GET", "/stats", self.stats),
            ("POST", "/clock", self.clock),
            ("POST", "/network", self.network),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.inject),
            ("DELETE", "/faults", self.clear),
            ("DELETE", "/faults/{number}", self.clear_one),
            ("GET", "/kinds", self.kinds),
        ]


def _shown(settings: dict[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None), tuple)
    return {name: value if isinstance(value, plain) else "required" for name, value in settings.items()}


def admin_app(api: StandIn) -> web.Application:
    app = web.Application(middlewares=[_guard])
    for method, path, handler in _Admin(api).routes():
        app.router.add_route(method, path, handler)
    return app
