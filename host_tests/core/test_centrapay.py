"""Calls and their answers: what is checked, and what each kind of failure becomes."""

import asyncio

from centrapay import Centrapay, RateLimited, Refused, SetupFault, Unknown, is_id
from https import HTTPSError

ID = "5hrpVrBuN7nJL3m7FgUbHq"
NEW = (
    '{"id":"%s","status":"%s","shortCode":"CP-C7F-ZS5","url":"https://app.centrapay.com/pay/%s",'
    '"paymentOptions":[{"amount":"9","assetType":"x","value":{"amount":"1","currency":"USD"}}],'
    '"value":{"amount":"%s","currency":"NZD"},"merchantName":"Centrapay Caf\\u00e9","externalRef":"T-1"%s}'
)


class Wire:
    """Behind the HTTPS client's verbs: gives one prepared answer and keeps what was asked."""

    def __init__(self, status=200, body="", error=None, retry_after=None):
        self.status = status
        self.body = body.encode()
        self.error = error
        self.retry_after = retry_after
        self.asked = None

    async def request(self, method, path, headers, body, sink, timeout_ms):
        self.asked = (method, path, headers, body)
        if self.error:
            raise self.error
        for start in range(0, len(self.body), 7):
            sink.feed(self.body, start, min(start + 7, len(self.body)))
        return self.status


def answer(status="new", amount="1234", more="", identity=ID):
    return NEW % (identity, status, identity, amount, more)


def api(wire, account="acc", jwt=""):
    return Centrapay(wire, "key", "mc_1", "T", "dev", account, jwt)


def run(work):
    return asyncio.run(work)


def error_of(wire, call):
    try:
        run(call(api(wire)))
    except (Refused, SetupFault, RateLimited, Unknown) as error:
        return error
    raise AssertionError("no error")


def create(centrapay):
    return centrapay.create("T-1", 1234, "NZD", 120)


def get(centrapay):
    return centrapay.get(ID, 1234, "NZD")


def test_create():
    wire = Wire(body=answer())
    request = run(create(api(wire)))
    assert (request.id, request.status, request.code) == (ID, "new", "CP-C7F-ZS5")
    assert request.url == "https://app.centrapay.com/pay/" + ID
    assert request.merchant == "Centrapay Café"
    method, path, headers, body = wire.asked
    assert (method, path) == ("POST", "/api/payment-requests")
    assert b"X-Api-Key: key\r\n" in headers and b"Authorization" not in headers
    import json

    sent = json.loads(body)
    assert sent["value"] == {"amount": "1234", "currency": "NZD"}
    assert sent["expirySeconds"] == 120 and sent["externalRef"] == "T-1" and sent["configId"] == "mc_1"
    assert sent["patronNotPresent"] is False and sent["partialAllowed"] is False and sent["conditionsEnabled"] is False
    assert sent["terminalId"] == "T" and sent["deviceId"] == "dev"


def test_paid_says_how():
    total = '{"type":"centrapay.nzd.test","description":"Test dollars","total":{"amount":"1234"}}'
    more = ',"paidBy":{"assetTotals":[' + total + "]}"
    request = run(get(api(Wire(body=answer("paid", more=more)))))
    assert (request.status, request.method) == ("paid", "Test dollars")


def test_jwt_goes_with_polls_only():
    wire = Wire(body=answer())
    run(get(api(wire, jwt="abc")))
    assert b"Authorization: abc\r\n" in wire.asked[2]
    run(create(api(wire, jwt="abc")))
    assert b"Authorization" not in wire.asked[2]


def test_answers_that_are_not_ours_are_unknown():
    for body in (
        answer(amount="1235"),
        answer(identity="another"),
        answer().replace("NZD", "AUD"),
        answer().replace('"status":"new"', '"status":"odd"'),
        answer().replace('"status":"new",', ""),
        answer().replace('"amount":"1234"', '"amount":1234'),
        answer()[:-1],
        answer() + "x",
        "<html>502</html>",
        "",
        "null",
        "[]",
    ):
        assert isinstance(error_of(Wire(body=body), get), Unknown), body


