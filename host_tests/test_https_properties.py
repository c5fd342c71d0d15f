"""The HTTP answer parser on any bytes, and the client over a hand-written transport."""

import asyncio
import errno

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import https
from https import HTTPS, Answer, BadAnswer, HTTPSError, Untrusted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Sink:
    def __init__(self):
        self.body = b""

    def feed(self, buf, start, end):
        assert 0 <= start < end <= len(buf)
        self.body += bytes(buf[start:end])
        assert len(self.body) <= 65536


def outcome(data, cuts=(), ended=True):
    """What the parser makes of bytes that come in these pieces: everything that a caller can see."""
    answer = Answer()
    sink = Sink()
    edges = sorted({0, len(data), *[cut % (len(data) + 1) for cut in cuts]})
    used = 0
    try:
        for start, end in zip(edges, edges[1:], strict=False):
            used = answer.feed(data, start, end, sink)
            if answer.done:
                break
            assert used == end
        if ended and not answer.done:
            answer.end()
    except BadAnswer:
        return "bad"
    except OSError:
        return "cut short"
    assert len(answer._line) == 256
    return answer.status, answer.retry_after, answer.keep, sink.body, used if answer.keep else None


fields = st.sampled_from(
    [
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"content-length:5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 99999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Retry-After: 5\r\n",
        b"Server: x\r\n",
        b" folded\r\n",
        b"X: " + b"y" * 300 + b"\r\n",
        b"Bare: lf\n",
        b"no colon\r\n",
        b"\r\n",
        b"X: \0\r\n",
        b"Content-Length: " + b" " * 260 + b"5\r\n",
    ]
)
bodies = st.sampled_from(
    [
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhel",
        b"lo\r\n",
        b"0\r\n",
        b"\r\n",
        b"FFFFFFFFF\r\n",
        b"2\r\nab\r\n",
        b"A: b\r\n",
        OK,
        b"\n",
        b"x" * 300,
    ]
)
starts = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 204 x\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 x\r\n",
        b"HTTP/2 200\r\n",
        b"",
        b"HTTP/1.1 304\r\n",
    ]
)
answers = st.builds(
    lambda start, head, body: start + b"".join(head) + b"\r\n" + b"".join(body),
    starts,
    st.lists(fields, max_size=4),
    st.lists(bodies, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(answers | st.binary(max_size=80), st.lists(st.integers(0, 2000), max_size=8))
@example(OK, list(range(60)))
def test_any_bytes_any_cut(data, cuts):
    whole = outcome(data)
    assert outcome(data, cuts) == whole
    assert outcome(data, range(len(data))) == whole


@settings(max_examples=100, deadline=None)
@given(answers, st.integers(0, 2000), st.integers(0, 255))
def test_one_changed_byte(data, at, byte):
    changed = bytearray(data)
    changed[at % len(changed)] = byte
    changed = bytes(changed)
    assert outcome(changed, range(len(changed))) == outcome(changed)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=12), st.lists(st.integers(0, 5000), max_size=10))
def test_chunks_are_put_together(chunks, cuts):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert outcome(data, cuts) == (200, None, True, b"".join(chunks), len(data))


# The client over a transport of our own


class FakeLink:
    """A connection that answers from a script: bytes to hand out, None for nothing yet, or an exception to raise."""

    judged = True

    def __init__(self, script, refusal=None, takes=1 << 30):
        self.script = list(script)
        self.refusal = refusal
        self.takes = takes
        self.written = b""
        self.closed = False

    async def open(self, info, nap):
        if self.refusal:
            raise self.refusal

    def readinto(self, buf):
        if self.closed:
            raise OSError(errno.ENOTCONN)
        if not self.script:
            return None
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if step is None:
            return None
        if isinstance(step, tuple):  # the read that takes these bytes also meets the error, as MicroPython's does
            buf[: len(step[0])] = step[0]
            raise step[1]
        size = min(len(buf), len(step))
        buf[:size] = step[:size]
        if size < len(step):
            self.script.insert(0, step[size:])
        return size

    def write(self, view):
        if isinstance(self.takes, Exception):
            raise self.takes
        size = min(self.takes, len(view))
        self.written += bytes(view[:size])
        return size or None

    def close(self):
        self.closed = True


