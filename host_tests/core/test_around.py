"""Wi-Fi, clock and supervisor against hand-written radios, servers and watchdogs."""

import asyncio
import time

import sntp
from kiosk.clock import Clock
from kiosk.supervisor import Supervisor
from kiosk.wifi import Wifi


class Radio:
    """Behind WLAN's verbs; `script` says what each connect() leads to, after join_ms of now(): "up", a status code, or
    an exception at once. As on a board a few codes stay through the next attempt, until there is an address."""

    def __init__(self, script, join_ms, now):
        self.script = list(script)
        self.join_ms = join_ms
        self.now = now
        self.state = 1000
        self.connects = 0
        self.outcome = None
        self.due = 0

    def active(self, on):
        assert on

    def disconnect(self):
        self.outcome = None
        if self.isconnected():
            self.state = 1000

    def connect(self, ssid, password):
        assert (ssid, password) == ("shop", "pass")
        assert self.outcome is None, "connecting already"
        self.connects += 1
        outcome = self.script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        if self.state not in (201, 202, 210, 211, 212):
            self.state = 1001
        self.outcome = 1010 if outcome == "up" else outcome
        self.due = self.now() + self.join_ms

    def advance(self):
        if self.outcome is not None and self.now() >= self.due:
            self.state, self.outcome = self.outcome, None

    def isconnected(self):
        self.advance()
        return self.state == 1010

    def status(self):
        self.advance()
        return self.state


class FastAsyncio:
    """Sleeps in no time, but counts it; also stands for `time` by that count."""

    def __init__(self):
        self.slept = 0

    async def sleep_ms(self, ms):
        self.slept += ms
        await asyncio.sleep(0)

    def ticks_ms(self):
        return self.slept

    def ticks_diff(self, end, start):
        return end - start


def joined(script, until, join_ms=3000):
    """Runs Wi-Fi on a radio until `until(wifi, radio)`; returns (wifi, radio, milliseconds slept)."""
    import kiosk.wifi as module

    fast = FastAsyncio()
    radio = Radio(script, join_ms, fast.ticks_ms)
    wifi = Wifi(radio, "shop", "pass")
    beats = [0]

    def beat():
        beats[0] += 1

    async def both():
        task = asyncio.create_task(wifi.run(beat))
        for _ in range(2000):
            await asyncio.sleep(0)
            if until(wifi, radio):
                break
        else:
            raise AssertionError("never came")
        task.cancel()

    module.asyncio = module.time = fast
    try:
        asyncio.run(both())
        return wifi, radio, fast.slept
    finally:
        module.asyncio, module.time = asyncio, time


def test_wifi_joins():
    wifi, radio, _ = joined(["up"], lambda wifi, radio: wifi.up)
    assert radio.connects == 1 and wifi.why == ""


def test_wifi_waits_longer_after_each_failure():
    wifi, radio, slept = joined([201, 201, OSError("Wifi Internal Error"), "up"], lambda wifi, radio: wifi.up)
    assert radio.connects == 4
    assert slept >= 4 * 1000 + 1000 + 2000 + 4000


def test_wifi_does_not_believe_a_status_from_before():
    for code in (201, 202, 210, 211, 212):
        _, radio, slept = joined([code] * 3 + ["up"], lambda wifi, radio: wifi.up, 3500)
        assert radio.connects == 4 and slept - radio.due <= 500, "a join of usual length is waited for"


def test_wifi_knows_at_once_that_the_driver_has_stopped():
    for code in (2, 4, 15, 39, 200, 202, 205):
        wifi, radio, slept = joined([code], lambda wifi, radio: wifi.why)
        assert wifi.why == "WIFI_" + str(code) and slept < 1000 + 3000 + 500, code
    wifi, radio, slept = joined([2, 2], lambda wifi, radio: radio.connects == 2 and not radio.outcome and wifi.why)
    assert slept < 2 * (1000 + 3000 + 500) + 1000, "the same again is no code from before"


def test_wifi_that_never_answers_is_given_up():
    wifi, _, slept = joined([1001], lambda wifi, radio: wifi.why)
    assert wifi.why == "WIFI_204" and 25000 <= slept < 27000


