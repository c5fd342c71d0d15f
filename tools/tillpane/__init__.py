"""Host tools of Tillpane: flash, deploy, a till for people, the Centrapay stand-in and the simulator."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the checkout: boot.py, main.py, lib/ and firmware/ are there

try:
    __version__ = version("tillpane")
except PackageNotFoundError:  # run from the sources, without having been installed
    __version__ = "unknown"
