"""Tills that drive a DSP-800 or an ADM787/788 display. No sender of them is known: these are the manuals' commands."""

from tillpane.tills.till import Rows, Stream, Till, Words, ends, figure

_CELLS = 20


def _dsp800(upper: str, lower: str) -> Stream:
    clear = b"\x04\x01\x43\x31\x58\x17"
    shown: Stream = [(0, clear)]
    for position, text in ((0x31, upper), (0x45, lower)):
        # The till waits for the display's ACK before it goes on.
        shown += [(30, bytes((0x04, 0x01, 0x50, position, 0x17))), (30, text[:_CELLS].ljust(_CELLS).encode())]
    return shown


class _AdmWords(Words):
    """Amounts are bare digits at the end of the upper line, where a command can set the point."""

    def money(self, amount: int) -> str:
        return f"{amount:03}"

    def item(self, name: str, count: int, price: int) -> Rows:
        return ends(f"{count} {name}", self.money(count * price)), ""

    def tag(self, amount: int, ref: str) -> Rows:
        return f"QR#{ref}", figure(amount).rjust(_CELLS)


def _adm(upper: str, lower: str) -> Stream:
    shown: Stream = [(0, b"\x0e" + upper[:_CELLS].encode() + b"\x0d"), (0, b"\x0f" + lower[:_CELLS].encode() + b"\x0d")]
    if upper[-1:].isdigit() and not upper.startswith("QR#"):
        shown.append((0, b"\x10\x32"))
    return shown


TILLS = (
    Till(
        "dsp800",
        "dsp800",
        "no sender known; the commands of the manual",
        "Tysso VFD-550 manual",
        _dsp800,
        Words(),
        answer=b"\x06",
    ),
    Till(
        "adm",
        "adm",
        "no sender known; the commands of the manual",
        "HP Retail Integrated 2x20 Display Programming Guide; Partner CD5220 manual, p. 29",
        _adm,
        _AdmWords(),
        opening=b"\x0c",
    ),
)