def test_create_with_another_reference_is_unknown():
    assert isinstance(error_of(Wire(body=answer().replace("T-1", "T-2")), create), Unknown)


def test_ids_that_could_leave_the_path_are_refused():
    for identity in ("a/b", "..", "a b", "a?b", "", "x" * 65, "é", None, 5):
        assert not is_id(identity), identity
    assert isinstance(error_of(Wire(body=answer(identity="../x")), create), Unknown)


def test_statuses():
    refused = '{"statusCode":%d,"message":"%s"}'
    assert (
        error_of(Wire(400, refused % (400, "LINE_ITEMS_SUM_CHECK_FAILED")), create).code
        == "LINE_ITEMS_SUM_CHECK_FAILED"
    )
    assert error_of(Wire(400, refused % (400, "amount is required")), create).code == "BAD_REQUEST"
    assert error_of(Wire(403, refused % (403, "REQUEST_EXPIRED")), get).code == "REQUEST_EXPIRED"
    assert isinstance(error_of(Wire(403, refused % (403, "Forbidden")), get), SetupFault)
    assert isinstance(error_of(Wire(403, "<html>"), get), SetupFault)
    assert isinstance(error_of(Wire(401, refused % (401, "Missing authentication")), get), SetupFault)
    assert isinstance(error_of(Wire(404, ""), get), SetupFault)
    for status in (201, 204, 301, 302, 307, 418, 500, 502, 503, 504):
        assert isinstance(error_of(Wire(status, answer()), get), Unknown), status


def test_rate_limit():
    assert error_of(Wire(429, "<html>", retry_after=9), get).retry_after == 9
    assert error_of(Wire(429, "", retry_after=None), get).retry_after == 5
    assert error_of(Wire(429, "", retry_after=10**9), get).retry_after == 120


def test_transport_errors_tell_whether_anything_was_sent():
    lost = HTTPSError("x")
    lost.sent = False
    assert not error_of(Wire(error=lost), create).sent
    lost.sent = True
    assert error_of(Wire(error=lost), create).sent


def test_void():
    activity = '{"type":"%s","paymentRequestId":"%s"}'
    assert run(api(Wire(body=activity % ("cancellation", ID))).void(ID)) == "cancellation"
    assert run(api(Wire(body=activity % ("refund", ID))).void(ID)) == "refund"

    def void(centrapay):
        return centrapay.void(ID)

    assert isinstance(error_of(Wire(body=activity % ("payment", ID)), void), Unknown)
    assert isinstance(error_of(Wire(body=activity % ("refund", "other")), void), Unknown)


def test_find():
    item = '{"id":"%s","status":"new","externalRef":"T-1","value":{"amount":"%s","currency":"NZD"}}'
    wire = Wire(body='{"items":[' + item % ("a", "1234") + "," + item % ("b", "1234") + '],"pageKey":null}')
    found = run(api(wire, "acc/1").find("T-1", 1234, "NZD"))
    assert [hit.id for hit in found] == ["a", "b"]
    assert wire.asked[1] == "/api/payment-requests/external-ref/T-1?merchantAccountId=acc%2F1"
    assert run(api(Wire(body='{"items":[]}')).find("T-1", 1234, "NZD")) == []

    def find(centrapay):
        return centrapay.find("T-1", 1234, "NZD")

    assert isinstance(error_of(Wire(body='{"items":[' + item % ("a", "1") + "]}"), find), Unknown)


class Wires(Wire):
    """One prepared body after the other."""

    def __init__(self, *bodies):
        super().__init__()
        self.bodies = [body.encode() for body in bodies]

    async def request(self, method, path, headers, body, sink, timeout_ms):
        self.body = self.bodies.pop(0)
        return await super().request(method, path, headers, body, sink, timeout_ms)


