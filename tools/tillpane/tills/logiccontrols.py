"""Tills that drive a Logic Controls, UTC or IBM SurePOS display: cell positions 00 to 27h, and 1Fh is reset."""

from tillpane.tills.escpos import UnicentaWords
from tillpane.tills.till import Rows, Stream, Till, Words, ends

_CELLS = 20


def _both(upper: str, lower: str) -> bytes:
    return upper[:_CELLS].ljust(_CELLS).encode() + lower[:_CELLS].ljust(_CELLS).encode()


class _SambaWords(Words):
    """One item and the total so far stand on the same screen."""

    def item(self, name: str, count: int, price: int) -> Rows:
        each = self.money(count * price)
        return ends(f"{count} {name}", each), ends("Total:", each)

    def total(self, amount: int) -> Rows:
        return ends("Total:", self.money(amount)), ""


def _sambapos(upper: str, lower: str) -> Stream:
    return [(0, b"\x1f\x14\x11" + _both(upper, lower))]  # <XCT>31,20,17 in the printer template


def _surepos(upper: str, lower: str) -> Stream:
    both = _both(upper, lower)
    return [(0, b"\x10\x00" + both[:_CELLS] + b"\x10\x14" + both[_CELLS:])]


def _lcdproc(upper: str, lower: str) -> Stream:
    """Rewrites only what changed: here, from a screen that shows the same rows with every digit a nought."""
    now = _both(upper, lower)
    before = bytes(0x30 if byte in b"123456789" else byte for byte in now)
    shown: Stream = [(0, b"\x1f\x11" + b"\x10\x00" + before[:_CELLS] + b"\x10\x14" + before[_CELLS:])]
    return [*shown, (125, delta(before, now))] if now != before else shown


def delta(before: bytes, now: bytes) -> bytes:
    """LCDproc 0.5.9, driver serialPOS: a jump to each run of changed cells, one unchanged cell skipped by 09h."""
    out = bytearray()
    cursor = -1
    for cell, (old, new) in enumerate(zip(before, now, strict=True)):
        if old == new:
            continue
        if out and cell == cursor + 1:
            out.append(0x09)
        elif cell != cursor:
            out += bytes((0x10, cell))
        out.append(new)
        cursor = cell + 1
    return bytes(out)


TILLS = (
    Till(
        "logiccontrols",
        "logiccontrols",
        "SambaPOS with a Logic Controls template",
        "source: forum.sambapos.com topics 1978 and 4170",
        _sambapos,
        _SambaWords(),
        opening=b"\x1f\x14\x11",
    ),
    Till(
        "surepos",
        "logiccontrols",
        "uniCenta oPOS, KriolOS POS and Openbravo POS, display type surepos",
        "source: DeviceDisplaySurePOS.java and its templates",
        _surepos,
        UnicentaWords(),
        opening=b"\x00\x01\x02\x02\x11\x14\x10\x00",
    ),
    Till(
        "deltas",
        "logiccontrols",
        "LCDproc 0.5.9 (serialPOS), which is no till, with a till's rows: only changed cells are sent",
        "recorded: the form of its updates",
        _lcdproc,
        Words(),
    ),
)
