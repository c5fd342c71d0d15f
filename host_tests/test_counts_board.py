"""`tillpane bench --port` against MicroPython's real REPL on a pseudo-terminal."""

import asyncio
import json
import shutil

import pytest

from replboard import ReplBoard
from tillpane import ROOT
from tillpane.bench import board, cases
from tillpane.deploy import staged
from tillpane.standin import StandIn
from tillpane.trouble import Trouble

pytestmark = pytest.mark.skipif(not cases.NATIVE, reason="mpy-cross knows no native code for this computer")


@pytest.fixture(scope="module")
def tree():
    return {path: data for path, data in staged(ROOT, "x64").items() if path.startswith("lib/")}


def put(folder, tree):
    for path, data in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_cases_run_on_the_board_and_leave_nothing_on_it(tmp_path, tree):
    put(tmp_path, tree)
    before = files(tmp_path)
    put(tmp_path, {"bench_alt/kiosk/gone.mpy": b"", "bench_alt/qr.mpy": b""})  # a run before was cut off
    steps = []
    with ReplBoard(tmp_path, heap="512wK") as there:
        name, text = board.run(there.port, report=lambda step, *_: steps.append(step))
    assert "MicroPython" in name
    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines()}
    assert not [cells for cells in rows.values() if cells[0] == "failed"], text
    assert rows["heap allocated by an encode"][0] == "0 B"
    assert rows["heap allocated by an encode"][4] == "met"
    assert rows["QR encode, 52-byte URL, level M, eight masks scored"][1].startswith("miniqr, one fixed mask: ")
    assert rows["QR to the panel"][4].startswith("met")
    assert rows["repaint of a countdown tick"][4].startswith("met")
    heaps = {what[8:]: cells[0] for what, cells in rows.items() if what.startswith("heap of ")}
    sizes = {what: int(cell.split()[0].replace(",", "")) for what, cell in heaps.items()}
    assert {"asyncio", "qr", "https", "centrapay", "kiosk.app", "panel", "panel.glass"} <= set(sizes)
    assert min(sizes.values()) > 0, sizes
    one_by_one = sizes["all modules, one by one"]
    assert one_by_one / 2 < sizes["all but asyncio, joined as tillpane"] < one_by_one - sizes["asyncio"]
    assert [step for step in steps if step.startswith("Measuring")] == [
        f"Measuring: {name}" for name in ("heap", "heap", "qr", "json", "panel")
    ]
    assert files(tmp_path) == before


def test_polls_over_the_boards_own_network_and_settings(tmp_path, tree):
    put(tmp_path, tree)
    for shim in ("machine", "network"):
        shutil.copy(ROOT / "host_tests" / "shims" / "board" / f"{shim}.py", tmp_path)

    async def work():
        async with StandIn(rate_limit=0) as api:
            put(tmp_path, {"firmware/roots/standin.der": api.root_der})
            settings = {
                "wifi_ssid": "Corner Cafe",
                "wifi_password": "flat white",
                "api_url": f"https://localhost:{api.port}",
                "api_key": api.api_key,
                "config_id": api.config_id,
            }
            (tmp_path / "settings.json").write_text(json.dumps(settings))
            with ReplBoard(tmp_path, heap="1024wK") as there:
                _, text = await asyncio.to_thread(board.run, there.port, True)
            return text, [request.status for request in api.requests], api.handshakes

    text, requests, handshakes = asyncio.run(work())
    assert "| failed |" not in text, text
    assert "| a poll |" in text and "requests: " in text.split("| a poll |")[1].splitlines()[0]
    assert requests == ["cancelled", "cancelled"], "what it asked for, it voids"
    assert handshakes > 20


def test_a_board_with_another_program_is_refused(tmp_path, tree):
    put(tmp_path, tree | {"lib/tillpane.mpy": tree["lib/tillpane.mpy"][:-1] + b"!"})
    with (
        ReplBoard(tmp_path, heap="512wK") as there,
        pytest.raises(Trouble, match="lib/tillpane.mpy .* not this checkout's"),
    ):
        board.run(there.port)


def test_a_case_that_fails_is_a_row_that_says_so(tmp_path, tree, monkeypatch):
    """A board may have no room for one of them: the others are measured, and nothing is left behind."""
    away = tmp_path / "cases"
    shutil.copytree(board.HERE, away)
    (away / "json_bench.py").write_text("kept = []\nwhile True: kept.append(bytearray(1000))\n")
    monkeypatch.setattr(board, "HERE", away)
    flash = tmp_path / "flash"
    put(flash, tree)
    before = files(flash)
    with ReplBoard(flash, heap="512wK") as there:
        _, text = board.run(there.port)
    failed = [line for line in text.splitlines() if "| failed |" in line]
    assert len(failed) == 1 and "json" in failed[0] and "MemoryError" in failed[0]
    assert "| heap allocated by an encode | 0 B |" in text and "| repaint of a countdown tick |" in text
    assert files(flash) == before
