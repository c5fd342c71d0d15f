"""The shims under real MicroPython without a host: the signatures, refusals and states of a board."""

import json
import os
import subprocess

import pytest

from tillpane import ROOT, interpreters
from tillpane.sim.device import SHIMS


def micropython(script, tmp_path, lib=False, **environment):
    """What the script prints, under the shims; with `lib`, the product's modules at hand."""
    path = tmp_path / "script.py"
    path.write_text(script)
    if lib:
        (tmp_path / "lib").symlink_to(ROOT / "lib")
        (tmp_path / "firmware").symlink_to(ROOT / "firmware")
    done = subprocess.run(
        [interpreters.micropython(), "-X", "heapsize=1024wK" if lib else "heapsize=145wK", str(path)],
        env=os.environ | {"MICROPYPATH": f"{SHIMS}:.frozen" + ":lib" * lib, "TZ": "UTC", **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


REFUSALS = {
    "Pin(24)": "ValueError",
    "Pin(40)": "ValueError",
    "Pin('4')": "ValueError",
    "Pin(35, Pin.OUT)": "ValueError",
    "Pin(4, Pin.OUT, level=1)": "TypeError",
    "SPI(3)": "ValueError",
    "SPI(1, baudrate=40000000, sck=Pin(18), mosi=Pin(23))": "ValueError",
    "SPI(2, baudrate=40000000, sck=Pin(14), mosi=Pin(13))": "ValueError",
    "SPI(2, 40000000, sck=18, mosi=23, cs=5)": "TypeError",
    "SPI(2, baudrate=90000000)": "OSError",
    "UART(0)": "ValueError",
    "UART(3)": "ValueError",
    "UART(2, bits=9)": "ValueError",
    "UART(2, parity=2)": "ValueError",
    "UART(2, stop=3)": "ValueError",
    "UART(2, rxbuf=128)": "OSError",
    "UART(2, tx=Pin(34))": "OSError",
    "UART(2, buadrate=9600)": "TypeError",
    "PWM(Pin(4), freq=0)": "ValueError",
    "PWM(Pin(4), duty_u16=65536)": "ValueError",
    "PWM(Pin(4), duty=3, duty_u16=3)": "ValueError",
    "WDT(timeout=0)": "ValueError",
    "WDT(1)": "ValueError",
    "machine.freq(123)": "ValueError",
    "network.hostname('x' * 33)": "ValueError",
    "network.country('NZL')": "ValueError",
    "network.WLAN(2)": "ValueError",
    "network.WLAN().connect('a', 'b')": "OSError",
    "network.WLAN().scan()": "OSError",
    "network.WLAN().config(reconects=0)": "ValueError",
    "network.WLAN().status('rssi')": "OSError",
    "esp32.NVS('n').get_i32('absent')": "OSError",
    "esp32.NVS('n').set_i32('k', 1 << 31)": "OverflowError",
}
ACCEPTED = (
    "Pin(4, Pin.OUT, value=1)",
    "Pin(0, Pin.IN, Pin.PULL_UP)",
    "Pin(Pin(5))",
    "SPI(2, baudrate=40000000, polarity=0, phase=0, sck=Pin(18), mosi=Pin(23), miso=Pin(19))",
    "SPI(1, baudrate=26000000, sck=Pin(18), mosi=Pin(23))",
    "SPI(1, baudrate=40000000, sck=Pin(14), mosi=Pin(13))",
    "UART(2, baudrate=9600, bits=7, parity=0, stop=2, tx=Pin(17), rx=Pin(16), rxbuf=2048, txbuf=512, timeout=0)",
    "UART(1, invert=UART.INV_TX | UART.INV_RX)",
    "PWM(Pin(4), freq=1000, duty_u16=0)",
    "WDT(timeout=30000)",
    "network.WLAN(network.STA_IF).config(reconnects=0, pm=network.WLAN.PM_NONE)",
    "esp32.idf_heap_info(esp32.HEAP_DATA)[0][1]",
)


def test_refuses_what_a_board_refuses(tmp_path):
    calls = list(REFUSALS) + list(ACCEPTED)
    script = ["import machine, network, esp32", "from machine import Pin, SPI, UART, PWM, WDT"]
    for call in calls:
        script.append(f"try:\n {call}\n print('fine')\nexcept Exception as error:\n print(type(error).__name__)")
    said = micropython("\n".join(script), tmp_path).split()
    assert dict(zip(calls, said, strict=True)) == REFUSALS | dict.fromkeys(ACCEPTED, "fine")


def test_the_radio_behaves_as_the_driver_does(tmp_path):
    script = """
import network, time
w = network.WLAN(network.STA_IF)
print(w.active(), w.isconnected(), w.status())
w.active(True)
w.config(reconnects=0)
w.connect("Cafe", "wrong")
print(w.status())
try: w.connect("Cafe", "key")
except OSError as error: print(error)
time.sleep_ms(60)
print(w.isconnected(), w.status())
w.disconnect()
w.connect("Nobody", "key")
print(w.status())  # the last reason stays visible through the next connect()
time.sleep_ms(60)
print(w.status())
w.connect("Cafe", "key")
time.sleep_ms(60)
print(w.isconnected(), w.status(), w.status("rssi"), w.ifconfig()[0] != "0.0.0.0", w.config("ssid"))
w.disconnect()
print(w.isconnected(), w.status())
"""
    said = micropython(script, tmp_path, TILLPANE_SIM_JOIN_MS="40", TILLPANE_SIM_SSID="Cafe", TILLPANE_SIM_KEY="key")
    assert said.splitlines() == [
        "False False 1000",
        "1001",
        "Wifi Internal Error",
        "False 202",
        "202",
        "201",
        "True 1010 -50 True Cafe",
        "False 1000",
    ]


def test_the_radio_tells_what_ended_an_attempt(tmp_path):
    script = """
import machine, network, time
w = network.WLAN(network.STA_IF)
w.active(True)
w.config(reconnects=0)
for air in (3, 4, 0, 2):
    machine._link.air = air
    w.connect("Cafe", "key")
    at_once = w.status()
    time.sleep_ms(60)
    print(at_once, w.status())
    w.disconnect()
"""
    said = micropython(script, tmp_path, TILLPANE_SIM_JOIN_MS="40").split()
    assert said == ["1001", "2", "1001", "15", "1001", "201", "201", "202"]


WIFI = """
import asyncio, machine, network, time
from kiosk.wifi import Wifi

wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.config(reconnects=0)
wifi = Wifi(wlan, "Cafe", "key")

async def router_restarts():
    task = asyncio.create_task(wifi.run(lambda: None))
    for air, why in ((4, "WIFI_15"), (0, "WIFI_201")):
        machine._link.air = air
        began = time.ticks_ms()
        while wifi.why != why:
            await asyncio.sleep_ms(20)
        print(why, time.ticks_diff(time.ticks_ms(), began))
    machine._link.air = 1
    began = time.ticks_ms()
    while not wifi.up:
        await asyncio.sleep_ms(20)
    print("up", time.ticks_diff(time.ticks_ms(), began))

asyncio.run(router_restarts())
"""


@pytest.mark.timeout(120)
def test_the_product_joins_again_after_a_router_s_restart(tmp_path):
    """With a join as long as a board's. The last failure's code stands while the next attempt runs."""
    lines = micropython(WIFI, tmp_path, lib=True, TILLPANE_SIM_JOIN_MS="3500").splitlines()
    assert [line.split()[0] for line in lines] == ["WIFI_15", "WIFI_201", "up"]
    assert max(int(line.split()[1]) for line in lines[:2]) < 9000, "a driver that has stopped is not waited for"
    assert int(lines[2].split()[1]) < 9000, "back-off, pause and join; not a second round"


WIRING = """
import json, machine
from kiosk import settings
import wiring

made = []
class SPI(machine.SPI):
    def __init__(self, number, **kwargs):
        made.append(kwargs["baudrate"])
        super().__init__(number, **kwargs)

class UART(machine.UART):
    def __init__(self, number, **kwargs):
        made.append((kwargs["baudrate"], kwargs["rxbuf"]))
        super().__init__(number, **kwargs)

machine.SPI, machine.UART = SPI, UART

def options(**own):
    return settings.parse(dict({"wifi_ssid": "s", "api_key": "k", "config_id": "c"}, **own))

for own in %s:
    wiring.build_screens(options(**own))
for own in %s:
    wiring._build_uart(options(**own), 2, 17, 16, 256)
print(json.dumps(made))
"""


def test_no_panel_gets_a_clock_that_its_pins_do_not_take(tmp_path):
    cases = {
        (2, 18, 23, 40000000): 40000000,
        (1, 14, 13, 80000000): 80000000,
        (1, 18, 23, 40000000): 26666666,
        (2, 14, 13, 40000000): 26666666,
        (2, 18, 13, 80000000): 26666666,
        (1, 18, 23, 20000000): 20000000,
    }
    names = ("panel_spi", "panel_sck", "panel_mosi", "panel_baud")
    own = [dict(zip(names, case, strict=True)) for case in cases]
    made = json.loads(micropython(WIRING % (own, []), tmp_path, lib=True))
    assert made == list(cases.values())


def test_the_till_s_buffers_are_as_large_as_its_speed_needs(tmp_path):
    sizes = {1200: 512, 2400: 512, 9600: 1680, 19200: 2048, 115200: 2048}
    made = json.loads(micropython(WIRING % ([], [{"till_baud": baud} for baud in sizes]), tmp_path, lib=True))
    assert dict(made) == sizes
    for baud in (1200, 2400, 9600):
        assert sizes[baud] >= 1.4 * baud / 10, "what comes while a handshake blocks"


def test_nvs_keeps_what_was_committed(tmp_path):
    script = """
import esp32
n = esp32.NVS("till")
b = bytearray(4)
try: print(n.get_i32("count"), n.get_blob("blob", b), bytes(b))
except OSError as error: print(error.args[0])
n.set_i32("count", -7); n.set_blob("blob", b"\\x00\\xff"); n.commit()
n.set_i32("count", 8)
"""
    file = str(tmp_path / "nvs.json")
    assert micropython(script, tmp_path, TILLPANE_SIM_NVS=file).split() == ["-4354"]
    assert micropython(script, tmp_path, TILLPANE_SIM_NVS=file).strip() == "-7 2 b'\\x00\\xff\\x00\\x00'"


def test_the_clock_can_be_set_and_read(tmp_path):
    script = """
import machine, time
machine.RTC().datetime((2031, 2, 3, 0, 4, 5, 6, 0))
print(machine.RTC().datetime()[:7], abs(machine.RTC.ahead_s + time.time() - 1927857906) < 3)
"""
    assert micropython(script, tmp_path).strip() == "(2031, 2, 3, 0, 4, 5, 6) True"


def test_steady_work_costs_no_heap(tmp_path):
    """So that what the product's own tests count is the product's."""
    script = """
import gc, machine, network
from machine import Pin, SPI, UART, WDT
pin, spi = Pin(21, Pin.OUT), SPI(2, 40000000, sck=Pin(18), mosi=Pin(23))
uart, dog = UART(2, rxbuf=2048), WDT(timeout=1000)
wlan, large, small = network.WLAN(), bytearray(4096), b"ab"
def work(count):
    for _ in range(count):
        pin(1); spi.write(small); pin(0); spi.write(large)
        uart.any(); uart.readinto(large); dog.feed(); wlan.isconnected()
def cost(count):
    gc.collect(); before = gc.mem_alloc(); work(count); return gc.mem_alloc() - before
cost(2); print(cost(20), cost(400))
"""
    few, many = micropython(script, tmp_path).split()
    assert few == many


@pytest.mark.parametrize("cause", [1, 2, 3, 5])
def test_reset_cause(cause, tmp_path):
    assert (
        micropython("import machine; print(machine.reset_cause())", tmp_path, TILLPANE_SIM_CAUSE=str(cause))
        == f"{cause}\n"
    )