class OneRoot:
    def refused(self):
        return False

    def accepted(self):
        pass


class Client(HTTPS):
    def __init__(self, *links):
        super().__init__("127.0.0.1", 443, OneRoot(), lambda: True)
        self.links = list(links)
        self.used = []

    def _new_link(self):
        self.used.append(self.links.pop(0))
        return self.used[-1]

    def get(self, method="GET", body=None, timeout_ms=5000):
        async def exchange():
            sink = Sink()
            status = await self.request(method, "/x", b"A: b\r\n", body, sink, timeout_ms)
            return status, sink.body

        return asyncio.run(exchange())


def failure(client, **options):
    with pytest.raises(HTTPSError) as caught:
        client.get(timeout_ms=300, **options)
    assert client._busy is False
    return type(caught.value).__name__, caught.value.sent


def test_an_exchange_on_the_wire():
    link = FakeLink([OK])
    assert Client(link).get() == (200, b"{}")
    assert link.written == b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\n\r\n"
    link = FakeLink([OK])
    assert Client(link).get("POST", b"body") == (200, b"{}")
    assert link.written == b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b\r\nContent-Length: 4\r\n\r\nbody"
    link = FakeLink([OK])
    assert Client(link).get("POST") == (200, b"{}")
    assert link.written.endswith(b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("takes", [1, 7, 100])
@pytest.mark.parametrize("size", [4, 2000])
def test_partial_writes(takes, size):
    link = FakeLink([OK], takes=takes)
    assert Client(link).get("POST", b"y" * size) == (200, b"{}")
    assert link.written.endswith(b"\r\n\r\n" + b"y" * size)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(OK)), max_size=6), st.lists(st.booleans(), min_size=7, max_size=7))
def test_answers_in_pieces_with_pauses(cuts, pauses):
    edges = sorted({0, len(OK), *cuts})
    script = []
    for start, end, pause in zip(edges, edges[1:], pauses, strict=False):
        script += [None, OK[start:end]] if pause else [OK[start:end]]
    assert Client(FakeLink(script)).get() == (200, b"{}")


def test_out_of_memory_while_connecting_is_tried_once_more():
    for error in (OSError(errno.ENOMEM, "x"), OSError(-17040, "x"), MemoryError()):
        client = Client(FakeLink([], error), FakeLink([OK]))
        assert client.get() == (200, b"{}") and client.handshakes == 1
        assert client.used[0].closed
        client = Client(FakeLink([], error), FakeLink([], error), FakeLink([OK]))
        assert failure(client) == ("HTTPSError", False)
        assert len(client.used) == 2


def test_refusals_by_class_and_by_code():
    for error in (ValueError("not signed by the trusted CA"), OSError(-9984, "x"), OSError(-30336, "x")):
        client = Client(FakeLink([], error), FakeLink([OK]))
        assert failure(client) == ("Untrusted", False)
        assert client.used[0].closed and len(client.used) == 1
        # A handshake that was not over after all, and fails at the first write.
        client = Client(FakeLink([], takes=error), FakeLink([OK]))
        assert failure(client)[0] == "Untrusted"
        assert client.used[0].closed and len(client.used) == 1
    assert failure(Client(FakeLink([], takes=ValueError("x")))) == ("Untrusted", False)


