"""The name look-up: packets of every kind without I/O, then real datagrams on loopback."""

import asyncio
import os
import socket
import time

from dns import ResolveError, answer, question
from resolver import Resolver, is_literal

HOST = "service.centrapay.com"
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"


def reply(asked, records=1, body=ADDRESS + b"\x0a\1\2\3", flags=b"\x81\x80"):
    return bytes(asked[:2]) + flags + b"\0\1" + bytes((0, records)) + b"\0\0\0\0" + bytes(asked[12:]) + body


def first(asked, data):
    return answer(asked, data)


def raises(work, *arguments):
    try:
        return work(*arguments) and None
    except ResolveError:
        return True


def test_the_question_is_rfc_1035():
    assert question("a.bc", 0x1234) == b"\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\2bc\0\0\1\0\1"
    for host in ("", "a..b", "." * 3, "x" * 64 + ".com", ("x" * 60 + ".") * 5 + "nz"):
        assert raises(question, host, 1), host


def test_an_address_is_found():
    asked = question(HOST, 7)
    assert first(asked, reply(asked)) == "10.1.2.3"


def test_behind_aliases_and_with_written_out_names():
    asked = question(HOST, 7)
    alias = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\7\4edge\xc0\x10"
    written = b"\4edge\3net\0\0\1\0\1\0\0\0\x3c\0\4\xff\0\x80\1"
    assert first(asked, reply(asked, 2, alias + written)) == "255.0.128.1"


def test_what_answers_something_else_is_no_answer():
    asked = question(HOST, 7)
    good = reply(asked)
    for wrong in (
        reply(question(HOST, 8)),
        reply(question("service.centrapay.org", 7)),
        good[:2] + b"\1\0" + good[4:],
        good[:4] + b"\0\2" + good[6:],
        good[: len(asked) - 1],
        b"",
    ):
        assert first(asked, wrong) == "", wrong


def test_no_truncation_emptiness_and_other_records_are_errors():
    asked = question(HOST, 7)
    for wrong in (
        reply(asked, flags=b"\x81\x83"),
        reply(asked, flags=b"\x83\x80"),
        reply(asked, 0, b""),
        reply(asked, 1, b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + bytes(16)),
        reply(asked, 1, b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\5" + bytes(5)),
        reply(asked, 255, b""),
    ):
        assert raises(first, asked, wrong), wrong


def test_every_cut_and_every_flip_ends():
    asked = question(HOST, 7)
    good = reply(asked, 2, b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x10" + ADDRESS + b"\x0a\1\2\3")
    for size in range(len(good)):
        assert raises(answer, asked, good[:size]) or answer(asked, good[:size]) == "", size
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            raises(first, asked, bad)
    for _ in range(300):
        noise = good[: len(asked)] + os.urandom(40)
        raises(first, asked, noise)


def test_what_needs_no_look_up():
    for host in ("localhost", "127.0.0.1", "10.0.0.1", "::1"):
        assert is_literal(host), host
    for host in (HOST, "pool.ntp.org", "1a.nz"):
        assert not is_literal(host), host


class Server:
    """A name server on loopback; `answers(data)` gives the datagrams to send back."""

    def __init__(self, answers):
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = 20000 + (os.urandom(1)[0] << 7) + os.urandom(1)[0] % 128
        self.link.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
        self.link.setblocking(False)
        self.answers = answers
        self.asked = 0

    def ifconfig(self):
        return ("", "", "", "127.0.0.1")

    async def serve(self):
        while True:
            try:
                data, peer = self.link.recvfrom(512)
            except OSError:
                await asyncio.sleep_ms(5)
                continue
            self.asked += 1
            for packet in self.answers(data):
                self.link.sendto(packet, peer)


if not hasattr(asyncio, "sleep_ms"):
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)
if not hasattr(time, "ticks_ms"):
    time.ticks_ms = lambda: int(time.monotonic() * 1000)
    time.ticks_diff = lambda a, b: a - b


def resolved(answers, *hosts):
    """-> (what came of each host in turn, the server, ms)"""

    async def work():
        server = Server(answers)
        task = asyncio.create_task(server.serve())
        resolver = Resolver(server, server.port)
        outcomes = []
        began = time.ticks_ms()
        try:
            for host in hosts:
                try:
                    outcomes.append(await resolver.resolve(host))
                except OSError:
                    outcomes.append(OSError)
        finally:
            task.cancel()
            server.link.close()
        return outcomes, server, time.ticks_diff(time.ticks_ms(), began)

    return asyncio.run(work())


def test_real_datagrams():
    outcomes, server, _ = resolved(lambda data: [reply(data)], HOST, "127.0.0.1", "localhost")
    assert outcomes == ["10.1.2.3", "127.0.0.1", "localhost"] and server.asked == 1


def test_lies_are_passed_over_and_the_truth_is_taken():
    def answers(data):
        yield b""
        yield os.urandom(40)
        yield reply(question(HOST, 0))
        yield reply(data)

    assert resolved(answers, HOST)[0] == ["10.1.2.3"]


def test_a_lost_question_is_asked_again():
    count = [0]

    def answers(data):
        count[0] += 1
        return [reply(data)] if count[0] > 1 else []

    outcomes, server, ms = resolved(answers, HOST)
    assert outcomes == ["10.1.2.3"] and server.asked == 2 and 1000 < ms < 2500


def test_silence_has_an_end_and_blocking_is_the_rare_last_resort():
    outcomes, _, ms = resolved(lambda data: [], HOST, HOST)
    assert outcomes == [HOST, OSError], "getaddrinfo once, then not again for a minute"
    assert ms < 9000


class BoardTicks:
    """Milliseconds that begin again after 2**30, as a board's do."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now % (1 << 30)

    def ticks_diff(self, end, start):
        half = 1 << 29
        return (end - start + half) % (1 << 30) - half


def test_the_last_resort_is_there_again_after_days():
    import resolver as module

    ticks = BoardTicks()
    real, module.time = module.time, ticks
    try:
        resolver = Resolver(None)
        for hours, allowed in ((0, True), (0.01, False), (100, True), (100.01, False), (260, True), (460, True)):
            ticks.now = int(hours * 3600000)
            try:
                assert resolver._let_block(HOST) == HOST and allowed, hours
            except OSError:
                assert not allowed, hours
    finally:
        module.time = real


def test_the_last_address_is_used_where_nobody_answers():
    count = [0]

    def answers(data):
        count[0] += 1
        return [reply(data)] if count[0] == 1 else []

    outcomes, _, _ = resolved(answers, HOST, HOST)
    assert outcomes == ["10.1.2.3", "10.1.2.3"]
