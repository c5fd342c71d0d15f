"""The HTTP/1.1 answer parser and the checks on requests, under both interpreters. No I/O."""

import gc
import sys

import https
from https import HTTPS, Answer, BadAnswer


class Sink:
    def __init__(self):
        self.body = b""

    def feed(self, buf, start, end):
        assert start < end
        self.body += bytes(buf[start:end])


class Nowhere:
    def feed(self, buf, start, end):
        pass


def parse(data, piece=1 << 30, ended=False):
    """-> (answer, body, bytes used)"""
    answer = Answer()
    sink = Sink()
    used = 0
    while used < len(data) and not answer.done:
        stop = min(len(data), used + piece)
        taken = answer.feed(data, used, stop, sink)
        assert taken == stop or answer.done
        used = taken
    if ended and not answer.done:
        answer.end()
    return answer, sink.body, used


def refused(data):
    words = None
    for piece in (1 << 30, 1, 2, 3, 7, 64):
        try:
            parse(data, piece)
        except BadAnswer as error:
            words = words or str(error)
            continue
        return False
    return words


def head(*fields, status="HTTP/1.1 200 OK"):
    return (status + "\r\n" + "".join([field + "\r\n" for field in fields]) + "\r\n").encode()


PLAIN = head("Content-Type: application/json", "Content-Length: 11", "Connection: keep-alive") + b'{"id":"abc"}'[:11]
CHUNKED = head("Transfer-Encoding: chunked") + b"4\r\nWiki\r\n5;name=value\r\npedia\r\n0\r\nTrailer: x\r\n\r\n"


def test_length():
    for piece in range(1, 120):
        answer, body, used = parse(PLAIN, piece)
        assert (answer.status, body, used) == (200, b'{"id":"abc"', len(PLAIN))
        assert answer.done and answer.keep and answer.retry_after is None


def test_chunked():
    for piece in range(1, 120):
        answer, body, used = parse(CHUNKED, piece)
        assert (answer.status, body, used) == (200, b"Wikipedia", len(CHUNKED))
        assert answer.done and answer.keep


def test_chunked_one_byte_each():
    data = (
        head("transfer-encoding:CHUNKED")
        + b"".join([b"1\r\n%c\r\n" % (65 + i % 26) for i in range(300)])
        + b"000\r\n\r\n"
    )
    for piece in (1, 5, 4096):
        answer, body, used = parse(data, piece)
        assert body == bytes([65 + i % 26 for i in range(300)]) and used == len(data) and answer.keep


def test_not_done_before_the_last_byte():
    for data in (PLAIN, CHUNKED):
        for end in range(len(data)):
            answer, _, used = parse(data[:end])
            assert not answer.done and used == end
            try:
                answer.end()
            except OSError:
                continue
            raise AssertionError(end)


def test_next_answer_is_left_alone():
    answer, body, used = parse(PLAIN + b"HTTP/1.1 200 OK\r\n")
    assert used == len(PLAIN) and answer.done


def test_until_the_end():
    data = head("Server: x") + b"as long as it goes"
    for piece in (1, 10, 1000):
        answer, body, _ = parse(data, piece, ended=True)
        assert body == b"as long as it goes" and answer.done and not answer.keep
    answer, _, _ = parse(data)
    assert not answer.done


def test_no_body():
    for status in ("204 No Content", "304 Not Modified"):
        answer, body, used = parse(head(status="HTTP/1.1 " + status) + b"x")
        assert answer.done and answer.keep and body == b"" and used == len(head(status="HTTP/1.1 " + status))
        assert not parse(head("Content-Length: 5", status="HTTP/1.1 " + status))[0].keep
    answer, body, _ = parse(head("Content-Length: 0"))
    assert answer.done and answer.keep and body == b""


def test_interim_answers_are_skipped():
    data = head(status="HTTP/1.1 100 Continue") + head("Link: </x>", status="HTTP/1.1 103 Early Hints") + PLAIN
    for piece in (1, 9, 1000):
        answer, body, used = parse(data, piece)
        assert answer.status == 200 and used == len(data) and len(body) == 11
    assert refused(head("Upgrade: x", status="HTTP/1.1 101 Switching Protocols"))
    assert refused(head("Content-Length: 3", status="HTTP/1.1 100 Continue"))
    assert refused(head(status="HTTP/1.1 100 Continue") * 300)


def test_redirects_are_answers():
    answer, _, _ = parse(head("Location: https://evil.test/", "Content-Length: 0", status="HTTP/1.1 302 Found"))
    assert answer.status == 302 and answer.done


