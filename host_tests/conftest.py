import asyncio
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

for folder in (ROOT / "tools", ROOT / "lib", ROOT / "host_tests" / "core", ROOT / "host_tests" / "shims" / "cpython"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from tillpane import wasmport  # noqa: E402


@pytest.fixture(scope="session")
def wasm():
    """MicroPython's WebAssembly port is here, of the board image's release."""
    try:
        asyncio.run(wasmport.fetch())
    except wasmport.Missing as error:
        pytest.skip(str(error))
