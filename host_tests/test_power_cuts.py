"""The power goes at every block write of a sale, on the file system that the board has; then the box boots on the rest.

The work is done under MicroPython by power_cut_probe.py. TILLPANE_LONG=1 cuts a compaction at every write too, not only
at every twelfth.
"""

import json
import os
import pathlib
import subprocess

import pytest

from tillpane.interpreters import micropython

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROBE = ROOT / "host_tests" / "power_cut_probe.py"
HEAP = "16384wK"  # for the flash in RAM and what the witness remembers; the box's own heap is tried elsewhere
STEP = "1" if os.environ.get("TILLPANE_LONG") else "12"


def probe(*words, folder):
    environment = {"MICROPYPATH": f"{ROOT / 'host_tests' / 'shims' / 'board'}:.frozen:{ROOT / 'lib'}"}
    command = [micropython(), "-X", f"heapsize={HEAP}", str(PROBE), *words]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    # besides, the collector complains about files that the lives before have left open
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr
    return lines[-1], lines[:-1]


@pytest.mark.parametrize("scenario", ["paid", "cancelled", "expired", "cancel_loses", "lost_create", "two_sales"])
def test_power_goes_at_every_block_write(scenario, tmp_path):
    total, broken = probe(scenario, folder=tmp_path)
    assert broken == [] and total["broken"] == 0
    assert total["writes"] >= 8 and total["cuts"] >= 6 * total["writes"], total


@pytest.mark.timeout(600)
def test_power_goes_while_the_journal_is_compacted(tmp_path):
    total, broken = probe("compaction", "-", "1", STEP, folder=tmp_path)
    assert broken == [] and total["broken"] == 0
    assert total["writes"] > 150, "nothing was compacted"


@pytest.mark.parametrize(
    ("bug", "scenario"),
    [
        ("id_in_memory_only", "paid"),
        ("result_in_memory_only", "paid"),
        ("careless_compaction", "compaction"),
    ],
)
def test_the_probe_finds_a_seeded_fault(bug, scenario, tmp_path):
    total, broken = probe(scenario, bug, folder=tmp_path)
    assert total["broken"] > 0 and broken
