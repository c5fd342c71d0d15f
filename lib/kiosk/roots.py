"""The CA roots on flash, of which one at a time is trusted: each one that TLS holds costs 1 to 2 KB all the time.

Servers change their root once in years. The one that the server was last verified with is tried first.
"""

import os

from micropython import const

_MAX_BYTES = const(2048)
_MEMORY = "root.last"


class Roots:
    """DER files in a folder. Raises OSError where there is none."""

    def __init__(self, folder):
        self._folder = folder
        self._names = sorted(name for name in os.listdir(folder) if name.endswith(".der"))
        if not self._names:
            raise OSError("no CA roots in " + folder)
        self._last = _remembered()
        self._at = self._names.index(self._last) if self._last in self._names else 0
        self._refused = 0

    def current(self):
        """The DER bytes of the root to trust now. Raises OSError."""
        return read_root(self._folder + "/" + self._names[self._at])

    def refused(self):
        """The server was refused under the current root. -> whether there is another to try; the next one is current"""
        self._at = (self._at + 1) % len(self._names)
        self._refused = (self._refused + 1) % len(self._names)
        return self._refused != 0

    def accepted(self):
        """The server was verified under the current root."""
        self._refused = 0
        name = self._names[self._at]
        if name == self._last:
            return
        self._last = name
        try:
            with open(_MEMORY, "w") as file:
                file.write(name)
        except OSError:
            pass  # it is found again after the next restart, only later


def _remembered():
    try:
        with open(_MEMORY) as file:
            return file.read(64)
    except (OSError, ValueError):
        return ""


def read_root(path):
    """The bytes of one DER file. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(_MAX_BYTES)
