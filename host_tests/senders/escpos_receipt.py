"""A receipt, as python-escpos 3.1 sends it to a serial printer. It has a total on it, and must never start a sale."""

import sys

from escpos.printer import Serial

LINES = {
    "start": ("CORNER CAFE", "12 High Street", "Tel 04 555 1234"),
    "item": ("2 x Flat white 6.17    12.34",),
    "change": ("CASH               EUR 20.00", "CHANGE              EUR 7.66"),
    "idle": ("Thank you, see you soon",),
}


def send(port, what, amount=1234):
    """A part of a receipt on the tty `port`. what: start, item, total, change, idle; amount in cents."""
    printer = Serial(devfile=port, baudrate=9600, dsrdtr=False, profile="default")
    if what == "total":
        printer.set(align="left", bold=True)
        printer.text(f"TOTAL              EUR {amount / 100:.2f}\n")
        printer.set(bold=False)
        printer.cut()
    else:
        for line in LINES[what]:
            printer.text(line + "\n")
    printer.close()


if __name__ == "__main__":
    for word in sys.argv[2:]:
        send(sys.argv[1], word)