def test_wifi_that_comes_up_while_it_waits_is_taken():
    _, radio, slept = joined([201, 201, 201, "up"], lambda wifi, radio: wifi.up, 8500)
    assert radio.connects == 4 and slept - radio.due <= 500, "the back-off ends with it"


def test_wifi_errors_without_words_are_told_too():
    for error in (OSError("Wifi Internal Error"), RuntimeError("Wifi Unknown Error 0x0101")):
        wifi, radio, _ = joined([error, "up"], lambda wifi, radio: wifi.why)
        assert wifi.why == "WIFI_BUSY"
        wifi, radio, _ = joined([error, "up"], lambda wifi, radio: wifi.up)
        assert radio.connects == 2 and wifi.why == ""


def test_every_reason_of_a_wifi_is_a_sentence():
    from kiosk.words import reason_words

    for code in (2, 4, 15, 200, 201, 202, 203, 204, 210, 211, 212, 39, "BUSY"):
        words = reason_words("WIFI_%s" % code)
        assert words[0].isupper() and words[-1] in ".?" and "WIFI" not in words and len(words) < 60, words
    assert "password" in reason_words("WIFI_15") and "39" in reason_words("WIFI_39")


def test_wifi_says_why():
    wifi, _, _ = joined([202, "up"], lambda wifi, radio: radio.connects == 1 and wifi.why)
    assert wifi.why == "WIFI_202"


def test_wifi_joins_again_when_the_link_is_lost():
    def cut_once(wifi, radio):
        if wifi.up and radio.connects == 1:
            radio.state = 200
        return wifi.up and radio.connects == 2

    wifi, radio, _ = joined(["up", "up"], cut_once)
    assert wifi.joins == 2


def answer_to(request, seconds=3978288000, first=0x24, stratum=2):
    answer = bytearray(48)
    answer[0] = first
    answer[1] = stratum
    answer[24:32] = request[40:48]
    for i in range(4):
        answer[40 + i] = seconds >> (24 - 8 * i) & 0xFF
    return answer


def refused(answer, request):
    try:
        sntp.read(answer, request)
    except sntp.TimeError:
        return True
    return False


def test_ntp_answer():
    request = bytearray(48)
    request[40:48] = b"12345678"
    assert sntp.read(answer_to(request), request) == 3978288000 - 2208988800
    other = bytearray(request)
    other[47] ^= 1
    assert refused(answer_to(other), request)
    assert refused(answer_to(request, first=0xE4), request)
    assert refused(answer_to(request, first=0x23), request)
    assert refused(answer_to(request, stratum=0), request)
    assert refused(b"", request)


def test_clock_runs_on_when_the_ticks_wrap():
    clock = Clock(None, "x", 123)
    before = clock.now()
    time.sleep(0.02)
    assert clock.now() - before >= 15
    clock._last_ticks -= 5000
    assert clock.now() - before >= 5000


def test_clock_that_was_never_set_is_not_believed():
    clock = Clock(None, "x", 123)
    clock._unix = lambda: 946684800
    assert not clock.is_set() and clock.wall() == 0
    clock._unix = lambda: 1800000000
    assert clock.is_set() and clock.wall() == 1800000000


def test_watchdog_is_fed_only_while_everybody_is_well():
    now = [0]
    supervisor = Supervisor(lambda: None, lambda: now[0], 1000)
    first = supervisor.heart("first")
    second = supervisor.heart("second")
    assert supervisor.stale() == ""
    now[0] = 900
    first()
    now[0] = 1500
    assert supervisor.stale() == "second"
    second()
    assert supervisor.stale() == ""


def test_a_task_that_fails_is_started_again():
    import kiosk.supervisor as module

    supervisor = Supervisor(lambda: None, lambda: 0, 1000)
    runs = [0]

    async def work(beat):
        runs[0] += 1
        if runs[0] < 3:
            raise ValueError("broken on purpose")
        raise KeyboardInterrupt

    real, module.asyncio = module.asyncio, FastAsyncio()
    try:
        asyncio.run(supervisor.keep("task", work))
    except KeyboardInterrupt:
        pass
    finally:
        module.asyncio = real
    assert runs[0] == 3
