"""Every fault as it arrives on the wire, seen with a plain TLS socket."""

import json
import re
import socket
import ssl
import threading
import time

import pytest

from tillpane.standin import KINDS, StandIn
from tillpane.standin.faults import Faults


class Client:
    """One TLS connection and as little HTTP as possible.

    TLS runs in memory over a plain socket, because ssl.SSLSocket reports a reset as an ordinary end.
    """

    def __init__(self, api, root=None, host="localhost", tls=None):
        context = ssl.create_default_context(cadata=(root or api.root_pem).decode())
        if tls is not None:
            context.maximum_version = tls
        self.api = api
        self.records = []
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.sock = socket.create_connection(("127.0.0.1", api.port), timeout=10)
        try:
            self._pumped(self._tls.do_handshake)
            self._flush()
        except BaseException:
            self.sock.close()
            raise

    def _flush(self):
        self.sock.sendall(self._out.read())

    def _pumped(self, step, *arguments):
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(65536)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()

    def write(self, data):
        self._tls.write(data)
        self._flush()

    def recv(self):
        return self._pumped(self._tls.read, 65536)

    def close(self):
        self.sock.close()

    def send(self, method="GET", path="/api/payment-requests/x", body=None):
        data = json.dumps(body).encode() if body is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {self.api.api_key}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        self.write(head.encode() + b"\r\n" + data)

    def rest(self):
        """Everything until the end, and how it ended: "close", "fin" or "reset"."""
        got = b""
        while True:
            try:
                data = self.recv()
            except ConnectionResetError:
                return got, "reset"
            except ssl.SSLZeroReturnError:
                return got, "close"
            except ssl.SSLEOFError:
                return got, "fin"
            if not data:
                return got, "close"
            self.records.append(len(data))
            got += data

    def answer(self):
        """One answer with a length: status, headers, body."""
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._some()
        head, body = got.split(b"\r\n\r\n", 1)
        headers = headers_of(head)
        while len(body) < int(headers["content-length"]):
            body += self._some()
        return int(head.split()[1]), headers, body

    def _some(self):
        data = self.recv()
        assert data, "the connection ended"
        return data


def headers_of(head):
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}


class Running:
    """A stand-in in a thread of its own, so that tests can use blocking sockets."""

    def __init__(self, **options):
        import asyncio

        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._options = options
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        import asyncio

        async def whole():
            self._stop = asyncio.Event()
            async with StandIn(**self._options) as self.api:
                self._ready.set()
                await self._stop.wait()

        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(whole())
        self._loop.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self.api

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def server():
    with Running(rate_limit=0, seed=1) as api:
        yield api


@pytest.fixture
def api(server):
    server.clear_faults()
    server.fault_counts.clear()
    return server


@pytest.fixture
def client(api):
    one = Client(api)
    yield one
    one.close()


@pytest.fixture
def made(api, client):
    """A payment request, and the true answer about it."""
    client.send(
        "POST", "/api/payment-requests", {"configId": api.config_id, "value": {"amount": "1234", "currency": "NZD"}}
    )
    status, _, body = client.answer()
    assert status == 200
    return json.loads(body)


@pytest.fixture
def get(client, made):
    """Asks for the request just made; what comes back is up to the faults."""

    def ask():
        client.send("GET", "/api/payment-requests/" + made["id"])
        return client

    return ask


def truth(get):
    status, headers, body = get().answer()
    assert status == 200
    return body


# ---- answers of another kind ----


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    ("form", "kind"), [("json", "application/json"), ("html", "text/html"), ("text", "text/plain")]
)
def test_status(api, get, status, form, kind):
    api.inject("status", status=status, body=form)
    got, headers, body = get().answer()
    assert (got, headers["content-type"].split(";")[0]) == (status, kind)
    assert (json.loads(body)["statusCode"] == status) if form == "json" else (not body.startswith(b"{"))
    assert truth(get)  # the same connection goes on


def test_empty_html_and_text(api, get):
    api.inject("empty")
    api.inject("status", status=503, body="empty", after=1)
    assert get().answer()[::2] == (200, b"")
    assert get().answer()[::2] == (503, b"")
    api.inject("html")
    assert get().answer()[2].startswith(b"<!DOCTYPE html>")
    api.inject("text", text="upstream connect error")
    assert get().answer()[::2] == (200, b"upstream connect error")