def test_connection():
    for text, keep in (
        ("close", False),
        ("Close", False),
        ("keep-alive, close", False),
        ("close,x", False),
        (" , close ,", False),
        ("keep-alive", True),
        ("closed", True),
        ("not-close", True),
        ("", True),
        ("xclose", True),
        ("foreclose, keep-alive", True),
    ):
        assert parse(head("Content-Length: 0", "CONNECTION:" + text))[0].keep is keep, text
    assert not parse(head("Content-Length: 0", status="HTTP/1.0 200 OK"))[0].keep


def test_retry_after():
    for text, seconds in (
        ("3", 3),
        ("0", 0),
        ("86400", 86400),
        ("99999999", 99999999),
        ("100000000000", 10000000),  # as good: both are beyond what any caller waits
        ("-1", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("1.5", None),
    ):
        answer, _, _ = parse(
            head("Content-Length: 0", "Retry-After:  " + text + "\t ", status="HTTP/1.1 429 Too Many Requests")
        )
        assert (answer.status, answer.retry_after) == (429, seconds), text


def test_status_lines():
    assert parse(head("Content-Length: 0", status="HTTP/1.1 200"))[0].status == 200
    assert parse(head("Content-Length: 0", status="HTTP/1.1 599 \xe9"))[0].status == 599
    for line in (
        "",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 099 OK",
        "HTTP/2.0 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "<html>502 Bad Gateway",
        "HTTP/1.1 -20 OK",
        "SSH-2.0-OpenSSH_9.6",
    ):
        assert refused(head("Content-Length: 0", status=line)), line


def test_lengths_refused():
    for text in ("-1", "+5", "5.0", "0x5", "5 5", "5,5", "", "65537", "99999999999999999999", "five", "5;", "\xb2"):
        assert refused(head("Content-Length: " + text)), text
    assert refused(head("Content-Length: 5", "Content-Length: 6"))
    assert refused(head("Content-Length: 5", "content-LENGTH: 5"))
    assert refused(head("Content-Length: 5", "Transfer-Encoding: chunked"))
    assert refused(head("Transfer-Encoding: chunked", "Content-Length: 5"))
    for text in ("gzip", "gzip, chunked", "chunked, chunked", "identity", "", "chunked;x", "xchunked"):
        assert refused(head("Transfer-Encoding: " + text)), text
    assert refused(head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"))
    assert refused(head("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK"))


def test_field_lines_refused():
    for line in (
        "Content-Length : 5",
        " folded",
        "\tfolded",
        "no colon",
        ": no name",
        "na me: x",
        "n\xe9: x",
        "a: b\0c",
        "a: b\rc",
        "a\0: b",
        "a: b\x7f",
        "a(b): c",
        "a,b: c",
        "{a}: b",
        "a/b: c",
        "a[b]: c",
        'a"b: c',
        "a@b: c",
        "a: b\x0b",
    ):
        assert refused(head(line, "Content-Length: 0")), line
    assert refused(b"HTTP/1.1 200 OK\r\nServer: x\r\n Content-Length: 5\r\n\r\n")
    assert refused(b"HTTP/1.1 200 OK\r\n\nContent-Length: 5\r\n\r\n")
    parse(head("!#$%&'*+-.^_`|~09azAZ:\t \x80\xff!", "Content-Length: 0"))


def test_bare_lf():
    assert refused(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n")
    assert refused(b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n")
    assert refused(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n")
    assert refused(b"\nHTTP/1.1 200 OK\r\n\r\n")
    assert refused(head("Transfer-Encoding: chunked") + b"1\nx\r\n0\r\n\r\n")
    assert refused(head("Transfer-Encoding: chunked") + b"1\r\nx\n0\r\n\r\n")


def test_chunks_refused():
    for body in (
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b" 1\r\n",
        b"1 1\r\n",
        b"1x\r\n",
        b"0x1\r\n",
        b"10001\r\n",
        b"FFFFFFFF\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"1\r\nab\r\n",
        b"2\r\na\r\n0\r\n\r\n",
    ):
        assert refused(head("Transfer-Encoding: chunked") + body), body
    assert refused(head("Transfer-Encoding: chunked") + b"1;" + b"x" * 300)
    assert refused(head("Transfer-Encoding: chunked") + b"0\r\nbad trailer\r\n\r\n")
    assert refused(head("Transfer-Encoding: chunked") + b"0\r\n" + b"T: x\r\n" * 100 + b"\r\n")
    assert parse(head("Transfer-Encoding: chunked") + b"a ; x\r\n0123456789\r\n00000;y\r\n\r\n")[1] == b"0123456789"


def test_long_lines_are_skipped_not_stored():
    long = "Set-Cookie: " + "x" * 3000
    for piece in (1, 7, 300, 1 << 30):
        answer, body, _ = parse(head(long, "Content-Length: 1") + b"x", piece)
        assert body == b"x" and answer.keep
    for name in ("Content-Length: ", "Transfer-Encoding: ", "Connection: ", "Retry-After: "):
        assert refused(head(name + " " * 300 + "1"))
    parse(head("Content-Length:" + " " * 230 + "0"))


def test_heads_have_an_end():
    parse(head(*["a: " + "x" * 90 for _ in range(40)]) + b"x", ended=True)
    assert refused(head(*["a: " + "x" * 90 for _ in range(45)]))
    assert refused(head(*["a:" for _ in range(65)]))
    assert refused(b"HTTP/1.1 200 " + b"x" * 5000)
    assert refused(head("a: " + "x" * 5000))


def test_bodies_have_an_end():
    chunk = (
        b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        if sys.implementation.name != "micropython"
        else b"100\r\n" + b"x" * 256 + b"\r\n"
    )
    chunks = 2 if len(chunk) > 1000 else 256
    for over in (0, 1):
        answer = Answer()
        size = 0
        start = head("Transfer-Encoding: chunked")
        answer.feed(start, 0, len(start), Nowhere())
        try:
            for _ in range(chunks):
                answer.feed(chunk, 0, len(chunk), Nowhere())
                size += 1
            last = b"1\r\n" if over else b"0\r\n\r\n"
            answer.feed(last, 0, len(last), Nowhere())
        except BadAnswer:
            assert over
        else:
            assert not over and answer.done
        assert size == chunks
    answer = Answer()
    answer.feed(head(), 0, len(head()), Nowhere())
    piece = b"x" * 4096
    for _ in range(16):
        answer.feed(piece, 0, 4096, Nowhere())
    try:
        answer.feed(piece, 0, 1, Nowhere())
    except BadAnswer:
        return
    raise AssertionError("endless body")


def test_requests_that_are_none_are_refused():
    for method in ("", "GE T", "GET\r\n", "G\0T", "HEAD", "CONNECT", "G\u00cbT", b"GET "):
        assert raises(method, "/", b""), method
    for path in ("", "x", "/a b", "/a\r\nX: y", "/a\n", "/\0", "/caf\u00e9", "/\x7f", b"/ ", "http://x/", "/\u00e9"):
        assert raises("GET", path, b""), path
    for headers in (
        b"X: y",
        b"X: y\n",
        b"X: y\r",
        b"\r\n",
        b"X: y\r\n\r\n",
        b"X: y\r\n\r\nZ: w\r\n",
        b" X: y\r\n",
        b"X: \0\r\n",
        b"X: \xe9\r\n",
        b"X: y\rZ: w\r\n",
        b"X\n: y\r\n",
    ):
        assert raises("GET", "/", headers), headers
    assert not raises("GET", "/a?b=c&d=%20", b"X-Api-Key: k\r\nAccept: application/json\r\n")
    assert not raises(b"POST", b"/", b"")


def raises(method, path, headers):
    try:
        https._check(https._ascii(method), https._ascii(path), headers)
    except ValueError:
        return True
    return False


def test_hosts_that_are_none_are_refused():
    for host in ("", "a b", "a\r\n", "caf\u00e9.test"):
        try:
            HTTPS(host, 443, None, lambda: True)
        except ValueError:
            continue
        raise AssertionError(host)


def test_certificate_errors_are_told_apart():
    class Code(OSError):
        def __init__(self, code):
            super().__init__(code, "words")

    for code in (-9984, -30336, -31232, -0x2180, -0x2562, -0x2700 - 0x60):
        assert https._is_refusal(Code(code)), code
    for code in (12, 104, 110, 113, -202, -29312, -30592, -17040, -16, -10368, -2, -0x7F00):
        assert not https._is_refusal(Code(code)), code
    assert https._is_refusal(ValueError("The certificate is not correctly signed by the trusted CA"))
    for code in (12, -17040, -16, -10368, -0x7F00):
        assert https._is_memory(Code(code)), code
    for code in (104, 110, -202, -29312, -9984):
        assert not https._is_memory(Code(code)), code
    assert https._is_memory(MemoryError()) and not https._is_memory(OSError("words only"))


def test_an_answer_allocates_nothing():
    if sys.implementation.name != "micropython":
        return
    answer = Answer()
    sink = Nowhere()
    fields = ["X-Field-%d: something of a usual length" % i for i in range(12)]
    data = head("Content-Length: 11", "Retry-After: 5", "Connection: keep-alive", *fields) + b"01234567890"
    answer.feed(data, 0, len(data), sink)
    answer.begin()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    answer.feed(data, 0, len(data), sink)
    after = gc.mem_alloc()
    gc.enable()
    assert answer.done
    assert after - before == 0, after - before
