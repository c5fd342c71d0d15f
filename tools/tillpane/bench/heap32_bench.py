"""What the idle product holds, step by step, from an empty interpreter to the app. Runs on MicroPython.

The parts between the lines of dashes run one after the other in one namespace, with a collection after each: the
WebAssembly port collects only between two calls from outside. What stands in for the board's C modules is made before
the first figure is taken. The current folder has main.py, without its last line, settings.json, lib/ and firmware/.
Prints one JSON object a line: case, unit, step, ours (bytes held since the start).
"""

import errno
import gc
import json
import os
import sys

import micropython

# Each port has its own, some as C and some as Python (the WebAssembly port's binascii): no part of the figures.
for _name in ("array", "asyncio", "binascii", "select", "struct", "time"):
    __import__(_name)


class Hardware:
    """A module of the board, and all that is in it: answers every verb with itself."""

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        return self


for _name in ("machine", "network", "socket", "tls"):
    sys.modules[_name] = Hardware()
sys.modules["machine"].unique_id = lambda: b"tillpn"
try:
    os.stat("nowhere")
except OSError as error:
    if error.errno != errno.ENOENT:  # the WebAssembly port raises other numbers than its module has
        sys.modules["errno"] = Hardware()
        sys.modules["errno"].ENOENT = error.errno
sys.path[:0] = [os.getcwd(), os.getcwd() + "/lib"]


def held():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def step(name):
    print(json.dumps({"case": "heap32", "unit": "bytes", "step": name, "ours": held() - empty}))


empty = 0
# ---
step("nothing yet")  # what the first print keeps is not the product's
# ---
empty = held()
micropython.qstr_info()  # how many names there are, now and at the end
# ---
import main  # noqa: E402

# ---
step("main.py")
# ---
options = main.load_module("kiosk.settings").usable("settings.json")
if options["problem"]:
    raise ValueError(options["problem"])
main.drop_modules("kiosk.settings")
# ---
step("the settings' values; what read them is dropped")
# ---
import tillpane  # noqa: E402

# ---
step("the joined product")
# ---
del tillpane
import wiring  # noqa: E402

# ---
step("the wiring, for as long as it is needed")
# ---
screens = wiring.build_screens(options)
# ---
step("panel, QR workspace and fonts")
# ---
app = wiring.build_app(options, screens, Hardware())
# ---
step("the app: desk, journal, connection, Wi-Fi, clock, the till's own protocol")
# ---
main.drop_modules("wiring")
del wiring, screens, options
# ---
step("the wiring is dropped")
micropython.qstr_info()
