"""Verification is proven at boot: https.refuses() under MicroPython, and the whole device in front of a server that has
the very root that nobody can have."""

import asyncio
import contextlib
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from test_https_tls import GET, OK, ROOT, answering, authority, bench, reset  # noqa: F401, fixtures
from tillpane.sim.device import HARD_RESET, SimDevice
from tillpane.sim.till import Till

SELFTEST = ROOT / "firmware" / "selftest.der"
REFUSES = {"do": "refuses", "root": str(SELFTEST)}


def test_the_shipped_root_is_a_root_of_its_own():
    certificate = x509.load_der_x509_certificate(SELFTEST.read_bytes())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc.year >= 2100, "it must be the root that is refused, not its age"
    trusted = {path.read_bytes() for path in (ROOT / "firmware" / "roots").glob("*.der")}
    assert SELFTEST.read_bytes() not in trusted


def test_a_server_is_refused_and_then_works(bench):  # noqa: F811
    server = bench.server(answering(OK))
    proof, after = bench.probe(server.port, [REFUSES, GET])
    assert proof["refused"] is True and not proof["connected"] and proof["out"] == 0
    assert after["status"] == 200
    assert server.connections == 2


def test_it_can_also_be_done_on_a_connection_that_is_up(bench):  # noqa: F811
    server = bench.server(answering(OK))
    reports = bench.probe(server.port, [GET, REFUSES, GET])
    assert [report.get("status") for report in reports] == [200, None, 200]


def test_a_server_with_that_root_is_not_refused(bench, authority):  # noqa: F811
    server = bench.server(answering(OK))
    (report,) = bench.probe(server.port, [{**REFUSES, "root": authority.roots["good"]}])
    assert report["refused"] is False and server.heard == [] and not report["connected"]


def test_nobody_silence_and_no_tls_prove_nothing(bench):  # noqa: F811
    def silent(server, connection, number):
        connection.recv(1)
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while connection.recv(4096):
                pass

    def plain(server, connection, number):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    def rude(server, connection, number):
        reset(connection)

    ports = [bench.server(serve, raw=True).port for serve in (silent, plain, rude)]
    for port in (*ports, 1):
        (report,) = bench.probe(port, [{**REFUSES, "timeout": 1500}])
        assert report.get("error") == "HTTPSError" and "refused" not in report, port


def test_an_unset_clock_proves_nothing(bench):  # noqa: F811
    server = bench.server(answering(OK))
    (report,) = bench.probe(server.port, [REFUSES], clock=False)
    assert report["error"] == "ClockUnset" and server.connections == 0


def test_a_root_that_is_none_proves_nothing(bench, tmp_path):  # noqa: F811
    """Memory that is short for a moment looks the same, so it is called broken only after a few times."""
    server = bench.server(answering(OK))
    broken = tmp_path / "broken.der"
    for data in (b"", b"\0", SELFTEST.read_bytes()[:-1], SELFTEST.read_bytes()[1:]):
        broken.write_bytes(data)
        reports = bench.probe(server.port, [{**REFUSES, "root": str(broken), "times": 5}])
        assert [report["error"] for report in reports] == ["HTTPSError"] * 3 + ["ValueError"] * 2, data[:4]
        assert server.connections == 0
    reports = bench.probe(server.port, [{**REFUSES, "root": str(broken), "times": 3}, REFUSES, GET])
    assert reports[3]["refused"] is True and reports[4]["status"] == 200


# The whole device


class Impostor:
    """A TLS server for localhost whose root the device is handed as the one that nobody can have: to it this looks
    as if its own verification let everybody in."""

    def __init__(self, folder):
        key, self.root = _certificate("A root of nobody", None, None)
        leaf_key, leaf = _certificate("localhost", key, self.root)
        chain = folder / "chain.pem"
        private = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(private + leaf.public_bytes(Encoding.PEM))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.heard = b""
        self.handshakes = 0

    async def talk(self, reader, writer):
        self.handshakes += 1
        with contextlib.suppress(OSError):
            self.heard += await reader.read(4096)
        writer.close()


def _certificate(name, issuer_key, issuer):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(issuer is None, None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), False)
        .sign(issuer_key or key, hashes.SHA256())
    )
    return key, certificate


@pytest.mark.timeout(90)
def test_a_device_that_accepts_the_wrong_root_stays_out_of_order(tmp_path):
    impostor = Impostor(tmp_path)
    root = impostor.root.public_bytes(Encoding.DER)

    async def scene():
        server = await asyncio.start_server(impostor.talk, "127.0.0.1", 0, ssl=impostor.context)
        settings = {
            "api_url": f"https://localhost:{server.sockets[0].getsockname()[1]}",
            "api_key": "k",
            "config_id": "c",
            "ntp_server": "127.0.0.1:1",
            "panel_spi": 2,
        }
        device = SimDevice(settings, root)
        await device.prepare()
        try:
            (device.root / "firmware" / "selftest.der").write_bytes(root)  # as if a wrong root were believed
            device._rtc_ahead_s = 0
            await device.start(HARD_RESET)  # a reset, over which the clock keeps its time
            screen = await device.wait_screen("out-of-order", timeout=40)
            with Till(device.port.path) as till:
                answer = await till.ask("SALE 1 12.34", "ERR", "OK")
                await asyncio.sleep(3)
            return screen, list(device.console), answer, impostor.handshakes, impostor.heard
        finally:
            await device.close()
            server.close()

    _, console, answer, handshakes, heard = asyncio.run(scene())
    assert "[tillpane] not ready: SECURITY" in console and "[tillpane] ready" not in console
    assert answer.startswith("ERR NOT_READY SECURITY")
    assert heard == b"" and handshakes == 1, "nothing may be sent, and nothing tried again"
