"""The stand-in over verified TLS, through an ordinary HTTP client."""

import asyncio
import contextlib
import json
import ssl

import aiohttp
import pytest

from tillpane.standin import ApiError, Clock, Rules, StandIn

T0 = 1_800_000_000_000


def run(scene, **options):
    """Runs `scene(api, http)` against a stand-in of its own."""

    async def whole():
        async with StandIn(**options) as api:
            trust = ssl.create_default_context(cadata=api.root_pem.decode())
            connector = aiohttp.TCPConnector(ssl=trust, limit=1)
            headers = {"X-Api-Key": api.api_key}
            async with aiohttp.ClientSession(api.url, connector=connector, headers=headers) as http:
                await scene(api, http)

    asyncio.run(whole())


async def call(http, method, path, **options):
    async with http.request(method, path, **options) as answer:
        return answer.status, await answer.json()


def body(api, amount="1234", currency="NZD", **more):
    return {"configId": api.config_id, "value": {"amount": amount, "currency": currency}, **more}


async def create(api, http, **more):
    status, answer = await call(http, "POST", "/api/payment-requests", json=body(api, **more))
    assert status == 200, answer
    return answer


def test_a_sale_from_create_to_paid():
    async def scene(api, http):
        made = await create(api, http, externalRef="T07-1", terminalId="T07")
        path = "/api/payment-requests/" + made["id"]
        assert (await call(http, "GET", path))[1]["status"] == "new"
        api.pay(made["id"])
        status, paid = await call(http, "GET", path)
        assert (status, paid["status"], paid["merchantName"]) == (200, "paid", "Centrapay Café")
        assert paid["paidBy"]["assetTotals"][0]["description"] == "Centrapay NZD"
        assert paid["externalRef"] == "T07-1" and paid["terminalId"] == "T07"
        assert [one.op for one in api.calls] == ["create", "get", "get"]
        assert [one.connection for one in api.calls] == [1, 1, 1]
        assert (api.connections, api.handshakes) == (1, 1)
        assert api.calls[1].request_id == made["id"] and api.calls[0].body["terminalId"] == "T07"
        assert api.api_key not in json.dumps([one.record() for one in api.calls])

    run(scene)


def test_the_answer_is_utf8_and_lists_other_amounts_first():
    async def scene(api, http):
        async with http.post("/api/payment-requests", json=body(api)) as answer:
            raw = await answer.read()
        assert "Centrapay Café".encode() in raw
        assert raw.index(b'"paymentOptions"') < raw.index(b'"value"')

    run(scene)


def test_void_refund_activities_and_look_ups():
    async def scene(api, http):
        made = await create(api, http, externalRef="A/1 é")
        path = "/api/payment-requests/" + made["id"]
        find = f"/api/payment-requests/external-ref/A%2F1%20%C3%A9?merchantAccountId={api.merchant_account_id}"
        status, found = await call(http, "GET", aiohttp.client.URL(find, encoded=True))
        assert (status, [item["id"] for item in found["items"]]) == (200, [made["id"]])
        assert "pageKey" not in found
        code = made["shortCode"]
        assert (await call(http, "GET", f"/api/payment-requests/short-code/{code}"))[1]["id"] == made["id"]
        wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
        status, error = await call(http, "GET", f"/api/payment-requests/short-code/{wrong}")
        assert (status, error) == (400, {"statusCode": 400, "error": "Bad Request", "message": "CHECKSUM_FAILED"})
        api.pay(made["id"])
        refund = {"value": {"amount": "200", "currency": "NZD"}, "externalRef": "R1"}
        first = await call(http, "POST", path + "/refund", json=refund)
        assert first[0] == 200 and first == await call(http, "POST", path + "/refund", json=refund)
        refund["value"]["amount"] = "201"
        status, error = await call(http, "POST", path + "/refund", json=refund)
        assert (status, error["message"], error["error"]) == (403, "REPEAT_REFERENCE", "Forbidden")
        assert isinstance(error["reason"], str)
        assert (await call(http, "POST", path + "/refund", json={"value": refund["value"]}))[0] == 400
        status, voided = await call(http, "POST", path + "/void")
        assert (status, voided["type"], voided["value"]["amount"]) == (200, "refund", "1034")
        status, listed = await call(http, "GET", path + "/activities")
        assert [item["type"] for item in listed["items"]] == ["refund", "refund", "paid", "payment", "request"]
        assert listed["items"][0]["activityNumber"] == "5"
        status, everything = await call(http, "GET", f"/api/payment-activities?merchantId={api.merchant_id}")
        assert everything["items"] == listed["items"] and "nextPageKey" not in everything

    run(scene)


