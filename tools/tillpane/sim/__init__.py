"""The whole box without a board: real MicroPython, the real files, a modelled panel, a pseudo-terminal for the till.

once(out) makes one sale without a browser; demo() opens the page; Shop and SimDevice are for tests.
"""

from __future__ import annotations

from pathlib import Path


def once(out: str | Path, amount: str = "", till: str = "line") -> int:
    """One sale over the pseudo-terminal; see onesale.py. The exit code: 0 only if the till was told PAID."""
    from tillpane.sim.onesale import once as work

    return work(out, amount, till=till)


def demo(port: int = 8080, open_browser: bool = True, till: str = "line") -> int:
    """The page with the box, a till and a phone; see server.py. Runs until Ctrl-C."""
    from tillpane.sim.server import demo as work

    return work(port, open_browser, till)
