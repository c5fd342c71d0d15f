"""Device code against the board's API: `python tools/checks/boardtypes.py [root]` runs mypy over boot.py, main.py, lib.

The stubs are those of the oldest image that must run (pyproject.toml pins them), so a call that came later is an error.
They are copied to build/ and corrected there where they promise what a board does not keep: methods of CPython's str,
bytes and int, the viper names that only MicroPython's compiler knows, and that a viper function takes any buffer.
"""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from importrule import device_files

_PACKAGES = ("micropython-stdlib-stubs", "micropython-esp32-stubs")

# dir() of each type on MicroPython 1.26: what a board really has.
_BYTES = (
    "center count decode endswith find format fromhex hex index isalpha isdigit islower isspace isupper join lower "
    "lstrip partition replace rfind rindex rpartition rsplit rstrip split splitlines startswith strip upper"
)
_METHODS = {
    "str": _BYTES.replace("decode", "encode").replace("fromhex hex ", ""),
    "bytes": _BYTES,
    "bytearray": _BYTES + " append extend",
    "int": "from_bytes to_bytes",
    "float": "",
    "memoryview": "",
}

_VIPER = '''

class _Pointer:
    """A viper pointer: the address of a buffer, or of an integer address."""
    def __init__(self, address: Any, /) -> None: ...
    def __getitem__(self, index: int, /) -> int: ...
    def __setitem__(self, index: int, value: int, /) -> None: ...

class ptr8(_Pointer): ...
class ptr16(_Pointer): ...
class ptr32(_Pointer): ...
ptr = ptr8
uint = int
'''

_VIPER_EXACT = "def viper(_func: Callable[_Param, _Ret], /) -> Callable[_Param, _Ret]"
_VIPER_LOOSE = "def viper(_func: Callable[_Param, _Ret], /) -> Callable[..., _Ret]"

_OPTIONS = [
    "--check-untyped-defs",
    "--explicit-package-bases",
    "--namespace-packages",
    "--no-error-summary",
    "--show-column-numbers",
    "--no-color-output",
    "--python-version=3.10",
    # Unannotated code: what is None first and a Thing later is a plan, not a mistake.
    "--no-strict-optional",
    "--allow-redefinition",
    "--disable-error-code=assignment",
    "--disable-error-code=var-annotated",
    "--disable-error-code=annotation-unchecked",
    "--disable-error-code=abstract",  # bytearray lost the methods that MutableSequence asks for
]


# A list of mixed things is inferred from its first: what is put in later is not checked.
_ANY_LIST = """
    def append(self, item: Any, /) -> None: ...
    def extend(self, items: Any, /) -> None: ...
    def insert(self, index: int, item: Any, /) -> None: ...
    def __setitem__(self, index: Any, item: Any, /) -> None: ...
"""


def _without(lines: list[str], node: ast.FunctionDef) -> None:
    """Takes a function out of the lines of a stub; what it stood in keeps a body."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    last = node.end_lineno or node.lineno
    lines[first:last] = [" " * node.col_offset + "..."] + [""] * (last - first - 1)


def board_builtins(source: str) -> str:
    """builtins.pyi without the public methods that MicroPython's types do not have, and with the viper names."""
    lines = source.split("\n")
    lists = ("append", "extend", "insert", "__setitem__")
    after = 0
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        if node.name == "list":
            after = node.end_lineno or 0
        kept = _METHODS[node.name].split() if node.name in _METHODS else None
        for method in ast.walk(node):
            if not isinstance(method, ast.FunctionDef):
                continue
            foreign = kept is not None and not method.name.startswith("_") and method.name not in kept
            if foreign or (node.name == "list" and method.name in lists):
                _without(lines, method)
    return "\n".join([*lines[:after], _ANY_LIST, *lines[after:], _VIPER])


def board_stubs(build: Path) -> Path:
    """The corrected copy of the installed stubs; made once for each version of them and of this file."""
    versions = "-".join(importlib.metadata.version(name) for name in _PACKAGES)
    folder = build / f"board-stubs-{versions}"
    made = folder / "made"
    if made.exists() and made.stat().st_mtime > Path(__file__).stat().st_mtime:
        return folder
    for name in _PACKAGES:
        for file in importlib.metadata.files(name) or []:
            if file.suffix not in (".pyi", "") or ".dist-info" in str(file):
                continue
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(str(file.locate())).read_bytes())
    _rewrite(folder / "stdlib" / "builtins.pyi", board_builtins)
    _rewrite(folder / "micropython.pyi", lambda text: text.replace(_VIPER_EXACT, _VIPER_LOOSE))
    _rewrite(folder / "tls.pyi", lambda text: re.sub(r"(\nclass SSLContext.*:\n)", r"\1    verify_mode: int\n", text))
    made.touch()
    return folder


def _rewrite(file: Path, change: Callable[[str], str]) -> None:
    before = file.read_text(encoding="utf-8")
    after = change(before)
    if after == before:
        raise SystemExit(f"{file.name} of the stubs is not what tools/checks/boardtypes.py corrects; look at it again")
    file.write_text(after, encoding="utf-8")


def refused(root: Path, build: Path) -> tuple[list[str], int]:
    """(mypy's lines about our own files, its exit status). Faults inside the stubs themselves are not ours to mend."""
    stubs = board_stubs(build)
    command = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={build / 'mypy-board'}", *_OPTIONS]
    command += ["--custom-typeshed-dir", str(stubs), *(str(file.relative_to(root)) for file in device_files(root))]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join([str(root / "lib"), str(stubs)])}
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    ours = [line for line in run.stdout.splitlines() if re.match(r"(lib/|boot\.py|main\.py)", line)]
    if run.returncode > 1 and not ours:
        ours = (run.stdout + run.stderr).splitlines()
    return ours, run.returncode


def main(argv: list[str]) -> int:
    repository = Path(__file__).resolve().parents[2]
    root = Path(argv[1]).resolve() if len(argv) > 1 else repository
    found, status = refused(root, repository / "build")
    for line in found:
        print(line)
    version = importlib.metadata.version(_PACKAGES[1])
    print(f"board types: {len(device_files(root))} files against micropython-esp32-stubs {version}, {len(found)} lines")
    return 1 if found or status > 1 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
