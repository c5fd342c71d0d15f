"""The import rule, read from the syntax tree: `python tools/checks/importrule.py [root]` prints what breaks it.

    main -> wiring -> kiosk -> {till, centrapay, panel} -> {https, jsonpick, qr}

A part imports itself and what lies to its right, never a neighbour of its own rank and nothing to its left. Device code
imports MicroPython's own modules and its neighbours, nothing else. The concrete hardware is handed in: only boot.py,
main.py and wiring.py import machine, network or esp32. What is loaded on demand has no viper or native functions: an
ESP32 frees their code at a soft reset only, so each time they are loaded would cost memory for ever.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

RANKS = {
    "main": 0,
    "boot": 0,
    "wiring": 1,
    "kiosk": 2,
    "till": 3,
    "centrapay": 3,
    "panel": 3,
    "https": 4,
    "jsonpick": 4,
    "qr": 4,
    "resolver": 4,
    "dns": 5,
    "jsonpaths": 5,
    "sntp": 5,
    "ondemand": 6,
}
# Who imports what it is told: the one way to do so, and the root, which takes the till's protocol from the settings.
_TOLD = {("ondemand", "__import__"), ("wiring", "load_module")}
HARDWARE = {"machine", "network", "esp", "esp32", "espnow", "bluetooth", "ntptime", "onewire", "neopixel"}
# What a stock ESP32 image carries and this product may use. The u-names (ujson, utime ...) are aliases of old.
_STOCK = """
array asyncio binascii cmath collections cryptolib deflate errno framebuf gc hashlib heapq io json math micropython os
platform random re select socket ssl struct sys time tls uctypes vfs _thread
"""
MICROPYTHON = set(_STOCK.split())


def part_of(file: Path, root: Path) -> str:
    """The part of the plan that a device file belongs to: `lib/panel/text.py` is of `panel`, `main.py` of `main`."""
    inside = file.relative_to(root)
    if inside.parts[0] == "lib":
        inside = inside.relative_to("lib")
    return inside.parts[0].removesuffix(".py")


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import in the tree; relative ones are resolved against the package they stand in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield node.lineno, base
            else:  # `from . import x` at the top of lib: each name is a module
                for alias in node.names:
                    yield node.lineno, alias.name
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("__import__", "load_module")
        ):
            argument = node.args[0] if node.args else None
            known = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            yield node.lineno, argument.value if known else node.func.id  # type: ignore[union-attr]


def fault(part: str, name: str) -> str | None:
    """Why `part` may not import the dotted `name`, or None where it may."""
    top = name.split(".")[0]
    rank = RANKS.get(part)
    if rank is None:
        return f"{part} has no place in the import rule; give it one in tools/checks/importrule.py"
    if top == part or (part, top) in _TOLD:
        return None
    if top in HARDWARE:
        return (
            None if rank <= RANKS["wiring"] else f"{top} is for boot.py, main.py and wiring.py alone; have it passed in"
        )
    if top in MICROPYTHON:
        return None
    if top not in RANKS:
        return f"{top} is neither MicroPython's own nor one of ours"
    if RANKS[top] > rank:
        return None
    if RANKS[top] == rank:
        return f"{part} and {top} are neighbours and must not know each other"
    return f"{part} lies below {top} and must not import it"


def device_files(root: Path) -> list[Path]:
    top = [root / name for name in ("boot.py", "main.py") if (root / name).exists()]
    return top + sorted((root / "lib").rglob("*.py"))


def broken(root: Path) -> list[str]:
    """One line `file:line: why` for every import under root that breaks the rule."""
    found = []
    for file in device_files(root):
        inside = file.relative_to(root)
        package = inside.parent.parts[1:] if inside.parts[0] == "lib" else ()
        for line, name in imported(ast.parse(file.read_text(encoding="utf-8"), str(inside)), package):
            why = fault(part_of(file, root), name)
            if why:
                found.append(f"{inside}:{line}: {why}")
    return found


def on_demand(root: Path) -> set[str]:
    """What load_module() is asked for: module names, and beginnings of some, which end with a dot."""
    names = set()
    for file in device_files(root):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_module":
                told = node.args[0]
                told = told.left if isinstance(told, ast.BinOp) else told
                if isinstance(told, ast.Constant):
                    names.add(str(told.value))
    return names


def native(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of every function that becomes machine code."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for mark in node.decorator_list:
                if ast.unparse(mark).rpartition(".")[2].startswith(("viper", "native", "asm_")):
                    yield node.lineno, node.name


def leaking(root: Path) -> list[str]:
    """One line `file:line: why` for every machine code function in a module that is loaded on demand."""
    told = on_demand(root)
    found = []
    for file in sorted((root / "lib").rglob("*.py")):
        name = ".".join(file.relative_to(root / "lib").with_suffix("").parts)
        if name in told or any(name.startswith(one) for one in told if one.endswith(".")):
            for line, function in native(ast.parse(file.read_text(encoding="utf-8"))):
                found.append(
                    f"{file.relative_to(root)}:{line}: {function} is machine code, which a board does not free, "
                    f"and {name} is loaded on demand"
                )
    return found


def main(argv: list[str]) -> int:
    root = Path(argv[1]) if len(argv) > 1 else Path(__file__).resolve().parents[2]
    found = broken(root) + leaking(root)
    for line in found:
        print(line)
    print(f"import rule: {len(device_files(root))} files, " + (f"{len(found)} broken" if found else "kept"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
