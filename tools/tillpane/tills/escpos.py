"""Tills that drive an Epson-like display (ESC/POS), a CD5220 or an eight-digit LED display: one dialect on the box."""

from tillpane.capture import LineSettings
from tillpane.tills.till import Rows, Stream, Till, Words, ends, figure

_CELLS = 20


# ---- Odoo, with OCA's module and pyposdisplay ------------------------------------------------------------------------


class _OcaWords(Words):
    """pos_customer_display 8.0 to 12.0, prepare_text_customer_display."""

    def welcome(self) -> Rows:
        return "Welcome!".center(_CELLS), "Point of Sale Open".center(_CELLS)

    def total(self, amount: int) -> Rows:
        return "TOTAL: ", self.money(amount).rjust(_CELLS)

    def change(self, amount: int, given: int) -> Rows:
        return "Your Change:", self.money(given - amount).rjust(_CELLS)


def _row(text: str) -> bytes:
    return text[:_CELLS].ljust(_CELLS).encode("cp437", "replace")


def _epson(upper: str, lower: str) -> Stream:
    parts = (b"\x1f\x43\x00", b"\x0c", _row(upper), b"\x1f\x24\x01\x02", _row(lower))
    # After each write it waits 50 ms for an answer that no display gives.
    return [(50 if i else 0, part) for i, part in enumerate(parts)]


def _labau(upper: str, lower: str) -> Stream:
    return [(0, b"\x1f\x01\x0c" + _row(upper) + b"\x0a\x0d" + _row(lower))]


# ---- Odoo, with GRAP's driver ----------------------------------------------------------------------------------------


class _GrapWords(Words):
    """odoo-driver-plugin-display-escpos 2.1.0, _convert_task_to_ascii_lines."""

    def money(self, amount: int) -> str:
        return figure(amount, ",") + "€"

    def item(self, name: str, count: int, price: int) -> Rows:
        return name.ljust(_CELLS), ends(f"{count}×{self.money(price)}", self.money(count * price))

    def total(self, amount: int) -> Rows:
        return ends("Total:", self.money(amount)), ""

    def change(self, amount: int, given: int) -> Rows:
        return ends("Total:", self.money(amount)), ends("Change:", self.money(given - amount))


def _grap(upper: str, lower: str) -> Stream:
    one = b"\x0c\x1f\x24\x01\x01" + upper[:_CELLS].encode("cp858", "ignore")
    # Its queue sleeps a second after every message.
    return [(1000, one + b"\x1f\x24\x01\x02" + lower[:_CELLS].encode("cp858", "ignore"))]


# ---- uniCenta, KriolOS, Openbravo ------------------------------------------------------------------------------------


class UnicentaWords(Words):
    """The display parts of Printer.Start, Printer.TicketLine, Printer.TicketTotal and the payment dialog."""

    def money(self, amount: int) -> str:
        return "$" + figure(amount)  # Formats.CURRENCY of an English locale

    def welcome(self) -> Rows:
        return "uniCenta oPOS".center(_CELLS), "Touch Friendly POS".center(_CELLS)

    def item(self, name: str, count: int, price: int) -> Rows:
        upper = name[:15].ljust(15) + f"x{count}".rjust(5)
        return upper, self.money(price).rjust(10) + self.money(count * price).rjust(10)

    def total(self, amount: int) -> Rows:
        return "Total:".ljust(8) + self.money(amount).rjust(12), "Thank You for your custom"[:_CELLS]

    def change(self, amount: int, given: int) -> Rows:
        return ends("Given:", self.money(given)), ends("Change:", self.money(given - amount))


def _unicenta(upper: str, lower: str) -> Stream:
    return [(0, b"\x1b\x3d\x02\x0c\x0b" + _row(upper) + _row(lower))]  # the second row begins by wrapping


# ---- CD5220 ----------------------------------------------------------------------------------------------------------


def _sparkypos(upper: str, lower: str) -> Stream:
    shown: Stream = [(0, b"\x0c")]
    if upper:
        shown.append((0, b"\x1b\x51\x41" + upper[:_CELLS].encode() + b"\x0d"))
    if lower:
        shown.append((100, b"\x1b\x51\x42" + lower[:_CELLS].encode() + b"\x0d"))  # setTimeout(..., 100)
    return shown


# ---- eight digits and lamps ------------------------------------------------------------------------------------------

_UNIT_PRICE, _TOTAL, _CHANGE = 0x31, 0x32, 0x34


class _Digits(Words):
    """Row 1 is the figure; row 2 names the lamp."""

    def welcome(self) -> Rows:
        return self.money(0), "0"

    def item(self, name: str, count: int, price: int) -> Rows:  # noqa: ARG002  no room for more
        return self.money(price), chr(_UNIT_PRICE)

    def total(self, amount: int) -> Rows:
        return self.money(amount), chr(_TOTAL)

    def change(self, amount: int, given: int) -> Rows:
        return self.money(given - amount), chr(_CHANGE)

    def tag(self, amount: int, ref: str) -> Rows:  # noqa: ARG002  eight digits have no room for it
        return self.total(amount)


def _led8(upper: str, lamp: str) -> Stream:
    figures = b"\x1b\x3d\x02\x0c\x0b\x1b\x51\x41" + upper[:8].ljust(8).encode() + b"\x0d"
    return [(0, figures), (20, b"\x1b\x3d\x02\x1b\x73" + lamp.encode())]


_OCA = "OCA/pos pos_customer_display through"
TILLS = (
    Till("escpos", "escpos", f"{_OCA} pyposdisplay 0.0.8, drivers epson and bixolon", "recorded", _epson, _OcaWords()),
    Till("labau", "escpos", f"{_OCA} pyposdisplay 0.0.8, driver labau", "recorded", _labau, _OcaWords()),
    Till(
        "odoo",
        "escpos",
        "odoo-driver-plugin-display-escpos 2.1.0",
        "recorded",
        _grap,
        _GrapWords(),
        opening=b"\x02\x05\x43\x31\x03\x02\x05\x54\x01\x03\x02\x05\x55\x13\x03",
    ),
    Till(
        "unicenta",
        "escpos",
        "uniCenta oPOS, KriolOS POS and Openbravo POS, display type epson",
        "source: DeviceDisplayESCPOS.java and its templates",
        _unicenta,
        UnicentaWords(),
        opening=b"\x1b\x40\x1b\x3d\x02\x1b\x74\x13\x1f\x43\x00\x0c\x0b",
    ),
    Till(
        "cd5220",
        "escpos",
        "SparkyPOS pole display driver; the rows are ours, its web page makes them",
        "source: pole.display.js",
        _sparkypos,
        Words(),
        opening=b"\x1b\x40\x0c",
    ),
    Till(
        "led8",
        "escpos",
        "KriolOS POS, display type pdled8, with a template whose first row is the figure",
        "source: DeviceDisplayLED8.java; LED8 bits customer display command",
        _led8,
        _Digits(),
        opening=b"\x1b\x40\x1b\x3d\x02\x1b\x74\x13\x1f\x43\x00\x0c\x0b",
        line=LineSettings(2400),
    ),
)