def test_pages():
    async def scene(api, http):
        ids = [(await create(api, http, externalRef="same"))["id"] for _ in range(5)]
        base = "/api/payment-requests/external-ref/same"
        got, key = [], None
        while True:
            query = {"merchantAccountId": api.merchant_account_id, "paginationLimit": "2"}
            if key:
                query["pageKey"] = key
            _, answer = await call(http, "GET", base, params=query)
            got += [item["id"] for item in answer["items"]]
            key = answer.get("pageKey")
            if key is None:
                break
        assert got == ids[::-1]
        for bad in ({"pageKey": "x"}, {"paginationLimit": "0"}, {"paginationLimit": "-1"}):
            query = {"merchantAccountId": api.merchant_account_id, **bad}
            assert (await call(http, "GET", base, params=query))[0] == 400
        for _ in range(18):
            await create(api, http)
        _, page = await call(http, "GET", "/api/payment-activities", params={"merchantId": api.merchant_id})
        assert len(page["items"]) == 20 and page["nextPageKey"]

    run(scene)


def test_who_may_call():
    async def scene(api, http):
        made = await create(api, http)
        path = "/api/payment-requests/" + made["id"]
        bare = {"X-Api-Key": ""}
        async with aiohttp.ClientSession(api.url, connector=http.connector, connector_owner=False) as stranger:
            status, error = await call(stranger, "GET", path)
            assert (status, error["message"]) == (401, "Missing authentication")
            assert (await call(stranger, "GET", path, headers=bare))[0] == 401
            assert (await call(stranger, "GET", path, headers={"X-Api-Key": "guess"}))[0] == 401
            assert (await call(stranger, "GET", path, headers={"Authorization": api.jwt}))[0] == 200
            assert (await call(stranger, "GET", path, headers={"Authorization": "Bearer " + api.jwt}))[0] == 401
            assert (await call(stranger, "POST", path + "/void", headers={"Authorization": api.jwt}))[0] == 403
            assert (await call(stranger, "GET", path + "/summary"))[1]["id"] == made["id"]
            other = {"X-Api-Key": api.other_api_key}
            assert (await call(stranger, "GET", path, headers=other))[0] == 200
            assert (await call(stranger, "POST", path + "/void", headers=other))[0] == 403
            # the key decides, whatever the token is
            both = {"X-Api-Key": "guess", "Authorization": api.jwt}
            assert (await call(stranger, "GET", path, headers=both))[0] == 401
        assert (await call(http, "GET", "/api/payment-requests/nobody-knows"))[0] == 403
        find = "/api/payment-requests/external-ref/x"
        assert (await call(http, "GET", find))[1]["message"] == "merchantAccountId is required"
        assert (await call(http, "GET", find + "?merchantAccountId=foreign"))[0] == 403
        assert api.requests[0].status == "new"

    run(scene)


def test_what_is_not_there_is_404_and_what_is_not_json_is_400():
    async def scene(api, http):
        for method, path in (
            ("GET", "/"),
            ("POST", "/api/payment-requests/x/cancel"),
            ("DELETE", "/api/payment-requests"),
        ):
            status, error = await call(http, method, path)
            assert (status, error["statusCode"]) == (404, 404)
        plain = {"Content-Type": "application/json"}
        for data in (b"{", b"[]", b"\xff", b'"x"', b"[" * 100_000):
            status, error = await call(http, "POST", "/api/payment-requests", data=data, headers=plain)
            assert status == 400 and error["error"] == "Bad Request"
        status, _ = await call(http, "POST", "/api/payment-requests", data=b"x" * 300_000, headers=plain)
        assert status == 413
        status, _ = await call(http, "POST", "/api/payment-requests", data={"configId": "x"})
        assert status == 415

    run(scene)


