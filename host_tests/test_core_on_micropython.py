"""Every core test once more under real MicroPython, one interpreter a file, in a heap as small as a busy board's.

lib/ is loaded from .mpy as on a board; the test itself is compiled in that heap too.
"""

import pathlib
import subprocess

import pytest

from tillpane.interpreters import micropython
from tillpane.sim.device import can_compile, compile_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORE = ROOT / "host_tests" / "core"
HEAP = "96wK"  # stands for 96 KiB on an ESP32


@pytest.fixture(scope="module")
def lib(tmp_path_factory):
    if not can_compile():
        pytest.skip("mpy-cross makes native code for x86-64 hosts only")
    target = tmp_path_factory.mktemp("lib")
    compile_tree(ROOT / "lib", target, joined=False)
    return target


@pytest.mark.parametrize("name", sorted(path.name for path in CORE.glob("test_*.py")))
def test_core_file(name, lib, tmp_path):
    environment = {"MICROPYPATH": f"{ROOT / 'host_tests' / 'shims' / 'board'}:.frozen:{lib}"}
    command = [micropython(), "-X", f"heapsize={HEAP}", str(CORE / "run.py"), str(CORE / name)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.rstrip().endswith(" passed, 0 failed"), run.stdout
