"""The idle product on a 32-bit heap: what the 64-bit port cannot say, because bytecode is as long on both.

MicroPython's WebAssembly port has an ESP32's words and heap blocks. It runs in Node.js and comes as an npm package,
which is fetched into build/heap32 on first use. Native code lies in an ESP32's instruction RAM, not in its Python heap,
and could not run in WebAssembly: the bodies of @micropython.viper functions are left out.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tillpane import ROOT, program
from tillpane.bench import cases
from tillpane.bench.cases import HERE, CaseError
from tillpane.linker import LINKED

PACKAGE = "@micropython/micropython-webassembly-pyscript@1.27.0"
_HOME = ROOT / "build" / "heap32" / PACKAGE.rpartition("@")[2]
_MODULE = _HOME / "node_modules" / PACKAGE.rpartition("@")[0] / "micropython.mjs"
_MAIN = "main()\n"  # the line of main.py that starts the product


class Missing(Exception):
    """This computer has nothing to measure with; the text says what is missing."""


Steps = list[tuple[str, int]]  # (what was done, bytes that the product holds after it), in order


async def measure() -> tuple[Steps, int, int]:
    """On the WebAssembly port; and how many names were there before, and at the end. Raises Missing; CaseError."""
    port = await _port()
    with product() as folder:
        said = await _said("node", str(HERE / "heap32.mjs"), str(port), str(folder), str(HERE / "heap32_bench.py"))
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
        for path, text in program.board_sources(ROOT / "lib").items():
            target = folder / "lib" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_suffix(".mpy").write_bytes(program.compile_source(without_native(text), path, "xtensawin"))
        for font in (ROOT / "lib").rglob("*.font"):
            target = folder / font.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(font, target)
        shutil.copytree(ROOT / "firmware", folder / "firmware")
        shutil.copy(ROOT / "settings.example.json", folder / "settings.json")
        main = (ROOT / "main.py").read_text(encoding="utf-8")
        if not main.endswith(_MAIN):
            raise CaseError(f"main.py does not end with {_MAIN!r}")
        (folder / "main.py").write_text(main.removesuffix(_MAIN), encoding="utf-8")
        yield folder


def without_native(text: str) -> str:
    """The same module without the bodies of viper and native functions: each answers 1, which checks take for yes."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(_is_native(item) for item in node.decorator_list):
            node.decorator_list = [item for item in node.decorator_list if not _is_native(item)]
            node.body = [ast.Return(ast.Constant(1))]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _is_native(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr in ("viper", "native")


def native_size() -> int:
    """Bytes of native code in what stays in memory, for an ESP32: what is in none of the steps."""
    path = f"{LINKED}.py"
    text = program.board_sources(ROOT / "lib")[path]
    both = (program.compile_source(each, path, "xtensawin") for each in (text, without_native(text)))
    return len(next(both)) - len(next(both))


def fetched() -> bool:
    """Whether all is here that measure() needs, so that it asks no network."""
    return _MODULE.exists() and shutil.which("node") is not None


async def _port() -> Path:
    """The WebAssembly port's module, fetched if it is not there yet. Raises Missing."""
    if not shutil.which("node"):
        raise Missing("needs Node.js on the PATH")
    if not _MODULE.exists():
        if not shutil.which("npm"):
            raise Missing("needs npm on the PATH")
        _HOME.mkdir(parents=True, exist_ok=True)
        try:
            await _said(
                "npm", "install", "--prefix", str(_HOME), "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE
            )
        except (CaseError, asyncio.TimeoutError) as error:
            raise Missing(f"npm could not fetch {PACKAGE}") from error
    return _MODULE


async def _said(*command: str) -> str:
    """What a program printed. Raises CaseError when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = out.decode(errors="replace")
    if process.returncode:
        raise CaseError(f"{Path(command[1]).name}: {text.strip()}")
    return text
