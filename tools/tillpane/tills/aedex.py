"""Tills that drive an AEDEX or EMAX display, or a UTC one in its enhanced mode: each row is a frame ended by 0Dh."""

from tillpane.tills.till import Stream, Till, Words

_CELLS = 20


def _row(text: str) -> bytes:
    return text[:_CELLS].ljust(_CELLS).encode()


def _aedex(upper: str, lower: str) -> Stream:
    return [(0, b"!#1" + _row(upper) + b"\r"), (0, b"!#2" + _row(lower) + b"\r")]


def _lcdproc(upper: str, lower: str) -> Stream:
    return [(0, b"  9" + _row(upper) + _row(lower) + b"\r")]


def _utc(upper: str, lower: str) -> Stream:
    return [(0, b"\x1bu\x41" + _row(upper) + b"\r"), (0, b"\x1bu\x42" + _row(lower) + b"\r")]


TILLS = (
    Till(
        "aedex", "aedex", "no sender known; the commands of the manual", "POS-X EVO-RD4 manual, p. 23", _aedex, Words()
    ),
    Till(
        "aedex-moved",
        "aedex",
        "LCDproc's AEDEX output, which is no till, with a till's rows: the attention code becomes two spaces",
        "source: lcdproc master, serialPOS",
        _lcdproc,
        Words(),
        opening=b"!#8  \r",
    ),
    Till(
        "utc-enhanced",
        "logiccontrols",
        "no sender known; the commands of the manual",
        "HP Retail Integrated 2x20 Display Programming Guide, p. 12",
        _utc,
        Words(),
        opening=b"\x1f\x1b\x64",
    ),
)
