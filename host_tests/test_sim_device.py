"""The simulator itself, with a small program in the device's place: wires, resets, watchdog, power, network."""

import asyncio
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

from tillpane.sim import device as device_module
from tillpane.sim.air import DOWN, SILENT, UP, Air, Clock
from tillpane.sim.device import REPOSITORY, SimDevice, SimError
from tillpane.sim.phone import request_id
from tillpane.sim.till import Till
from tillpane.sim.wires import BusDecoder, BusError

BOOT = "import machine\nprint('boot', machine.reset_cause())\n"
MAIN = """
import asyncio, machine, network, time
from machine import Pin, SPI, UART, WDT
dc, cs = Pin(21, Pin.OUT, value=0), Pin(5, Pin.OUT, value=1)
spi = SPI(2, 40000000, sck=Pin(18), mosi=Pin(23))
uart = UART(2, 9600, tx=Pin(17), rx=Pin(16), rxbuf=256)
button = Pin(0, Pin.IN, Pin.PULL_UP)
dog = WDT(timeout=700)
wlan = network.WLAN(); wlan.active(True); wlan.connect("Corner Cafe", "flat white")
def send(command, data=b""):
    cs(0); dc(0); spi.write(bytes((command,)))
    if data:
        dc(1); spi.write(data)
    cs(1)
send(0x11); send(0x29); send(0x21); send(0x3A, b"\\x55"); send(0x2C, b"\\xf8\\x00" * 240 * 40)
print("[tillpane] screen", "one")
send(0x2C, b"\\x07\\xe0" * 240 * 40)
print("[tillpane] screen", "two")
async def main():
    while True:
        dog.feed()
        line = uart.read()
        if line:
            if b"hang" in line:
                while True: pass
            if b"reset" in line: machine.reset()
            if b"soft" in line: machine.soft_reset()
            if b"boom" in line: 1 / 0
            if b"end" in line: return
            if b"sleep" in line: time.sleep_ms(300)
            if b"state" in line:
                state = (wlan.isconnected(), wlan.status(), button(), time.gmtime()[0])
                uart.write("wifi %d %d button %d time %d\\r\\n" % state)
            else: uart.write(b"<" + line.strip() + b">\\r\\n")
        await asyncio.sleep_ms(5)
asyncio.run(main())
"""


@pytest.fixture
def app(tmp_path):
    (tmp_path / "boot.py").write_text(BOOT)
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


def play(app, scene, **options):
    async def work():
        async with SimDevice({}, app=app, mpy=False, join_ms=50, **options) as device:
            await device.wait_screen("two")
            with Till(device.port.path) as till:
                await scene(device, till)

    asyncio.run(asyncio.wait_for(work(), 60))


async def starts(device, count):
    for _ in range(100):
        if (
            len(device.starts) >= count
            and device.running
            and device.screen == "two"
            and device.console[-1].endswith("two")
        ):
            return device.starts[-1]
        await asyncio.sleep(0.05)
    raise AssertionError(device.report())


def test_screens_come_with_the_pixels_of_their_moment(app):
    """Painted right after each other: the notes travel in order with the SPI bytes."""

    async def scene(device, till):
        one, two = device.screens[:2]
        assert (one.image.getpixel((5, 5)), two.image.getpixel((5, 5))) == ((255, 0, 0), (0, 255, 0))
        assert device.panel.faults == []

    play(app, scene)


def test_the_product_gets_the_heap_of_a_board(app):
    """What the shims weigh comes on top of the heap that was asked for."""

    async def scene(device, till):
        spare = device.heap_free / 2048 - device.heap_kw
        assert 0 <= spare < 1, spare

    for heap_kw in (96, 97, 145):
        play(app, scene, heap_kw=heap_kw)


def test_every_way_to_start_again(app):
    async def scene(device, till):
        till.send("reset")
        assert await starts(device, 2) == "hard reset"
        till.send("soft")
        assert await starts(device, 3) == "soft reset"
        till.send("hang")
        assert await starts(device, 4) == "watchdog"
        till.send("boom")
        assert await starts(device, 5) == "watchdog", "it runs on although the program has ended"
        await device.kill()
        assert not device.running and device.panel.image().getextrema() == ((0, 0),) * 3
        await device.start()
        assert await starts(device, 6) == "power on"
        assert [line for line in device.console if line.startswith("boot")] == [f"boot {n}" for n in (1, 2, 5, 3, 3, 1)]

    play(app, scene)