def test_documented_errors(api, get):
    api.inject("error", status=403, message="REQUEST_EXPIRED", reason="too late")
    api.inject("rate_limit", retry_after=7, after=1)
    api.inject("rate_limit", retry_after=None, after=2)
    api.inject("unauthorized", after=3)
    api.inject("forbidden", after=4)
    api.inject("redirect", location="https://elsewhere.invalid/x", status=307, after=5)
    status, _, body = get().answer()
    assert (status, json.loads(body)["reason"]) == (403, "too late")
    status, headers, body = get().answer()
    assert (status, headers["retry-after"], json.loads(body)["message"]) == (429, "7", "RATE_LIMIT_EXCEEDED")
    status, headers, _ = get().answer()
    assert status == 429 and "retry-after" not in headers
    assert get().answer()[0] == 401
    status, _, body = get().answer()
    assert (status, json.loads(body)["message"]) == (403, "Forbidden")
    status, headers, _ = get().answer()
    assert (status, headers["location"]) == (307, "https://elsewhere.invalid/x")
    assert api.fault_counts == {"error": 1, "rate_limit": 2, "unauthorized": 1, "forbidden": 1, "redirect": 1}


# ---- right answers with something wrong ----


@pytest.mark.parametrize("how", ["cut", "comma", "quote", "garbage", "nan", "utf8"])
def test_malformed_json_has_a_true_length(api, get, how):
    right = truth(get)
    api.inject("malformed", how=how)
    body = get().answer()[2]
    assert body != right
    if how == "nan":
        assert b"NaN" in body
        return
    with pytest.raises(ValueError):
        json.loads(body)


def test_missing_and_wrong_fields(api, get, made):
    api.inject("missing", field="value.amount")
    assert json.loads(get().answer()[2])["value"] == {"currency": "NZD"}
    api.inject("missing", field="paymentOptions[0].amount")
    assert "amount" not in json.loads(get().answer()[2])["paymentOptions"][0]
    api.inject("missing", field="no.such.field")
    assert json.loads(get().answer()[2]) == made
    for field, value in (("value.amount", "1235"), ("value.currency", "AUD"), ("status", "paid")):
        api.inject("wrong", field=field)
        document = json.loads(get().answer()[2])
        for step in field.split("."):
            document = document[step]
        assert document == value
    api.inject("wrong", field="id")
    assert json.loads(get().answer()[2])["id"] != made["id"]
    api.inject("wrong", field="value.amount", value=1234)
    assert json.loads(get().answer()[2])["value"]["amount"] == 1234
    api.inject("wrong", field="expiresAt", value=None)
    assert json.loads(get().answer()[2])["expiresAt"] is None
    assert json.loads(truth(get)) == made  # nothing of that was kept
    assert api.request(made["id"]).status == "new"


def test_another_requests_answer(api, client, made, get):
    client.send(
        "POST", "/api/payment-requests", {"configId": api.config_id, "value": {"amount": "9", "currency": "NZD"}}
    )
    second = json.loads(client.answer()[2])
    api.inject("other", op="get")
    assert json.loads(get().answer()[2]) == second
    api.inject("other", op="get", id=made["id"])
    client.send("GET", "/api/payment-requests/" + second["id"])
    assert json.loads(client.answer()[2])["id"] == made["id"]


def test_another_requests_activity_keeps_its_kind(api, client, made):
    api.inject("other", op="void")
    client.send("POST", f"/api/payment-requests/{made['id']}/void")
    activity = json.loads(client.answer()[2])
    assert activity["type"] == "cancellation" and activity["paymentRequestId"] != made["id"]
    api.inject("other", op="activities")
    client.send("GET", f"/api/payment-requests/{made['id']}/activities")
    items = json.loads(client.answer()[2])["items"]
    assert [item["type"] for item in items] == ["cancellation", "request"]
    assert all(item["paymentRequestId"] != made["id"] for item in items)


def test_the_only_request_still_finds_another():
    with Running(seed=3) as alone:
        client = Client(alone)
        alone.inject("other", op="create")
        body = {"configId": alone.config_id, "value": {"amount": "5", "currency": "NZD"}}
        client.send("POST", "/api/payment-requests", body)
        document = json.loads(client.answer()[2])
        assert document["id"] != alone.requests[0].id
        assert document["url"].endswith(document["id"])
        client.close()


def test_huge(api, get, made):
    for where in ("front", "back"):
        api.inject("huge", size=300_000, where=where)
        body = get().answer()[2]
        assert len(body) > 300_000
        assert body.startswith(b'{"padding":"xxx') is (where == "front")
        assert json.loads(body)["id"] == made["id"]


