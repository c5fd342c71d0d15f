"""The admin API, and the stand-in as a program of its own."""

import asyncio
import json
import os
import pathlib
import signal
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request

import aiohttp
import pytest

from tillpane.standin import KINDS, Clock, StandIn
from tillpane.standin.serve import inject_text, serve, settings_for

ROOT = pathlib.Path(__file__).resolve().parent.parent
T0 = 1_800_000_000_000


def run(scene):
    async def whole():
        async with StandIn(clock=Clock(frozen_at=T0)) as api:
            trust = ssl.create_default_context(cadata=api.root_pem.decode())
            connector = aiohttp.TCPConnector(ssl=trust)
            headers = {"X-Api-Key": api.api_key}
            async with (
                aiohttp.ClientSession(api.url, connector=connector, headers=headers) as http,
                aiohttp.ClientSession(api.admin_url) as admin,
            ):
                await scene(api, http, admin)

    asyncio.run(whole())


async def call(http, method, path, **options):
    async with http.request(method, path, **options) as answer:
        return answer.status, await answer.json()


async def create(api, http, ref="T1"):
    body = {"configId": api.config_id, "value": {"amount": "500", "currency": "NZD"}, "externalRef": ref}
    return (await call(http, "POST", "/api/payment-requests", json=body))[1]


def test_patron_clock_and_ledger():
    async def scene(api, http, admin):
        one, two, three, four = [await create(api, http, f"T{n}") for n in range(4)]
        status, view = await call(admin, "POST", f"/requests/{one['id']}/pay")
        assert (status, view["status"], view["money"]["paid"]) == (200, "paid", 500)
        assert [item["type"] for item in view["activities"]] == ["paid", "payment", "request"]
        assert (await call(admin, "POST", f"/requests/{one['id']}/pay"))[1]["message"] == "REQUEST_PAID"
        _, view = await call(admin, "POST", f"/requests/{two['id']}/cancel", json={"reason": "PAYMENT_DECLINED"})
        assert (view["status"], view["cancellationReason"]) == ("cancelled", "PAYMENT_DECLINED")
        assert (await call(admin, "POST", f"/requests/{three['id']}/expire"))[1]["status"] == "expired"
        _, view = await call(
            admin, "POST", f"/requests/{four['id']}/pay", json={"after": 5, "asset": "payap-debit.test"}
        )
        assert view["status"] == "new"
        assert (await call(admin, "POST", "/clock", json={"advance": 5}))[1] == {"clock_ms": T0 + 5000}
        _, view = await call(admin, "GET", f"/requests/{four['id']}")
        assert view["paidBy"]["assetTotals"][0]["description"] == "Payap Debit"
        _, everything = await call(admin, "GET", "/requests")
        assert [item["status"] for item in everything] == ["paid", "cancelled", "expired", "paid"]
        _, ledger = await call(admin, "GET", "/ledger")
        assert ledger["totals"]["NZD"] == {"created": 2000, "paid": 1000, "voided": 500, "refunded": 0, "net": 1000}
        status, view = await call(admin, "POST", f"/requests/{three['id']}/pay", json={"force": True})
        assert (status, view["status"]) == (200, "paid")
        assert (await call(admin, "GET", "/requests/nobody"))[0] == 403

    run(scene)


def test_faults_calls_and_stats():
    async def scene(api, http, admin):
        made = await create(api, http)
        path = "/api/payment-requests/" + made["id"]
        wanted = {"kind": "rate_limit", "op": "get", "retry_after": 9, "count": 2}
        status, fault = await call(admin, "POST", "/faults", json=wanted)
        assert (status, fault["settings"]["retry_after"], fault["count"]) == (200, 9, 2)
        async with http.get(path) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "9")
        _, faults = await call(admin, "GET", "/faults")
        assert [(item["kind"], item["hits"]) for item in faults] == [("rate_limit", 1)]
        await call(admin, "POST", "/faults", json={"kind": "empty"})
        assert (await call(admin, "DELETE", f"/faults/{fault['number']}"))[1] == {"cleared": 1}
        assert (await call(admin, "DELETE", "/faults"))[1] == {"cleared": 1}
        assert (await call(http, "GET", path))[0] == 200
        _, stats = await call(admin, "GET", "/stats")
        assert stats["faults"] == {"rate_limit": 1} and stats["calls"] == 3 and stats["handshakes"] == 1
        _, calls = await call(admin, "GET", "/calls?since=1")
        assert [(item["op"], item["status"], item["faults"]) for item in calls] == [
            ("get", 429, ["rate_limit"]),
            ("get", 200, []),
        ]
        assert api.api_key not in json.dumps(calls)
        _, kinds = await call(admin, "GET", "/kinds")
        assert set(kinds) == set(KINDS)

    run(scene)


def test_mistakes_are_told_not_swallowed():
    async def scene(api, http, admin):
        made = await create(api, http)
        for path, body in (
            ("/faults", {"kind": "hiccup"}),
            ("/faults", {"kind": "delay", "secs": 1}),
            ("/faults", {"kind": "delay", "op": None, "count": "two"}),
            ("/faults", {"kind": "empty", "path": "("}),
            ("/faults", []),
            ("/clock", {"advance": -1}),
            ("/clock", {"by": 1}),
            (f"/requests/{made['id']}/pay", {"wallet": "x"}),
            (f"/requests/{made['id']}/pay", {"amount": "lots"}),
        ):
            status, error = await call(admin, "POST", path, json=body)
            assert status == 400 and error["message"], path
        status, _ = await call(admin, "POST", "/faults", data=b"{")
        assert status == 400
        assert (await call(admin, "POST", f"/requests/{made['id']}/pay", json={"asset": "gold"}))[0] == 403

    run(scene)