def test_text_that_is_no_unicode_comes_back_as_it_came():
    async def scene(api, http):
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body(api, externalRef="\ud83e"))
        status, answer = await call(http, "POST", "/api/payment-requests", data=data, headers=headers)
        assert (status, answer["externalRef"]) == (200, "\ud83e")

    run(scene)


def test_patron_side():
    async def scene(api, http):
        patron = {"Authorization": api.jwt, "X-Api-Key": ""}
        del patron["X-Api-Key"]
        made, gone, late = [await create(api, http) for _ in range(3)]
        paying = {"assetType": "centrapay.nzd.test", "assetId": "a", "idempotencyKey": "k"}

        async def pay(which, **change):
            sent = {name: value for name, value in {**paying, **change}.items() if value is not None}
            return await call(http, "POST", f"/api/payment-requests/{which['id']}/pay", json=sent, headers=patron)

        assert await pay(made, idempotencyKey=None) == (
            400,
            {"statusCode": 400, "error": "Bad Request", "message": "idempotencyKey is required"},
        )
        assert (await pay(made, assetType="nothing"))[1]["message"] == "INVALID_ASSET_TYPE"
        api.inject("error", op="pay", message="PAYMENT_DECLINED")
        assert (await pay(made))[1]["message"] == "PAYMENT_DECLINED"
        assert api.request(made["id"]).status == "new"
        status, activity = await pay(made)
        assert (status, activity["type"], activity["assetType"]) == (200, "payment", "centrapay.nzd.test")
        assert (await pay(made))[1] == activity
        assert (await pay(made, idempotencyKey="l"))[1]["message"] == "REQUEST_PAID"
        api.cancel_by_patron(gone["id"])
        assert (await pay(gone))[1]["message"] == "REQUEST_CANCELLED"
        assert (await call(http, "GET", "/api/payment-requests/" + gone["id"]))[1][
            "cancellationReason"
        ] == "CANCELLED_BY_PATRON"
        api.advance(120)
        assert (await pay(late))[1]["message"] == "REQUEST_EXPIRED"
        with pytest.raises(ApiError):
            api.pay(late["id"])
        api.pay(late["id"], force=True)
        assert api.request(late["id"]).status == "paid"
        assert (await call(http, "GET", f"/api/payment-requests/{made['id']}/summary"))[1]["message"] == "REQUEST_PAID"

    run(scene)


def test_the_rate_limit_counts_per_account_and_says_when_to_come_back():
    async def scene(api, http):
        made = await create(api, http)
        path = "/api/payment-requests/" + made["id"]
        for _ in range(199):
            assert (await call(http, "GET", path))[0] == 200
        api.advance(10.5)
        async with http.get(path) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "50")
            assert (await answer.json())["message"] == "RATE_LIMIT_EXCEEDED"
        assert (await call(http, "GET", path, headers={"X-Api-Key": api.other_api_key}))[0] == 200
        api.advance(50)
        assert (await call(http, "GET", path))[0] == 200

    run(scene, clock=Clock(frozen_at=T0))


def test_time_can_be_moved_and_payment_can_take_a_while():
    async def scene(api, http):
        made = await create(api, http, expirySeconds=60)
        api.pay(made["id"], after=10)
        path = "/api/payment-requests/" + made["id"]
        api.advance(9)
        assert (await call(http, "GET", path))[1]["status"] == "new"
        api.advance(1)
        assert (await call(http, "GET", path))[1]["status"] == "paid"
        slow = await create(api, http)
        api.advance(121)
        assert (await call(http, "GET", "/api/payment-requests/" + slow["id"]))[1]["status"] == "new"
        api.advance(10)
        assert (await call(http, "GET", "/api/payment-requests/" + slow["id"]))[1]["status"] == "expired"

    run(scene, clock=Clock(frozen_at=T0), rules=Rules(expiry_lag_seconds=10))


def test_auto_pay_other_currencies_and_liveness():
    async def scene(api, http):
        made = await create(api, http, amount="1200", currency="JPY")
        assert made["liveness"] == "main"
        api.advance(3)
        assert api.requests[0].status == "paid"
        assert api.requests[0].asset.type == "external.test"
        cut = await create(api, http)
        api.cancel_by_patron(cut["id"])
        api.advance(3)
        assert api.requests[1].status == "cancelled"

    run(scene, clock=Clock(frozen_at=T0), auto_pay=2.0, extra_currencies=("JPY",), liveness="main")


