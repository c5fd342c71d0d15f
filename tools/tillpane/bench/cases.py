"""Runs the *_bench.py files under MicroPython's unix port, with lib/ as .mpy, as a board has it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tillpane import ROOT, interpreters
from tillpane.deploy import compile_file, staged

HERE = Path(__file__).parent
NATIVE = platform.machine() in ("x86_64", "AMD64")  # elsewhere mpy-cross knows no native code for this computer

Found = dict[str, Any]


class CaseError(Exception):
    """A case ended with an error; the text is what it said."""


@contextlib.contextmanager
def product() -> Iterator[Path]:
    """A folder that looks like a board's flash: lib/ as .mpy, the fonts, the roots. Also adafruit_miniqr, in alt/."""
    with tempfile.TemporaryDirectory(prefix="tillpane-bench-") as name:
        folder = Path(name)
        if NATIVE:
            for path, data in staged(ROOT, "x64").items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        else:
            shutil.copytree(ROOT / "lib", folder / "lib")
        alternative = folder / "alt"
        alternative.mkdir()
        source = miniqr()
        if source:
            data = compile_file(source, source.name, "x64") if NATIVE else source.read_bytes()
            (alternative / (source.stem + (".mpy" if NATIVE else ".py"))).write_bytes(data)
        yield folder


def miniqr() -> Path | None:
    """The source of adafruit-circuitpython-miniqr in this environment."""
    for place in sys.path:
        source = Path(place) / "adafruit_miniqr.py"
        if source.exists():
            return source
    return None


async def run(name: str, folder: Path, config: Found | None = None, heap: str = "2048wK") -> list[Found]:
    """What one case printed, line by line. `folder` is from product()."""
    command = [interpreters.micropython(), "-X", f"heapsize={heap}", str(HERE / f"{name}.py")]
    path = f"{folder / 'lib'}:{folder / 'alt'}:.frozen"
    # Not an argument: MicroPython takes none of more than 255 bytes.
    return await _lines(command, folder, os.environ | {"MICROPYPATH": path, "TILLPANE_BENCH": json.dumps(config or {})})


async def run_on_cpython(name: str) -> list[Found]:
    """The same for CPython, with the plain twins."""
    path = os.pathsep.join([str(ROOT / "lib"), str(ROOT / "host_tests" / "shims" / "cpython")])
    return await _lines([sys.executable, str(HERE / f"{name}.py")], ROOT, os.environ | {"PYTHONPATH": path})


async def _lines(command: list[str], folder: Path, environment: dict[str, str]) -> list[Found]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    text = out.decode(errors="replace")
    if process.returncode:
        raise CaseError(f"{Path(command[-1]).name}: {text.strip()}")
    return parse(text)


def parse(text: str) -> list[Found]:
    """The JSON objects among the lines of a case's output, and how much the table of names grew meanwhile."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    names = [int(size) for size in re.findall(r"^qstr pool:.* n_total_bytes=(\d+)", text, re.MULTILINE)]
    if len(names) == 2:
        found.append({"case": "heap.names", "unit": "bytes", "ours": names[1] - names[0]})
    return found


def modules() -> list[str]:
    """Every module of lib/, leaves first, MicroPython's own asyncio before them."""
    # The import rule: wiring -> kiosk -> {till, centrapay, panel} -> {https, jsonpick, qr}
    order = ["jsonpick", "qr", "https", "", "centrapay", "till", "panel", "kiosk", "wiring"]
    there = {path.stem for path in (ROOT / "lib").iterdir() if path.is_dir() or path.suffix == ".py"} - {"__pycache__"}
    found = ["asyncio"]
    for name in sorted(there, key=lambda name: (order.index(name if name in order else ""), name)):
        place = ROOT / "lib" / name
        if place.is_dir():
            found += [f"{name}.{file.stem}" for file in sorted(place.glob("*.py")) if file.stem != "__init__"]
        else:
            found.append(name)
    return found
