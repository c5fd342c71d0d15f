"""Everything on one counter: the box, the API's stand-in behind the air, a clock, a phone, and switches for faults."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path

from tillpane.sim.air import DOWN, SILENT, UP, Air, Clock
from tillpane.sim.device import REPOSITORY, Screen, SimDevice
from tillpane.sim.phone import Phone, asset_for
from tillpane.sim.till import Till
from tillpane.standin import StandIn

MERCHANT = "Corner Café"


def _nobody(_: str) -> None:
    pass


class Shop:
    """`async with Shop(...) as shop`: once it is entered, the box has power.

    settings    on top of those that make the box find its shop
    api         a StandIn of one's own
    tell        hears what is being set up, for people
    The other options go to SimDevice.
    """

    def __init__(
        self,
        settings: dict[str, object] | None = None,
        *,
        api: StandIn | None = None,
        heap_kw: int | None = None,
        mpy: bool | None = None,
        app: Path = REPOSITORY,
        record: Path | None = None,
        join_ms: int = 300,
        boot_window: bool = True,
        on_console: Callable[[str], None] | None = None,
        on_screen: Callable[[Screen], None] | None = None,
        on_power: Callable[[str], None] | None = None,
        on_wire: Callable[[str, bytes], None] | None = None,
        tell: Callable[[str], None] = _nobody,
    ) -> None:
        self._settings = settings or {}
        self._given_api = api
        self._tell = tell
        self._make_device = lambda settings, root: SimDevice(
            settings,
            root,
            heap_kw=heap_kw,
            mpy=mpy,
            app=app,
            record=record,
            join_ms=join_ms,
            boot_window=boot_window,
            on_console=on_console,
            on_screen=on_screen,
            on_power=on_power,
            on_wire=on_wire,
        )
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Shop:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        self._tell("a Centrapay stand-in with a certificate authority of its own")
        self.api = await self._stack.enter_async_context(
            self._given_api or StandIn(merchant_name=MERCHANT, liveness="main", extra_currencies=("CLP",))
        )
        self.clock = Clock()
        await self.clock.start()
        self._stack.callback(self.clock.close)
        self.air = Air(self.api.port)
        await self.air.start()
        self._stack.push_async_callback(self.air.close)
        asset = asset_for(str(self._settings.get("currency", "NZD")))
        self.phone = Phone(self.api.url, ssl.DER_cert_to_PEM_cert(self.api.root_der), asset)
        self._stack.push_async_callback(self.phone.close)
        self._tell("the box: MicroPython with boot.py, main.py and lib/")
        self.device = self._make_device(self._usual_settings() | self._settings, self.api.root_der)
        await self._stack.enter_async_context(self.device)

    def _usual_settings(self) -> dict[str, object]:
        return {
            "api_url": f"https://localhost:{self.air.port}",
            "api_key": self.api.api_key,
            "config_id": self.api.config_id,
            "merchant_account_id": self.api.merchant_account_id,
            "ntp_server": f"127.0.0.1:{self.clock.port}",
            "terminal_id": "SIM1",
            "merchant_name": MERCHANT,
        }

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def wifi(self, up: bool, *, silent: bool = False) -> None:
        """Switches the access point; `silent`: the link stays, and nothing comes through."""
        self.air.set(UP if up else SILENT if silent else DOWN)
        self.device.set_wifi(up or silent)

    def till(self, on_line: Callable[[str, str], None] | None = None) -> Till:
        """A till plugged into the box."""
        return Till(self.device.port.path, on_line)

    async def scan(self) -> str:
        """The payment request that the phone reads from the glass as it is now."""
        return self.phone.look(self.device.panel.image())
