"""Modules that are loaded for one use and dropped after it: on a board, what is not in use is better not in memory."""

import sys


def load_module(name):
    """The module of this dotted name, imported now if it is not there."""
    __import__(name)
    return sys.modules[name]


def drop_modules(*names):
    """Forgets modules, in their packages too. What still runs in them goes on."""
    for name in names:
        package, _, inner = name.rpartition(".")
        if package and hasattr(sys.modules[package], inner):
            delattr(sys.modules[package], inner)
        if name in sys.modules:
            del sys.modules[name]
