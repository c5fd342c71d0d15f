"""HTTP/1.1 over one verified TLS connection that is kept alive from exchange to exchange (RFC 9110, RFC 9112).

There is no way to switch the verification off: the chain must end in one of the given roots, the certificate must
name the host, and the clock must be set before anything is dialled. Redirects are answers like any other.

The socket never blocks. Waiting is done by short sleeps instead of asyncio's Stream and wait_for: a sleep allocates
nothing, where those cost two tasks and a poll entry for every exchange, and one deadline covers all of it.
"""

import asyncio
import errno
import gc
import sys
import time

import micropython
from micropython import const

_TWIN = sys.implementation.name != "micropython"

_BUFFER = const(1024)  # holds a whole request where it fits, then the answer piece by piece
_LINE_MAX = const(256)  # a header line that decides anything is shorter; longer ones are skipped, not stored
_HEAD_MAX = const(4096)
_FIELDS_MAX = const(64)
_BODY_MAX = const(65536)

_STATUS = const(0)
_FIELD = const(1)
_CHUNK_SIZE = const(2)
_CHUNK_END = const(3)
_TRAILER = const(4)
_BODY = const(5)  # bodies from here on
_CHUNK = const(6)
_UNTIL_END = const(7)

_QUICK_NAPS = const(40)  # of 1 ms: an answer from near by; after them 5 ms
_ROOT_DOUBTS = const(3)
_SHAKEN_QUIET_MS = const(20)
_SHAKEN_SURELY_MS = const(1000)


class HTTPSError(Exception):
    """The exchange failed. `sent` is False only when certainly no byte of the request left the box."""

    def __init__(self, reason, sent=False):
        super().__init__(reason)
        self.sent = sent


class Untrusted(HTTPSError):
    """The server's chain, host name or certificate dates were refused. Nothing was sent."""


class ClockUnset(HTTPSError):
    """Certificates cannot be judged before the clock is set. Nothing was dialled."""


class BadAnswer(HTTPSError):
    """The server's answer is not HTTP/1.1 as we take it, or larger than we take."""


@micropython.viper
def _same(b: ptr8, start: int, end: int, lower: ptr8, size: int) -> int:
    # 1 where b[start:end] is the word `lower`, whatever its case.
    if end - start != size:
        return 0
    i = 0
    while i < size:
        c = int(b[start + i])
        if c >= 0x41 and c <= 0x5A:
            c |= 0x20
        if c != int(lower[i]):
            return 0
        i += 1
    return 1


@micropython.viper
def _colon(b: ptr8, start: int, end: int) -> int:
    # Where the colon of a field line is; -1 for a name that is none or a byte that no field may hold.
    i = start
    while i < end:
        c = int(b[i])
        if c == 0x3A:
            break
        if c <= 0x20 or c >= 0x7F or c == 0x28 or c == 0x29 or c == 0x2C or c == 0x2F or c == 0x22:
            return -1
        if (c >= 0x3B and c <= 0x40) or (c >= 0x5B and c <= 0x5D) or c == 0x7B or c == 0x7D:
            return -1
        i += 1
    if i == start or i >= end:
        return -1
    colon = i
    while i < end:
        c = int(b[i])
        if (c < 0x20 and c != 9) or c == 0x7F:
            return -1
        i += 1
    return colon


def _number(b, start, end, most):
    # Decimal digits and nothing else, up to `most` (< 100 million); -1 otherwise.
    if start >= end:
        return -1
    value = 0
    while start < end:
        c = b[start]
        if c < 0x30 or c > 0x39:
            return -1
        value = value * 10 + c - 0x30
        if value > most:
            return -1
        start += 1
    return value


def _chunk_size(b, start, end, most):
    # Hex digits, then nothing or an extension; -1 otherwise.
    i = start
    value = 0
    while i < end:
        c = b[i]
        if c >= 0x30 and c <= 0x39:
            c -= 0x30
        else:
            c |= 0x20
            if c < 0x61 or c > 0x66:
                break
            c -= 0x57
        value = value << 4 | c
        if value > most:
            return -1
        i += 1
    if i == start:
        return -1
    while i < end and (b[i] == 0x20 or b[i] == 9):
        i += 1
    return value if i == end or b[i] == 0x3B else -1


