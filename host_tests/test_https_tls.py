"""lib/https.py as MicroPython runs it, against real TLS servers on loopback that misbehave in every way we know."""

import datetime
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MICROPYTHON = pathlib.Path(sys.executable).parent / "micropython"
HOST = "pay.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SLACK = 1500  # ms that a busy machine may add
DAY = datetime.timedelta(days=1)

pytestmark = pytest.mark.skipif(not MICROPYTHON.exists(), reason="no micropython here")


def reset(connection):
    """Ends a connection the rude way: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def notify(connection):
    """Ends TLS properly, and does not wait long for the other side to do so too."""
    connection.settimeout(0.1)
    connection.unwrap()


class Server:
    """A TLS server. Each connection is handed to `serve(tls socket, number of the connection)`.

    `raw`: the TCP connection is handed over as it is. Notes everything that came in decrypted.
    """

    def __init__(self, certificate, serve, raw=False, version=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        self.serve = serve
        self.raw = raw
        self.connections = 0
        self.heard = []
        self.problems = []
        self.open = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._run, args=(connection, self.connections), daemon=True).start()

    def _run(self, connection, number):
        try:
            if not self.raw:
                connection = self.context.wrap_socket(connection, server_side=True)
                self.open.append(connection)
            self.serve(self, connection, number)
        except OSError as error:
            self.problems.append(error)
        finally:
            connection.close()

    def request(self, connection):
        """Reads one request, head and body; b"" at the end of the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(4096)
            if not piece:
                return b""
            data += piece
            self.heard.append(piece)
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", data)
        while length and len(data.partition(b"\r\n\r\n")[2]) < int(length[1]):
            piece = connection.recv(65536)
            data += piece
            self.heard.append(piece)
        return data

    def close(self):
        self.socket.close()
        for connection in self.open:
            connection.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ca")
    return Authority(folder)


class Authority:
    def __init__(self, folder):
        self.good = trustme.CA()
        self.other = trustme.CA()
        self.roots = {name: self._der(folder, name) for name in ("good", "other")}
        self.certificate = self.good.issue_cert(HOST)

    def _der(self, folder, name):
        path = folder / (name + ".der")
        certificate = x509.load_pem_x509_certificate(getattr(self, name).cert_pem.bytes())
        path.write_bytes(certificate.public_bytes(Encoding.DER))
        return str(path)