# ---- the same in another dress ----


def test_dress(api, get, made):
    plain = truth(get)
    for kind, settings in (("reorder", {}), ("reorder", {"how": "shuffle"}), ("escape", {}), ("space", {})):
        api.inject(kind, **settings)
        body = get().answer()[2]
        assert json.loads(body) == made
        assert body != plain
    api.inject("escape")
    assert rb"Centrapay Caf\u00e9".replace(b"Centrapay Caf", b"") in get().answer()[2]
    api.inject("escape")
    api.inject("wrong", field="merchantName", value='\\"🧾"\n')
    body = get().answer()[2]
    assert body.isascii() and json.loads(body)["merchantName"] == '\\"🧾"\n'
    assert rb"\ud83e\uddfe" in body


# ---- the wire ----


@pytest.mark.parametrize("sizes", [(16,), (1,), (1, 7, 4096), (100_000,)])
def test_chunked(api, get, made, client, sizes):
    api.inject("chunked", sizes=list(sizes))
    api.inject("close", announce=False)
    got, how = get().rest()
    head, body = got.split(b"\r\n\r\n", 1)
    headers = headers_of(head)
    assert headers["transfer-encoding"] == "chunked" and "content-length" not in headers
    assert how == "close" and "connection" not in headers
    whole, seen = b"", []
    while True:
        size, body = body.split(b"\r\n", 1)
        length = int(size, 16)
        seen.append(length)
        whole += body[:length]
        assert body[length : length + 2] == b"\r\n"
        body = body[length + 2 :]
        if not length:
            break
    assert body == b""
    assert json.loads(whole) == made
    assert all(length == sizes[n % len(sizes)] for n, length in enumerate(seen[:-2]))


def test_chunked_keeps_the_connection(api, get, client):
    api.inject("chunked")
    get()
    got = b""
    while not got.endswith(b"0\r\n\r\n"):
        got += client.recv()
    assert truth(get)
    assert api.calls[-1].connection == api.calls[-2].connection


@pytest.mark.parametrize("end", ["close", "fin", "reset"])
def test_truncated_body(api, get, end):
    right = truth(get)
    api.inject("truncate", at=100, end=end)
    got, how = get().rest()
    head, body = got.split(b"\r\n\r\n", 1)
    assert int(headers_of(head)["content-length"]) == len(right)
    assert (body, how) == (right[:100], end)
    assert api.calls[-1].status is None and api.calls[-1].processed


def test_truncated_chunked_body(api, get):
    api.inject("truncate", at=30)
    api.inject("chunked", sizes=[10])
    got, how = get().rest()
    body = got.split(b"\r\n\r\n", 1)[1]
    assert len(body) == 30 and body.startswith(b"a\r\n") and how == "close"


@pytest.mark.parametrize("end", ["close", "fin", "reset"])
@pytest.mark.parametrize("at", [0, 1, 12, 200])
def test_reset_after_any_number_of_bytes(api, get, at, end):
    api.inject("reset", at=at, end=end)
    got, how = get().rest()
    assert (len(got), how) == (at, end)
    assert got == b"HTTP/1.1 200 OK\r\nContent-Type"[:at] or at == 200


def test_drop_before_and_after(api, client, made):
    path = f"/api/payment-requests/{made['id']}/void"
    api.inject("drop", op="void", when="before")
    client.send("POST", path)
    assert client.rest() == (b"", "reset")
    assert api.request(made["id"]).status == "new" and not api.calls[-1].processed
    again = Client(api)
    api.inject("drop", op="void", when="after", end="fin")
    again.send("POST", path)
    assert again.rest() == (b"", "fin")
    assert api.request(made["id"]).status == "cancelled" and api.calls[-1].processed
    again.close()


def test_errors_after_processing(api, client, made):
    api.inject("status", op="void", status=502, body="html", when="after")
    client.send("POST", f"/api/payment-requests/{made['id']}/void")
    assert client.answer()[0] == 502
    assert api.request(made["id"]).status == "cancelled"


def test_close_announced_or_not(api, get):
    api.inject("close")
    got, how = get().rest()
    assert how == "close" and b"\r\nConnection: close\r\n" in got and got.endswith(b"}")