def _lists_close(b, start, end):
    # 1 where the comma separated list has the word `close`.
    word = b"close"
    while start < end:
        while start < end and (b[start] == 0x20 or b[start] == 9 or b[start] == 0x2C):
            start += 1
        i = 0
        while start < end and i < 5 and b[start] | 0x20 == word[i]:
            i += 1
            start += 1
        if i == 5 and (start == end or b[start] == 0x2C or b[start] == 0x20 or b[start] == 9):
            return 1
        while start < end and b[start] != 0x2C:
            start += 1
    return 0


@micropython.viper
def _plain(b: ptr8, end: int, lowest: int, first: int) -> int:
    # 1 where every byte is visible ASCII from `lowest` on, and the first is `first`, unless that is 0.
    i = 0
    if not end or (first and int(b[0]) != first):
        return 0
    while i < end:
        c = int(b[i])
        if c < lowest or c > 0x7E:
            return 0
        i += 1
    return 1


@micropython.viper
def _field_lines(b: ptr8, end: int) -> int:
    # 1 for zero or more lines, each not empty, of printable ASCII and ended by CRLF.
    i = 0
    start = 0
    while i < end:
        c = int(b[i])
        if c == 13:
            if i == start or i + 1 >= end or b[i + 1] != 10:
                return 0
            i += 2
            start = i
            continue
        if c < 0x20 or c > 0x7E or (c == 0x20 and i == start):
            return 0
        i += 1
    return 1 if start == end else 0


@micropython.viper
def _zero(b: ptr8, end: int):
    i = 0
    while i < end:
        b[i] = 0
        i += 1


@micropython.viper
def _copy(b: ptr8, at: int, piece: ptr8, size: int):
    # Slices allocate.
    i = 0
    while i < size:
        b[at + i] = piece[i]
        i += 1


def _ascii(text):
    # Viper reads str and bytes alike, and encoding allocates; the plain twin needs bytes.
    return text.encode() if _TWIN and isinstance(text, str) else text


