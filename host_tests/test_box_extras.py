"""What else a box does with a till's bytes, on the whole running box: teach mode, recording, handing them on."""

import asyncio
import json
import os
import time

import pytest

from tillpane.capture import read_capture
from tillpane.sim.shop import Shop
from tillpane.standin import StandIn
from tillpane.tills import TILLS

BUTTON = {"button_pin": 33}


def send(port, stream):
    """What a till says, with its pauses, and its port open as long as a till's is."""
    handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        for pause_ms, data in stream:
            time.sleep(pause_ms / 1000)
            os.write(handle, data)
        time.sleep(0.05)
    finally:
        os.close(handle)


async def said(shop, words, seconds=15):
    """Until the box's console has said this."""
    end = time.monotonic() + seconds
    while not any(words in line for line in shop.device.console):
        assert time.monotonic() < end, shop.device.report()
        await asyncio.sleep(0.05)


def run(story, **settings):
    async def shop():
        async with Shop(api=StandIn(rate_limit=0), boot_window=False, join_ms=50, settings=settings) as box:
            await box.device.wait_screen("ready", timeout=30)
            await story(box)

    asyncio.run(shop())


def test_teach_mode_finds_the_till_and_sells_after_its_restart():
    async def story(box):
        port = box.device.port.path
        ring = TILLS["logiccontrols"].total(1234)
        for _ in range(2):
            await asyncio.to_thread(send, port, ring)
            await asyncio.sleep(1.2)
        seen = len(box.device.screens)
        await box.device.press_button()
        await box.device.wait_screen("ready", after=seen, timeout=30)
        kept = json.loads((box.device.root / "settings.json").read_text())
        assert (kept["till_protocol"], kept["till_baud"], kept["till_bits"]) == ("logiccontrols", 9600, 8)
        assert kept["wifi_ssid"] and kept["api_key"]
        end = time.monotonic() + 20
        while "[tillpane] ready" not in list(box.device.console)[-30:] and time.monotonic() < end:
            await asyncio.sleep(0.1)
        await asyncio.to_thread(send, port, TILLS["logiccontrols"].total(1750))
        await asyncio.sleep(1)
        seen = len(box.device.screens)
        await box.device.press_button()
        await box.device.wait_screen("pay", after=seen, timeout=15)
        assert box.api.requests[-1].amount == 1750

    run(story, till_protocol="teach", **BUTTON)


def test_a_recording_is_what_the_till_sent():
    async def story(box):
        port = box.device.port.path
        await box.device.press_button(hold=True)
        await asyncio.sleep(0.3)
        stream = TILLS["escpos"].start() + TILLS["escpos"].item("Flat white", 1, 450) + TILLS["escpos"].total(450)
        await asyncio.to_thread(send, port, stream)
        await asyncio.sleep(0.5)
        await box.device.press_button(hold=True)
        await asyncio.sleep(0.5)
        recorded = b"".join(data for _, data in read_capture(box.device.root / "capture.txt"))
        assert recorded == b"".join(data for _, data in stream)

    run(story, till_protocol="escpos", till_start="tag", **BUTTON)


@pytest.mark.parametrize("kind", ["escpos"])
def test_the_old_display_gets_every_byte(kind):
    async def story(box):
        stream = b"".join(data for _, data in TILLS[kind].total(450)) * 60
        old = box.device.second_port
        got = bytearray()
        handle = os.open(old.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            till = os.open(box.device.port.path, os.O_RDWR | os.O_NOCTTY)
            for at in range(0, len(stream), 96):
                os.write(till, stream[at : at + 96])
                await asyncio.sleep(0.03)
                try:
                    got += os.read(handle, 4096)
                except BlockingIOError:
                    pass
            end = time.monotonic() + 5
            while len(got) < len(stream) and time.monotonic() < end:
                await asyncio.sleep(0.02)
                try:
                    got += os.read(handle, 4096)
                except BlockingIOError:
                    pass
            os.write(handle, b"\x06back")
            await asyncio.sleep(0.3)
            assert os.read(till, 64).endswith(b"\x06back")
            os.close(till)
        finally:
            os.close(handle)
        assert bytes(got) == stream

    run(story, till_protocol=kind, till_start="tag", forward_uart=1, forward_tx=25, forward_rx=26)
