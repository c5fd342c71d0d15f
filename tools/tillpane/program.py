"""The program as a board gets it: lib/ joined where it stays in memory, functions put in place, short names, compiled.

`-O3` leaves out line numbers, a twentieth of the heap: a traceback from a board names modules and public functions. The
same fault in the simulator's `mpy=False` has every name and line.
"""

import ast
import contextlib
import functools
import hashlib
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tillpane import ROOT, interpreters
from tillpane.inline import inline as put_in_place
from tillpane.linker import link, module_name
from tillpane.shortnames import shorten

_CACHE = ROOT / "build" / "program"
_KEPT = 12
_TOOLS = ("program.py", "linker.py", "inline.py", "shortnames.py", "scopes.py")


class CompileError(Exception):
    """The cross-compiler refused a file; the text says which and why."""


def sources(lib: Path) -> dict[str, str]:
    """What is written by hand, by path inside lib/."""
    return {path.relative_to(lib).as_posix(): path.read_text(encoding="utf-8") for path in sorted(lib.rglob("*.py"))}


def board_sources(lib: Path) -> dict[str, str]:
    """The same program as a board gets it, still as Python, by path inside lib/. Raises CompileError, LinkError."""
    texts = sources(lib)
    for path, text in texts.items():
        try:
            ast.parse(text, path)
        except SyntaxError as error:
            raise CompileError(f"{lib / path}, line {error.lineno}: {error.msg}") from error
    return shorten(put_in_place(link(texts)))


def build(lib: Path, march: str, joined: bool = True) -> dict[str, bytes]:
    """Path inside lib/ -> the .mpy that a board of this -march gets; module for module where not joined, for tests.

    What was built before is taken from build/program. Raises CompileError, LinkError.
    """
    texts = sources(lib)
    place = _CACHE / _fingerprint(texts, march, joined)
    if not place.is_dir():
        _store(_compiled(board_sources(lib) if joined else texts, march), place)
    place.touch()
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in sorted(place.rglob("*.mpy"))}


def _compiled(texts: dict[str, str], march: str) -> dict[str, bytes]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        compiled = pool.map(lambda path: compile_source(texts[path], path, march), texts)
    return {path[: -len(".py")] + ".mpy": code for path, code in zip(texts, compiled, strict=True)}


def _fingerprint(texts: dict[str, str], march: str, joined: bool) -> str:
    """Of all that the result depends on: the sources, these tools and the compiler."""
    tools = [Path(__file__).with_name(name).read_bytes() for name in _TOOLS]
    known = hashlib.sha256(repr((march, joined, tools, _compiler())).encode())
    for path, text in texts.items():
        known.update(repr((path, text)).encode())
    return known.hexdigest()[:32]


@functools.cache
def _compiler() -> str:
    return hashlib.sha256(Path(interpreters.mpy_cross()).read_bytes()).hexdigest()


def _store(built: dict[str, bytes], place: Path) -> None:
    """Writes it beside and moves it there whole: others may build the same at this moment. Old ones go."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        fresh = Path(folder, "new")
        for path, code in built.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(code)
        with contextlib.suppress(OSError):  # somebody else was first, with the same
            fresh.rename(place)
    known = sorted((path for path in _CACHE.iterdir() if len(path.name) == 32), key=lambda path: path.stat().st_mtime)
    for old in known[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def compile_source(text: str, path: str, march: str, *options: str) -> bytes:
    """The .mpy of one module; its module's name is what a traceback on the board says. Raises CompileError."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.py"), Path(folder, "out.mpy")
        source.write_text(text, encoding="utf-8")
        command = [interpreters.mpy_cross(), f"-march={march}", *(options or ("-O3",)), "-s", module_name(path)]
        run = subprocess.run([*command, "-o", str(target), str(source)], capture_output=True, text=True, check=False)
        if run.returncode:
            raise CompileError(f"{path} does not compile for {march}:\n{(run.stderr or run.stdout).strip()}")
        return target.read_bytes()
