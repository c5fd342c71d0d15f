"""The bench's rows on what tills send: every dialect and protocol on the bytes that a till of that kind sends."""

from pathlib import Path

from tillpane.bench import SCALE, cases
from tillpane.bench.cases import Found
from tillpane.bench.table import Row, micro, ratio, size
from tillpane.tills import TILLS

_WIRE_US = 1024 * 10 / 115200 * 1e6  # a kilobyte at 115200 baud, 8N1
_MINIQR_ON_ESP32_US = 568_000  # measured on an emulated ESP32 at 160 MHz, the same code as in the row on QR
_DISPLAYS = ("escpos", "logiccontrols", "aedex", "dsp800", "adm")
_FRAMES = {
    "telium": "05 02 30313030303031323334303130393738 20202020202020202020 41303130 42303130 03 02 04",
    "transbank": "02 30323030 7C 31393930 7C 313233343536 7C 7C 7C 30 7C 03 37",
    "zvt": "10 02 06 01 0A 04 00 00 00 00 12 34 49 09 78 10 03 B0 91",
}


def streams() -> list[tuple[str, str]]:
    """(module of till/, bytes as hex): our own lines; start, item, total and change of each display; a sale's frame."""
    found = [("line", b"SALE 1001 12.34\r\nSTATUS 1001\r\nACK 1001\r\n".hex())]
    for name in _DISPLAYS:
        till = TILLS[name]
        said = till.start() + till.item("Flat white", 1, 450) + till.total(1234) + till.change(1234, 2000)
        found.append((till.dialect, b"".join(data for _, data in said).hex()))
    return found + [(name, frame.replace(" ", "")) for name, frame in _FRAMES.items()]


async def measure(folder: Path) -> list[Found]:
    return await cases.run("till_bench", folder, {"streams": streams()})


def rows(found: list[Found], miniqr_us: float | None) -> list[Row]:
    """miniqr_us: what its code took in this run, from which an ESP32's time is guessed."""
    return [_row(line, miniqr_us) for line in found if line["case"] == "till"]


def _row(line: Found, miniqr_us: float | None) -> Row:
    display = line["module"] in _DISPLAYS
    note = f"heap churned: {size(line['churn'] / SCALE)}"
    if miniqr_us:
        guess = line["ours"] * _MINIQR_ON_ESP32_US / miniqr_us
        note += f"; perhaps {guess / 1000:.0f} ms on an ESP32, if that is as much slower here as with miniqr"
    return Row(
        f"1 KB from a till, {line['module']}",
        micro(line["ours"]),
        "the wire at 115200 baud: " + micro(_WIRE_US),
        ratio(line["ours"], _WIRE_US),
        "no heap a byte" if display else "",
        line["churn"] == 0 if display else None,
        note=note,
    )