def test_no_length(api, get, made):
    api.inject("no_length")
    got, how = get().rest()
    head, body = got.split(b"\r\n\r\n", 1)
    assert how == "close" and "content-length" not in headers_of(head)
    assert json.loads(body) == made


def test_trickle(api, get, made, client):
    api.inject("trickle", size=40, pause=0.001)
    api.inject("close")
    started = time.monotonic()
    got, _ = get().rest()
    assert json.loads(got.split(b"\r\n\r\n", 1)[1]) == made
    assert max(client.records) == 40 and len(client.records) <= len(got) // 40 + 2  # head and body start anew
    assert time.monotonic() - started > 0.001 * len(client.records)


def test_interim_big_head_and_garbage(api, get, client, made):
    api.inject("interim", times=2)
    api.inject("close")
    got, _ = get().rest()
    assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + b"HTTP/1.1 200 OK\r\n")
    second = Client(api)
    api.inject("big_head", size=20_000)
    second.send()
    status, headers, _ = second.answer()
    assert status == 403 and 20_000 <= sum(len(n) + len(v) + 4 for n, v in headers.items() if "padding" in n) <= 20_600
    api.inject("garbage", size=99)
    second.send()
    got, how = second.rest()
    assert len(got) == 99 and b"HTTP" not in got and how == "close"
    second.close()


def test_delays_before_and_after_and_hanging(api, client, made):
    path = f"/api/payment-requests/{made['id']}/void"
    api.inject("delay", op="get", seconds=0.1)
    api.inject("delay", op="get", seconds=0.1)
    started = time.monotonic()
    client.send("GET", "/api/payment-requests/" + made["id"])
    client.answer()
    assert time.monotonic() - started >= 0.2
    api.inject("delay", op="void", seconds=0.3, when="after")
    client.send("POST", path)
    time.sleep(0.1)
    assert api.request(made["id"]).status == "cancelled" and api.calls[-1].status is None
    assert client.answer()[0] == 200
    api.inject("hang")
    client.send()
    client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv()
    client.close()
    assert truth_of(Client(api), made)  # the others are served meanwhile


def truth_of(client, made):
    client.send("GET", "/api/payment-requests/" + made["id"])
    status, _, body = client.answer()
    client.close()
    return status == 200 and json.loads(body)["id"] == made["id"]


def test_faults_combine(api, get, made):
    api.inject("delay", seconds=0.05)
    api.inject("wrong", field="value.amount", value="1")
    api.inject("chunked", sizes=[5])
    api.inject("close")
    got, _ = get().rest()
    chunks = re.findall(rb"[0-9a-f]+\r\n(.*?)\r\n", got.split(b"\r\n\r\n", 1)[1], re.DOTALL)
    assert json.loads(b"".join(chunks))["value"]["amount"] == "1"
    assert api.calls[-1].faults == ("delay", "wrong", "chunked", "close")


def test_pipelined_calls_are_answered_in_order(api, client, made):
    api.inject("delay", seconds=0.1)
    client.send("GET", "/api/payment-requests/" + made["id"])
    client.send("GET", "/nowhere")
    got = b""
    while got.count(b"HTTP/1.1") < 2 or not got.endswith(b"}"):
        got += client.recv()
    assert got.index(b"200 OK") < got.index(b"404 Not Found")


