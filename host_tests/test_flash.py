"""`tillpane flash` with the real esptool against a mock ROM bootloader; the image is made here, its hash with it."""

import hashlib
import http.server
import json
import os
import threading

import esptool.cmds
import pytest
from esp32_mock_bootloader import mock_bootloader

from tillpane import cli, flash
from tillpane.trouble import Trouble


@pytest.fixture
def image(tmp_path):
    """(file, image.json) of a made-up image of an odd length that esptool takes for an ESP32's."""
    data = bytes([0xE9, 1, 2, 0x20]) + os.urandom(70001)
    file = tmp_path / "MADE_UP-v1.bin"
    file.write_bytes(data)
    description = tmp_path / "image.json"
    fields = {"name": file.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "chip": "ESP32"}
    description.write_text(json.dumps({**fields, "offset": 0x1000, "url": "http://127.0.0.1:1/none", "found": "here"}))
    return file, description


@pytest.fixture
def never_opened(monkeypatch):
    """Fails the test when anything tries to reach a board."""

    def opened(*_args, **_options):
        raise AssertionError("the port was opened")

    monkeypatch.setattr(esptool.cmds, "connect_esp", opened)


def read_back(port, offset, length):
    with flash._quiet_esptool(flash.silent), esptool.cmds.connect_esp(port=port, chip="esp32") as esp:
        esptool.cmds.attach_flash(esp)
        return esp.read_flash(offset, length)  # by the ROM: the mock's stub does not end a read as esptool expects


def test_the_image_is_written_where_it_belongs_and_the_rest_erased(image):
    file, description = image
    steps = []
    with mock_bootloader("esp32") as board:
        data = file.read_bytes()
        flash.write(
            board.url(), data, flash.replace(flash.pinned(description), offset=0x20000)
        )  # what was there before
        found = flash.flash(board.url(), file, report=lambda *step: steps.append(step), description=description)
        there = read_back(board.url(), 0, 0x1000 + len(data) + 4096)
        before = read_back(board.url(), 0x20000, 4096)
    assert found[1] == "ESP32"
    assert there[0x1000 : 0x1000 + len(data)] == data
    assert set(there[:0x1000] + there[0x1000 + len(data) + 3 :]) == {0xFF}
    assert set(before) == {0xFF}
    assert [name for name, *_ in steps[:2]] == ["connect", "erase"]
    assert steps[-1][0] == "verify"
    written = [done for name, done, _ in steps if name == "write"]
    assert written == sorted(written) and len(written) > 3


@pytest.mark.parametrize("harm", ["bit", "short", "long", "empty"])
def test_a_wrong_image_never_opens_the_port(image, never_opened, harm):
    file, description = image
    data = bytearray(file.read_bytes())
    if harm == "bit":
        data[1234] ^= 8
    file.write_bytes({"bit": data, "short": data[:-1], "long": data + b"\0", "empty": b""}[harm])
    with pytest.raises(Trouble) as caught:
        flash.flash("/dev/never", file, description=description)
    assert "Nothing was written" in caught.value.advice


def test_another_release_needs_its_hash(image, never_opened, tmp_path):
    _, description = image
    other = tmp_path / "OTHER-v2.bin"
    other.write_bytes(os.urandom(5000))
    with pytest.raises(Trouble) as caught:
        flash.flash("/dev/never", other, description=description)
    assert "--sha256" in caught.value.advice
    with pytest.raises(Trouble, match="is not OTHER-v2"):
        flash.flash("/dev/never", other, sha256="0" * 64, description=description)
    for wrong in ("abc", "g" * 64, "0" * 63):
        with pytest.raises(Trouble, match="64 hexadecimal"):
            flash.flash("/dev/never", other, sha256=wrong, description=description)
    with pytest.raises(Trouble, match="--chip and --offset"):
        flash.flash("/dev/never", other, chip="ESP32-S3", description=description)
    with pytest.raises(Trouble, match="--sha256 describes"):
        flash.flash("/dev/never", sha256="0" * 64, description=description)


