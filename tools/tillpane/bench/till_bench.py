"""What tills send, through the device's parsers: time and heap for a kilobyte. Runs on a board too.

CONFIG, or the environment variable TILLPANE_BENCH as JSON: {"streams": [[module, hex], ...]}. Prints one JSON object a
line: case, unit, module, us for 1024 bytes, churn in bytes of heap for 1024 bytes.
"""

import gc
import json
import os
import time

CONFIG = globals().get("CONFIG") or json.loads(os.getenv("TILLPANE_BENCH"))
_CHUNK = 128  # as the box reads its UART
_LEAST = 4096


class Clock:
    now = 0


def hear_display(module, data):
    from till.pole import Pole

    dialect = __import__("till." + module, None, None, ("Dialect",)).Dialect(Pole())
    return dialect.feed


def hear_terminal(module, data):
    from till.ecr import Options

    protocol = __import__("till." + module, None, None, ("Protocol",)).Protocol(Options("NZD", "", "00000001"))

    def feed(chunk, count):
        Clock.now += 5000  # a frame that is not answered for so long is let go
        protocol.feed(chunk, count, Clock.now)
        protocol.take_request()
        while protocol.outgoing():
            pass

    return feed


def hear_line(module, data):
    from till.line import LineReader, understand

    reader = LineReader()

    def feed(chunk, count):
        for i in range(count):
            if reader.push(chunk[i]):
                understand(reader.take(), "NZD")

    return feed


def measure(module, data):
    if module == "line":
        feed = hear_line(module, data)
    elif module in ("telium", "transbank", "ecr17", "zvt"):
        feed = hear_terminal(module, data)
    else:
        feed = hear_display(module, data)
    view = memoryview(data)
    chunks = [view[i : i + _CHUNK] for i in range(0, len(data), _CHUNK)]
    for chunk in chunks:
        feed(chunk, len(chunk))
    rounds = _LEAST // len(data) + 1
    gc.collect()
    before = gc.mem_alloc()
    began = time.ticks_us()
    for _ in range(rounds):
        for chunk in chunks:
            feed(chunk, len(chunk))
    took = time.ticks_diff(time.ticks_us(), began)
    churn = gc.mem_alloc() - before
    size = rounds * len(data) / 1024
    print(json.dumps({"case": "till", "unit": "us", "module": module, "ours": took / size, "churn": churn / size}))


for _module, _hex in CONFIG["streams"]:
    gc.collect()
    measure(_module, bytes([int(_hex[_i : _i + 2], 16) for _i in range(0, len(_hex), 2)]))
