"""`StandIn`: the whole server as one async context manager."""

from __future__ import annotations

import asyncio
import logging
import pathlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

import trustme
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .admin import admin_app
from .api import Api, Call, Context
from .checks import PayBody
from .clock import Clock, RateLimit
from .codes import new_id
from .faults import Fault, Faults
from .model import DEFAULT_ASSETS, Asset, Book, Merchant, PaymentRequest, Rules
from .tls import Authority, Door

API_KEY = "standin-merchant-terminal-key"
OTHER_API_KEY = "standin-other-account-key"
CONFIG_ID = "mc_5efbe2fb96c08357bb2b9242"
MERCHANT_ID = "26d3Cp3rJmbMHnuNJmks2N"
MERCHANT_ACCOUNT_ID = "C4QnjXvj8At6SMsEN4LRi9"
_OTHER_ACCOUNT_ID = "9pQ2sVZ7uXbYt4KcWmN3dE"
MERCHANT_NAME = "Centrapay Café"
PATRON_ASSET = "centrapay.nzd.test"
# A token's form is all that is looked at.
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwYXRyb24ifQ.c3RhbmQtaW4"

_log = logging.getLogger(__name__)
# A client that does not speak HTTP gets its 400; that is no fault of the server's, and no traceback.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


class StandIn:
    """Centrapay on a port of this machine, over real TLS.

        async with StandIn() as api:
            ...  # talk to api.url, trusting api.root_der, with the key api.api_key

    host, port     where the API listens; port 0 takes a free one
    names          host names and addresses its certificate is for; the first is the one in `url`
    admin_port     port of the admin API on 127.0.0.1 (plain HTTP); 0 takes a free one, None leaves it out
    rules          how the service behaves where that can differ: see `Rules`
    assets         what patrons can pay with; `extra_currencies` adds one asset ("external.test") for further currencies
    rate_limit     calls a minute for one account, 0 for no limit
    keep_alive     seconds after which an idle connection is closed
    clock          a `Clock`; its time can be moved with `advance`
    key_type       "ecdsa" or "rsa"
    ca             a trustme.CA to use instead of a new one
    liveness       "test" or "main", in every answer
    merchant_name  as patrons see it
    auto_pay       seconds after which every new request is paid by itself; None: never
    seed           makes ids and short codes repeatable
    on_call        called with each finished `Call`
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        *,
        admin_port: int | None = 0,
        rules: Rules | None = None,
        assets: Iterable[Asset] = DEFAULT_ASSETS,
        extra_currencies: Sequence[str] = (),
        rate_limit: int = 200,
        keep_alive: float = 60.0,
        clock: Clock | None = None,
        key_type: str = "ecdsa",
        ca: trustme.CA | None = None,
        api_key: str = API_KEY,
        liveness: str = "test",
        merchant_name: str = MERCHANT_NAME,
        auto_pay: float | None = None,
        seed: int | None = None,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.names = tuple(names)
        self.admin_port = admin_port
        self.api_key = api_key
        self.other_api_key = OTHER_API_KEY
        self.jwt = JWT
        self.config_id = CONFIG_ID
        self.merchant_id = MERCHANT_ID
        self.merchant_account_id = MERCHANT_ACCOUNT_ID
        self.clock = clock or Clock()
        self.faults = Faults()
        self.authority = Authority(self.names, key_type, ca)
        self.auto_pay = auto_pay
        self._rng = random.Random(seed)
        assets = tuple(assets)
        if extra_currencies:
            assets += (Asset("external.test", "External", tuple(extra_currencies)),)
        merchant = Merchant(MERCHANT_ID, merchant_name, MERCHANT_ACCOUNT_ID, CONFIG_ID, liveness)
        self.book = Book(merchant, rules, assets, self._rng)
        self._keep_alive = keep_alive
        self._context = Context(
            book=self.book,
            clock=self.clock,
            limit=RateLimit(rate_limit),
            faults=self.faults,
            keys={api_key: MERCHANT_ACCOUNT_ID, OTHER_API_KEY: _OTHER_ACCOUNT_ID},
            connection_of=lambda request: self._door.number_of(request.protocol),
            stopping=asyncio.Event(),
            rng=self._rng,
            on_create=self._created,
            on_call=on_call,
        )
        self._server: web.ServerRunner | None = None
        self._admin: web.AppRunner | None = None
        self._door = Door(self.authority, self._protocol, self.faults.for_connection)

    # ---- life ----

    async def __aenter__(self) -> StandIn:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        server = web.Server(
            Api(self._context),
            keepalive_timeout=self._keep_alive,
            access_log=None,
            logger=_log,
            lingering_time=0.5,
        )
        self._server = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._server.setup()
        try:
            self.port = await self._door.listen(self.host, self.port)
            if self.admin_port is not None:
                await self._start_admin(self.admin_port)
        except OSError:
            await self.stop()
            raise

    async def _start_admin(self, port: int) -> None:
        self._admin = web.AppRunner(admin_app(self), access_log=None, shutdown_timeout=1.0)
        await self._admin.setup()
        await web.TCPSite(self._admin, "127.0.0.1", port).start()
        self.admin_port = int(self._admin.addresses[0][1])

    async def stop(self) -> None:
        self._context.stopping.set()
        await self._door.close()
        if self._server is not None:
            await self._server.cleanup()
        if self._admin is not None:
            await self._admin.cleanup()

    async def unplug(self) -> None:
        """The network goes away: connections end, new ones are refused, until `plug_in`. Nothing is forgotten."""
        await self._door.close()

    async def plug_in(self) -> None:
        """The network comes back, on the same port."""
        if self._door.listening:
            return
        await self._door.listen(self.host, self.port)

    def drop_connections(self, reset: bool = False) -> int:
        """Ends every open connection; clients may come back at once."""
        return self._door.hang_up(reset)

    def _protocol(self) -> asyncio.Protocol:
        assert self._server is not None and self._server.server is not None
        return self._server.server()

    def _created(self, request_id: str) -> None:
        if self.auto_pay is not None:
            self.pay(request_id, after=self.auto_pay)

    # ---- where and who ----

    @property
    def url(self) -> str:
        return f"https://{_bracketed(self.names[0])}:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def root_der(self) -> bytes:
        return self.authority.root_der

    @property
    def root_pem(self) -> bytes:
        return self.authority.root_pem

    def write_root(self, folder: str | pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
        """Writes root.der and root.pem; answers both paths."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        der, pem = folder / "root.der", folder / "root.pem"
        der.write_bytes(self.root_der)
        pem.write_bytes(self.root_pem)
        return der, pem

    # ---- what happened ----

    @property
    def requests(self) -> list[PaymentRequest]:
        """Every payment request as it is now, oldest first."""
        return self.book.all(self.clock.now())

    def request(self, request_id: str) -> PaymentRequest:
        return self.book.get(request_id, self.clock.now())

    @property
    def calls(self) -> list[Call]:
        """Every call in the order it came, those still running too."""
        return self._context.calls

    def ledger(self) -> dict[str, Any]:
        """Created, paid, voided and refunded amounts per request, per external reference and in total."""
        return self.book.ledger(self.clock.now())

    @property
    def connections(self) -> int:
        """TCP connections accepted so far."""
        return self._door.connections

    @property
    def listening(self) -> bool:
        return self._door.listening

    @property
    def open_connections(self) -> int:
        return len(self._door.open_connections)

    @property
    def handshakes(self) -> int:
        """TLS handshakes completed so far."""
        return self._door.handshakes

    @property
    def failed_handshakes(self) -> int:
        return self._door.failed_handshakes

    @property
    def fault_counts(self) -> Counter[str]:
        """How often each kind of fault has hit."""
        return self.faults.counts

    # ---- faults and time ----

    def inject(self, kind: str, **where: Any) -> Fault:
        """See `Faults.inject` and `KINDS`."""
        return self.faults.inject(kind, **where)

    def clear_faults(self) -> int:
        return self.faults.clear()

    def advance(self, seconds: float) -> None:
        """Moves the server's clock forward."""
        self.clock.advance(seconds)

    # ---- the patron ----

    def pay(
        self,
        request_id: str,
        asset: str | None = None,
        *,
        amount: int | None = None,
        after: float = 0.0,
        force: bool = False,
        key: str | None = None,
    ) -> dict[str, Any] | None:
        """A patron pays; answers the activity. Raises `ApiError` as the pay call would answer it.

        asset   type, by default Centrapay NZD, or whatever takes the request's currency
        after   seconds until the provider confirms; meanwhile the request reads `new`, and the answer is None
        force   the money arrives although the request is over (late news)
        """
        now = self.clock.now()
        wanted = PayBody(asset or self._asset_for(request_id), key or new_id(self._rng), amount, "patron-asset")
        if force:
            return self.book.force_paid(request_id, wanted, now)
        if after > 0:
            self.book.pay_later(request_id, wanted, now, now + round(after * 1000))
            return None
        return self.book.pay(request_id, wanted, now)

    def _asset_for(self, request_id: str) -> str:
        currency = self.request(request_id).currency
        fitting = [asset.type for asset in self.book.assets if currency in asset.currencies]
        return PATRON_ASSET if PATRON_ASSET in fitting or not fitting else fitting[0]

    def cancel_by_patron(self, request_id: str, reason: str = "CANCELLED_BY_PATRON") -> dict[str, Any]:
        return self.book.cancel(request_id, reason, self.clock.now())

    def expire(self, request_id: str) -> PaymentRequest:
        return self.book.expire(request_id, self.clock.now())


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
