"""Runs the *_bench.py files under MicroPython's unix port, with lib/ as .mpy."""

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

from tillpane import ROOT, interpreters, program
from tillpane.sim.device import compile_tree

HERE = Path(__file__).parent
NATIVE = platform.machine() in ("x86_64", "AMD64")  # elsewhere mpy-cross knows no native code for this computer

Found = dict[str, Any]


class CaseError(Exception):
    """A case ended with an error; the text is what it said."""


@contextlib.contextmanager
def product(joined: bool = False) -> Iterator[Path]:
    """A folder with lib/ as .mpy, module for module or joined as on a board, and the fonts; adafruit_miniqr in alt/."""
    with tempfile.TemporaryDirectory(prefix="tillpane-bench-") as name:
        folder = Path(name)
        if NATIVE:
            compile_tree(ROOT / "lib", folder / "lib", joined)
        else:
            shutil.copytree(ROOT / "lib", folder / "lib")
        alternative = folder / "alt"
        alternative.mkdir()
        source = miniqr()
        if source:
            text = source.read_text(encoding="utf-8")
            data = program.compile_source(text, source.name, "x64") if NATIVE else text.encode()
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
