"""Two seconds in which Ctrl-C, or the BOOT button held down, leads to the REPL instead of the product.

An exception here keeps main.py from being started (MicroPython, ESP32 port).
"""

import time

from machine import Pin

_WINDOW_MS = 2000
_HELD_MS = 600
_LOOK_MS = 20
_BOOT_BUTTON = 0  # GPIO0 on every ESP32 board


def wait_for_developer():
    button = Pin(_BOOT_BUTTON, Pin.IN, Pin.PULL_UP)
    held = 0
    for _ in range(_WINDOW_MS // _LOOK_MS):
        held = 0 if button.value() else held + _LOOK_MS
        if held >= _HELD_MS:
            raise KeyboardInterrupt("button held: REPL")
        time.sleep_ms(_LOOK_MS)


print("Tillpane starts in 2 s. Ctrl-C, or hold the BOOT button, for the REPL.")
wait_for_developer()
