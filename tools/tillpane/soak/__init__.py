"""Thousands of sales on real MicroPython in all weathers, and a comparison of three books to the cent.

run() is `make soak`; docs/soak.md says what it does and how to read its report.
"""

from __future__ import annotations

from tillpane.soak.run import Report, run, soak

__all__ = ["Report", "run", "soak"]