def test_sent_is_true_as_soon_as_something_may_have_gone_out():
    assert failure(Client(FakeLink([], takes=OSError(104, "x")))) == ("HTTPSError", True)
    assert failure(Client(FakeLink([], takes=0))) == ("HTTPSError", True)
    assert failure(Client(FakeLink([b"HTTP/9"]))) == ("HTTPSError", True)
    assert failure(Client(FakeLink([b"HTTP/9\r\n"]))) == ("BadAnswer", True)
    assert failure(Client(FakeLink([MemoryError()]))) == ("HTTPSError", True)
    assert failure(Client(FakeLink([], OSError(111, "x")))) == ("HTTPSError", False)


def test_repeated_get_stays_sent():
    first = FakeLink([OK, None, OSError(104, "x")])
    client = Client(first, FakeLink([], OSError(111, "x")))
    assert client.get() == (200, b"{}")
    assert failure(client) == ("HTTPSError", True)
    assert first.written.count(b"GET") == 2


def test_a_post_is_never_repeated_once_written():
    first = FakeLink([OK, None, OSError(104, "x")])
    second = FakeLink([OK])
    client = Client(first, second)
    assert client.get("POST", b"1") == (200, b"{}")
    assert failure(client, method="POST", body=b"2") == ("HTTPSError", True)
    assert second.written == b"" and first.closed
    assert client.get("POST", b"3") == (200, b"{}")


def test_nothing_is_repeated_once_the_answer_has_begun():
    first = FakeLink([OK, None, b"H", OSError(104, "x")])
    second = FakeLink([OK])
    client = Client(first, second)
    client.get()
    assert failure(client) == ("HTTPSError", True)
    assert second.written == b""


def test_an_answer_read_together_with_the_break_is_not_lost():
    gone = OSError(-29312, "x")
    client = Client(FakeLink([(OK, gone)]))
    assert client.get() == (200, b"{}") and not client.connected
    client = Client(FakeLink([OK[:9], None, (OK[9:], gone)]))
    assert client.get() == (200, b"{}") and not client.connected
    assert failure(Client(FakeLink([(OK[:-1], gone)]))) == ("HTTPSError", True)
    # What an earlier read left in the buffer is not taken for part of this one.
    assert failure(Client(FakeLink([OK[:-1], (b"", gone)]))) == ("HTTPSError", True)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"y" * 800
    assert failure(Client(FakeLink([long, (b"y", gone)]))) == ("HTTPSError", True)


def test_a_fault_of_the_sink_closes_the_connection():
    class Broken:
        def feed(self, buf, start, end):
            raise KeyError("x")

    client = Client(FakeLink([OK]))
    with pytest.raises(KeyError):
        asyncio.run(client.request("GET", "/", b"", None, Broken(), 300))
    assert not client.connected and not client._busy


def test_a_cancelled_turn_does_not_free_anothers():
    async def both():
        client = Client(FakeLink([]), FakeLink([OK]))
        silent, other = client.links
        # No deadline plays a part: the first holds its turn until it is told that its link broke.
        first = asyncio.create_task(client.request("GET", "/", b"", None, Sink(), 60000))
        while not silent.written:
            await asyncio.sleep(0)
        second = asyncio.create_task(client.request("GET", "/", b"", None, Sink(), 60000))
        await asyncio.sleep(0.02)
        assert not second.done() and client.links == [other]
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert client._busy and client.links == [other] and not first.done()
        silent.script.append(b"HTTP/9\r\n")
        with pytest.raises(BadAnswer):
            await first
        assert not client._busy

    asyncio.run(both())


def test_heads_that_do_not_fit_are_refused_before_anything_is_sent():
    link = FakeLink([OK])
    client = Client(link)
    with pytest.raises(ValueError):
        asyncio.run(client.request("GET", "/" + "x" * 2100, b"", None, Sink(), 300))
    assert link.written == b"" and not client._busy


def test_untrusted_is_an_https_error():
    assert (
        issubclass(Untrusted, HTTPSError)
        and issubclass(https.ClockUnset, HTTPSError)
        and issubclass(BadAnswer, HTTPSError)
    )