def test_same_seed_same_ids():
    ids = []

    async def scene(api, http):
        ids.append((await create(api, http))["id"])

    run(scene, seed=7)
    run(scene, seed=7)
    run(scene, seed=8)
    assert ids[0] == ids[1] != ids[2]


def test_idle_connections_are_closed_and_the_network_can_go():
    async def scene(api, http):
        await create(api, http)
        await asyncio.sleep(0.6)
        assert api.open_connections == 0
        made = await create(api, http)
        assert (api.connections, api.open_connections) == (2, 1)
        await api.unplug()
        with pytest.raises(aiohttp.ClientConnectionError):  # on the way out, or when connecting again
            await create(api, http)
        with pytest.raises(aiohttp.ClientConnectorError):
            await create(api, http)
        assert api.open_connections == 0
        await api.plug_in()
        await api.plug_in()
        assert (await call(http, "GET", "/api/payment-requests/" + made["id"]))[1]["status"] == "new"
        assert api.drop_connections(reset=True) == 1

    run(scene, keep_alive=0.2)


def test_a_client_that_goes_away_in_the_midst_of_its_body_is_no_fault(caplog):
    async def scene(api, http):
        trust = ssl.create_default_context(cadata=api.root_pem.decode())
        _, writer = await asyncio.open_connection("localhost", api.port, ssl=trust)
        head = (
            "POST /api/payment-requests HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {}\r\nContent-Length: 100\r\n\r\n{{"
        )
        writer.write(head.format(api.api_key).encode())
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.transport.abort()
        await asyncio.sleep(0.2)
        assert [one.op for one in api.calls] == ["create"] and not api.requests
        await create(api, http)

    run(scene)
    assert not caplog.records


def test_rsa_certificates_and_files(tmp_path):
    async def scene(api, http):
        await create(api, http)
        der, pem = api.write_root(tmp_path / "new")
        assert der.read_bytes() == api.root_der == ssl.PEM_cert_to_DER_cert(pem.read_text())

    run(scene, key_type="rsa")


def test_a_taken_port_is_an_error_that_leaves_nothing_open():
    async def whole():
        async with StandIn(admin_port=None) as first:
            with pytest.raises(OSError):
                await StandIn(port=first.port).start()
            assert first.listening

    asyncio.run(whole())


def test_stopping_does_not_wait_for_clients_or_hanging_calls():
    async def whole():
        api = StandIn()
        await api.start()
        trust = ssl.create_default_context(cadata=api.root_pem.decode())
        async with aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(ssl=trust)) as http:
            api.inject("hang", count=0)
            waiting = asyncio.create_task(call(http, "GET", "/"))
            await asyncio.sleep(0.1)
            assert api.calls[0].status is None
            loop = asyncio.get_running_loop()
            before = loop.time()
            await api.stop()
            assert loop.time() - before < 5  # aiohttp's own patience is 60
            with contextlib.suppress(aiohttp.ClientError):
                await waiting

    asyncio.run(whole())


def test_many_clients_at_once():
    async def scene(api, http):
        trust = ssl.create_default_context(cadata=api.root_pem.decode())
        headers = {"X-Api-Key": api.api_key}

        async def sale(number):
            async with aiohttp.ClientSession(
                api.url, connector=aiohttp.TCPConnector(ssl=trust), headers=headers
            ) as own:
                made = await create(api, own, externalRef=f"T{number}", amount=str(number + 1))
                api.pay(made["id"])
                return await call(own, "GET", "/api/payment-requests/" + made["id"])

        results = await asyncio.gather(*(sale(number) for number in range(20)))
        assert [answer["value"]["amount"] for _, answer in results] == [str(number + 1) for number in range(20)]
        assert {answer["status"] for _, answer in results} == {"paid"}
        assert api.handshakes == 20
        assert sorted({one.connection for one in api.calls}) == list(range(1, 21))
        assert api.ledger()["totals"]["NZD"]["paid"] == 210

    run(scene)
