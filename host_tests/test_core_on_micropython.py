"""Every core test once more under real MicroPython, one interpreter a file, in a heap as small as a busy board's."""

import pathlib
import subprocess

import pytest

from tillpane.interpreters import micropython

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORE = ROOT / "host_tests" / "core"
HEAP = "96wK"  # stands for 96 KiB on an ESP32


@pytest.mark.parametrize("name", sorted(path.name for path in CORE.glob("test_*.py")))
def test_core_file(name, tmp_path):
    environment = {"MICROPYPATH": f"{ROOT / 'host_tests' / 'shims' / 'board'}:.frozen:{ROOT / 'lib'}"}
    command = [micropython(), "-X", f"heapsize={HEAP}", str(CORE / "run.py"), str(CORE / name)]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.rstrip().endswith(" passed, 0 failed"), run.stdout