def test_web_pages_from_elsewhere_cannot_steer_it():
    async def scene(api, _http, admin):
        evil = {"Origin": "https://evil.example"}
        assert (await call(admin, "POST", "/faults", json={"kind": "empty"}, headers=evil))[0] == 403
        assert (await call(admin, "GET", "/", headers={"Host": "evil.example"}))[0] == 403
        assert (await call(admin, "GET", "/", headers={"Origin": "http://127.0.0.1:8000"}))[0] == 200
        assert not list(api.faults)

    run(scene)


def test_network_and_roots():
    async def scene(api, http, admin):
        await create(api, http)
        assert (await call(admin, "POST", "/network", json={"up": False}))[1] == {
            "listening": False,
            "open_connections": 0,
        }
        with pytest.raises(aiohttp.ClientConnectionError):
            await create(api, http)
        assert (await call(admin, "POST", "/network", json={"up": True}))[1]["listening"] is True
        assert (await create(api, http))["status"] == "new"
        assert (await call(admin, "POST", "/network", json={"drop": True}))[1]["open_connections"] == 0
        async with admin.get("/root.der") as answer:
            assert await answer.read() == api.root_der
        async with admin.get("/root.pem") as answer:
            assert await answer.read() == api.root_pem
        _, info = await call(admin, "GET", "/")
        assert (info["url"], info["config_id"]) == (api.url, api.config_id)

    run(scene)


def test_conditions():
    async def scene(api, http, admin):
        made = await create(api, http)
        _, view = await call(admin, "POST", f"/requests/{made['id']}/condition")
        assert view["status"] == "cancelled"
        body = {"configId": api.config_id, "value": {"amount": "500", "currency": "NZD"}, "conditionsEnabled": True}
        made = (await call(http, "POST", "/api/payment-requests", json=body))[1]
        _, view = await call(admin, "POST", f"/requests/{made['id']}/condition", json={"message": "Over 18?"})
        assert view["merchantConditions"][0] == {
            "id": "1",
            "name": "photo-id-check",
            "message": "Over 18?",
            "status": "awaiting-merchant",
        }
        path = f"/api/payment-requests/{made['id']}/conditions/1/accept"
        assert (await call(http, "POST", path))[1]["type"] == "accept-condition"
        assert (await call(http, "POST", path))[1]["message"] == "CONDITION_ALREADY_SET"

    run(scene)


@pytest.mark.parametrize(
    ("text", "settings", "where"),
    [
        ("empty", {"status": 200, "when": "after"}, {"count": 1}),
        ("delay:seconds=3,op=get,count=0", {"seconds": 3, "when": "before"}, {"op": "get", "count": 0}),
        (
            "redirect:location=https://x.invalid/",
            {"location": "https://x.invalid/", "status": 302, "when": "before"},
            {},
        ),
    ],
)
def test_faults_from_a_command_line(text, settings, where):
    fault = inject_text(StandIn(), text)
    assert fault.settings == settings
    assert all(getattr(fault, name) == value for name, value in where.items())


@pytest.mark.parametrize("text", ["", "delay:3", "delay:often=1", "delay:seconds"])
def test_wrong_faults_from_a_command_line(text):
    with pytest.raises(ValueError):
        inject_text(StandIn(), text)


PROGRAM = (
    "import sys; from tillpane.standin import serve_forever; serve_forever(port=0, admin_port=0, out_dir=sys.argv[1])"
)


def launch(folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools"), "PYTHONUNBUFFERED": "1", "COLUMNS": "40"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def read_until(process, wanted):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_told_to_stop_and_keeps_its_root(tmp_path, number):
    roots = []
    for _ in range(2):
        process = launch(tmp_path)
        try:
            said = read_until(process, "Ctrl-C")
            settings = json.loads((tmp_path / "settings.json").read_text())
            assert json.loads(said[said.index("{") : said.rindex("}") + 1]) == settings
            roots.append((tmp_path / "root.der").read_bytes())
            trust = ssl.create_default_context(cafile=tmp_path / "root.pem")
            body = {"configId": settings["config_id"], "value": {"amount": "100", "currency": "NZD"}}
            headers = {"X-Api-Key": settings["api_key"], "Content-Type": "application/json"}
            url = settings["api_url"] + "/api/payment-requests"
            request = urllib.request.Request(url, json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, context=trust) as answer:
                assert json.load(answer)["status"] == "new"
            with pytest.raises(urllib.error.HTTPError), urllib.request.urlopen(url, context=trust):
                pass
            log = read_until(process, "404")
            assert "POST /api/payment-requests 200" in log
            assert settings["api_key"] not in log
            process.send_signal(number)
            rest, _ = process.communicate(timeout=10)
            assert process.returncode == 0
            assert "Stopped after 2 calls on 2 connections" in " ".join(rest.split())
            assert "Traceback" not in rest
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
    assert roots[0] == roots[1]
    assert stat.S_IMODE((tmp_path / "root-key.pem").stat().st_mode) == 0o600


def test_a_taken_port_is_told(tmp_path):
    async def whole():
        async with StandIn(admin_port=None) as other:
            with pytest.raises(OSError):
                await serve(port=other.port, admin_port=0, out_dir=tmp_path)

    asyncio.run(whole())


def test_the_settings_it_prints_are_keys_of_the_device():
    assert set(settings_for(StandIn())) == {"api_url", "api_key", "config_id", "merchant_account_id"}
