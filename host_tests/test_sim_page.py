"""The demo's server as a process: its page, its buttons, who may press them, and that nothing is left when it stops."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import aiohttp
import pytest
from PIL import Image

from tillpane.sim.device import REPOSITORY

RESTING = ("ready", "paid", "expired")


@pytest.fixture(scope="module")
def page():
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tools"), "PYTHONUNBUFFERED": "1"}
    script = "import sys; from tillpane.sim import demo; sys.exit(demo(0, open_browser=False))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True)
    assert process.stdout is not None
    url, said = "", ""
    while not url:
        line = process.stdout.readline()
        assert line, said
        said += line
        found = re.search(r"http://localhost:\d+/", line)
        url = found.group() if found else ""
    yield url
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=10)[0]
    assert process.returncode == 0
    assert "nothing is left running" in rest and "Traceback" not in rest


class Viewer:
    """A browser tab, as far as the wire goes: the latest message of each kind, and the panel's pictures."""

    def __init__(self, socket):
        self._socket = socket
        self.seen = {}
        self.lines = []
        self.pictures = []

    async def do(self, **message):
        await self._socket.send_str(json.dumps(message))

    async def until(self, found, timeout=20):
        end = time.monotonic() + timeout
        while not found():
            message = await self._socket.receive(timeout=max(0.01, end - time.monotonic()))
            if message.type == aiohttp.WSMsgType.BINARY:
                self.pictures.append(message.data)
                continue
            content = json.loads(message.data)
            if content["t"] == "hello":
                self.lines += content["lines"]
                self.seen |= {name: content[name] for name in ("power", "phone", "till", "ledger")}
                self.seen["screen"] = {"name": content["screen"]}
            elif content["t"] == "line":
                self.lines.append(content)
            self.seen[content["t"]] = content

    def shows(self, kind, **values):
        return all(self.seen.get(kind, {}).get(name) == value for name, value in values.items())


def visit(url, scene):
    async def work():
        async with aiohttp.ClientSession() as session, session.ws_connect(url + "ws") as socket:
            viewer = Viewer(socket)
            await viewer.until(
                lambda: viewer.seen.get("screen", {}).get("name") in ("ready", "paid", "expired"), timeout=30
            )
            await scene(viewer)

    asyncio.run(asyncio.wait_for(work(), 60))


def test_the_page_and_its_parts_come_from_here_alone(page):
    async def work():
        async with aiohttp.ClientSession() as session:
            texts = {}
            for name in ("", "page.css", "page.js", "icon.svg"):
                async with session.get(page + name) as answer:
                    assert answer.status == 200
                    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                    texts[name] = await answer.text()
            for name, text in texts.items():
                assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", text), name
            for name in ("page.py", "../server.py", "..%2fserver.py", "nothing.html"):
                async with session.get(page + name) as answer:
                    assert answer.status == 404
            return texts

    texts = asyncio.run(work())
    ids = set(re.findall(r'\bid="([^"]+)"', texts[""]))
    assert set(re.findall(r'\$\("([^"]+)"\)', texts["page.js"])) <= ids
    assert set(re.findall(r'aria-labelledby="([^"]+)"', texts[""])) <= ids


def test_a_sale_with_the_mouse(page):
    async def scene(viewer):
        await viewer.do(do="sale", amount="12.34")
        await viewer.until(lambda: viewer.shows("phone", state="asked", merchant="Corner Café", amount="1234"))
        assert viewer.seen["phone"]["url"].startswith("https://app.centrapay.com/pay/")
        await viewer.do(do="phone", how="pay")
        await viewer.until(lambda: viewer.shows("till", state="paid") and viewer.shows("screen", name="paid"))
        await viewer.until(lambda: viewer.lines[-1]["text"].startswith("OK ACK"))
        await viewer.until(lambda: [row["status"] for row in viewer.seen["ledger"]["rows"]] == ["paid"])
        assert all(picture.startswith(b"\x89PNG") for picture in viewer.pictures) and len(viewer.pictures) > 2

    visit(page, scene)


def test_the_first_frame_is_there_before_the_socket(page):
    async def scene(_viewer):
        async with aiohttp.ClientSession() as session, session.get(page + "panel.png") as answer:
            assert answer.status == 200 and answer.content_type == "image/png"
            assert len(Image.open(io.BytesIO(await answer.read())).convert("RGB").getcolors(99999)) > 1

    visit(page, scene)


def test_of_two_speeds_the_api_has_one(page):
    async def scene(viewer):
        for name, other in (("slow", "slower"), ("slower", "slow")):
            await viewer.do(do="fault", name=name, on=True)
            await viewer.until(lambda: viewer.seen.get("faults", {}).get("on", {}).get(name) is True)  # noqa: B023
            assert not viewer.seen["faults"]["on"].get(other)
        await viewer.do(do="fault", name="slower", on=False)
        await viewer.until(lambda: not any(viewer.seen["faults"]["on"].values()))

    visit(page, scene)


def test_decline_and_too_late(page):
    async def scene(viewer):
        for how, phone, till in (("decline", "declined", "cancelled"), ("late", "failed", "expired")):
            await viewer.do(do="sale", amount="5.00")
            await viewer.until(lambda: viewer.shows("phone", state="asked", amount="500"))
            await viewer.do(do="phone", how=how)
            await viewer.until(lambda: viewer.shows("phone", state=phone) and viewer.shows("till", state=till))  # noqa: B023

    async def ready(viewer):
        await scene(viewer)
        await viewer.do(do="cancel")
        await viewer.until(lambda: viewer.shows("screen", name="ready"))

    visit(page, ready)


def test_faults_power_and_nonsense(page):
    async def scene(viewer):
        for name in ("wifi", "silent", "slow", "slower", "error500", "html", "limit", "cable", "panel"):
            for on in (True, False):
                await viewer.do(do="fault", name=name, on=on)
                await viewer.until(lambda: viewer.seen.get("faults", {}).get("on", {}).get(name) is on)  # noqa: B023
        for message in ({"do": "format"}, {"do": "fault", "name": "gravity", "on": True}, {}):
            await viewer.do(**message)
            await viewer.until(lambda: "sorry" in viewer.seen)
            del viewer.seen["sorry"]
        await viewer.do(do="power", on=False)
        await viewer.until(lambda: viewer.shows("power", on=False))
        await viewer.do(do="power", on=True)
        await viewer.until(lambda: viewer.shows("power", on=True))
        del viewer.seen["screen"]
        await viewer.until(lambda: viewer.shows("screen", name="ready"), timeout=30)
        await viewer.do(do="type", line="INFO")
        await viewer.until(lambda: viewer.lines[-1]["text"].startswith("INFO tillpane"))

    visit(page, scene)


def test_pages_of_other_sites_may_not_press_buttons(page):
    async def work():
        async with aiohttp.ClientSession() as session:
            for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(page + "ws", headers=headers)
                assert refused.value.status == 403

    asyncio.run(work())
