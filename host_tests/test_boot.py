"""boot.py: a way to the REPL for people, and none for a pin that is merely low."""

import runpy
import sys
import types

import pytest

from conftest import ROOT


def boot(monkeypatch, levels):
    """Runs boot.py with what its button reads at each look; the last level stays."""
    looks = iter(levels)
    state = {"level": 1}

    class Pin:
        IN, PULL_UP = 0, 1

        def __init__(self, number, mode, pull):
            assert (number, mode, pull) == (0, Pin.IN, Pin.PULL_UP)

        def value(self):
            state["level"] = next(looks, state["level"])
            return state["level"]

    import time

    monkeypatch.setitem(sys.modules, "machine", types.SimpleNamespace(Pin=Pin))
    monkeypatch.setattr(time, "sleep_ms", lambda ms: None, raising=False)
    runpy.run_path(str(ROOT / "boot.py"))


def test_nobody_there(monkeypatch):
    boot(monkeypatch, [1])


def test_button_pressed_and_held(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        boot(monkeypatch, [1] * 10 + [0])


def test_button_touched(monkeypatch):
    boot(monkeypatch, [1] * 10 + [0] * 20 + [1])


def test_a_pin_that_is_low_from_the_start_is_no_button(monkeypatch):
    boot(monkeypatch, [0])
