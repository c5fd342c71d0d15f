"""The core tests under the release of MicroPython that the board's image has: the unix port is newer.

In its WebAssembly port, which has no loop for asyncio, no os.urandom and no native code: what needs those is not run.
"""

import asyncio
import pathlib
import shutil

import pytest

from tillpane import program, wasmport

ROOT = pathlib.Path(__file__).resolve().parent.parent
_ASYNCIO = {"test_app.py", "test_around.py", "test_centrapay.py", "test_glass.py", "test_resolver.py"}
_NATIVE = {
    "test_https_link.py",
    "test_https_parser.py",
    "test_jsonpick.py",
    "test_panel.py",
    "test_panel_raster.py",
    "test_panel_screens.py",
    "test_qr.py",
}
_FILES = sorted({path.name for path in (ROOT / "host_tests" / "core").glob("test_*.py")} - _ASYNCIO - _NATIVE)

_SETUP = """
import os, sys
os.chdir("/app")
sys.path[:0] = ["/app/shims", "/app/lib", "/app/core"]
assert sys.implementation.version[:2] == (1, 26), sys.implementation
import %s as tests
names = [name for name in sorted(dir(tests)) if name.startswith("test_")]
passed = 0
"""
# Each in a part of its own: garbage goes between parts.
_TEST = """
if names:
    print(names[0])
    getattr(tests, names.pop(0))()
    passed += 1
"""
_END = """
assert not names and passed
print(passed, "passed")
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    wasmport.put(program.sources(ROOT / "lib"), folder)
    no_cache = shutil.ignore_patterns("__pycache__")
    for source, target in (("core", "core"), ("streams", "streams"), ("shims/board", "shims"), ("shims/wasm", "shims")):
        shutil.copytree(ROOT / "host_tests" / source, folder / target, ignore=no_cache, dirs_exist_ok=True)
    return folder


@pytest.mark.parametrize("name", _FILES)
def test_core_file(name, board, wasm, tmp_path):
    count = (ROOT / "host_tests" / "core" / name).read_text(encoding="utf-8").count("\ndef test_")
    script = tmp_path / "script.py"
    script.write_text("# ---\n".join([_SETUP % name[:-3], *[_TEST] * count, _END]))
    said = asyncio.run(wasmport.run(board, script))
    assert said.rstrip().endswith(f"{count} passed")


def test_native_bodies_are_left_out_and_nothing_else():
    text = wasmport.without_native(
        "import micropython\n@micropython.viper\ndef a(b: ptr8) -> int:\n    return b[0]\n"
        "class C:\n    @staticmethod\n    @micropython.native\n    def d(self):\n        e()\n"
        "def f():\n    return g\n"
    )
    assert "viper" not in text and "native" not in text and "b[0]" not in text and "e()" not in text
    assert "@staticmethod" in text and "return g" in text and text.count("return 1") == 2