class Answer:
    """One answer, parsed as its bytes are fed: no I/O, and the same result however they are cut.

    After `done`: `status`, `retry_after` (seconds or None), `keep` (False: the connection must not be used again).
    """

    def __init__(self):
        self._line = bytearray(_LINE_MAX)
        self.begin()

    @property
    def began(self):
        """True once a byte of the answer was fed."""
        return self._head > 0

    def begin(self):
        """The next byte fed is the first of a new answer."""
        self.done = False
        self.status = 0
        self.retry_after = None
        self.keep = True
        self._state = _STATUS
        self._size = 0  # bytes of a line that began in an earlier piece
        self._last = 0
        self._head = 0
        self._fields = 0
        self._length = -1
        self._chunked = False
        self._old = False
        self._left = 0
        self._body = 0

    def feed(self, buf, start, end, sink):
        """Takes buf[start:end] (bytes or bytearray), hands body bytes to sink.feed(buf, start, end).

        Returns the place of the first byte that is not part of this answer. Raises BadAnswer.
        """
        while start < end and not self.done:
            if self._state < _BODY:
                start = self._feed_line(buf, start, end)
                continue
            size = end - start
            if self._state == _UNTIL_END:
                self._body += size
                if self._body > _BODY_MAX:
                    raise BadAnswer("too large")
                sink.feed(buf, start, end)
                return end
            if size > self._left:
                size = self._left
            sink.feed(buf, start, start + size)
            start += size
            self._left -= size
            if not self._left:
                if self._state == _BODY:
                    self.done = True
                self._state = _CHUNK_END
        return start

    def end(self):
        """The peer has ended the connection in good order. Raises OSError where the answer was not whole."""
        if self._state != _UNTIL_END:
            raise OSError(errno.ECONNRESET)
        self.done = True

    def _feed_line(self, buf, start, end):
        stop = buf.find(b"\n", start, end)
        size = (end if stop < 0 else stop + 1) - start
        state = self._state
        if state in (_CHUNK_SIZE, _CHUNK_END):
            if self._size + size > _LINE_MAX:
                raise BadAnswer("too large")
        else:
            self._head += size
            if self._head > _HEAD_MAX:
                raise BadAnswer("too large")
        if stop >= 0 and not self._size:
            if stop == start or buf[stop - 1] != 13:
                raise BadAnswer("malformed")
            self._take_line(buf, start, stop - 1)
            return stop + 1
        room = _LINE_MAX - self._size
        if room > 0:
            room = min(room, size)
            self._line[self._size : self._size + room] = buf[start : start + room]
        self._size += size
        if stop < 0:
            self._last = buf[end - 1]
            return end
        if (buf[stop - 1] if stop > start else self._last) != 13:
            raise BadAnswer("malformed")
        size = self._size - 2
        self._size = 0
        self._take_line(self._line, 0, size)
        return stop + 1

    def _take_line(self, buf, start, end):
        # A line without its CRLF. Beyond _LINE_MAX - 2 its bytes are neither here nor looked at.
        state = self._state
        if state in (_FIELD, _TRAILER):
            if start == end:
                self._end_of_head()
            else:
                self._field(buf, start, end)
        elif state == _STATUS:
            self._status_line(buf, start, end)
        elif state == _CHUNK_END:
            if start != end:
                raise BadAnswer("malformed")
            self._state = _CHUNK_SIZE
        else:
            self._chunk(_chunk_size(buf, start, end, _BODY_MAX))

    def _status_line(self, buf, start, end):
        if end - start < 12 or (end - start > 12 and buf[start + 12] != 32) or buf[start + 8] != 32:
            raise BadAnswer("malformed")
        if not _same(buf, start, start + 7, b"http/1.", 7) or buf[start] != 72 or buf[start + 7] not in b"01":
            raise BadAnswer("malformed")
        self.status = _number(buf, start + 9, start + 12, 599)
        if self.status < 100:
            raise BadAnswer("malformed")
        self._old = buf[start + 7] == 48
        if self._old:
            self.keep = False
        self._state = _FIELD

    def _field(self, buf, start, end):
        self._fields += 1
        if self._fields > _FIELDS_MAX:
            raise BadAnswer("too large")
        overlong = end - start > _LINE_MAX - 2
        if overlong:
            end = start + _LINE_MAX - 2
        colon = _colon(buf, start, end)
        if colon < 0:
            raise BadAnswer("malformed")
        if self._state == _TRAILER:
            return
        size = colon - start
        if size == 14:
            known = _same(buf, start, colon, b"content-length", 14)
        elif size == 17:
            known = _same(buf, start, colon, b"transfer-encoding", 17)
        elif size == 10:
            known = _same(buf, start, colon, b"connection", 10)
        else:
            known = size == 11 and _same(buf, start, colon, b"retry-after", 11)
        if not known:
            return
        if overlong:
            raise BadAnswer("too large")
        start = colon + 1
        while start < end and buf[start] in b" \t":
            start += 1
        while start < end and buf[end - 1] in b" \t":
            end -= 1
        self._decide(size, buf, start, end)

    def _decide(self, name, buf, start, end):
        # A field that matters; `name` is the length of its name, which tells them apart.
        if name == 14:
            if self._length >= 0:
                raise BadAnswer("malformed")
            self._length = _number(buf, start, end, _BODY_MAX)
            if self._length < 0:
                raise BadAnswer("malformed")
        elif name == 17:
            if self._chunked or not _same(buf, start, end, b"chunked", 7):
                raise BadAnswer("malformed")
            self._chunked = True
        elif name == 10:
            if _lists_close(buf, start, end):
                self.keep = False
        else:
            # Callers have a default for a date, and a limit that eight digits are beyond.
            seconds = _number(buf, start, min(end, start + 8), 99999999)
            self.retry_after = None if seconds < 0 else seconds

    def _end_of_head(self):
        if self._state == _TRAILER:
            self.done = True
            return
        if self._chunked and (self._length >= 0 or self._old):
            raise BadAnswer("malformed")
        if self.status < 200:
            if self.status == 101 or self._chunked or self._length >= 0:
                raise BadAnswer("malformed")
            self._state = _STATUS
        elif self.status in (204, 304):
            self.keep = self.keep and self._length <= 0 and not self._chunked
            self.done = True
        elif self._chunked:
            self._state = _CHUNK_SIZE
        elif self._length < 0:
            self.keep = False
            self._state = _UNTIL_END
        elif self._length:
            self._left = self._length
            self._state = _BODY
        else:
            self.done = True

    def _chunk(self, size):
        if size < 0:
            raise BadAnswer("malformed")
        self._body += size
        if self._body > _BODY_MAX:
            raise BadAnswer("too large")
        self._left = size
        self._state = _CHUNK if size else _TRAILER