class Bench:
    """Starts servers and probes, and clears up after them."""

    def __init__(self, authority):
        self.authority = authority
        self.servers = []

    def server(self, serve, certificate=None, raw=False):
        server = Server(certificate or self.authority.certificate, serve, raw)
        self.servers.append(server)
        return server

    def probe(self, port, steps, host=HOST, roots=("good",), heap="96wK", lib=ROOT / "lib", **plan):
        plan.update(port=port, steps=steps, host=host, roots=[self.authority.roots[name] for name in roots])
        environment = dict(os.environ, MICROPYPATH=f"{ROOT}/host_tests/shims/board:.frozen:{lib}")
        command = [str(MICROPYTHON), "-X", "heapsize=" + heap, str(HERE / "https_probe.py")]
        done = subprocess.run(
            command, env=environment, input=json.dumps(plan), capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(reports) == sum(step.get("times", 1) for step in steps)
        return reports

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture
def bench(authority):
    bench = Bench(authority)
    yield bench
    bench.close()


def answering(*answers):
    """Serves one answer after another, the last for ever; a connection ends with its client."""

    def serve(server, connection, number):
        done = 0
        while server.request(connection):
            answer = answers[min(done, len(answers) - 1)]
            connection.sendall(answer)
            done += 1

    return serve


GET = {"do": "request"}
POST = {"do": "request", "method": "POST", "body": '{"a":1}'}


# Trust


@pytest.mark.parametrize("step", [GET, POST, {"do": "open"}], ids=["get", "post", "open"])
def test_wrong_ca_is_refused(bench, step):
    server = bench.server(answering(OK))
    (report,) = bench.probe(server.port, [step], roots=["other"])
    assert (report["error"], report["sent"], report["connected"]) == ("Untrusted", False, False)
    assert server.heard == [] and server.connections == 1


def test_wrong_host_is_refused(bench):
    server = bench.server(answering(OK))
    for host in ("other.test", "sub.pay.test", "pay.test.evil.test", "127.0.0.1"):
        (report,) = bench.probe(server.port, [GET], host=host)
        assert (report["error"], report["sent"]) == ("Untrusted", False), host
    assert server.heard == []


def test_expired_and_not_yet_valid_certificates_are_refused(bench, authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    expired = authority.good.issue_cert(HOST, not_before=now - 30 * DAY, not_after=now - DAY)
    early = authority.good.issue_cert(HOST, not_before=now + DAY, not_after=now + 30 * DAY)
    for certificate in (expired, early):
        server = bench.server(answering(OK), certificate)
        (report,) = bench.probe(server.port, [GET])
        assert (report["error"], report["sent"]) == ("Untrusted", False)
        assert server.heard == []


def test_an_unset_clock_dials_nobody(bench):
    server = bench.server(answering(OK))
    steps = [GET, {"do": "open"}, {"do": "clock", "set": True}, GET]
    reports = bench.probe(server.port, steps, clock=False)
    assert [report.get("error") for report in reports] == ["ClockUnset", "ClockUnset", None, None]
    assert [report.get("sent") for report in reports[:2]] == [False, False]
    assert reports[3]["status"] == 200 and server.connections == 1


def test_roots_are_tried_in_turn_and_the_right_one_is_kept(bench):
    server = bench.server(answering(OK))
    for roots, refusals in ((["other", "good"], 1), (["good", "other"], 0)):
        reports = bench.probe(server.port, [GET, {"do": "close"}, GET], roots=roots)
        assert [report.get("status", 200) for report in reports] == [200] * 3
        assert [(report["refusals"], report["accepts"]) for report in reports[::2]] == [(refusals, 1), (refusals, 2)]


def test_no_root_helps_against_a_wrong_host_name(bench):
    server = bench.server(answering(OK), bench.authority.good.issue_cert("elsewhere.test"))
    (report,) = bench.probe(server.port, [GET], roots=["good", "other"])
    assert report["error"] == "Untrusted" and report["refusals"] == 0


def test_every_root_is_tried_before_a_server_is_refused(bench):
    server = bench.server(answering(OK))
    (report,) = bench.probe(server.port, [GET], roots=["other", "other", "other"])
    assert report["error"] == "Untrusted" and report["refusals"] == 3 and server.heard == []


def test_a_host_may_be_an_address(bench, authority):
    server = bench.server(answering(OK), authority.good.issue_cert("127.0.0.1"))
    (report,) = bench.probe(server.port, [GET], host="127.0.0.1")
    assert report["status"] == 200
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % server.port in server.heard[0]


def test_the_name_is_sent_with_the_handshake(bench):
    names = []
    server = bench.server(answering(OK))
    server.context.sni_callback = lambda connection, name, context: names.append(name)
    bench.probe(server.port, [GET])
    assert names == [HOST]


def test_old_tls_is_refused(bench):
    server = bench.server(answering(OK))
    server.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    server.context.maximum_version = ssl.TLSVersion.TLSv1_1
    (report,) = bench.probe(server.port, [GET])
    assert report["sent"] is False and server.heard == []


# What is no TLS at all


def test_plain_http_on_the_port(bench):
    def serve(server, connection, number):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    server = bench.server(serve, raw=True)
    (report,) = bench.probe(server.port, [GET])
    assert (report["error"], report["sent"]) == ("HTTPSError", False)


def test_nobody_there(bench):
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    for step in (GET, {"do": "open"}):
        (report,) = bench.probe(port, [step])
        assert (report["error"], report["sent"], report["connected"]) == ("HTTPSError", False, False)


def test_no_such_name(bench):
    (report,) = bench.probe(1, [GET], resolve_fails=True)
    assert (report["error"], report["sent"]) == ("HTTPSError", False)


def test_cut_off_in_the_middle_of_the_handshake(bench):
    # A relay that lets so many bytes of the server's through, and no more.
    inner = bench.server(answering(OK))

    def serve(server, connection, number):
        far = socket.create_connection(("127.0.0.1", inner.port))
        far.settimeout(2)
        connection.settimeout(2)
        left = (number - 1) * 100
        try:
            far.sendall(connection.recv(4096))
            while left > 0:
                piece = far.recv(min(left, 4096))
                connection.sendall(piece)
                left -= len(piece)
                if not left:
                    break
                connection.setblocking(False)
                try:
                    far.sendall(connection.recv(4096))
                except BlockingIOError:
                    pass
                connection.settimeout(2)
        finally:
            if number % 2:
                reset(connection)
            far.close()

    server = bench.server(serve, raw=True)
    reports = bench.probe(server.port, [dict(GET, timeout=3000, times=8)])
    assert {(report.get("error"), report.get("sent")) for report in reports} == {("HTTPSError", False)}
    assert inner.heard == []


# Deadlines


def hang(server, connection, number):
    time.sleep(20)


def test_hangs_at_every_stage(bench):
    def after_request(*sent):
        def serve(server, connection, number):
            server.request(connection)
            for piece in sent:
                connection.sendall(piece)
            time.sleep(20)

        return serve

    stages = [
        (bench.server(hang, raw=True), False),  # never answers the handshake
        (bench.server(after_request()), True),
        (bench.server(after_request(OK[:5])), True),
        (bench.server(after_request(OK[:20])), True),
        (bench.server(after_request(OK[:-1])), True),
    ]
    for server, sent in stages:
        warm = [{"do": "open"}] if sent else []
        report = bench.probe(server.port, [*warm, dict(POST, timeout=600)])[-1]
        assert (report["error"], report["sent"], report["words"]) == ("HTTPSError", sent, "timeout")
        assert 590 <= report["ms"] < 600 + SLACK and not report["connected"]


def test_half_a_server_hello(bench):
    def serve(server, connection, number):
        connection.recv(4096)
        connection.sendall(b"\x16\x03\x03\x00\x7a\x02")
        time.sleep(20)

    server = bench.server(serve, raw=True)
    (report,) = bench.probe(server.port, [dict(GET, timeout=500)])
    assert (report["sent"], report["words"]) == (False, "timeout") and report["ms"] < 500 + SLACK


def test_a_resolver_that_hangs(bench):
    (report,) = bench.probe(1, [dict(GET, timeout=300)], resolve_ms=5000)
    assert (report["sent"], report["words"]) == (False, "timeout") and report["ms"] < 300 + SLACK


def test_a_full_accept_queue(bench):
    # The kernel drops our SYN: connecting itself hangs.
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    time.sleep(0.1)
    (report,) = bench.probe(listener.getsockname()[1], [dict(GET, timeout=500)])
    assert (report["sent"], report["words"]) == (False, "timeout") and 490 <= report["ms"] < 500 + SLACK
    for one in [listener, *fillers]:
        one.close()


def test_a_slow_trickle_does_not_stretch_the_deadline(bench):
    def serve(server, connection, number):
        server.request(connection)
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 900:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    server = bench.server(serve)
    report = bench.probe(server.port, [{"do": "open"}, dict(GET, timeout=800)])[-1]
    assert (report["sent"], report["words"]) == (True, "timeout") and report["ms"] < 800 + SLACK


def test_a_flood_does_not_stretch_the_deadline_or_the_heap(bench):
    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 16000)

    server = bench.server(serve)
    (report,) = bench.probe(server.port, [dict(GET, timeout=3000)])
    assert (report["error"], report["words"]) == ("BadAnswer", "too large") and report["sent"] is True
    assert report["size"] <= 65536


# Answers


def test_cut_at_every_byte_of_an_answer(bench):
    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(OK[: number - 1])
        if number % 3 == 0:
            notify(connection)
        elif number % 3 == 1 and number <= len(OK):
            reset(connection)  # elsewhere a bare FIN

    server = bench.server(serve)
    reports = bench.probe(server.port, [dict(GET, times=len(OK) + 1)])
    for report in reports[:-1]:
        assert (report["error"], report["sent"]) == ("HTTPSError", True), report
        assert report["ms"] < 4000, report
    assert reports[-1]["status"] == 200 and reports[-1]["body"] == "{}"
    assert reports[-1]["handshakes"] == len(reports) == server.connections


def test_an_answer_that_comes_with_the_end_is_not_lost(bench):
    # FIN right behind the answer and no close_notify: the read that takes the answer also meets the error.
    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"y" * 500)
        connection.detach()
        os.close(files[number - 1])

    files = []
    server = bench.server(serve)
    plain = server._run

    def run(connection, number):
        files.append(connection.fileno())
        plain(connection, number)

    server._run = run
    reports = bench.probe(server.port, [dict(GET, times=5)])
    assert [(report.get("status"), report.get("size")) for report in reports] == [(200, 500)] * 5, reports


