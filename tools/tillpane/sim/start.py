"""Runs under MicroPython in the simulator: boot.py, then main.py, as the ESP32 port does at power-up.

An exception or Ctrl-C in boot.py leads to the REPL and not to main.py; here that is the end of the process, with exit
code 3 (boot.py) or 4 (main.py). A SystemExit is a soft reset, exit code 0.
"""

import builtins
import gc
import os
import sys
import time

sys.path[0] = ""  # as on the board: the current directory, not this script's

import machine  # noqa: E402

for _name in ("network", "esp32"):  # loaded now, so that what they cost comes before the product's first byte
    __import__(_name)

_EPOCH_S = 946684800  # an ESP32 counts seconds from 2000, this port from 1970


class _BoardTime:
    """The `time` module as the board has it: unset after power-up, set by machine.RTC, counted from 2000."""

    def __init__(self, real):
        for name in dir(real):
            if not name.startswith("__"):
                setattr(self, name, getattr(real, name))
        self.time = lambda: real.time_ns() // 1000000000 + machine.RTC.ahead_s - _EPOCH_S
        self.time_ns = lambda: real.time_ns() + (machine.RTC.ahead_s - _EPOCH_S) * 1000000000
        self.gmtime = lambda seconds=None: real.gmtime((self.time() if seconds is None else seconds) + _EPOCH_S)[:8]
        self.localtime = self.gmtime
        self.mktime = lambda parts: int(real.mktime(parts)) - _EPOCH_S


sys.modules["time"] = _BoardTime(time)

_print = builtins.print


def _noted_print(*words, **options):
    """print(), which also tells the host about a painted screen on the bus, in order with the pixels before it."""
    _print(*words, **options)
    if words and isinstance(words[0], str) and words[0].startswith("[tillpane] screen"):
        machine._link.note(" ".join(str(word) for word in words)[11:])


builtins.print = _noted_print


def _run(name, failure):
    try:
        os.stat(name)
    except OSError:
        return
    try:
        execfile(name)
    except SystemExit:
        raise
    except KeyboardInterrupt:
        print("\nKeyboardInterrupt in", name)
        sys.exit(failure)
    except Exception as error:  # noqa: BLE001 - as the REPL does: shown, and the end of the program
        sys.print_exception(error)
        sys.exit(failure)


_probe = os.getenv("TILLPANE_SIM_PROBE")
if _probe:
    execfile(_probe)  # a benchmark's eyes inside the device; loaded before the product's heap is counted

gc.collect()
machine._link.note("heap %d" % gc.mem_free())
if not os.getenv("TILLPANE_SIM_NO_WINDOW"):  # a soak cuts the power hundreds of times and types no Ctrl-C
    _run("boot.py", 3)
_run("main.py", 4)
print("main.py ended")
sys.exit(4)
