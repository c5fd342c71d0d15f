"""Other people's display senders, driven into a pseudo-terminal: they write what was recorded of them, and what
`tillpane.tills` says they write. So the tills on the shelf are held to the real ones."""

import pytest

from senders import escpos_receipt, odoo_till, pyposdisplay_till
from senders.terminal import Terminal
from tillpane.tills import TILLS, play
from tillpane.tills.explain import explain

WELCOME = "20 20 20 20 20 20 57 65 6C 63 6F 6D 65 21 20 20 20 20 20 20"
OPEN = "20 50 6F 69 6E 74 20 6F 66 20 53 61 6C 65 20 4F 70 65 6E 20"
BLANKS = "20 " * 20
THANKS = b"Thank You for your c".hex()


def sent(send, *words, **options):
    with Terminal() as display:
        send(display.port, *words, **options)
    return display


def stream(bursts):
    return b"".join(data for _, data in bursts)


TOTAL = f"54 4F 54 41 4C 3A {'20 ' * 14}"
FIGURE = f"{'20 ' * 15} 31 32 2E 33 34"


@pytest.mark.parametrize(
    "driver, recorded, key",
    [
        ("bixolon", f"1F 43 00 0C {TOTAL} 1F 24 01 02 {FIGURE}", "escpos"),
        ("epson", f"1F 43 00 0C {TOTAL} 1F 24 01 02 {FIGURE}", "escpos"),
        ("labau", f"1F 01 0C {TOTAL} 0A 0D {FIGURE}", "labau"),
    ],
)
def test_pyposdisplay(driver, recorded, key):
    till = TILLS[key]
    assert sent(pyposdisplay_till.send, "total", driver=driver).heard == bytes.fromhex(recorded)
    assert stream(till.total(1234)) == bytes.fromhex(recorded)
    wanted = {"start": till.start(), "item": till.item(), "change": till.change(1234, 2000), "idle": till.idle()}
    for word, same in wanted.items():
        assert sent(pyposdisplay_till.send, word, driver=driver).heard == stream(same), word
    assert sent(pyposdisplay_till.send, "total", 99905, driver=driver).heard == stream(till.total(99905))


def test_the_epson_driver_pauses_between_its_writes():
    display = sent(pyposdisplay_till.send, "total", driver="epson")
    assert [data for _, data in display.bursts] == [data for _, data in TILLS["escpos"].total(1234)]
    assert display.bursts[-1][0] - display.bursts[0][0] >= 0.18


ODOO_TOTAL = "0C 1F 24 01 01 54 6F 74 61 6C 3A 20 20 20 20 20 20 20 20 31 32 2C 33 34 D5 1F 24 01 02"


@pytest.mark.parametrize(
    "word, recorded",
    [
        ("total", ODOO_TOTAL),
        ("change", f"{ODOO_TOTAL} 43 68 61 6E 67 65 3A 20 20 20 20 20 20 20 20 37 2C 36 36 D5"),
        ("part", f"{ODOO_TOTAL} 54 6F 20 50 61 79 3A 20 20 20 20 20 20 20 20 34 2C 33 34 D5"),
        (
            "item",
            "0C 1F 24 01 01 43 61 66 82 20 63 72 8A 6D 65 20 20 20 20 20 20 20 20 20 20"
            "1F 24 01 02 32 9E 36 2C 31 37 D5 20 20 20 20 20 20 20 31 32 2C 33 34 D5",
        ),
    ],
)
def test_odoo_driver(word, recorded):
    assert sent(odoo_till.send, word).heard == bytes.fromhex(recorded)


def test_odoo_driver_sets_the_display_up_first():
    display = sent(odoo_till.send, "start")
    assert display.heard.startswith(bytes.fromhex("02 05 43 31 03 02 05 54 01 03 02 05 55 13 03 0C"))
    assert display.heard == stream(TILLS["odoo"].start())


def test_the_odoo_till_on_the_shelf_is_the_real_one():
    till = TILLS["odoo"]
    assert stream(till.total(1234)) == sent(odoo_till.send, "total").heard
    assert stream(till.total(120)) == sent(odoo_till.send, "total", 120).heard
    assert stream(till.change(1234, 2000)) == sent(odoo_till.send, "change").heard
    assert stream(till.item("Café crème")) == sent(odoo_till.send, "item").heard


