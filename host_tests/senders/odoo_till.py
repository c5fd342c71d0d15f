"""Odoo's point of sale with GRAP's odoo-driver 3.1.1 and its plug-in display-escpos 2.1.0, which write the bytes.

One message is one task of the driver's queue, run as its own thread would: the port is opened for it and closed again.
"""

import sys

from loguru import logger

logger.remove()  # it logs every message to stderr

import odoo_driver  # noqa: E402, F401  its plug-in cannot be imported first
from odoo_driver.drivers.driver_task import DriverTask  # noqa: E402
from odoo_driver_plugin_display_escpos import DriverDisplayEscPos  # noqa: E402


def send(port, what, amount=1234):
    """One message on the tty `port`. what: start, item, total, part (8.00 paid), change, idle; amount in cents."""
    total = amount / 100
    tasks = {
        "item": {"action": "add_line", "product_name": "Café crème", "quantity": 2, "unit_price": 6.17, "total": 12.34},
        "total": {"action": "payment_balance", "total": total, "total_paid": 0.0, "total_due": total},
        "part": {"action": "payment_balance", "total": total, "total_paid": 8.0, "total_due": total - 8},
        "change": {"action": "payment_balance", "total": total, "total_paid": total + 7.66, "total_due": -7.66},
        "idle": {"action": "display_lines", "text_lines": ["Welcome!", "Point of Sale Open"]},
    }
    driver = DriverDisplayEscPos()
    driver._terminal_file = port  # what it finds itself for a display on USB
    if what == "start":
        driver.configure()
        what = "idle"
    task = DriverTask(tasks[what])
    driver._process_task_abstract(task)
    if task.error:
        raise RuntimeError(task.error)


if __name__ == "__main__":
    for word in sys.argv[2:]:
        send(sys.argv[1], word)
