"""Stands in for MicroPython's `micropython` module under CPython.

Viper source then runs as plain Python, which makes each viper routine its own plain twin.
"""

import asyncio
import builtins
import sys
import time
import traceback


def const(value):
    return value


def native(function):
    return function


viper = native


def schedule(function, argument):
    function(argument)


def opt_level(level=None):
    return 0


def _same(value):
    return value


for _name in ("ptr", "ptr8", "ptr16", "ptr32"):
    setattr(builtins, _name, _same)
builtins.uint = int

if not hasattr(time, "ticks_ms"):
    # What MicroPython's own time, asyncio and sys have beside CPython's. Ticks wrap at 2**30 as on the board.
    time.ticks_ms = lambda: time.monotonic_ns() // 1000000 & 0x3FFFFFFF
    time.ticks_us = lambda: time.monotonic_ns() // 1000 & 0x3FFFFFFF
    time.ticks_add = lambda ticks, delta: ticks + delta & 0x3FFFFFFF
    time.ticks_diff = lambda end, start: (end - start + 0x20000000 & 0x3FFFFFFF) - 0x20000000
    time.sleep_ms = lambda ms: time.sleep(ms / 1000)
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)
    asyncio.wait_for_ms = lambda awaitable, ms: asyncio.wait_for(awaitable, ms / 1000)
    sys.print_exception = traceback.print_exception
