import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

for folder in (ROOT / "tools", ROOT / "lib", ROOT / "host_tests" / "core", ROOT / "host_tests" / "shims" / "cpython"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
