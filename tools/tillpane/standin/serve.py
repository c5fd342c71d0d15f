"""The stand-in as a program of its own: what to put in a settings file, and a live log of calls."""

from __future__ import annotations

import asyncio
import functools
import json
import pathlib
import signal
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, ParamSpec

from rich.console import Console
from rich.text import Text

from .api import Call
from .faults import Fault
from .model import Rules
from .standin import API_KEY, StandIn
from .tls import kept_ca

_P = ParamSpec("_P")
_OUT_DIR = "out/standin"
_STYLES = {2: "green", 3: "magenta", 4: "yellow", 5: "red"}


def settings_for(api: StandIn) -> dict[str, str]:
    """The lines of a device's settings file that point it at this stand-in."""
    return {
        "api_url": api.url,
        "api_key": api.api_key,
        "config_id": api.config_id,
        "merchant_account_id": api.merchant_account_id,
    }


def call_line(call: Call) -> Text:
    """One call as one line of the log."""
    seconds, ms = divmod(call.at, 1000)
    moment = datetime.fromtimestamp(seconds)
    line = Text(f"{moment:%H:%M:%S}.{ms:03d} #{call.connection:<3} {call.method:<4} {call.path} ")
    if call.status is None:
        line.append("no answer", "red")
    else:
        line.append(str(call.status), _STYLES.get(call.status // 100, "red"))
    if call.message:
        line.append(f" {call.message}", "yellow")
    line.append(f" {call.ms:.0f} ms", "dim")
    if call.faults:
        line.append(f" [{', '.join(call.faults)}]", "red")
    return line


def _introduce(console: Console, api: StandIn, der: pathlib.Path, pem: pathlib.Path) -> None:
    console.print("Centrapay stand-in", style="bold")
    console.print(f"  API    {api.url}", highlight=False, soft_wrap=True)
    console.print(f"  admin  {api.admin_url}", highlight=False, soft_wrap=True)
    console.print(f"  root   {der} (device)  {pem} (curl)", highlight=False, soft_wrap=True)
    console.print("For settings.json:")
    console.print(json.dumps(settings_for(api), indent=2), highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops it.", style="dim")


async def serve(
    host: str = "127.0.0.1",
    port: int = 8443,
    admin_port: int = 8444,
    out_dir: str | pathlib.Path = _OUT_DIR,
    *,
    names: Sequence[str] = ("localhost", "127.0.0.1"),
    api_key: str = API_KEY,
    rate_limit: int = 200,
    keep_alive: float = 60.0,
    expiry_seconds: int = 120,
    expiry_lag_seconds: float = 0.0,
    auto_pay: float | None = None,
    extra_currencies: Sequence[str] = (),
    key_type: str = "ecdsa",
    faults: Sequence[str] = (),
    log: bool = True,
    console: Console | None = None,
) -> None:
    """Serves until Ctrl-C or SIGTERM, then returns. Raises OSError when a port is taken, ValueError for a wrong fault.

    host, port          where the API listens; "0.0.0.0" lets a board on the network in (put its name into `names`)
    admin_port          admin API, always on 127.0.0.1
    out_dir             gets root.der (for the device), root.pem (for curl), settings.json (lines for the device) and
                        root-key.pem (the throwaway CA's key: a device set up once still trusts the next run)
    names               host names and addresses in the certificate; the first is in the printed URL
    api_key             the key of the merchant's account
    rate_limit          calls a minute for the account; 0: no limit
    keep_alive          seconds until an idle connection is closed
    expiry_seconds      life of a request that does not ask for another
    expiry_lag_seconds  how long an expired request still reads `new`
    auto_pay            seconds after which each request is paid by itself; None: never
    extra_currencies    currencies accepted besides NZD, AUD, USD, CAD and EUR, such as JPY
    key_type            "ecdsa" or "rsa"; only matters for a new CA and the certificates
    faults              faults from the start, such as "delay:seconds=3,op=get,count=0"
    log                 a line per call
    console             where to print; by default the terminal
    """
    console = console or Console()
    folder = pathlib.Path(out_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    api = StandIn(
        host,
        port,
        names,
        admin_port=admin_port,
        rules=Rules(expiry_seconds=expiry_seconds, expiry_lag_seconds=expiry_lag_seconds),
        extra_currencies=extra_currencies,
        rate_limit=rate_limit,
        keep_alive=keep_alive,
        key_type=key_type,
        ca=kept_ca(folder, key_type),
        api_key=api_key,
        auto_pay=auto_pay,
        on_call=(lambda call: console.print(call_line(call), highlight=False, soft_wrap=True)) if log else None,
    )
    for text in faults:
        inject_text(api, text)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with api:
            der, pem = api.write_root(folder)
            (folder / "settings.json").write_text(json.dumps(settings_for(api), indent=2) + "\n")
            _introduce(console, api, der, pem)
            await stopped.wait()
        console.print(f"Stopped after {len(api.calls)} calls on {api.connections} connections.", style="dim")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def inject_text(api: StandIn, text: str) -> Fault:
    """A fault as one writes it on a command line: `delay:seconds=3,op=get,count=0`. Raises ValueError."""
    kind, _, rest = text.partition(":")
    where = {}
    for pair in filter(None, rest.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair!r}: a fault's settings are name=value")
        try:
            where[name.strip()] = json.loads(value)
        except ValueError:
            where[name.strip()] = value
    return api.inject(kind.strip(), **where)


def _blocking(serving: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    @functools.wraps(serving)
    def run(*args: _P.args, **options: _P.kwargs) -> None:
        asyncio.run(serving(*args, **options))

    return run


serve_forever = _blocking(serve)
"""`serve` in an event loop of its own."""
