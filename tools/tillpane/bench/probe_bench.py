"""Eyes inside the simulated device. The simulator's start script runs this file before boot.py, where it is named.

A frame "H 0 0" from the host is answered on the console: a collection, MicroPython's own account of the heap, then
"[probe]" and the modules that are loaded. With TILLPANE_BENCH=trace the console also gets a line "[probe] stamp us"
for each step of a sale, on the clock that the host calls time.monotonic(): written down at once, told once the code
is on the glass.
"""

import builtins
import gc
import os
import sys
import time

import machine
import micropython


def _heap_frames():
    link = machine._link
    take = link._take

    def heard(news):
        if news[0] != 72:
            take(news)
            return
        gc.collect()
        gc.collect()
        micropython.mem_info()
        print("[probe]", " ".join(sorted(sys.modules)))

    link._take = heard


def _class(name):
    """A class of the product by its public name, whichever module it was joined into."""
    for module in sys.modules.values():
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)


class _Trace:
    """Wraps the product's own verbs once the product has loaded them."""

    def __init__(self):
        self._stamps = []
        self._print = print  # builtins.print would be the original one: what was put in its place is found by name only
        builtins.print = self._printed
        self._wrapped = False

    def stamp(self, name):
        self._stamps.append((name, time.ticks_us()))

    def _printed(self, *words, **options):
        if words == ("[tillpane] screen", "pay"):
            self.stamp("shown")
        self._print(*words, **options)
        if words == ("[tillpane] screen", "ready") and not self._wrapped:
            self._wrapped = True
            self._wrap_all()
        if words == ("[tillpane] screen", "pay"):
            stamps, self._stamps = self._stamps, []
            for name, at in stamps:
                self._print("[probe]", name, at)

    def _wrap_all(self):
        stamp = self.stamp

        def plain(cls, verb, name):
            real = getattr(cls, verb)

            def timed(*args):
                stamp(name)
                found = real(*args)
                stamp(name + ".end")
                return found

            setattr(cls, verb, timed)

        def waiting(cls, verb, name):
            real = getattr(cls, verb)

            async def timed(*args):
                stamp(name)
                found = await real(*args)
                stamp(name + ".end")
                return found

            setattr(cls, verb, timed)

        plain(_class("LineReader"), "take", "line")
        waiting(_class("Centrapay"), "create", "create")
        plain(_class("QR"), "fit", "fit")
        plain(_class("QR"), "encode", "encode")
        waiting(_class("Panel"), "qr", "paint")
        waiting(_class("Screens"), "show", "show")


_heap_frames()
if os.getenv("TILLPANE_BENCH") == "trace":
    _Trace()