def test_found_without_a_reference_is_read_before_it_is_believed():
    items = '{"items":[{"id":"%s","status":"new","value":{"amount":"1234","currency":"NZD"}}]}' % ID

    def find(centrapay):
        return centrapay.find("T-1", 1234, "NZD")

    wire = Wires(items, answer())
    assert [hit.id for hit in run(find(api(wire)))] == [ID]
    assert wire.asked[1] == "/api/payment-requests/" + ID and not wire.bodies
    others = answer().replace('"T-1"', '"T-2"')
    assert isinstance(error_of(Wires(items, others), find), Unknown)
    assert isinstance(error_of(Wires(items, answer(amount="1235")), find), Unknown)


def test_find_needs_its_list():
    def find(centrapay):
        return centrapay.find("T-1", 1234, "NZD")

    for body in ("{}", "[]", '{"error":"x"}', '{"x":{"items":[]}}', '{"items":"x"}', '{"items":1}'):
        assert isinstance(error_of(Wire(body=body), find), Unknown), body
    assert isinstance(error_of(Wire(body='{"items":[],"pageKey":"more"}'), find), Unknown)
    assert run(find(api(Wire(body='{"items":[],"pageKey":""}')))) == []


def test_a_hit_that_is_not_understood_is_not_nothing():
    for hit in ("{}", '{"paymentRequestId":"x"}', "null", "[]", "7", '{"id":"a","status":"new"}'):
        error = error_of(Wire(body='{"items":[' + hit + "]}"), lambda c: c.find("T-1", 1234, "NZD"))
        assert isinstance(error, Unknown), hit


def test_no_hit_is_believed_before_its_reference():
    """Whichever of them would be gone on with, or be voided."""
    item = '{"id":"%s","status":"%s"%s,"value":{"amount":"1234","currency":"NZD"}}'

    def items(*hits):
        return '{"items":[' + ",".join(item % hit for hit in hits) + "]}"

    def find(centrapay):
        return centrapay.find("T-1", 1234, "NZD")

    ours, other = answer(identity="ours"), answer("paid", identity="other").replace('"T-1"', '"T-77"')
    for status in ("new", "paid"):
        looked_up = items(("ours", "new", ""), ("other", status, ""))
        assert isinstance(error_of(Wires(looked_up, ours, other), find), Unknown), status
        assert isinstance(error_of(Wires(looked_up, other, ours), find), Unknown), status
    named = items(("ours", "new", ',"externalRef":"T-1"'), ("other", "new", ',"externalRef":"T-77"'))
    assert isinstance(error_of(Wire(body=named), find), Unknown)
    wire = Wires(
        items(("a", "cancelled", ""), ("b", "new", ""), ("c", "paid", "")),
        answer("paid", identity="c"),
        answer(identity="b"),
    )
    assert [hit.id for hit in run(find(api(wire)))] == ["c", "b", "a"] and not wire.bodies


def test_activities():
    body = '{"items":[{"type":"%s","paymentRequestId":"' + ID + '"},{"type":"payment"},{"type":"request"}]}'
    assert run(api(Wire(body=body % "refund")).activities(ID)) == (True, True)
    assert run(api(Wire(body=body % "paid")).activities(ID)) == (True, False)


def test_activities_of_another_request_are_not_ours():
    body = (
        '{"items":[{"type":"cancellation","paymentRequestId":"%s"},{"type":"refund","paymentRequestId":"other"}]}' % ID
    )
    assert isinstance(error_of(Wire(body=body), lambda c: c.activities(ID)), Unknown)


def test_refund():
    body = '{"type":"refund","paymentRequestId":"' + ID + '","value":{"amount":"500","currency":"NZD"}}'
    wire = Wire(body=body)
    run(api(wire).refund(ID, 500, "NZD", "T-1-R500"))
    assert wire.asked[1].endswith("/refund")
    assert b'"amount":"500"' in wire.asked[3] and b'"externalRef":"T-1-R500"' in wire.asked[3]
    assert isinstance(error_of(Wire(body=body.replace("500", "400")), lambda c: c.refund(ID, 500, "NZD", "r")), Unknown)