def test_python_escpos_writes_a_receipt():
    receipt = b"".join(sent(escpos_receipt.send, word).heard for word in ("start", "item", "total", "change"))
    assert receipt.startswith(bytes.fromhex("1B 74 00") + b"CORNER CAFE\n")
    bold = receipt.index(bytes.fromhex("1B 45 01"))
    assert receipt.index(b"TOTAL              EUR 12.34\n") > bold
    assert bytes.fromhex("1B 45 00 1B 64 06 1D 56 00") in receipt
    assert b"\x0c" not in receipt and b"\x1f" not in receipt  # nothing that a display would take for its own


# ---- the shelf


@pytest.mark.parametrize("name", TILLS)
def test_every_till_speaks(name):
    till = TILLS[name]
    assert till.name == name and till.sender and till.source
    for shown in (till.start(), till.item(), till.total(1234), till.change(1234, 2000), till.idle()):
        assert shown and all(pause >= 0 and data for pause, data in shown)
    assert stream(till.total(1234)) != stream(till.total(1235))
    if name != "led8":
        assert b"QR#" in stream(till.total(1234, "4711"))


@pytest.mark.parametrize(
    "name, recorded",
    [
        ("unicenta", f"1B 3D 02 0C 0B 54 6F 74 61 6C 3A {'20 ' * 8} 24 31 32 2E 33 34 {THANKS}"),
        ("surepos", f"10 00 54 6F 74 61 6C 3A {'20 ' * 8} 24 31 32 2E 33 34 10 14 {THANKS}"),
        ("cd5220", f"0C 1B 51 41 54 4F 54 41 4C {'20 ' * 10} 31 32 2E 33 34 0D"),
        ("logiccontrols", f"1F 14 11 54 6F 74 61 6C 3A {'20 ' * 9} 31 32 2E 33 34 {BLANKS}"),
        ("aedex", f"21 23 31 54 4F 54 41 4C {'20 ' * 10} 31 32 2E 33 34 0D 21 23 32 {BLANKS} 0D"),
        ("utc-enhanced", f"1B 75 41 54 4F 54 41 4C {'20 ' * 10} 31 32 2E 33 34 0D 1B 75 42 {BLANKS} 0D"),
        ("led8", "1B 3D 02 0C 0B 1B 51 41 31 32 2E 33 34 20 20 20 0D 1B 3D 02 1B 73 32"),
        ("adm", f"0E 54 4F 54 41 4C {'20 ' * 11} 31 32 33 34 0D 0F 0D 10 32"),
    ],
)  # fmt: skip
def test_tills_that_no_package_sends_for(name, recorded):
    assert stream(TILLS[name].total(1234)) == bytes.fromhex(recorded)


def test_a_till_that_sends_only_what_changed():
    from tillpane.tills.logiccontrols import delta

    assert delta(b"TOTAL          12.34", b"TOTAL          56.78") == bytes.fromhex("10 0F 35 36 09 37 38")
    assert delta(b"same", b"same") == b""
    assert delta(b"0....0", b"1....2") == bytes.fromhex("10 00 31 10 05 32")


def test_playing_keeps_the_pauses():
    did = []
    play(lambda data: did.append(data), [(0, b"a"), (100, b"b")], lambda seconds: did.append(seconds))
    assert did == [0.0, b"a", 0.1, b"b"]


# ---- what the box makes of them


def capture_of(till):
    """A sale as one recording: set-up, an item, the total, change, idle, a second total with the private tag."""
    now = 0
    bursts = []
    for part in (
        till.start(),
        till.item(),
        till.total(1234),
        till.change(1234, 2000),
        till.idle(),
        till.total(50, "7"),
    ):
        now += 2000
        for pause, data in part:
            now += pause
            bursts.append((now, data))
    return bursts


@pytest.mark.parametrize("name", TILLS)
def test_the_boxs_dialect_reads_each_till_and_charges_its_totals_only(name):
    till = TILLS[name]
    views = {view.dialect: view for view in explain(capture_of(till))}
    view = views[till.dialect]
    assert view.undefined == 0
    charged = [(screen.amount, screen.text) for screen in view.screens if screen.charges]
    assert charged == [("12.34", ""), ("0.50", "" if name == "led8" else "7")]
    for other in views.values():
        wrong = [screen for screen in other.screens if screen.charges and (screen.amount, screen.text) not in charged]
        assert not wrong, f"{other.dialect} would charge {wrong}"


def test_a_receipt_is_charged_by_no_dialect():
    now = 0
    bursts = []
    for word in ("start", "item", "total", "change", "idle"):
        now += 2000
        bursts.append((now, sent(escpos_receipt.send, word).heard))
    for view in explain(bursts):
        assert not any(screen.charges for screen in view.screens), view