def test_inputs_and_air_reach_the_device(app):
    async def scene(device, till):
        await asyncio.sleep(0.1)
        assert await till.ask("state", "wifi") == "wifi 1 1010 button 1 time 2000"
        device.set_input(0, 0)
        device.set_wifi(False)
        await asyncio.sleep(0.05)
        assert (await till.ask("state", "wifi")).startswith("wifi 0 1001 button 0")
        device.set_wifi(True, wrong_key=True)
        await asyncio.sleep(0.2)
        assert (await till.ask("state", "wifi")).startswith("wifi 0 202")

    play(app, scene)


def test_the_receive_buffer_overflows_silently(app):
    async def scene(device, till):
        await till.ask("sleep", "<sleep>")
        till.send_bytes(b"sleep")
        await asyncio.sleep(0.1)
        till.send_bytes(b"x" * 1000)
        answer = await till.hear("<xxx", timeout=3)
        assert answer == "<" + "x" * 256 + ">"

    play(app, scene)


def test_unread_lines_are_dropped_oldest_first_and_whole(app):
    async def scene(device, till):
        till.close()
        handle = os.open(device.port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for number in range(80):
            os.write(handle, b"%04d%s" % (number, b"." * 96))
            await asyncio.sleep(0.012)
        await asyncio.sleep(0.1)
        lines = os.read(handle, 5000).split(b"\r\n")
        os.close(handle)
        assert device.port.dropped > 0
        assert lines[-1] == b"" and all(line.startswith(b"<") and line.endswith(b">") for line in lines[:-1])
        assert lines[-2].startswith(b"<0079") and not lines[0].startswith(b"<0000")

    play(app, scene)


def test_a_program_that_leaves_echo_on_does_not_make_it_talk_to_itself(app):
    async def scene(device, till):
        subprocess.run(["stty", "-F", device.port.path, "sane"], check=True)
        await till.ask("one", "<one>")
        heard = len(device.console)
        await asyncio.sleep(0.2)
        assert [text for _, who, text in till.lines if who == "box"] == ["<one>"]
        assert len(device.console) == heard

    if sys.platform != "linux":
        pytest.skip("stty -F is Linux")
    play(app, scene)


def test_a_pulled_cable_loses_both_ways(app):
    async def scene(device, till):
        device.port.plugged = False
        till.send("lost")
        await asyncio.sleep(0.1)
        device.port.plugged = True
        await till.ask("here", "<here>")
        assert "<lost>" not in till.transcript()

    play(app, scene)


def test_a_program_that_ends_is_told_at_once(tmp_path):
    (tmp_path / "main.py").write_text("print('hello')\n1 / 0\n")

    async def work():
        async with SimDevice({}, app=tmp_path, mpy=False) as device:
            began = time.monotonic()
            with pytest.raises(SimError, match="ZeroDivisionError"):
                await device.wait_screen("ready", timeout=30)
            assert time.monotonic() - began < 5

    asyncio.run(work())


def test_no_device_outlives_its_host(app):
    """The host is killed, not closed: the device notices and ends."""
    script = (
        "import asyncio, sys; from pathlib import Path; from tillpane.sim.device import SimDevice\n"
        "async def main():\n"
        "  async with SimDevice({}, app=Path(sys.argv[1]), mpy=False) as device:\n"
        "    await device.wait_screen('two'); print(device._process.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tools")}
    host = subprocess.Popen([sys.executable, "-c", script, str(app)], stdout=subprocess.PIPE, env=environment)
    assert host.stdout is not None
    pid = int(host.stdout.readline())
    host.kill()
    host.wait()
    host.stdout.close()
    for _ in range(60):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the device still runs")


class Listener:
    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda *words, **more: self.heard.append((name, *words, *more.values()))


