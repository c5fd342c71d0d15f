"""What the box would make of a capture: each of its dialects, run by MicroPython, on the same bytes."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tillpane import ROOT, interpreters
from tillpane.capture import Burst
from tillpane.trouble import Trouble

_SETTLE_MS = 250  # a till that pauses so long has finished its screen

# Run by MicroPython, with the device's own modules. One screen a line, as JSON.
_SCRIPT = """
import json, sys
from till import reading, words
from till.amount import plain
from till.pole import Pole
KINDS = {getattr(reading, name): name for name in ("IDLE", "ITEM", "VETO", "UNCLEAR", "RUNNING", "CHARGE")}
lists = words.lists()
currency = sys.argv[2]
def show(name, pole, now):
    top, bottom = pole.row(0), pole.row(1)
    kind, amount, text = reading.read(top, bottom, pole.lamp, currency, lists)
    sum = plain(amount, currency) if amount else ""
    moving = bool(pole.scrolling)
    print(json.dumps((name, now, top, bottom, pole.lamp, pole.undefined, moving, KINDS[kind], sum, text)))
def run(name):
    pole = Pole()
    dialect = __import__("till." + name, None, None, ("Dialect",)).Dialect(pole)
    last = None
    with open(sys.argv[1]) as file:
        for line in file:
            now, data = line.split()
            now = int(now)
            if last is not None and now - last >= SETTLE:
                show(name, pole, last)
            last = now
            data = bytes.fromhex(data)
            dialect.feed(data, len(data))
    if last is not None:
        show(name, pole, last)
for name in sys.argv[3:]:
    run(name)
""".replace("SETTLE", str(_SETTLE_MS))


@dataclass(frozen=True)
class Screen:
    """The glass at a pause. undefined: bytes without a meaning so far.

    says: IDLE, ITEM, VETO, UNCLEAR, RUNNING or CHARGE, as lib/till/reading.py has it; amount: what is charged, as text.
    """

    ms: int
    rows: tuple[str, str]
    lamp: int
    undefined: int
    scrolling: bool
    says: str
    amount: str
    text: str

    @property
    def charges(self) -> bool:
        return self.says == "CHARGE" and not self.undefined and not self.scrolling


@dataclass
class Reading:
    """One dialect's view of a capture."""

    dialect: str
    screens: list[Screen] = field(default_factory=list)

    @property
    def undefined(self) -> int:
        return self.screens[-1].undefined if self.screens else 0

    @property
    def fits(self) -> bool:
        """Every byte had a meaning, and text came of it: AEDEX takes all that is not in its frames for a printer's."""
        return not self.undefined and any("".join(screen.rows).strip() for screen in self.screens)

    @property
    def charges(self) -> int:
        """How many screens would be charged."""
        return sum(screen.charges for screen in self.screens)


def dialects(root: Path = ROOT) -> list[str]:
    """The dialects that the checkout's box knows."""
    files = sorted((root / "lib" / "till").glob("*.py"))
    return [file.stem for file in files if "\nclass Dialect" in file.read_text(encoding="utf-8")]


def explain(bursts: list[Burst], currency: str = "NZD", root: Path = ROOT) -> list[Reading]:
    """Every dialect's view, the likeliest first. Raises Trouble."""
    readings = {name: Reading(name) for name in dialects(root)}
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "heard"
        heard.write_text("".join(f"{ms} {data.hex()}\n" for ms, data in bursts if data))
        script = Path(folder) / "explain.py"
        script.write_text(_SCRIPT)
        try:
            command = [interpreters.micropython(), str(script), str(heard), currency, *readings]
        except FileNotFoundError as error:
            raise Trouble(
                f"{error}.", "There is none for this machine: play the capture into a box instead."
            ) from error
        environment = {**os.environ, "MICROPYPATH": f"{root / 'lib'}:.frozen"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Trouble(
            f"A dialect failed on this capture:\n{run.stderr or run.stdout}", "That is a bug: please report it."
        )
    for line in run.stdout.splitlines():
        name, ms, top, bottom, *rest = json.loads(line)
        readings[name].screens.append(Screen(ms, (top, bottom), *rest))
    return sorted(readings.values(), key=lambda reading: (not reading.fits, reading.undefined, -reading.charges))
