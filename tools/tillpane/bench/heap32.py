"""The idle product on a 32-bit heap: what the 64-bit port cannot say, because bytecode is as long on both.

MicroPython's WebAssembly port has an ESP32's words and heap blocks. Native code lies in an ESP32's instruction RAM, not
in its Python heap, and could not run in WebAssembly: the bodies of @micropython.viper functions are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tillpane import ROOT, program, wasmport
from tillpane.bench import cases
from tillpane.bench.cases import HERE, CaseError
from tillpane.linker import LINKED

_MAIN = "main()\n"  # the line of main.py that starts the product

Steps = list[tuple[str, int]]  # (what was done, bytes that the product holds after it), in order


async def measure() -> tuple[Steps, int, int]:
    """On the WebAssembly port; and how many names were there before, and at the end.

    Raises wasmport.Missing, CaseError.
    """
    with product() as folder:
        try:
            said = await wasmport.run(folder, HERE / "heap32_bench.py")
        except (wasmport.ScriptError, asyncio.TimeoutError) as error:
            raise CaseError(f"heap32_bench: {error}") from error
    names = [int(count) for count in re.findall(r"^qstr pool:.* n_qstr=(\d+)", said, re.MULTILINE)]
    return _steps(cases.parse(said)), names[0], names[-1]


async def measure64() -> Steps:
    """The same on the 64-bit port, as it comes out there."""
    with product() as folder:
        return _steps(await cases.run("heap32_bench", folder))


def _steps(found: list[cases.Found]) -> Steps:
    steps = [(line["step"], line["ours"]) for line in found if line["case"] == "heap32"][1:]
    if not steps:
        raise CaseError("heap32_bench: no figures")
    return steps


@contextlib.contextmanager
def product() -> Iterator[Path]:
    """A folder like a board's flash with the program as bytecode alone, the settings of the example, no journal."""
    with tempfile.TemporaryDirectory(prefix="tillpane-heap32-") as name:
        folder = Path(name)
        wasmport.put(program.board_sources(ROOT / "lib"), folder)
        shutil.copytree(ROOT / "firmware", folder / "firmware")
        shutil.copy(ROOT / "settings.example.json", folder / "settings.json")
        main = (ROOT / "main.py").read_text(encoding="utf-8")
        if not main.endswith(_MAIN):
            raise CaseError(f"main.py does not end with {_MAIN!r}")
        (folder / "main.py").write_text(main.removesuffix(_MAIN), encoding="utf-8")
        yield folder


def native_size() -> int:
    """Bytes of native code in what stays in memory, for an ESP32: what is in none of the steps."""
    path = f"{LINKED}.py"
    text = program.board_sources(ROOT / "lib")[path]
    both = (program.compile_source(each, path, "xtensawin") for each in (text, wasmport.without_native(text)))
    return len(next(both)) - len(next(both))