# Codes of mbedTLS, as the negative errno of an OSError: high-level part, low-level part in the 7 lowest bits.
_NO_ROOTS = const(0x7680)
_BAD_CERTIFICATE = const(0x7A00)
_X509_FIRST = const(0x2080)
_X509_LAST = const(0x2800)
_NO_MEMORY = (0x2880, 0x3F80, 0x4D80, 0x7F00)
_NO_MEMORY_LOW = const(0x10)


def _code(error):
    # mbedTLS's code as a positive number; 0 or less where the error is none of its.
    code = error.errno
    return -code if isinstance(code, int) else 0


def _is_refusal(error):
    # A certificate refused: ValueError with mbedTLS's own words, or an OSError with its code.
    if isinstance(error, ValueError):
        return True
    high = _code(error) & ~0x7F
    return high in (_NO_ROOTS, _BAD_CERTIFICATE) or _X509_FIRST <= high <= _X509_LAST


def _is_memory(error):
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        return True
    code = _code(error)
    return code > 0 and (code & ~0x7F in _NO_MEMORY or code & 0x7F == _NO_MEMORY_LOW)


class Link:
    """One TLS connection that never blocks. Keeps the context and both sockets alive for as long as it lives."""

    def __init__(self, context, host):
        self._context = context
        self._host = host
        self._raw = None
        self._tls = None
        self.judged = False  # whether the server's own certificate was looked at

    def _seen(self, certificate, depth):
        # Called while the chain is being verified, its leaf last. 0: no opinion of our own.
        if depth == 0:
            self.judged = True
        return 0

    async def open(self, info, nap):
        """Connects to `info` (an entry of getaddrinfo) and ends the handshake. nap() gives ms to sleep, or raises."""
        import select
        import socket

        self._raw = raw = socket.socket(info[0], info[1], info[2])
        raw.setblocking(False)
        try:
            raw.connect(info[-1])
        except OSError as error:
            if error.errno != errno.EINPROGRESS:
                raise
        poller = select.poll()
        poller.register(raw, select.POLLOUT)
        while not poller.poll(0):
            await asyncio.sleep_ms(nap())
        poller.unregister(raw)

        self._context.verify_callback = self._seen
        self._tls = tls = self._context.wrap_socket(raw, server_hostname=self._host, do_handshake_on_connect=False)
        poller.register(tls, select.POLLIN)
        await self._shake(tls, poller, nap)
        poller.unregister(tls)

    async def _shake(self, tls, poller, nap):
        # Reading drives the handshake and raises where it fails, but looks the same when it is over and when it
        # still waits. What tells: the leaf was verified, the server has spoken once more since then, and is quiet now.
        # Where that came too soon, the first write goes on with the handshake, before a byte of ours leaves.
        # (getpeercert would tell for sure, but only boards have it, and it copies 1 to 2 KB when memory is lowest.)
        one = bytearray(1)
        verified = spoke = None
        while True:
            heard = verified is not None and poller.poll(0)
            if tls.readinto(one) is not None:
                raise OSError(errno.ECONNRESET)  # ended, or spoke before it was asked
            now = time.ticks_ms()
            if heard:
                spoke = now
            if verified is None and self.judged:
                verified = now
            if verified is not None:
                if spoke is not None and time.ticks_diff(now, spoke) >= _SHAKEN_QUIET_MS:
                    return
                if time.ticks_diff(now, verified) >= _SHAKEN_SURELY_MS:
                    return
            await asyncio.sleep_ms(nap())

    def readinto(self, buf):
        """-> bytes read, 0 at the end, None for nothing yet. OSError where it broke off.

        An end without TLS's close_notify may look like a proper one (MicroPython 1.28's unix port), and an end that
        comes in one go with data is told only once TCP ends too. A body without a length must show its own end.
        """
        if self._tls is None:
            raise OSError(errno.ENOTCONN)
        return self._tls.readinto(buf)

    def write(self, buf):
        """-> bytes taken, None for none yet."""
        if self._tls is None:
            raise OSError(errno.ENOTCONN)
        return self._tls.write(buf)

    def close(self):
        tls, self._tls = self._tls, None
        raw, self._raw = self._raw, None
        if self._context is not None:
            self._context.verify_callback = None
        if tls is not None:
            tls.close()
        if raw is not None:
            raw.close()  # a refused handshake has cut the TLS object off it


