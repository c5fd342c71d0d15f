"""The app's tasks beside servers that hang, and servers that let go at once."""

import asyncio

from appbench import Till, build, run
from fakes import Bench, started

from centrapay import GET_MS, Unknown

_STEP_MS = 50


class HungCentrapay:
    """Every call takes all the time it is given, and gets no answer."""

    def __init__(self, bench):
        self._bench = bench

    async def _hang(self, ms):
        end = self._bench.now + ms
        while self._bench.now < end:
            await asyncio.sleep(0)
        raise Unknown("timeout")

    async def get(self, _identity, _amount, _currency, patient):
        await self._hang(15000 if patient else GET_MS)

    async def void(self, _identity):
        await self._hang(15000)


def unknown_at(bench):
    """When the till is told UNKNOWN, in ms, while the server hangs."""
    till = Till()
    app, _ = build(bench, till, HungCentrapay(bench))

    async def wait_for_it():
        tasks = [asyncio.create_task(task(lambda: None)) for task in (app._serve_till, app._serve_api)]
        while b"RESULT 1 UNKNOWN" not in till.written:
            for _ in range(8):
                await asyncio.sleep(0)
            bench.now += _STEP_MS
        for task in tasks:
            task.cancel()

    run(wait_for_it())
    return bench.now


def test_unknown_is_said_in_time_while_a_call_hangs():
    for hung_before in range(1000, 17000, 2000):
        bench = started(expiry_s=20)
        deadline = bench.desk._current.payment.deadline
        bench.run(deadline - hung_before - bench.now)
        assert 5000 <= unknown_at(bench) - deadline <= 10000, hung_before


def test_unknown_is_said_in_time_after_a_cancel_that_hangs():
    bench = started()
    cancelled_at = bench.now
    bench.say("CANCEL 1")
    assert 20000 <= unknown_at(bench) - cancelled_at <= 20600


class Server:
    """Behind the HTTPS client's verbs: a server that lets go of an idle connection after so long."""

    def __init__(self, bench, idle_ms):
        self._bench = bench
        self._idle_ms = idle_ms
        self._until = 0
        self.handshakes = 0

    async def open(self, _timeout_ms):
        if self._bench.now >= self._until:
            self.handshakes += 1
            self._until = self._bench.now + self._idle_ms


def handshakes(idle_ms):
    """How many an idle box makes in an hour."""
    bench = Bench()
    server = Server(bench, idle_ms)
    app, _ = build(bench, https=server)

    async def pause(ms, _beat):
        bench.now += ms
        await asyncio.sleep(0)
        if bench.now > 3600000:
            raise StopIdling

    app._pause = pause
    looked = []

    def tidies(_quiet):
        looked[:] = [bench.now]

    bench.journal.tidies = tidies
    try:
        run(app._keep_link(lambda: None))
    except StopIdling:
        assert looked[0] > 3500000, "the journal is to be compacted, whatever the server does"
        return server.handshakes
    raise AssertionError("not an hour")


class StopIdling(Exception):
    pass


def test_a_server_that_lets_go_at_once_is_not_called_on_for_ever():
    assert handshakes(0) <= 130
    assert handshakes(5000) <= 130
    assert 50 <= handshakes(60000) <= 65, "kept warm where that is to be had"
    assert handshakes(10**9) == 1


class Line(Till):
    """A wire on which one line comes in."""

    def readinto(self, chunk):
        line = b"SALE 1 12.34\r\n"
        chunk[: len(line)] = line
        self.readinto = lambda _chunk: None
        return len(line)


def test_a_fault_in_the_desks_clock_loses_no_byte_of_the_till():
    bench = Bench()
    till = Line()
    app, _ = build(bench, till)

    def no_memory(_now):
        del bench.desk.tick
        raise MemoryError

    async def serve():
        try:
            await app._serve_till(lambda: None)
        except MemoryError:
            await app._serve_till(lambda: None)

    async def serve_for_a_while():
        task = asyncio.create_task(serve())
        for _ in range(9):
            await asyncio.sleep(0)
        task.cancel()

    bench.desk.tick = no_memory
    run(serve_for_a_while())
    assert b"OK SALE 1 12.34 NZD" in till.written
