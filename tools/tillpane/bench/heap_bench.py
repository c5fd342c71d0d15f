"""Heap that each module of lib/ keeps once it is imported, without what it imports in turn. Runs on a board too.

CONFIG, or the environment variable TILLPANE_BENCH as JSON: {"modules": [...]}, in the order in which to import them.
Prints one JSON object a line: case, unit, module, ours; and before and after them MicroPython's own account of its
table of names (qstr), which grows by pieces of some KiB: the module during whose import it does carries the piece.
"""

import builtins
import gc
import json
import os

import micropython

CONFIG = globals().get("CONFIG") or json.loads(os.getenv("TILLPANE_BENCH"))


class Meter:
    """Stands in for __import__ and keeps books; what a module imports counts for that one alone."""

    def __init__(self):
        self.own = {}
        self._real = builtins.__import__
        self._inner = 0

    def __call__(self, *args):
        outer, self._inner = self._inner, 0
        before = self._used()
        module = self._real(*args)
        taken = self._used() - before
        own = taken - self._inner
        self._inner += outer
        if args[0] in self.own:  # anything else is its importer's: a package that is nothing but a folder
            self.own[args[0]] += own
            self._inner += own
        return module

    def _used(self):
        gc.collect()
        gc.collect()
        return gc.mem_alloc()


def main():
    meter = Meter()
    for name in CONFIG["modules"]:
        meter.own[name] = 0  # room for it before anything is measured
    micropython.qstr_info()
    real, builtins.__import__ = builtins.__import__, meter
    for name in CONFIG["modules"]:
        meter(name)
    builtins.__import__ = real
    micropython.qstr_info()
    for name in CONFIG["modules"]:
        print(json.dumps({"case": "heap.module", "unit": "bytes", "module": name, "ours": meter.own[name]}))


main()
