"""Odoo's point of sale with a customer display, as pywebdriver drives it: pyposdisplay 0.0.8 writes the bytes.

The rows are those that OCA's module pos_customer_display sends it (prepare_text_customer_display, 8.0 to 12.0). The
port is opened and closed for every message.
"""

import sys

from pyposdisplay import Driver

DRIVERS = ("bixolon", "labau", "epson")
_WELCOME = ["      Welcome!      ", " Point of Sale Open "]


def send(port, what, amount=1234, driver="bixolon"):
    """One message on the tty `port`. what: start, item, total, change, idle; amount in cents is what a total shows."""
    rows = {
        "start": _WELCOME,
        "item": ["Flat white          ", "2 x 6.17       12.34"],
        "total": ["TOTAL:              ", f"{amount / 100:.2f}".rjust(20)],
        "change": ["Your Change:        ", "                7.66"],
        "idle": _WELCOME,
    }[what]
    Driver({"customer_display_device_name": port}, use_driver_name=driver).send_text(rows)


if __name__ == "__main__":
    for word in sys.argv[2:]:
        send(sys.argv[1], word)
