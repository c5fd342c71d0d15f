"""QR of the 52-byte payment URL at level M, the mask chosen from all eight: qr.py and what else there is, in one run.

MicroPython, against adafruit_miniqr (which draws one fixed mask), with the heap each takes:
    MICROPYPATH=lib:<folder of adafruit_miniqr.py>:.frozen micropython tools/tillpane/bench/qr_bench.py
CPython, the plain twin against segno:
    PYTHONPATH=lib:host_tests/shims/cpython python tools/tillpane/bench/qr_bench.py
Prints one JSON object a line: what, unit, ours, alternative, where smaller is better.
"""

import gc
import json
import sys
import time

URL = "https://app.centrapay.com/pay/5hrpVrBuN7nJL3m7FgUbHq"
_RUNS = 15


def say(what, unit, ours, alternative):
    print(json.dumps({"what": what, "unit": unit, "ours": ours, "alternative": alternative}))


def best_of(clock, ours, other):
    """Least ticks of each over runs that take turns, so that a busy moment of the machine hits both."""
    least = [None, None]
    for _ in range(_RUNS):
        for k, call in enumerate((ours, other)):
            gc.collect()
            start = clock()
            call()
            took = clock() - start
            if least[k] is None or took < least[k]:
                least[k] = took
    return least


def heap_of(call):
    """Bytes that a call takes from the heap, garbage included (the collector is off meanwhile)."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    call()
    taken = gc.mem_alloc() - before
    gc.enable()
    return taken


def module_heap(name):
    gc.collect()
    before = gc.mem_alloc()
    module = __import__(name)
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
    other()
    times = best_of(time.ticks_us, ours, other)
    say("QR encode, 52-byte URL, level M: 8 masks scored / miniqr with 1 fixed mask", "us", times[0], times[1])
    say("QR encode: heap taken by one / miniqr", "bytes", heap_of(ours), heap_of(other))
    say("QR import: heap kept on this 64-bit port / miniqr", "bytes", ours_import, other_import)
    say("QR workspace for versions 1..10, gc.mem_alloc of this 64-bit port", "bytes", workspace, None)
    say("QR workspace: its two buffers", "bytes", len(symbol.rows) + 4 * len(symbol._words), None)


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
    times = best_of(time.perf_counter_ns, ours, other)
    say("QR encode, plain twin on CPython / segno", "us", times[0] // 1000, times[1] // 1000)


if sys.implementation.name == "micropython":
    on_micropython()
else:
    on_cpython()
