"""MicroPython's WebAssembly port, of the release that the board's image has: with an ESP32's words and heap blocks.

The unix port that all else here runs on is newer than the image, and 64-bit. This one runs in Node.js and comes as an
npm package, which is fetched into build/wasm on first use. It has no loop for asyncio and no sockets, and native code
cannot run in it.
"""

from __future__ import annotations

import ast
import asyncio
import shutil
from pathlib import Path

from tillpane import ROOT, program

RELEASE = "1.26.0"
_PACKAGE = "@micropython/micropython-webassembly-pyscript"
_HOME = ROOT / "build" / "wasm" / RELEASE
_MODULE = _HOME / "node_modules" / _PACKAGE / "micropython.mjs"
_RUN = Path(__file__).with_name("wasmport.mjs")


class Missing(Exception):
    """This computer cannot run it; the text says what is missing."""


class ScriptError(Exception):
    """The script failed; the text is what it printed."""


async def fetch() -> None:
    """Makes sure that the port is here. Raises Missing."""
    if not shutil.which("node"):
        raise Missing("needs Node.js on the PATH")
    if _MODULE.exists():
        return
    if not shutil.which("npm"):
        raise Missing("needs npm on the PATH")
    _HOME.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000")
    try:
        await _said("npm", "install", "--prefix", str(_HOME), *quiet, f"{_PACKAGE}@{RELEASE}")
    except (ScriptError, asyncio.TimeoutError) as error:
        raise Missing(f"npm could not fetch {_PACKAGE}@{RELEASE}") from error


async def run(folder: Path, script: Path) -> str:
    """What a script prints, of which `folder` is the file system's /app and the current folder.

    Its parts, between lines of `# ---`, run one after the other in one namespace: the port collects garbage only
    between two calls from outside. Raises Missing, ScriptError, asyncio.TimeoutError.
    """
    await fetch()
    return await _said("node", str(_RUN), str(_MODULE), str(folder), str(script))


def put(texts: dict[str, str], folder: Path) -> None:
    """Into folder/lib: these modules by path as bytecode without native code, and the fonts. Raises CompileError."""
    for path, text in texts.items():
        target = (folder / "lib" / path).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(program.compile_source(without_native(text), path, "xtensawin"))
    for font in (ROOT / "lib").rglob("*.font"):
        target = folder / font.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(font, target)


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


async def _said(*command: str) -> str:
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
        raise ScriptError(text.strip())
    return text
