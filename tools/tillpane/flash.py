"""Erases a board and writes a MicroPython image whose SHA-256 is known beforehand.

The image is checked before the serial port is opened: a wrong one never reaches a board. The pinned one is described in
firmware/image.json.
"""

import contextlib
import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import esptool.cmds
import serial
from esptool.logger import EsptoolLogger, TemplateLogger
from esptool.util import FatalError

from tillpane import ROOT
from tillpane.trouble import Trouble, port_trouble

PINNED = ROOT / "firmware" / "image.json"
_CHUNK = 64 * 1024
_GIVE_IMAGE = "--image FILE (make flash: IMAGE=FILE)"
_MAX_IMAGE = 16 * 1024 * 1024  # no ESP32 module that runs this has more flash

Report = Callable[[str, int, int], None]  # (step, how much of it is done, how much there is; 0: unknown)


def silent(_what: str, _done: int, _total: int) -> None:
    pass


@dataclass(frozen=True)
class Image:
    """A MicroPython image: size in bytes, SHA-256 in lower-case hex, the chip it is for, its flash offset."""

    name: str
    size: int
    sha256: str
    chip: str
    offset: int
    url: str = ""


def pinned(file: Path = PINNED) -> Image:
    """The image that firmware/image.json names."""
    known = json.loads(file.read_text(encoding="utf-8"))
    return Image(**{name: known[name] for name in ("name", "size", "sha256", "chip", "offset", "url")})


def checked(file: Path, image: Image) -> bytes:
    """The bytes of file, once they are those of image. Raises Trouble otherwise."""
    try:
        if file.stat().st_size > _MAX_IMAGE:
            raise Trouble(f"{file} is larger than any board's flash.", "Is it an image at all?")
        data = file.read_bytes()
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.", f"Give another with {_GIVE_IMAGE}.") from error
    if image.size and len(data) != image.size:
        raise Trouble(
            f"{file} has {len(data)} bytes, {image.name} has {image.size}: it is incomplete, or another image.",
            "Nothing was written. Download it again; an image of your own choosing needs its --sha256.",
        )
    found = hashlib.sha256(data).hexdigest()
    if found != image.sha256:
        raise Trouble(
            f"{file} is not {image.name}: its SHA-256 is {found}, and {image.sha256} was expected.",
            "Nothing was written. Download it again; an image of your own choosing needs its --sha256.",
        )
    return data


def other(file: Path, sha256: str, image: Image) -> Image:
    """A description of an image of the caller's choosing, by the SHA-256 that its publisher gives."""
    digest = sha256.strip().lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise Trouble(
            "--sha256 takes 64 hexadecimal digits.", "They stand beside the image on MicroPython's download page."
        )
    return replace(image, name=file.name, size=0, sha256=digest, url="")


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tillpane"


def fetch(image: Image, folder: Path, report: Report = silent) -> Path:
    """The pinned image from the cache, else from MicroPython's site into it. A wrong one is not kept."""
    file = folder / image.name
    if file.exists():
        try:
            checked(file, image)
            return file
        except Trouble:
            file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        _download(image, part, report)
        checked(part, image)
        part.replace(file)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise Trouble(
            f"{image.name} could not be downloaded: {reason}.",
            f"Get it from MicroPython's download page on any computer ({image.url}) and give it with {_GIVE_IMAGE}.",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return file


def _download(image: Image, part: Path, report: Report) -> None:
    with urllib.request.urlopen(image.url, timeout=30) as answer, part.open("wb") as file:
        done = 0
        while chunk := answer.read(_CHUNK):
            done += len(chunk)
            if done > image.size:
                raise Trouble(f"{image.url} gives more than the {image.size} bytes it should.", "Nothing was written.")
            file.write(chunk)
            report("download", done, image.size)


class _Quiet(TemplateLogger):
    """esptool's words kept for an error report, its progress handed to ours."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.said: list[str] = []

    def print(self, *args, **_kwargs):
        self.said.append(" ".join(str(arg) for arg in args))

    def note(self, message):
        self.said.append(message)

    warning = error = note

    def stage(self, finish=False):
        pass

    def progress_bar(self, cur_iter, total_iters, prefix="", suffix="", bar_length=30):  # noqa: ARG002
        self._report("write", cur_iter, total_iters)

    def set_verbosity(self, verbosity):
        pass


@contextlib.contextmanager
def _quiet_esptool(report: Report) -> Iterator[_Quiet]:
    quiet = _Quiet(report)
    usual = EsptoolLogger()
    usual.set_logger(quiet)
    try:
        yield quiet
    finally:
        usual.set_logger(usual)


def write(port: str, data: bytes, image: Image, baud: int = 460800, attempts: int = 7, report: Report = silent) -> str:
    """Erases the whole flash of the board at port, writes data, reads its hash back. Gives the chip's name."""
    try:
        with _quiet_esptool(report) as quiet:
            report("connect", 0, 0)
            try:
                esp = esptool.cmds.connect_esp(port=port, connect_attempts=attempts)
            except FatalError as error:
                raise _no_connection(port, error, quiet) from error
            with esp:
                return _write_connected(esp, data, image, baud, report)
    except (FatalError, serial.SerialException, OSError) as error:
        raise Trouble(
            f"The board stopped answering: {error}",
            "It may now be half written, which does no harm: run this again. --baud 115200 often helps.",
        ) from error


def _write_connected(esp, data: bytes, image: Image, baud: int, report: Report) -> str:
    if image.chip != esp.CHIP_NAME:
        raise Trouble(
            f"This board has an {esp.CHIP_NAME}; {image.name} is for an {image.chip}.",
            "Nothing was written. Give the image for it with --image, --sha256, --chip and --offset.",
        )
    esp = esptool.cmds.run_stub(esp)
    if baud > esp.ESP_ROM_BAUD:
        esp.change_baud(baud)
    esptool.cmds.attach_flash(esp)
    report("erase", 0, 0)
    esptool.cmds.erase_flash(esp)
    esptool.cmds.write_flash(esp, [(image.offset, data)])
    report("verify", 0, 0)
    esptool.cmds.verify_flash(esp, [(image.offset, data)])
    esptool.cmds.reset_chip(esp, "hard-reset")
    return esp.CHIP_NAME


def _no_connection(port: str, error: FatalError, quiet: _Quiet) -> Trouble:
    said = " ".join([*quiet.said, str(error)])
    if "port is busy" in said or "Could not open" in said or "could not open" in said:
        return port_trouble(port)
    return Trouble(
        f"No ESP32 answers at {port}.",
        "Hold the BOOT button, press and let go RESET (or plug the cable in), let go BOOT, and run this again.",
    )


def flash(
    port: str,
    image_file: Path | None = None,
    sha256: str = "",
    chip: str = "",
    offset: int | None = None,
    baud: int = 460800,
    report: Report = silent,
    description: Path = PINNED,
) -> tuple[Image, str]:
    """The whole of `tillpane flash`: finds the image, checks it, only then opens the port. Gives (image, chip)."""
    image = pinned(description)
    if sha256:
        if image_file is None:
            raise Trouble("--sha256 describes an image of your own.", "Name it with --image FILE.")
        image = other(image_file, sha256, image)
        image = replace(image, chip=chip or image.chip, offset=image.offset if offset is None else offset)
    elif chip or offset is not None:
        raise Trouble("--chip and --offset describe another image.", "Give its --image FILE and --sha256 too.")
    data = checked(image_file or fetch(image, cache_folder(), report), image)
    return image, write(port, data, image, baud, report=report)
