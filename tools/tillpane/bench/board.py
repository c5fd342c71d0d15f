"""`tillpane bench --port`: the device's own cases on a board, through its raw REPL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from tillpane import ROOT, linker, program
from tillpane.bench import cases, measure
from tillpane.bench.cases import HERE, Found
from tillpane.bench.table import Row, markdown, micro, ratio, size
from tillpane.deploy import Board, BoardError, Report, march_of, silent, staged
from tillpane.trouble import Trouble

_COMPUTERS = ("linux", "darwin", "win32")
_AWAY = "bench_alt"  # lib/ module for module, and what it is compared with, for as long as the bench runs

# A case gets a namespace of its own, which is gone with it, also where it ran out of heap.
_RUN = """
import json, sys
sys.path[:] = {first!r} + [_p for _p in sys.path if _p != {away!r}]
exec({source!r}, {{'__name__': '__main__', 'CONFIG': json.loads({config!r})}})
"""

# Between two cases where a reset would end the interpreter: nothing of the last one stays.
_CLEAN = """
import gc, sys
for _n in list(sys.modules):
    if _n not in %r:
        del sys.modules[_n]
gc.collect()
gc.collect()
"""

_REMOVE = """
import os
def _r(p):
 for e in os.ilistdir(p):
  q=p+'/'+e[0]
  if e[1]&0x4000:_r(q)
  else:os.remove(q)
 os.rmdir(p)
try:_r(%r)
except OSError as _e:
 if _e.errno!=2:raise
"""


def run(port: str, network: bool = False, root: Path = ROOT, report: Report = silent) -> tuple[str, str]:
    """Measures on the board at `port`. -> (what it calls itself, the table as Markdown). Raises Trouble."""
    report("connect", 0, 0)
    board = Board(port)
    try:
        if not board.interrupt(6):
            raise Trouble(f"No MicroPython answers at {port}.", "Press RESET and run this again within a second.")
        platform, name, mpy = board.facts()
        real = platform not in _COMPUTERS
        if real:
            report("reset", 0, 0)
            board.start_over()
        march = march_of(mpy)
        report("compile", 0, 0)
        tree = staged(root, march, None, report)
        report("compare", 0, 0)
        _same_program(board, tree, port)
        kept = board.run("import sys\nprint(' '.join(sys.modules))").split() + ["__main__"]

        def fresh() -> None:
            # A real board is reset: its heap may have grown, and what it cannot free it keeps till then.
            if real:
                board.start_over()
            else:
                board.run(_CLEAN % (kept,))

        try:
            found = _measured(board, root / "lib", march, network, fresh, report)
        finally:
            fresh()  # a case that ran out of heap still holds it
            _remove(board)
        if real:
            board.leave()
        return name, table(found, halved=not real)
    finally:
        board.close()


def _same_program(board: Board, tree: dict[str, bytes], port: str) -> None:
    """The board must have this checkout's lib/: another's figures under this one's name would be a lie."""
    wanted = {path: data for path, data in tree.items() if path.startswith("lib/")}
    there = board.files(["lib"])
    for path, data in wanted.items():
        if there.get(path) != (len(data), hashlib.sha256(data).hexdigest()):
            raise Trouble(f"{path} on the board is not this checkout's.", f"First: tillpane deploy --port {port}")


def _measured(
    board: Board, lib: Path, march: str, network: bool, fresh: Callable[[], None], report: Report
) -> dict[str, list[Found]]:
    plain = program.build(lib, march, joined=False)
    miniqr = cases.miniqr()
    if miniqr:
        text = miniqr.read_text(encoding="utf-8")
        plain["adafruit_miniqr.mpy"] = program.compile_source(text, miniqr.name, march)
    _remove(board)  # what an interrupted run left
    paths = {f"{_AWAY}/{path}": data for path, data in plain.items()}
    board.make_folders(list(paths))
    for number, (path, data) in enumerate(paths.items()):
        report("Writing the modules one by one", number, len(paths))
        board.write(path, data, lambda _: None)
    work: list[tuple[str, Found, bool]] = [
        ("heap_bench", {"modules": ["asyncio", linker.LINKED]}, True),
        ("heap_bench", {"modules": ["asyncio", *measure.resident(program.sources(lib))]}, False),
        ("qr_bench", {}, False),
        ("json_bench", {}, False),
        ("panel_bench", {}, False),
    ]
    if network:
        work += [("poll_bench", {"settings": True, "who": who, "polls": 20}, False) for who in ("ours", "requests")]
    found: dict[str, list[Found]] = {}
    for number, (name, config, joined) in enumerate(work):
        report(f"Measuring: {name.removesuffix('_bench')}", number, len(work))
        fresh()
        source = (HERE / f"{name}.py").read_text(encoding="utf-8")
        code = _RUN.format(first=[] if joined else [_AWAY], away=_AWAY, config=json.dumps(config), source=source)
        try:
            said = board.run(code)
        except BoardError as error:
            found.setdefault(name, []).append({"case": "failed", "words": str(error)})
            continue
        found.setdefault(name, []).extend(cases.parse(said))
    return found