def test_reset_instead_of_an_answer(bench):
    def serve(server, connection, number):
        server.request(connection)
        reset(connection)

    server = bench.server(serve)
    reports = bench.probe(server.port, [GET, POST])
    assert [(report["error"], report["sent"]) for report in reports] == [("HTTPSError", True)] * 2
    assert server.connections == 2


def test_until_the_end(bench):
    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{}")
        if number == 1:
            notify(connection)
        else:
            time.sleep(0.05)
            reset(connection)

    server = bench.server(serve)
    good, bad = bench.probe(server.port, [GET, GET])
    assert (good["status"], good["body"], good["connected"]) == (200, "{}", False)
    assert (bad["error"], bad["sent"]) == ("HTTPSError", True)


def test_chunked_one_byte_at_a_time(bench):
    text = json.dumps({"id": "x" * 200}).encode()
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"1\r\n%c\r\n" % byte for byte in text)
        + b"0\r\n\r\n"
    )

    def serve(server, connection, number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while server.request(connection):
            for byte in answer:
                connection.sendall(bytes([byte]))

    server = bench.server(serve)
    reports = bench.probe(server.port, [GET, GET])
    assert [(report["status"], report["body"]) for report in reports] == [(200, text.decode())] * 2
    assert reports[1]["handshakes"] == 1


def test_bad_answers_close_the_connection(bench):
    bad = [
        b"<html>502 Bad Gateway</html>\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    ]
    served = iter(bad)

    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(next(served))
        server.request(connection)

    server = bench.server(serve)
    reports = bench.probe(server.port, [dict(POST, times=len(bad))])
    for report in reports:
        assert (report["error"], report["sent"], report["connected"]) == ("BadAnswer", True, False), report
    assert server.connections == len(bad)


def test_statuses_redirects_and_retry_after(bench):
    answers = [
        b"HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        OK,
    ]
    server = bench.server(answering(*answers))
    reports = bench.probe(server.port, [dict(GET, times=5)])
    assert [report["status"] for report in reports] == [302, 429, 204, 500, 200]
    assert [report["retry_after"] for report in reports] == [None, 7, None, None, None]
    assert reports[-1]["handshakes"] == server.connections == 1


# The connection between exchanges


def test_polls_share_one_connection_and_cost_one_small_write_each(bench):
    server = bench.server(answering(OK))
    path = "/api/payment-requests/1234567890123456789012"
    reports = bench.probe(server.port, [{"do": "open"}, dict(GET, path=path, times=60)])
    assert reports[0]["handshakes"] == 1 and reports[0]["out"] == reports[0]["in"] == 0
    assert reports[-1]["handshakes"] == server.connections == 1
    assert len(server.heard) == 60  # one TLS record, so one segment and one round trip, each
    key = b"X-Api-Key: 0123456789012345678901234567890123456789\r\n"
    wanted = b"GET %s HTTP/1.1\r\nHost: %s:%d\r\n%s\r\n" % (path.encode(), HOST.encode(), server.port, key)
    assert set(server.heard) == {wanted}
    assert len(wanted) == reports[1]["out"] <= 250
    assert reports[-1]["in"] == 60 * len(OK)


def test_opening_sends_no_byte_of_http_and_waits_for_the_whole_handshake(bench):
    finished = []

    def serve(server, connection, number):
        finished.append(time.monotonic())
        connection.settimeout(0.3)
        try:
            server.heard.append(connection.recv(100))
        except TimeoutError:
            finished.append("silent")
            connection.settimeout(None)
        answering(OK)(server, connection, number)

    server = bench.server(serve)
    reports = bench.probe(server.port, [{"do": "open"}, {"do": "sleep", "ms": 500}, {"do": "open"}, GET])
    assert finished[1] == "silent"
    assert [report["handshakes"] for report in reports] == [1, 1, 1, 1]
    assert reports[0]["connected"] and reports[3]["status"] == 200 and server.connections == 1


def closing(how):
    def serve(server, connection, number):
        server.request(connection)
        connection.sendall(OK)
        if how == "notify":
            notify(connection)
        elif how == "reset":
            time.sleep(0.05)
            reset(connection)
        elif how == "extra":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            server.request(connection)

    return serve


@pytest.mark.parametrize("how", ["notify", "abrupt", "reset", "extra"])
def test_a_dead_idle_connection_is_noticed_before_anything_is_sent(bench, how):
    server = bench.server(closing(how))
    pause = {"do": "sleep", "ms": 150}
    reports = bench.probe(server.port, [GET, pause, POST, pause, GET, pause, {"do": "open"}, GET])
    assert [reports[i]["status"] for i in (0, 2, 4, 7)] == [200] * 4
    assert [reports[i]["body"] for i in (0, 2, 4, 7)] == ["{}"] * 4
    assert reports[-1]["handshakes"] == server.connections == 4
    assert len(server.heard) == 4  # nobody was asked twice


@pytest.mark.parametrize("how", ["notify", "abrupt", "reset"])
def test_closed_under_the_request(bench, how):
    # The server has given up the kept connection just when the request comes: only a GET may be made again.
    def serve(server, connection, number):
        if number < 3:
            server.request(connection)
            connection.sendall(OK)
        if number < 3:
            server.request(connection)
            if how == "notify":
                notify(connection)
            elif how == "reset":
                reset(connection)
            return
        answering(OK)(server, connection, number)

    server = bench.server(serve)
    first, again, lost, after = bench.probe(server.port, [GET, GET, POST, GET])
    assert first["status"] == 200
    assert again["status"] == 200 and again["handshakes"] == 2
    assert (lost["error"], lost["sent"]) == ("HTTPSError", True)
    assert after["status"] == 200 and server.connections == 3
    assert sum(b"POST" in piece for piece in server.heard) == 1


def test_a_get_is_made_again_only_once(bench):
    def serve(server, connection, number):
        server.request(connection)
        if number == 1:
            connection.sendall(OK)
            server.request(connection)

    server = bench.server(serve)
    first, second = bench.probe(server.port, [GET, GET])
    assert first["status"] == 200
    assert (second["error"], second["sent"]) == ("HTTPSError", True)
    assert server.connections == 2


def test_connection_close_is_obeyed(bench):
    server = bench.server(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"))
    reports = bench.probe(server.port, [GET, GET])
    assert [report["connected"] for report in reports] == [False, False]
    assert server.connections == reports[1]["handshakes"] == 2


def test_requests_go_one_at_a_time(bench):
    server = bench.server(answering(OK))
    (report,) = bench.probe(server.port, [{"do": "together", "paths": ["/a", "/b", "/c"]}])
    assert [one["status"] for one in report["reports"]] == [200] * 3
    assert server.connections == 1 and len(server.heard) == 3


def test_waiting_for_ones_turn_counts(bench):
    def serve(server, connection, number):
        server.request(connection)
        time.sleep(20)

    server = bench.server(serve)
    report = bench.probe(server.port, [{"do": "open"}, {"do": "together", "paths": ["/a", "/b"], "timeout": 700}])[-1]
    assert [one["words"] for one in report["reports"]] == ["timeout"] * 2
    assert [one["sent"] for one in report["reports"]] == [True, False]
    assert all(one["ms"] < 700 + SLACK for one in report["reports"])


def test_a_cancelled_request_leaves_nothing_half_read(bench):
    def serve(server, connection, number):
        asked = server.request(connection)
        if number == 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            time.sleep(5)
            return
        assert asked
        connection.sendall(OK)
        server.request(connection)

    server = bench.server(serve)
    reports = bench.probe(server.port, [{"do": "cancel", "after": 400}, GET])
    assert reports[0]["cancelled"] and not reports[0]["connected"]
    assert (reports[1]["status"], reports[1]["body"], reports[1]["handshakes"]) == (200, "{}", 2)


def test_cancelled_while_connecting(bench):
    server = bench.server(hang, raw=True)
    reports = bench.probe(server.port, [{"do": "cancel", "after": 100}, dict(GET, timeout=300)])
    assert reports[0]["cancelled"] and reports[0]["handshakes"] == 0
    assert reports[1]["words"] == "timeout"


def test_close_ends_the_exchange_under_way(bench):
    def serve(server, connection, number):
        while server.request(connection):
            if number == 1 and len(server.heard) == 2:
                time.sleep(5)
            connection.sendall(OK)

    server = bench.server(serve)
    reports = bench.probe(server.port, [GET, {"do": "close_during", "after": 200}, GET])
    assert (reports[1]["error"], reports[1]["sent"]) == ("HTTPSError", True)
    assert reports[1]["ms"] < 200 + SLACK and reports[2]["status"] == 200


def test_other_tasks_run_meanwhile(bench):
    def serve(server, connection, number):
        server.request(connection)
        time.sleep(0.5)
        connection.sendall(OK)

    server = bench.server(serve)
    reports = bench.probe(server.port, [{"do": "open"}, {"do": "alive"}])
    assert reports[1]["status"] == 200 and reports[1]["ticks"] > 10


def test_bodies_beyond_the_buffer_go_out_whole(bench):
    bodies = []

    def serve(server, connection, number):
        while True:
            asked = server.request(connection)
            if not asked:
                return
            bodies.append(asked.partition(b"\r\n\r\n")[2])
            connection.sendall(OK)

    server = bench.server(serve)
    sizes = [1, 800, 900, 1024, 5000, 20000]
    reports = bench.probe(server.port, [dict(POST, body=size) for size in sizes])
    assert [report["status"] for report in reports] == [200] * len(sizes)
    assert bodies == [b"x" * size for size in sizes]


def test_heads_beyond_the_buffer_go_out_whole(bench):
    asked = []

    def serve(server, connection, number):
        while True:
            head = server.request(connection)
            if not head:
                return
            asked.append(head)
            connection.sendall(OK)

    server = bench.server(serve)
    heads = [f"X-Api-Key: {'k' * 128}\r\nAuthorization: {'j' * size}\r\n" for size in (700, 850, 900, 1000, 1024)]
    path = "/api/payment-requests/" + "i" * 64
    steps = [dict(GET, path=path, headers=head, times=2) for head in heads]
    reports = bench.probe(server.port, [*steps, GET, dict(POST, headers=heads[-1])])
    assert [report["status"] for report in reports] == [200] * 12 and reports[-1]["handshakes"] == 1
    line = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n"
    assert asked[:10] == [(line + head + "\r\n").encode() for head in heads for _ in range(2)]
    assert asked[-1].endswith(b'\r\nContent-Length: 7\r\n\r\n{"a":1}')


# Memory


def test_a_poll_keeps_nothing_and_churns_little(bench):
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 528\r\nConnection: keep-alive\r\n\r\n"
        + b"x" * 528
    )
    server = bench.server(answering(answer))
    (report,) = bench.probe(server.port, [{"do": "heap", "polls": 200}])
    assert report["kept"] <= 0, report
    assert report["churn"] <= 1024, report
    assert report["request"] <= 250


def test_reconnecting_leaks_nothing(bench):
    server = bench.server(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"))
    (report,) = bench.probe(server.port, [{"do": "heap", "polls": 20}])
    assert report["kept"] <= 0, report


def test_half_the_heap_is_enough(bench, tmp_path):
    mpy_cross = MICROPYTHON.parent / "mpy-cross"
    subprocess.run(
        [str(mpy_cross), "-march=x64", "-o", str(tmp_path / "https.mpy"), str(ROOT / "lib" / "https.py")], check=True
    )
    server = bench.server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60000))
    reports = bench.probe(server.port, [dict(GET, times=5)], heap="48wK", lib=tmp_path)
    assert [(report["status"], report["size"]) for report in reports] == [(200, 60000)] * 5