def test_bus_frames_in_any_pieces():
    stream = (
        b"P\x15\x01"
        + b"S\x02"
        + struct.pack("<I", 5)
        + b"PFRM\x00"
        + b"B\x04\xff\x7f"
        + b"W\x30\x75\0\0"
        + b"F"
        + b"M\x02hi"
        + b"R"
    )
    whole, pieces = Listener(), Listener()
    BusDecoder(whole).feed(stream)
    decoder = BusDecoder(pieces)
    for byte in stream:
        decoder.feed(bytes((byte,)))
    assert whole.heard == pieces.heard
    assert whole.heard == [
        ("pin_changed", 21, 1),
        ("spi_written", 2, b"PFRM\x00"),
        ("duty_changed", 4, 32767),
        ("watchdog_started", 30000),
        ("watchdog_fed",),
        ("noted", "hi"),
        ("reset_asked", True),
    ]
    with pytest.raises(BusError):
        decoder.feed(b"?")


def test_the_air_up_down_and_silent():
    async def work():
        async def echo(reader, writer):
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        air = Air(server.sockets[0].getsockname()[1])
        await air.start()

        async def call(reader, writer, timeout=2.0):
            writer.write(b"hello")
            return await asyncio.wait_for(reader.read(100), timeout)

        link = await asyncio.open_connection("127.0.0.1", air.port)
        assert await call(*link) == b"hello"
        air.set(SILENT)
        with pytest.raises(asyncio.TimeoutError):
            await call(*link, timeout=0.2)
        air.set(UP)
        assert await asyncio.wait_for(link[0].read(100), 2) == b"hello", "what was on its way arrives"
        air.set(DOWN)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(link[0].read(100), 2)
        with pytest.raises(OSError):
            await call(*await asyncio.open_connection("127.0.0.1", air.port))
        air.set(UP)
        link = await asyncio.open_connection("127.0.0.1", air.port)
        assert await call(*link) == b"hello"
        link[1].close()
        await air.close()
        server.close()

    asyncio.run(work())


def test_the_time_server_answers_lies_and_falls_silent():
    async def work():
        clock = Clock()
        await clock.start()
        loop = asyncio.get_running_loop()
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.setblocking(False)
        link.connect(("127.0.0.1", clock.port))

        async def ask():
            link.send(b"\x23" + bytes(39) + b"question")
            answer = await asyncio.wait_for(loop.sock_recv(link, 100), 0.3)
            assert answer[0] == 0x24 and answer[1] == 1 and answer[24:32] == b"question"
            return struct.unpack("!I", answer[40:44])[0] - 2208988800

        assert abs(await ask() - time.time()) < 2
        clock.lie_s = -86400 * 365
        assert abs(await ask() - time.time() + 86400 * 365) < 2
        clock.answering = False
        with pytest.raises(asyncio.TimeoutError):
            await ask()
        link.close()
        clock.close()

    asyncio.run(work())


def test_a_wallet_takes_centrapay_codes_only():
    assert request_id("https://app.centrapay.com/pay/5ee0c486308f590260d9a07f") == "5ee0c486308f590260d9a07f"
    assert request_id("https://service.centrapay.com/api/payment-requests/a-1/pay") == "a-1"
    for text in (
        "http://app.centrapay.com/pay/x",
        "https://app.centrapay.com/pay/x?y",
        "https://app.centrapay.com.evil/pay/x",
        "x",
        "",
    ):
        assert request_id(text) is None


def test_what_a_killed_simulator_left_is_swept_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(device_module.tempfile, "gettempdir", lambda: str(tmp_path))
    old = time.time() - 3600

    def folder(name, lock=True, age=old):
        place = tmp_path / name
        (place / "flash").mkdir(parents=True)
        if lock:
            (place / "in-use").touch()
        os.utime(place, (age, age))
        return place

    stale, young = folder("tillpane-sim-stale"), folder("tillpane-sim-young", age=time.time())
    bare, others = folder("tillpane-sim-bare", lock=False), folder("tillpane-other")
    used = folder("tillpane-sim-used")
    (tmp_path / "tillpane-sim-link").symlink_to(others)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, used / "in-use"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        holder.stdout.readline()
        device_module.sweep()
        assert not stale.exists()
        assert all(place.exists() for place in (young, bare, others, used))
        holder.kill()
    device_module.sweep()
    assert not used.exists() and others.exists()