class HTTPS:
    """A client for one host.

    roots          what may end the server's chain, one at a time, as each root in use costs memory all the time:
                   current() -> DER bytes; accepted(): the server was verified with it; refused() -> whether there is
                   another to try with this server
    clock_is_set   callable; False until certificates can be judged
    resolve        coroutine function host -> address; without it getaddrinfo, which blocks, asks for the host itself
    """

    def __init__(self, host, port, roots, clock_is_set, resolve=None):
        if not _plain(_ascii(host), len(host), 0x21, 0):
            raise ValueError("host")
        self.retry_after = None
        self.handshakes = 0
        self.sent = 0
        self.received = 0
        self._host = host
        self._port = port
        self._roots = roots
        self._clock_is_set = clock_is_set
        self._resolve = resolve
        self._context = None
        self._link = None
        name = "[%s]" % host if ":" in host else host
        self._host_line = ("Host: %s%s\r\n" % (name, "" if port == 443 else ":%d" % port)).encode()
        self._buf = bytearray(_BUFFER)
        self._view = memoryview(self._buf)
        self._one = self._view[:1]
        self._fill = _BUFFER  # how much of the buffer may hold other bytes than 0
        self._answer = Answer()
        self._busy = False
        self._judged = False
        self._doubts = 0
        self._wrote = False
        self._until = 0
        self._naps = 0
        self._nap_ms = self._nap  # bound once: binding allocates
        self._request = self._view
        self._unsent = None
        self._then = b""

    @property
    def connected(self):
        """True while a connection is up, as far as it was last seen."""
        return self._link is not None

    def close(self):
        """Ends the connection. An exchange under way on it fails; one that is still connecting goes on."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    async def open(self, timeout_ms):
        """Makes and verifies the connection if none is up, without sending a byte of HTTP. Raises HTTPSError."""
        until = time.ticks_add(time.ticks_ms(), timeout_ms)
        if self._busy:
            await self._turn(until)
        self._begin(until)
        try:
            if not self._usable():
                await self._connect()
        finally:
            self._busy = False

    async def refuses(self, root, timeout_ms):
        """Whether the server is refused while `root`, the DER of a root that it cannot have, is the only one trusted:
        the proof that verification works here. One handshake, and not a byte of HTTP.

        Raises HTTPSError where it did not come to a certificate, so that nothing is proven; ValueError for a root that
        is still not understood when asked again.
        """
        until = time.ticks_add(time.ticks_ms(), timeout_ms)
        if self._busy:
            await self._turn(until)
        self._begin(until)
        self.close()
        kept = self._context
        self._judged = False
        try:
            self._context = self._trial_context(root)
            await self._attempt()
        except Untrusted as error:
            if not self._judged:
                raise HTTPSError("not judged: " + str(error))
            return True
        finally:
            self._context = kept
            self._busy = False
            self.close()
        return False

    def _trial_context(self, root):
        try:
            return _context(root)
        except Untrusted as error:
            # mbedTLS calls a root malformed, too, that there was no memory for: that may be over in a moment.
            gc.collect()
            self._doubts += 1
            if self._doubts > _ROOT_DOUBTS:
                raise ValueError(str(error))
            raise
        except (OSError, MemoryError) as error:
            raise HTTPSError("no context: " + str(error))

    async def request(self, method, path, headers, body, sink, timeout_ms):
        """One exchange -> status (100..599).

        method, path   str or bytes, visible ASCII
        headers        bytes, whole lines ended by CRLF; Host and Content-Length are added here
        body           bytes or None
        sink           gets the body: sink.feed(buf, start, end), which must not keep buf
        Raises HTTPSError; ValueError for a request that would not be HTTP.
        """
        method = _ascii(method)
        path = _ascii(path)
        _check(method, path, headers)
        until = time.ticks_add(time.ticks_ms(), timeout_ms)
        if self._busy:
            await self._turn(until)
        self._begin(until)
        keep = False
        try:
            reused = self._usable()
            while True:
                if not reused:
                    await self._connect()
                self._compose(method, path, headers, body)
                try:
                    while not self._step(sink):
                        await asyncio.sleep_ms(self._nap())
                    break
                except OSError as error:
                    self._judge(error, reused and _same(method, 0, len(method), b"get", 3))
                reused = False
            keep = self._answer.keep
        except HTTPSError as error:
            error.sent = self._wrote
            raise
        except MemoryError:
            raise HTTPSError("out of memory", self._wrote)
        finally:
            self._busy = False
            if not keep:
                self.close()  # also where the task was cancelled: half an answer must not meet the next request
        self.retry_after = self._answer.retry_after
        return self._answer.status

    def _begin(self, until):
        self._busy = True
        self._until = until
        self._naps = 0
        self._wrote = False
        self.retry_after = None

    async def _turn(self, until):
        # Exchanges go one at a time; waiting for another's end counts.
        while self._busy:
            if time.ticks_diff(until, time.ticks_ms()) <= 0:
                raise HTTPSError("timeout")
            await asyncio.sleep_ms(5)

    def _nap(self):
        # How long to sleep before looking again.
        left = time.ticks_diff(self._until, time.ticks_ms())
        if left <= 0:
            raise HTTPSError("timeout", self._wrote)
        if self._naps < _QUICK_NAPS:
            self._naps += 1
            return 1
        return min(5, left)

    def _judge(self, error, repeatable):
        # Returns where the request may be made once more on a new connection.
        if _is_refusal(error):
            raise Untrusted(str(error))
        if not repeatable or self._answer.began or self._link is None:
            raise HTTPSError("no link: " + str(error))
        self.close()

    def _usable(self):
        # Whether the idle connection still stands: a server that has closed it, or spoken unasked, is noticed here.
        link = self._link
        if link is None:
            return False
        try:
            if link.readinto(self._one) is None:
                return True
        except (OSError, ValueError):
            pass  # whatever broke it, the answer is a new connection
        self.close()
        return False

    async def _connect(self):
        # Under one root after the other, while the server is refused.
        while True:
            try:
                await self._attempt()
            except Untrusted as error:
                words = str(error)
                if "certificate" in words and "signed" not in words:
                    raise  # its host name or its dates: no other root would help
                self._context = None
                if not self._roots.refused():
                    raise
            else:
                self._roots.accepted()
                return

    async def _attempt(self):
        if not self._clock_is_set():
            raise ClockUnset("no clock")
        again = True
        while True:
            try:
                await self._dial()
                return
            except (OSError, MemoryError) as error:
                if not again or not _is_memory(error):
                    raise HTTPSError("no link: " + str(error))
            again = False
            gc.collect()

    async def _dial(self):
        import socket

        gc.collect()  # the handshake needs the heap that an old connection may still hold
        address = self._host
        if self._resolve is not None:
            address = await self._resolved()
        problem = None
        for info in socket.getaddrinfo(address, self._port, 0, socket.SOCK_STREAM):
            try:
                await self._open_link(info)
                return
            except OSError as error:
                problem = error
        raise problem or OSError(errno.ENOENT)

    async def _resolved(self):
        left = time.ticks_diff(self._until, time.ticks_ms())
        try:
            return await asyncio.wait_for(self._resolve(self._host), left / 1000)
        except asyncio.TimeoutError:
            raise HTTPSError("timeout")

    async def _open_link(self, info):
        link = self._new_link()
        try:
            await link.open(info, self._nap_ms)
            self._link = link
        except (OSError, ValueError) as error:
            if _is_refusal(error):
                raise Untrusted(str(error))
            raise
        finally:
            self._judged = link.judged
            if self._link is not link:
                link.close()
        self.handshakes += 1

    def _new_link(self):
        if self._context is None:
            self._context = _context(self._roots.current())
        return Link(self._context, self._host)

    def _compose(self, method, path, headers, body):
        # Puts the request into the buffer; what finds no room there goes out after it.
        self._answer.begin()
        self._then = b""
        size = self._put(method, 0)
        size = self._put(b" ", size)
        size = self._put(path, size)
        size = self._put(b" HTTP/1.1\r\n", size)
        size = self._put(self._host_line, size)
        size = self._put(headers, size)
        if body is not None:
            size = self._put(b"Content-Length: %d\r\n" % len(body), size)
        elif _same(method, 0, len(method), b"post", 4):
            size = self._put(b"Content-Length: 0\r\n", size)
        size = self._put(b"\r\n", size)
        if len(self._then) > _BUFFER:
            raise ValueError("too large")
        if body:
            size = self._put(body, size)
        if len(self._request) != size:
            self._request = self._view[:size]  # polls are all of one size: no new one for each
        self._unsent = self._request
        self._fill = size

    def _put(self, piece, at):
        size = min(len(piece), _BUFFER - at)
        _copy(self._buf, at, piece, size)
        if size < len(piece):
            self._then += piece[size:]
        return at + size

    def _step(self, sink):
        # As far as it goes without waiting. True once the answer is whole.
        if self._link is None:
            raise OSError(errno.ENOTCONN)  # close() was called meanwhile
        return (self._unsent is None or self._push()) and self._pull(sink)

    def _push(self):
        # True once the whole request is with the TLS layer.
        while self._unsent is not None:
            taken = self._write(self._unsent)
            if not taken:
                return False
            self.sent += taken
            if taken < len(self._unsent):
                self._unsent = self._unsent[taken:]
            else:
                self._unsent, self._then = self._then or None, b""
        return True

    def _write(self, view):
        wrote = self._wrote
        self._wrote = True
        try:
            return self._link.write(view)
        except ValueError as error:
            # Only a handshake that was not over after all ends this way: nothing of ours went out.
            self._wrote = wrote
            raise Untrusted(str(error))

    def _pull(self, sink):
        # Takes what there is of the answer. True once it is whole.
        answer = self._answer
        buf = self._buf
        broken = None
        _zero(buf, self._fill)
        self._fill = _BUFFER
        try:
            size = self._link.readinto(buf)
        except OSError as error:
            # What came before the break lies in the buffer, though nobody says how much. Text has no zeros.
            broken = error
            size = buf.find(b"\0")
            if size < 0:
                size = _BUFFER
        if size is None:
            self._fill = 0
            return False
        if not broken:
            self._fill = size
        self.received += size
        used = answer.feed(buf, 0, size, sink)
        if not answer.done:
            if broken:
                raise broken
            if not size:
                answer.end()
        if broken or used < size:
            answer.keep = False
        return answer.done


def _check(method, path, headers):
    size = len(method)
    if not _plain(method, size, 0x41, 0):
        raise ValueError("method")
    if _same(method, 0, size, b"head", 4) or _same(method, 0, size, b"connect", 7):
        raise ValueError("method")  # their answers have no body, whatever their fields say
    if not _plain(path, len(path), 0x21, 0x2F):
        raise ValueError("path")
    if not _field_lines(headers, len(headers)):
        raise ValueError("headers")


def _context(root):
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    try:
        context.load_verify_locations(root)
    except ValueError:
        raise Untrusted("malformed")
    if context.verify_mode != tls.CERT_REQUIRED:
        raise Untrusted("unverified")
    return context
