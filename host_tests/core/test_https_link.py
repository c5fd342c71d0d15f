"""The client between TLS and a request, without I/O: the end of a handshake, requests larger than the buffer."""

import asyncio
import sys
import time

import https
from https import HTTPS, HTTPSError, Link

if not hasattr(asyncio, "sleep_ms"):
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)
if not hasattr(time, "ticks_ms"):
    time.ticks_ms = lambda: int(time.monotonic() * 1000)
    time.ticks_diff = lambda a, b: a - b


class Shaking:
    """A TLS socket in its handshake, and its poller. It verifies at read 2, and hears the last words at read 5."""

    def __init__(self, link):
        self.link = link
        self.reads = 0

    def readinto(self, buf):
        self.reads += 1
        if self.reads == 2:
            self.link.judged = True

    def poll(self, ms):
        return self.reads == 4

    def getpeercert(self, binary):
        raise MemoryError("boards have this, and it costs what there is least of")


def test_the_end_of_a_handshake_is_seen_without_a_copy_of_the_certificate():
    link = Link(None, "pay.test")
    tls = Shaking(link)
    began = time.ticks_ms()
    asyncio.run(link._shake(tls, tls, lambda: 1))
    assert tls.reads > 5 and 20 <= time.ticks_diff(time.ticks_ms(), began) < 900


class Wire:
    """Behind Link's verbs: takes `most` bytes a write."""

    def __init__(self, most):
        self.most = most
        self.out = b""

    def write(self, buf):
        taken = min(len(buf), self.most)
        self.out += bytes(buf[:taken])
        return taken


def sent(headers, body=None, most=1 << 30, path="/x", method=b"GET"):
    """What a request puts on the wire."""
    client = HTTPS("pay.test", 443, None, lambda: True)
    client._link = wire = Wire(most)
    client._compose(method, https._ascii(path), headers, body)
    assert client._push() and client.sent == len(wire.out)
    return wire.out


def lines(size):
    return b"X-Api-Key: k\r\nAuthorization: " + b"j" * (size - 31) + b"\r\n"


def test_a_head_of_any_allowed_size_goes_out_whole():
    for size in (100, 950, 966, 967, 968, 969, 970, 1000, 1024, 1400, 1900):
        for most in (1 << 30, 100):
            for body in (None, b"body"):
                wanted = b"GET /x HTTP/1.1\r\nHost: pay.test\r\n" + lines(size)
                if body:
                    wanted += b"Content-Length: 4\r\n"
                assert sent(lines(size), body, most) == wanted + b"\r\n" + (body or b""), (size, most, body)


def test_a_short_request_after_a_long_one_is_itself():
    client = HTTPS("pay.test", 443, None, lambda: True)
    for size in (1400, 100, 1400):
        client._link = wire = Wire(1 << 30)
        client._compose(b"GET", b"/x", lines(size), None)
        client._push()
        assert wire.out.endswith(lines(size) + b"\r\n") and wire.out.count(b"\r\n\r\n") == 1
        assert client._unsent is None


def test_a_head_beyond_all_measure_is_refused():
    for path, headers in (("/x", lines(3000)), ("/" + "x" * 3000, b"")):
        try:
            sent(headers, path=path)
        except ValueError as error:
            assert str(error) == "too large"
        else:
            raise AssertionError(path[:2])


class Tls:
    """The `tls` module of a board that is short of memory: a context can be made, or loaded, from the n-th time on."""

    PROTOCOL_TLS_CLIENT = 0
    CERT_REQUIRED = 2

    def __init__(self, makes_at, loads_at):
        self.left = [makes_at, loads_at]

    def SSLContext(self, protocol):
        self.left[0] -= 1
        if self.left[0] > 0:
            raise OSError(12)
        self.verify_mode = 2
        return self

    def load_verify_locations(self, root):
        self.left[1] -= 1
        if self.left[1] > 0:
            raise ValueError("invalid cert")

    def wrap_socket(self, *args, **kwargs):
        raise AssertionError


def refusals(tls):
    """What refuses() comes to in turn, until it goes as far as dialling or gives up."""
    kept = sys.modules.get("tls")
    sys.modules["tls"] = tls
    came = []
    client = HTTPS("pay.test", 443, None, lambda: False)  # no clock: it dials nobody
    try:
        for _ in range(8):
            try:
                asyncio.run(client.refuses(b"root", 1000))
            except https.ClockUnset:
                return came + ["dials"]
            except HTTPSError:
                came.append("later")
            except ValueError:
                return came + ["broken"]
        return came
    finally:
        del sys.modules["tls"]
        if kept is not None:
            sys.modules["tls"] = kept


def test_a_root_that_memory_was_short_for_is_tried_again():
    assert refusals(Tls(0, 0)) == ["dials"]
    assert refusals(Tls(0, 2)) == ["later", "dials"]
    assert refusals(Tls(0, 4)) == ["later"] * 3 + ["dials"]
    assert refusals(Tls(6, 0)) == ["later"] * 5 + ["dials"]


def test_a_root_that_stays_malformed_is_broken():
    assert refusals(Tls(0, 100)) == ["later"] * 3 + ["broken"]
