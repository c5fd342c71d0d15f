"""Bytes and time from a view to the glass: the QR code, and one tick of the countdown. Runs on MicroPython and CPython.

On a board with settings.json the bytes go over the real SPI bus; elsewhere they are only counted.
Prints one JSON object a line: case, unit, ours, alternative.
"""

import asyncio
import gc
import json
import sys
import time

URL = b"https://app.centrapay.com/pay/5hrpVrBuN7nJL3m7FgUbHq"
SIZES = ((240, 320, 0), (240, 320, 90))
_TOTAL_S = 120


def say(case, unit, ours, alternative=None, **more):
    more.update(case=case, unit=unit, ours=ours, alternative=alternative)
    print(json.dumps(more))


if sys.implementation.name == "micropython":
    _ticks_us = time.ticks_us
    _spent_us = time.ticks_diff
else:

    def _ticks_us():
        return time.perf_counter_ns() // 1000

    def _spent_us(now, then):
        return now - then


class Wire:
    """Counts what is written; passes it on where there is a bus."""

    def __init__(self, bus):
        self._bus = bus
        self.begin()

    def begin(self):
        self.bytes = 0
        self.calls = 0
        self.largest = 0

    def write(self, buf):
        size = len(buf)
        self.bytes += size
        self.calls += 1
        if size > self.largest:
            self.largest = size
        if self._bus is not None:
            self._bus.write(buf)


def _low(level):
    pass


def real_wires():
    """(spi, dc, cs) as settings.json has them, or None where this is no board."""
    if sys.platform in ("linux", "darwin", "win32"):
        return None
    import machine

    from kiosk.settings import SettingsError, read, stand_in

    try:
        options = read("settings.json")
    except SettingsError:
        options = stand_in()
    bus = machine.SPI(
        options["panel_spi"],
        baudrate=options["panel_baud"],
        polarity=0,
        phase=0,
        sck=machine.Pin(options["panel_sck"]),
        mosi=machine.Pin(options["panel_mosi"]),
    )
    dc = machine.Pin(options["panel_dc"], machine.Pin.OUT)
    cs = machine.Pin(options["panel_cs"], machine.Pin.OUT, value=1) if options["panel_cs"] >= 0 else None
    return bus, dc, cs


def build(wires, width, height, rotation, fonts="lib/panel/fonts/"):
    """-> (Wire, Panel, Screens, QR)"""
    from kiosk.screens import FONTS, Screens
    from panel import Font, Panel
    from qr import QR

    bus, dc, cs = wires or (None, _low, _low)
    wire = Wire(bus)
    panel = Panel(wire, dc, cs, None, None, "st7789", width, height, rotation)
    code = QR()
    return wire, panel, Screens(panel, code, [Font(fonts + name + ".font") for name in FONTS]), code


async def _count(turns):
    while True:
        turns[0] += 1
        await asyncio.sleep(0)


async def code_case(wire, panel, code, scale):
    """One QR to the panel: bytes, writes, the largest of them, how often another task had its turn, us."""
    code.encode(URL, 0, 1)
    turns = [0]
    other = asyncio.create_task(_count(turns))
    await asyncio.sleep(0)
    turns[0] = 0
    wire.begin()
    gc.collect()
    start = _ticks_us()
    await panel.qr(0, 0, code.rows, code.size, code.stride, scale)
    took = _spent_us(_ticks_us(), start)
    other.cancel()
    return {
        "ours": wire.bytes,
        "alternative": 2 * ((code.size + 8) * scale) ** 2,
        "writes": wire.calls,
        "modules": code.size**2,
        "largest": wire.largest,
        "turns": turns[0],
        "us": took,
        "side": (code.size + 8) * scale,
    }


async def tick_case(wire, screens, seconds):
    """Every tick from `seconds` to 0. -> (most bytes of one tick, bytes of the whole screen, median us)"""
    from kiosk.view import PAY, View

    def shows(left_s):
        return View(PAY, "$12.34", "NZD", "Corner Cafe", URL, "CP-C7F-ZS5", left_s=left_s, total_s=_TOTAL_S)

    wire.begin()
    await screens.show(shows(seconds))
    whole = wire.bytes
    most = 0
    times = []
    for left_s in range(seconds - 1, -1, -1):
        wire.begin()
        start = _ticks_us()
        await screens.show(shows(left_s))
        times.append(_spent_us(_ticks_us(), start))
        most = max(most, wire.bytes)
    return most, whole, sorted(times)[len(times) // 2]


async def work(fonts="lib/panel/fonts/"):
    wires = real_wires()
    for width, height, rotation in SIZES:
        gc.collect()
        wire, panel, screens, code = build(wires, width, height, rotation, fonts)
        if rotation == 0:
            found = await code_case(wire, panel, code, 5)
            say("panel.qr", "bytes", found.pop("ours"), found.pop("alternative"), **found)
        most, whole, us = await tick_case(wire, screens, _TOTAL_S)
        say("panel.tick", "bytes", most, whole, rotation=rotation, us=us)


if __name__ == "__main__":
    asyncio.run(work())