def test_broken_requests_do_no_harm(api, made, caplog):
    for data in (
        b"\x00" * 50,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/payment-requests HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        client = Client(api)
        client.write(data)
        got, _ = client.rest()
        assert got.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
        client.close()
    assert not caplog.records
    half = Client(api)
    half.write(b"POST /api/payment-requests HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    half.close()
    assert truth_of(Client(api), made)


# ---- the door ----


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("tls_wrong_ca", "self-signed|unable to get local issuer|signature failure"),
        ("tls_wrong_host", "Hostname mismatch"),
        ("tls_expired", "has expired"),
        ("tls_not_yet_valid", "not yet valid"),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_that_must_be_refused(api, made, kind, said, version):
    api.inject(kind)
    with pytest.raises(ssl.SSLCertVerificationError, match=said):
        Client(api, tls=version)
    assert api.fault_counts[kind] == 1
    assert truth_of(Client(api, tls=version), made)  # the next connection is fine, and open ones always were


def test_open_connections_keep_their_certificate(api, get):
    api.inject("tls_expired", count=0)
    assert truth(get)
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(api)
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(api)
    api.clear_faults()
    Client(api).close()


@pytest.mark.parametrize("at", [0, 1, 50])
@pytest.mark.parametrize(
    ("end", "error"), [("fin", (ssl.SSLEOFError, ConnectionResetError)), ("reset", ConnectionResetError)]
)
def test_handshakes_that_are_cut(api, at, end, error):
    before = api.failed_handshakes
    api.inject("tls_cut", at=at, end=end)
    with pytest.raises(error):
        Client(api)
    assert api.failed_handshakes == before + 1


def test_other_doors(api, made):
    api.inject("tls_garbage")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        Client(api)
    api.inject("tls_plain")
    with pytest.raises(ssl.SSLError):
        Client(api)
    api.inject("tcp_reset")
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        Client(api)
    api.inject("tls_stall")
    raw = socket.create_connection(("127.0.0.1", api.port), timeout=0.3)
    context = ssl.create_default_context(cadata=api.root_pem.decode())
    with pytest.raises(TimeoutError):
        context.wrap_socket(raw, server_hostname="localhost")
    raw.close()
    assert truth_of(Client(api), made)


def test_clients_that_do_not_speak_tls_or_say_nothing(api, made):
    raw = socket.create_connection(("127.0.0.1", api.port), timeout=5)
    raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
    silent = socket.create_connection(("127.0.0.1", api.port), timeout=5)
    assert truth_of(Client(api), made)
    raw.close()
    silent.close()


def test_only_modern_tls_and_names_of_the_certificate(api):
    with pytest.raises(ssl.SSLCertVerificationError):
        Client(api, host="example.org")
    Client(api, host="127.0.0.1").close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    raw = socket.create_connection(("127.0.0.1", api.port), timeout=5)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        old.wrap_socket(raw)
    raw.close()


# ---- which calls a fault hits ----


def test_matching_counting_and_letting_pass():
    faults = Faults()
    faults.inject("empty", op="get", path="/abc$", count=2, after=1)
    hits = [len(faults.for_call(op, "GET", path)) for op, path in [("get", "/abc"), ("void", "/abc"), ("get", "/abcd")]]
    assert hits == [0, 0, 0]
    assert [len(faults.for_call("get", "GET", "/x/abc")) for _ in range(4)] == [1, 1, 0, 0]
    faults.inject("text", method="post", count=0)
    assert [len(faults.for_call("void", method, "/")) for method in ("POST", "GET", "POST")] == [1, 0, 1]
    assert faults.counts == {"empty": 2, "text": 2}
    assert faults.clear() == 2 and not faults.for_call("void", "POST", "/")


def test_probability_is_repeatable():
    def hits(seed):
        faults = Faults()
        faults.inject("empty", count=0, probability=0.3, seed=seed)
        return [bool(faults.for_call("get", "GET", "/")) for _ in range(400)]

    assert hits(1) == hits(1) != hits(2)
    assert 80 < sum(hits(1)) < 160
    assert not any(Faults().for_call("get", "GET", "/") for _ in range(3))


def test_door_faults_do_not_hit_calls_nor_the_other_way_round():
    faults = Faults()
    faults.inject("tls_expired")
    faults.inject("tls_cut")
    assert faults.for_call("get", "GET", "/") == []
    assert [fault.kind for fault in (faults.for_connection(), faults.for_connection())] == ["tls_expired", "tls_cut"]
    assert faults.for_connection() is None
    faults.inject("empty")
    assert faults.for_connection() is None


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("nonsense", {}),
        ("empty", {"op": "gett"}),
        ("empty", {"sort": 1}),
        ("empty", {"count": -1}),
        ("empty", {"probability": 2}),
        ("delay", {"when": "during"}),
        ("delay", {"seconds": "soon"}),
        ("truncate", {"at": -1}),
        ("truncate", {"end": "softly"}),
        ("chunked", {"sizes": []}),
        ("chunked", {"sizes": [0]}),
        ("malformed", {"how": "reverse"}),
        ("missing", {}),
        ("error", {}),
        ("tls_expired", {"op": "get"}),
        ("empty", {"path": "("}),
    ],
)
def test_faults_that_could_never_hit_are_refused(kind, where):
    with pytest.raises(ValueError):
        Faults().inject(kind, **where)


def test_every_kind_is_explained_and_carried_out():
    from tillpane.standin.effects import _PLANNERS

    assert set(_PLANNERS) == {name for name, kind in KINDS.items() if not kind.door}
    assert all(kind.help for kind in KINDS.values())
