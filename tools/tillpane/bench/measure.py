"""The measurements of `make bench`, one function a subject; each gives rows of the table, and can be asked alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tillpane import ROOT, linker, program
from tillpane.bench import SCALE, cases, counter, heap32
from tillpane.bench.cases import Found
from tillpane.bench.counter import Heap
from tillpane.bench.table import Row, micro, ratio, size
from tillpane.standin import StandIn

WORKSPACE_MOST = 2048
MPY_MOST = 6144
WIRE_MOST = 1.05
BAND_MOST = 8192
TICK_MOST = 4096
PICK_MOST = 1024
POLL_SENT_MOST = 250
POLL_CHURN_MOST = 1024
IDLE_MOST_KIB = 64.0
IDLE32_MOST_KIB = 96
HEAP_KW = 96
DRIFT_MOST = 1024  # bytes of an ESP32 that sale 1000 may have less than sale 10
POLLS = 60
_IDLE32_TARGET = f"≤ {IDLE32_MOST_KIB} KiB"

Tell = Callable[[str], None]


def pick(found: list[Found], case: str) -> Found:
    return next(line for line in found if line["case"] == case)


# ---- QR --------------------------------------------------------------------------------------------------------------


def esp32_workspace(found: list[Found]) -> float:
    """Bytes that a QR() takes on an ESP32: its buffers are raw bytes, the objects around them are half as large."""
    buffers = pick(found, "qr.buffers")["ours"]
    return buffers + (pick(found, "qr.workspace")["ours"] - buffers) / SCALE


def mpy_size(source: Path, march: str = "xtensawin") -> int:
    return len(program.compile_source(source.read_text(encoding="utf-8"), source.name, march))


def qr_rows(found: list[Found], twin: list[Found]) -> list[Row]:
    took, churn, kept = pick(found, "qr.time"), pick(found, "qr.churn"), pick(found, "qr.import")
    plain = pick(twin, "qr.twin")
    other = cases.miniqr()
    ours_mpy, other_mpy = mpy_size(ROOT / "lib" / "qr.py"), mpy_size(other) if other else None
    workspace = esp32_workspace(found)
    return [
        Row(
            "QR encode, 52-byte URL, level M, eight masks scored",
            micro(took["ours"]),
            "miniqr, one fixed mask: " + micro(took["alternative"]),
            ratio(took["ours"], took["alternative"]),
            "≤ 1/10",
            took["ours"] * 10 <= took["alternative"],
        ),
        Row(
            "the same, plain twin under CPython",
            micro(plain["ours"]),
            "segno: " + micro(plain["alternative"]),
            ratio(plain["ours"], plain["alternative"]),
            "not slower",
            plain["ours"] <= plain["alternative"],
        ),
        Row(
            "heap allocated by an encode",
            size(churn["ours"]),
            f"miniqr: {size(churn['alternative'] / SCALE)}, and {size(kept['alternative'] / SCALE)} on import",
            ratio(churn["ours"], churn["alternative"]),
            "0 B",
            churn["ours"] == 0,
            f"import of qr: {size(kept['ours'] / SCALE)}",
        ),
        Row(
            "workspace for versions up to 10",
            size(workspace),
            target="≤ 2 KB",
            met=workspace <= WORKSPACE_MOST,
            note=f"{pick(found, 'qr.buffers')['ours']} B of buffers and the objects around them",
        ),
        Row(
            "qr.mpy for xtensawin",
            size(ours_mpy),
            "miniqr: " + size(other_mpy),
            ratio(ours_mpy, other_mpy),
            "≤ 6 KB",
            ours_mpy <= MPY_MOST,
        ),
    ]


# ---- panel -----------------------------------------------------------------------------------------------------------


def panel_rows(found: list[Found]) -> list[Row]:
    code = pick(found, "panel.qr")
    share = code["ours"] / code["alternative"]
    ticks = [line for line in found if line["case"] == "panel.tick"]
    most = max(line["ours"] for line in ticks)
    return [
        Row(
            "QR to the panel",
            size(code["ours"]),
            "its pixels: " + size(code["alternative"]),
            f"{share:.4f}",
            "≤ 1.05",
            share <= WIRE_MOST and code["largest"] <= BAND_MOST and code["turns"] > 1,
            f"{code['writes']} writes for {code['modules']} modules, one buffer of which {code['largest']} B are used, "
            f"other tasks had {code['turns']} turns",
        ),
        Row(
            "repaint of a countdown tick",
            size(most),
            "the whole screen: " + size(ticks[0]["alternative"]),
            ratio(most, ticks[0]["alternative"]),
            "≤ 4 KB",
            most <= TICK_MOST,
            "the most of 120 ticks, upright and lying",
        ),
    ]


# ---- JSON ------------------------------------------------------------------------------------------------------------


def json_rows(found: list[Found], scale: int = SCALE) -> list[Row]:
    rows = []
    for line in found:
        if line["case"] == "json.time":
            rows.append(
                Row(
                    f"six fields of a {line['size']:,}-byte create answer",
                    micro(line["ours"]),
                    "json.load: " + micro(line["alternative"]),
                    ratio(line["ours"], line["alternative"]),
                    "not slower",
                    line["ours"] <= line["alternative"],
                )
            )
    heaps = [line for line in found if line["case"] == "json.heap"]
    ours = sorted({line["ours"] for line in heaps})
    last = heaps[-1]
    others = ", ".join(size(line["alternative"] / scale) for line in (heaps[0], last) if line["alternative"])
    rows.append(
        Row(
            f"its peak extra heap, bodies of {heaps[0]['size']} B to {last['size']:,} B",
            " to ".join(size(value / scale) for value in {ours[0], ours[-1]}),
            "json.load: " + others.replace(", ", " to "),
            ratio(last["ours"], last["alternative"]),
            "constant, ≤ 1 KB",
            len(ours) == 1 and ours[-1] / scale <= PICK_MOST,
        )
    )
    return rows


# ---- polls -----------------------------------------------------------------------------------------------------------


class Polls:
    """What both clients did to the same stand-in, as each says itself and as the stand-in saw it."""

    def __init__(self, ours: Found, other: Found, seen: dict[str, tuple[int, int]]) -> None:
        self.ours, self.other = ours, other
        self.handshakes = {who: value[0] for who, value in seen.items()}  # warming included
        self.calls = {who: value[1] for who, value in seen.items()}


async def polls(folder: Path, count: int = POLLS) -> Polls:
    """A create and `count` polls, by us and by the frozen requests."""
    found: dict[str, Found] = {}
    seen: dict[str, tuple[int, int]] = {}
    async with StandIn(rate_limit=0) as api:
        root = folder / "standin.der"
        root.write_bytes(api.root_der)
        for who in ("ours", "requests"):
            shakes, calls = api.handshakes, len(api.calls)
            config = {
                "who": who,
                "host": "localhost",
                "port": api.port,
                "key": api.api_key,
                "config": api.config_id,
                "root": str(root),
                "polls": count,
            }
            found[who] = (await cases.run("poll_bench", folder, config))[-1]
            seen[who] = api.handshakes - shakes, len(api.calls) - calls
    return Polls(found["ours"], found["requests"], seen)


def poll_rows(done: Polls) -> list[Row]:
    ours, other = done.ours, done.other
    churn = ours["churn"] / SCALE
    return [
        Row(
            "one poll on a warm connection: bytes sent",
            size(ours["sent"]),
            "requests: " + size(other["sent"]),
            ratio(ours["sent"], other["sent"]),
            "≤ 250 B, 1 round trip",
            ours["sent"] <= POLL_SENT_MOST and ours["handshakes"] == 0,
            "HTTP, inside TLS; requests adds a handshake to each",
        ),
        Row(
            "the same: heap kept",
            size(ours["kept"] / SCALE),
            "requests: " + size(other["kept"] / SCALE),
            target="0 B",
            met=ours["kept"] <= 0,
            note=f"over {POLLS} polls",
        ),
        Row(
            "the same: heap churned",
            size(churn),
            "requests: " + size(other["churn"] / SCALE),
            ratio(ours["churn"], other["churn"]),
            "≤ 1 KB",
            churn <= POLL_CHURN_MOST,
            "of an ESP32: the 64-bit port's figure, all of it objects, halved",
        ),
        Row(
            "the same: time on loopback",
            micro(ours["us"]),
            "requests: " + micro(other["us"]),
            ratio(ours["us"], other["us"]),
        ),
        Row(
            f"TLS handshakes in a sale with {POLLS} polls",
            str(ours["handshakes"]),
            f"requests: {other['handshakes']}",
            ratio(ours["handshakes"], other["handshakes"]),
            "0 when warm, else 1",
            ours["handshakes"] == 0 and done.handshakes["ours"] == 1,
            f"the stand-in counted {done.handshakes['ours']} (the warming) and {done.handshakes['requests']}",
        ),
    ]


# ---- the whole box ---------------------------------------------------------------------------------------------------

# (name, from, to): the stamps of probe_bench.py
STEPS = (
    ("the till's last byte to the line understood", None, "line.end"),
    ("to the create call: the sale goes into the journal", "line.end", "create"),
    ("create round trip", "create", "create.end"),
    ("to the start of the screen: the id goes into the journal", "create.end", "show"),
    ("the screen's other tiles", "show", "fit"),
    ("choice of version and level", "fit", "fit.end"),
    ("encode", "encode", "encode.end"),
    ("paint of the code", "paint", "paint.end"),
)


def breakdown(sale: counter.Sale) -> list[tuple[str, float]]:
    """(step, ms), in order; they add up to the whole."""
    steps = sale.steps
    return [(name, (steps[to] - (steps[start] if start else 0)) * 1000) for name, start, to in STEPS]


def sale_rows(sale: counter.Sale) -> list[Row]:
    parts = dict(breakdown(sale))
    whole = sale.steps["paint.end"] * 1000
    needed = parts["create round trip"] + parts["encode"] + parts["paint of the code"]
    share = sale.code_bytes / (2 * sale.code_pixels)
    return [
        Row(
            "last byte of the sale line to last pixel of the code",
            f"{whole:.0f} ms",
            f"create {parts['create round trip']:.1f} + encode {parts['encode']:.1f} + paint "
            f"{parts['paint of the code']:.1f} ms",
            f"{whole / needed:.1f}",
            "report the breakdown",
            None,
            "below",
        ),
        Row(
            "in the running box: the code's bytes on the SPI bus",
            size(sale.code_bytes),
            "its pixels: " + size(2 * sale.code_pixels),
            f"{share:.4f}",
            "≤ 1.05",
            share <= WIRE_MOST,
        ),
        Row(
            "in the running box: a countdown tick on the SPI bus",
            size(max(sale.ticks, default=0)),
            target="≤ 4 KB",
            met=bool(sale.ticks) and max(sale.ticks) <= TICK_MOST,
            note=f"{len(sale.ticks)} ticks seen",
        ),
        Row(
            f"in the running box: TLS handshakes of a sale with {sale.polls} polls",
            str(sale.handshakes),
            f"requests: {sale.polls + 1}",
            target="0 when warm",
            met=sale.handshakes == 0,
        ),
    ]


class Idle(NamedTuple):
    """The idle box; sizes in KiB of an ESP32."""

    heap: Heap
    all: float  # that the whole product takes
    modules: list[tuple[str, float]]  # that are loaded then, as they would be one by one
    code: float  # the same modules as a board has them, most of them joined
    names: float  # of those, the table of names


def resident(written: dict[str, str]) -> list[str]:
    """The modules that a board has joined, in an order in which each can be weighed: after what it imports."""
    joined = [name for name in linker.joined(written) if written.get(name.replace(".", "/") + "/__init__.py") != ""]
    package_first = [each for name in joined for each in (name.partition(".")[0], name) if each in joined]
    return list(dict.fromkeys(package_first))


async def idle(folder: Path, board_folder: Path) -> Idle:
    """Of a folder with the plain modules and one with the program as a board has it."""
    heap, kib = await counter.idle_heap()
    written = program.sources(ROOT / "lib")
    joined = resident(written)
    full = [linker.module_name(path) for path, text in written.items() if text]
    apart = [name for name in full if name in heap.modules and name not in joined]
    first = [name for name in ("ondemand", "till.amount") if name in apart]  # what others import counts for itself
    rest = [name for name in apart if name not in first]
    found = await cases.run("heap_bench", folder, {"modules": ["asyncio", *first, *joined, *rest]})
    parts = [(line["module"], Heap.kib(line["ours"])) for line in found if line["case"] == "heap.module"]
    whole = [linker.LINKED] if cases.NATIVE else joined
    found = await cases.run("heap_bench", board_folder, {"modules": ["asyncio", *first, *whole, *rest]})
    code = sum(line["ours"] for line in found if line["case"] == "heap.module")
    return Idle(heap, kib, parts, Heap.kib(code), Heap.kib(pick(found, "heap.names")["ours"]))


def idle_rows(kib: float) -> list[Row]:
    return [
        Row(
            "lib loaded from .mpy, whole product idle",
            f"{kib:.1f} KiB",
            target="≤ 64 KiB",
            met=kib <= IDLE_MOST_KIB,
            note="the sale with all its ways to go wrong, connection and screens stay loaded, so that no patron "
            "waits for a module and no fault needs memory that may be missing; by module below, halved figures of the "
            "64-bit port",
        )
    ]


class Idle32(NamedTuple):
    """The idle box on a 32-bit heap; sizes in KiB."""

    here: heap32.Steps
    there: heap32.Steps  # on the 64-bit port
    rest: float  # what the whole box of 64 bits holds besides
    native: int  # bytes of native code, which are in none of them
    foreign: int  # names that were there before
    names: int  # those and the product's

    @property
    def built(self) -> float:
        return self.here[-1][1] / 1024

    @property
    def all(self) -> float:
        return self.built + self.rest


async def idle32(idle_kib: float) -> Idle32:
    """`idle_kib`: what the whole idle box takes on the 64-bit port, halved. Raises wasmport.Missing."""
    here, foreign, names = await heap32.measure()
    there = await heap32.measure64()
    return Idle32(here, there, idle_kib - Heap.kib(there[-1][1]), heap32.native_size(), foreign, names)


_IDLE32 = "held by the idle product on a 32-bit heap"


def idle32_rows(found: Idle32) -> list[Row]:
    return [
        Row(
            _IDLE32,
            f"{found.all:.1f} KiB",
            target=_IDLE32_TARGET,
            met=found.all <= IDLE32_MOST_KIB,
            note=f"{found.built:.1f} KiB once it is built, by step below; {found.rest:.1f} KiB for asyncio, "
            f"tasks and the open connection; {size(found.native)} of native code lie elsewhere on an ESP32",
        )
    ]


def idle32_missing(why: str) -> Row:
    return Row(_IDLE32, "not measured", target=_IDLE32_TARGET, note=why)


def drift(done: counter.Endurance) -> tuple[float, float]:
    """(bytes of an ESP32 lost from the first look to the last, the same of the largest free block)."""
    first, last = done.after[min(done.after)], done.after[max(done.after)]
    return (first.free - last.free) / SCALE, (first.largest - last.largest) / SCALE


def loaded(done: counter.Endurance) -> str:
    """Modules that came into memory between the first look and the last, in words."""
    first, last = done.after[min(done.after)], done.after[max(done.after)]
    names = [name for name in last.modules if name not in first.modules]
    return f"; loaded meanwhile: {', '.join(names)}" if names else ""


def endurance_rows(done: counter.Endurance) -> list[Row]:
    lost, shrunk = drift(done)
    first, last = min(done.after), max(done.after)
    return [
        Row(
            f"{done.sales} sales in a row, heap of {done.heap_kib:.0f} KiB: free heap lost since sale {first}",
            size(lost),
            target=f"≤ 1 KB, in {HEAP_KW} KiB",
            met=lost <= DRIFT_MOST and done.starts == 1 and done.heap_kib < HEAP_KW + 2,
            note=f"{'' if done.heap_kib < HEAP_KW + 2 else f'it does not run in {HEAP_KW} KiB; '}"
            f"{done.paid} paid, {done.sales - done.paid} cancelled by the till, {done.handshakes} handshakes, "
            f"{done.seconds:.0f} s; free {Heap.kib(done.after[last].free):.1f} KiB{loaded(done)}",
        ),
        Row(
            "the same: largest free block lost",
            size(shrunk),
            target="≤ 0 B",
            met=shrunk <= 0,
            note=f"{Heap.kib(done.after[first].largest):.1f} KiB, then {Heap.kib(done.after[last].largest):.1f} KiB",
        ),
    ]
