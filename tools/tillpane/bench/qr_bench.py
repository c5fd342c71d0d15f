"""QR of the 52-byte payment URL at level M, the mask chosen from all eight: qr.py and what else there is, in one run.

On MicroPython (a board too) against adafruit_miniqr, which draws one fixed mask, where that can be imported; on
CPython the plain twin against segno. Prints one JSON object a line: case, unit, ours, alternative (null: none here).
"""

import gc
import json
import sys
import time

URL = "https://app.centrapay.com/pay/5hrpVrBuN7nJL3m7FgUbHq"
_RUNS = 15


def say(case, unit, ours, alternative=None):
    print(json.dumps({"case": case, "unit": unit, "ours": ours, "alternative": alternative}))


def best_of(clock, spent, ours, other):
    """Least ticks of each over runs that take turns, so that a busy moment of the machine hits both."""
    least = [None, None]
    for _ in range(_RUNS):
        print(".")  # a board that says nothing for 10 s is taken for dead
        for k, call in enumerate((ours, other)):
            gc.collect()
            start = clock()
            call()
            took = spent(clock(), start)
            if least[k] is None or took < least[k]:
                least[k] = took
    return least


def heap_of(call):
    """Bytes that a call takes from the heap, garbage included (the collector is off meanwhile); None: more than is."""
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        call()
        return gc.mem_alloc() - before
    except MemoryError:
        return None
    finally:
        gc.enable()


def module_heap(name):
    """-> (the module or None, bytes that importing it keeps)."""
    gc.collect()
    before = gc.mem_alloc()
    try:
        module = __import__(name)
    except ImportError:
        return None, None
    gc.collect()
    return module, gc.mem_alloc() - before


def on_micropython():
    qr, ours_import = module_heap("qr")
    miniqr, other_import = module_heap("adafruit_miniqr")
    gc.collect()
    before = gc.mem_alloc()
    symbol = qr.QR()
    gc.collect()
    workspace = gc.mem_alloc() - before
    raw = URL.encode()

    def ours():
        symbol.encode(URL, 0, 1)

    def other():
        # Its automatic size is off by one at the boundaries, so it is told the version: 4 holds 62 bytes at level M.
        code = miniqr.QRCode(qr_type=4, error_correct=miniqr.M)
        code.add_data(raw)
        code.make()

    ours()
    if miniqr is None:
        other = ours
    other()
    times = best_of(time.ticks_us, time.ticks_diff, ours, other)
    churn = heap_of(other)
    there = miniqr is not None
    say("qr.time", "us", times[0], times[1] if there else None)
    say("qr.churn", "bytes", heap_of(ours), churn if there else None)
    say("qr.import", "bytes", ours_import, other_import)
    say("qr.workspace", "bytes", workspace)
    say("qr.buffers", "bytes", len(symbol.rows) + 4 * len(symbol._words))


def on_cpython():
    import segno

    import qr

    symbol = qr.QR()

    def ours():
        symbol.encode(URL, 0, 1)

    def other():
        segno.make(URL, error="m", micro=False, boost_error=False)

    ours()
    other()
    times = best_of(time.perf_counter_ns, lambda now, then: now - then, ours, other)
    say("qr.twin", "us", times[0] // 1000, times[1] // 1000)


if sys.implementation.name == "micropython":
    on_micropython()
else:
    on_cpython()