def _remove(board: Board) -> None:
    board.run(_REMOVE % _AWAY)


def table(found: dict[str, list[Found]], halved: bool = False) -> str:
    """What the board said. `halved`: at the other end is a 64-bit port, whose objects are twice as large."""
    rows: list[Row] = []
    for case, lines in found.items():
        failed = [line for line in lines if line["case"] == "failed"]
        rows += [Row(case.removesuffix("_bench"), "failed", met=False, note=line["words"]) for line in failed]
    by = {case: [line for line in lines if line["case"] != "failed"] for case, lines in found.items()}
    scale = 2 if halved else 1
    if by.get("qr_bench"):
        rows += _qr(by["qr_bench"], scale)
    if by.get("panel_bench"):
        rows += measure.panel_rows(by["panel_bench"])
        code = measure.pick(by["panel_bench"], "panel.qr")
        rows.append(Row("the code to the glass, time", micro(code["us"])))
        rows.append(Row("a countdown tick, time", micro(measure.pick(by["panel_bench"], "panel.tick")["us"])))
    if by.get("json_bench"):
        rows += measure.json_rows(by["json_bench"], scale)
    if by.get("poll_bench"):
        rows += _polls(by["poll_bench"], scale)
    if by.get("heap_bench"):
        lines = [line for line in by["heap_bench"] if line["case"] == "heap.module"]
        sizes = {line["module"]: line["ours"] / scale for line in lines}  # asyncio is in both runs
        whole = sizes.pop(linker.LINKED, None)
        rows += [Row(f"heap of {name}", size(taken)) for name, taken in sizes.items()]
        rows.append(Row("heap of all modules, one by one", size(sum(sizes.values()))))
        if whole is not None:
            rows.append(Row(f"heap of all but asyncio, joined as {linker.LINKED}", size(whole)))
    return markdown(rows)


def _qr(found: list[Found], scale: int) -> list[Row]:
    took, churn, kept = (measure.pick(found, case) for case in ("qr.time", "qr.churn", "qr.import"))
    return [
        Row(
            "QR encode, 52-byte URL, level M, eight masks scored",
            micro(took["ours"]),
            "miniqr, one fixed mask: " + micro(took["alternative"]),
            ratio(took["ours"], took["alternative"]),
        ),
        Row(
            "heap allocated by an encode",
            size(churn["ours"]),
            "miniqr: " + size(churn["alternative"] and churn["alternative"] / scale),
            target="0 B",
            met=churn["ours"] == 0,
        ),
        Row(
            "import of qr",
            size(kept["ours"] / scale),
            "miniqr: " + size(kept["alternative"] and kept["alternative"] / scale),
        ),
        Row("QR workspace", size(measure.pick(found, "qr.workspace")["ours"])),
    ]


def _polls(found: list[Found], scale: int) -> list[Row]:
    by = {line["who"]: line for line in found}
    ours, other = by.get("ours"), by.get("requests")
    if ours is None:
        return []
    rows = [
        Row("opening the verified connection", micro(ours["open_us"])),
        Row("create", micro(ours["create_us"]), "requests: " + micro(other["create_us"] if other else None)),
        Row(
            "a poll",
            micro(ours["us"]),
            "requests: " + micro(other["us"] if other else None),
            ratio(ours["us"], other["us"] if other else None),
        ),
    ]
    for key, what in (("kept", "heap kept by the polls"), ("churn", "heap churned by a poll")):
        rows.append(Row(what, size(ours[key] / scale), "requests: " + size(other[key] / scale if other else None)))
    return rows
