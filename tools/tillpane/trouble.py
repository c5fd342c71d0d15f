"""One kind of error for the command line: what is wrong, and what to do next."""

import os
from pathlib import Path

from serial.tools import list_ports


class Trouble(Exception):
    """Something the person at the keyboard can mend. `advice` says how, `exit_code` is for scripts."""

    def __init__(self, what: str, advice: str = "", exit_code: int = 70) -> None:
        super().__init__(what)
        self.advice = advice
        self.exit_code = exit_code


def port_trouble(port: str, detail: str = "", exit_code: int = 70) -> Trouble:
    """Why a serial port does not open, as far as the outside shows."""
    if "://" not in port and not Path(port).exists():
        seen = ", ".join(sorted(found.device for found in list_ports.comports())) or "none"
        return Trouble(
            f"There is no port {port}.", f"Plug the cable in. Serial ports that are here now: {seen}.", exit_code
        )
    if "://" not in port and not os.access(port, os.R_OK | os.W_OK):
        return Trouble(
            f"You may not open {port}.",
            "Join the group that owns it (often `sudo usermod -a -G dialout $USER`), then log in again.",
            exit_code,
        )
    words = f"{port} does not open" + (f": {detail}" if detail else ".")
    return Trouble(words, "Most likely another program has it: close serial monitors and run this again.", exit_code)
