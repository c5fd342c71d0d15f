"""Two seconds in which Ctrl-C, or the BOOT button pressed and held, leads to the REPL instead of the product.

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
    was_free = False  # low from the start is a wired pin and not a press: with BOOT pressed the chip's ROM would wait
    held = 0
    for _ in range(_WINDOW_MS // _LOOK_MS):
        pressed = not button.value()
        was_free = was_free or not pressed
        held = held + _LOOK_MS if pressed and was_free else 0
        if held >= _HELD_MS:
            raise KeyboardInterrupt("button held: REPL")
        time.sleep_ms(_LOOK_MS)


print("Tillpane starts in 2 s. Ctrl-C, or press and hold BOOT, for the REPL.")
wait_for_developer()