def test_another_release_with_its_hash_is_written(image, tmp_path):
    _, description = image
    other = tmp_path / "OTHER-v2.bin"
    other.write_bytes(bytes([0xE9, 1, 2, 0x20]) + os.urandom(9000))
    digest = hashlib.sha256(other.read_bytes()).hexdigest().upper()
    with mock_bootloader("esp32") as board:
        flash.flash(board.url(), other, sha256=digest, offset=0x2000, description=description)
        assert read_back(board.url(), 0x2000, 9004) == other.read_bytes()


def test_another_chip_is_refused_before_it_is_erased(image):
    file, description = image
    with mock_bootloader("esp32c3") as board, pytest.raises(Trouble, match="ESP32-C3.* is for an ESP32") as caught:
        flash.flash(board.url(), file, description=description)
    assert "Nothing was written" in caught.value.advice


def test_a_port_that_is_not_there_and_one_that_is_mute_say_what_to_do(image, tmp_path):
    file, description = image
    with pytest.raises(Trouble, match="There is no port"):
        flash.flash(str(tmp_path / "ttyUSB9"), file, description=description)
    ours, theirs = os.openpty()
    try:
        with pytest.raises(Trouble, match="No ESP32 answers") as caught:
            flash.write(os.ttyname(theirs), file.read_bytes(), flash.pinned(description), attempts=1)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "BOOT" in caught.value.advice


class Site:
    """A web server with one file; what it serves can be spoiled."""

    def __init__(self, data):
        self.data = data
        self.asked = 0
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked += 1
                self.send_response(200 if site.data else 404)
                self.end_headers()
                self.wfile.write(site.data)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/image.bin"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site(image):
    serving = Site(image[0].read_bytes())
    yield serving
    serving.close()


def test_the_download_is_checked_kept_and_not_fetched_again(image, site, tmp_path):
    known = flash.replace(flash.pinned(image[1]), url=site.url)
    cache = tmp_path / "cache"
    steps = []
    first = flash.fetch(known, cache, lambda *step: steps.append(step))
    assert first.read_bytes() == image[0].read_bytes()
    assert steps[-1] == ("download", known.size, known.size)
    assert flash.fetch(known, cache) == first
    assert site.asked == 1
    first.write_bytes(b"rotten")
    assert flash.fetch(known, cache).read_bytes() == image[0].read_bytes()
    assert site.asked == 2


@pytest.mark.parametrize("harm", ["bit", "short", "endless", "missing"])
def test_a_wrong_download_is_refused_and_not_kept(image, site, tmp_path, harm):
    known = flash.replace(flash.pinned(image[1]), url=site.url)
    good = site.data
    site.data = {"bit": good[:-1] + bytes([good[-1] ^ 1]), "short": good[:99], "endless": good * 2, "missing": b""}[
        harm
    ]
    with pytest.raises(Trouble):
        flash.fetch(known, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_network_it_says_where_to_find_the_image(image, tmp_path):
    with pytest.raises(Trouble, match="could not be downloaded") as caught:
        flash.fetch(flash.pinned(image[1]), tmp_path / "cache")
    assert "download page" in caught.value.advice
    assert "--image" in caught.value.advice


def test_the_pinned_image_is_the_one_that_was_run():
    known = flash.pinned()
    assert (known.chip, known.offset, known.size) == ("ESP32", 0x1000, 1734416)
    assert known.sha256 == "6b5272b6edd15fc4d1627ec559a27a5d5a7b86e5ea7f8013941eb10c877edd4e"
    assert known.url.endswith("/" + known.name)


def test_the_command_line_flashes_and_says_what_comes_next(image, capsys):
    file, _ = image
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with mock_bootloader("esp32") as board:
        code = cli.main(
            ["flash", "--port", board.url(), "--image", str(file), "--sha256", digest, "--offset", "0x1000"]
        )
    said = capsys.readouterr()
    assert code == 0
    assert "tillpane deploy" in said.out
    assert "Erasing" in said.err
    assert cli.main(["flash", "--port", "/dev/never", "--image", str(file)]) == 70
    assert "Nothing was written" in capsys.readouterr().err
