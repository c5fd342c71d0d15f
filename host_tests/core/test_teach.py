"""Teach mode: from a till's own bytes, heard at any speed, to its dialect and line settings, or to none.

A till's line is a list of the times at which its level changes, and the box's receiver samples that, so a wrong speed
or parity gives the bytes that it gives on a wire. On CPython the tills are those of the shelf that `tillpane demo`
uses; on MicroPython, which has no dataclasses, golden streams stand for them.
"""

import json
import os
import sys

from kiosk import teachdesk
from kiosk.teachdesk import TeachDesk, store
from ondemand import load_module
from streams import streams
from till.words import lists

try:
    from tillpane.tills import TILLS
except ImportError:
    TILLS = None

if TILLS:
    teachdesk.drop_modules = lambda name: None  # a board lets go of each dialect; loading them anew takes the time here

SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 115200)
_TICKS = 230400  # a second: half a bit at the highest speed
WORDS = lists()


def levels(data, baud, bits=8, parity=None, stop=1):
    """When the line changes, in ticks; high before the first and after the last."""
    bit = _TICKS // baud
    at = bit
    level = 1
    changes = []
    for byte in data:
        frame = byte & ((1 << bits) - 1)
        if parity is not None:
            ones = parity
            for i in range(bits):
                ones += frame >> i & 1
            frame |= (ones & 1) << bits
        size = bits + (parity is not None)
        frame = (frame | ((1 << stop) - 1) << size) << 1
        for i in range(size + stop + 1):
            if frame >> i & 1 != level:
                level ^= 1
                changes.append(at)
            at += bit
    return changes


def heard(changes, baud, bits=8, parity=None, eager=False):
    """The bytes that a receiver at these settings makes of it, those with a framing error too.

    After a low stop bit it waits for a falling edge or, eager, takes that bit for the next start bit, as a 16550 does.
    """
    bit = _TICKS // baud
    size = bits + (parity is not None)
    got = bytearray()
    at = None
    i = 0
    while True:
        if at is None:
            i += i & 1
            if i >= len(changes):
                return bytes(got)
            at = changes[i]
        byte = 0
        for n in range(size + 2):
            middle = at + bit * n + bit // 2
            while i < len(changes) and changes[i] <= middle:
                i += 1
            if 1 <= n <= bits and not i & 1:
                byte |= 1 << (n - 1)
        got.append(byte)
        at = at + bit * (size + 1) if i & 1 and eager else None


class Box:
    """A TeachDesk with its UART, its settings and its clock."""

    def __init__(self, button=False, currency="NZD", style="auto", eager=False):
        self.line = None
        self.lines = []
        self.kept = None
        self.broken = None
        self.eager = eager
        self.now = 1000
        self.restarts = 0
        self.desk = TeachDesk(
            load_module,
            self.tune,
            self.keep,
            self.restart,
            WORDS,
            style,
            button,
            None,
            currency,
            120,
            "T",
            False,
            None,
            None,
            None,
        )
        self.desk.restore(self.now)

    def restart(self):
        self.restarts += 1

    def tune(self, baud, bits, parity, stop):
        assert stop == 1 and parity in (None, 0, 1)
        self.line = (baud, bits, parity)
        self.lines.append(self.line)

    def keep(self, choice):
        if self.broken:
            raise self.broken
        self.kept = choice

    def hear(self, data):
        """Bytes as the UART gives them."""
        for start in range(0, len(data), 128):
            part = data[start : start + 128]
            self.desk.feed(part, len(part), self.now)

    def wait(self, ms):
        for _ in range(ms // 10):
            self.now += 10
            self.desk.feed(b"", 0, self.now)

    def send(self, data, baud=9600, bits=8, parity=None, rest=500):
        """A till says something at its own line settings, then rests."""
        line = (baud, bits, parity)
        if line != self.line or bits == 7:
            data = heard(levels(data, *line), *self.line, eager=self.eager)
        self.hear(data)
        self.wait(rest)

    def play(self, stream, line):
        for pause, data in stream:
            self.wait(pause)
            self.send(data, *line, rest=0)
        self.wait(500)

    def words(self):
        view = self.desk.view(self.now)
        return " / ".join((view.amount, view.detail, view.note))


class Shelf:
    """One till: what it sends when it starts, and for a total of 12.34."""

    def __init__(self, name, dialect, start, total, baud=9600):
        self.name = name
        self.dialect = dialect
        self.start = start
        self.total = total
        self.baud = baud

    def taught(self, box, line=None, opening=True, rings=16):
        """How often it was rung up until it was stored, 0: never."""
        line = line or (self.baud, 8, None)
        if opening:
            box.play(self.start, line)
        for count in range(1, rings + 1):
            box.play(self.total, line)
            if box.desk.done:
                return count
        return 0


def shelf():
    if TILLS is None:
        return [
            Shelf(one.name, one.dialect, [], [(0, one.data)])
            for one in streams()
            if one.name in ("adm-total", "dsp800-total", "escpos-odoo8", "logiccontrols-lcdproc", "aedex-lines")
        ]
    return [Shelf(one.name, one.dialect, one.start(), one.total(1234), one.line.baud) for one in TILLS.values()]


def epson(top, bottom=""):
    """A screen of an Epson display."""
    return b"\x1f\x43\x00\x0c" + top.encode() + b"\x1f\x24\x01\x02" + bottom.encode()


TOTAL = epson("TOTAL:", "               12.34")
WELCOME = epson("Welcome!", "Point of Sale Open")


# ---- finding ------------------------------------------------------------------------------------------------------


def test_every_till_is_found_by_two_rings_at_9600():
    for till in shelf():
        for opening in (True, False):
            box = Box()
            count = till.taught(box, (9600, 8, None), opening)
            if till.name == "aedex-moved" and not opening:  # its attention code was never heard
                assert not count and box.kept is None
                continue
            assert count == 2 and box.lines == [(9600, 8, None)], till.name
            assert box.kept == choice(till.dialect), till.name


def test_every_till_is_found_at_its_own_speed_and_at_others():
    worst = 0
    for till in shelf():
        if till.name == "aedex-moved":
            continue
        for eager, speeds in ((False, SPEEDS), (True, (1200, 2400, 19200, till.baud))):
            for baud in speeds:
                box = Box(eager=eager)
                count = till.taught(box, (baud, 8, None), False)
                assert count, (till.name, baud, eager, box.lines)
                assert box.kept == choice(till.dialect, baud), (till.name, baud, box.kept)
                most = 3 if baud <= 19200 else 15  # what few bytes remain at 9600 may look like letters
                assert count <= most, (till.name, baud, count, box.lines)
                worst = max(worst, count)
    assert worst > 2  # or the wire was not simulated


def choice(dialect, baud=9600, bits=8, parity="none"):
    return {
        "till_protocol": dialect,
        "till_baud": baud,
        "till_bits": bits,
        "till_parity": parity,
        "till_stop": 1,
    }


def test_seven_bits_with_parity_are_found_without_another_ring():
    for till in shelf():
        if till.name in ("aedex-moved", "odoo"):  # a euro sign needs eight bits
            continue
        for parity, word in ((0, "even"), (1, "odd")):
            box = Box()
            assert till.taught(box, (9600, 7, parity), False) == 2, (till.name, word)
            assert box.kept == choice(till.dialect, 9600, 7, word), (till.name, word, box.kept)
            assert box.lines == [(9600, 8, None), (9600, 7, parity)]
        box = Box()
        assert till.taught(box, (2400, 7, 0), False), till.name
        assert box.kept == choice(till.dialect, 2400, 7, "even"), (till.name, box.kept)


def test_eight_bits_with_parity():
    box = Box()
    for _ in range(2):
        box.send(TOTAL, 9600, 8, 0)
    assert box.kept == choice("escpos")  # a receiver that does not check parity hears no difference
    box = Box(eager=True)
    for _ in range(8):
        box.send(TOTAL, 9600, 8, 0)
    assert box.kept == choice("escpos", 9600, 8, "even")


def test_items_greetings_and_noise_between_do_not_matter():
    box = Box()
    for data in (b"\x07\xff\x00", WELCOME, epson("Coffee", "4.50"), epson("2 x 6.17", "12.34"), WELCOME):
        box.send(data)
    assert box.lines == [(9600, 8, None)] and box.kept is None
    box.send(TOTAL)
    assert box.desk.view(0).note == "Right. Ring it up once more."
    for data in (epson("CHANGE", "7.66"), WELCOME):
        box.send(data)
    assert box.kept is None and box.desk.view(0).note == "Right. Ring it up once more."
    box.send(TOTAL)
    assert box.kept == choice("escpos") and box.desk.done
    box.send(TOTAL)  # nothing more is heard
    assert box.desk.feed(TOTAL, len(TOTAL), box.now) is False


def test_pauses_inside_a_message():
    box = Box()
    for _ in range(2):
        for start in range(0, len(TOTAL), 7):
            box.send(TOTAL[start : start + 7], rest=300)
        assert box.kept is None or _ == 1
        box.wait(200)
    assert box.kept == choice("escpos")


def test_a_till_that_never_pauses():
    box = Box()
    for _ in range(150):
        box.send(TOTAL, rest=100)
    assert box.kept == choice("escpos")


def test_a_display_that_acknowledges():
    box = Box()
    frame = b"\x04\x01\x43\x31\x58\x17"
    box.hear(frame)
    assert box.desk.answer() == b"\x06" and box.desk.answer() is None
    box.hear(b"\x04\x01P")
    assert box.desk.answer() is None
    box.hear(b"1\x17")
    assert box.desk.answer() == b"\x06"
    box = Box()
    box.hear(b"12.34\x17")
    assert box.desk.answer() is None


def test_the_figure_alone_and_other_currencies():
    box = Box()
    for _ in range(2):
        box.send(b"\x0c\x1b\x51\x41   12.34\x0d")
    assert box.kept == choice("escpos")
    for currency, text, style in (("JPY", "1234", "auto"), ("KWD", "1.234", "1,234.56")):
        box = Box(currency=currency, style=style)
        box.send(epson("TOTAL", "12.34"))
        assert not box.desk._names
        for _ in range(2):
            box.send(epson("TOTAL", text))
        assert box.kept == choice("escpos"), currency
    box = Box(style="1.234,56")
    for _ in range(3):
        box.send(epson("TOTAL", "12.34"))
    assert box.kept is None  # the merchant says that the till writes 12,34


# ---- never wrong --------------------------------------------------------------------------------------------------


def test_other_amounts_are_never_stored():
    for text in ("1.23", "12.35", "123.40", "1,234.00", "112.34", "12.344", "-12.34", "12.34 12.34", "1234", "12:34"):
        box = Box()
        for _ in range(4):
            box.send(epson("TOTAL", text))
        assert box.kept is None, text
    for word in ("CHANGE", "CASH", "REFUND", "Coffee 2 x 6.17", "Le total"):
        box = Box()
        for _ in range(4):
            box.send(epson(word, "12.34"))
        assert box.kept is None, word
    assert "word" in box.desk.view(0).note


def test_what_stands_there_is_not_read_twice():
    box = Box()
    box.send(TOTAL)
    for data in (b"\x1f\x43\x00", b"\x1f\x58\x04", b"\x0b", b"\x0d"):
        box.send(data)
    assert box.kept is None
    box.send(b"\x1f\x24\x10\x0212.34")  # the figure painted again
    assert box.kept == choice("escpos")


def test_an_unknown_byte_starts_the_count_again():
    box = Box()
    box.send(TOTAL)
    box.send(TOTAL[:9] + b"\x07" + TOTAL[9:])
    box.send(TOTAL)
    assert box.kept is None
    box.send(TOTAL)
    assert box.kept == choice("escpos")


def damaged(data, first, step):
    """The data with a byte dropped, doubled, flipped in one bit, at every step-th place from `first` on."""
    for at in range(first, len(data), step):
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
        yield data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]


def test_a_damaged_message_never_stores_another_dialect():
    for number, till in enumerate(shelf()):
        data = b"".join([part for _, part in till.total])
        for broken in damaged(data, number % 7, 7):
            box = Box()
            for part in (broken, data, broken):
                box.send(part)
            if box.kept is not None:
                assert box.kept["till_protocol"] == till.dialect, (till.name, broken)
                assert box.kept["till_baud"] == 9600


def noise(seed):
    while True:
        seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
        yield seed >> 12 & 0xFF


def test_hostile_bytes_store_nothing_and_stay_bounded():
    source = noise(7)
    box = Box()
    for burst in range(60):
        data = bytearray(next(source) * (burst % 4 + 1) + 1)
        for i in range(len(data)):
            data[i] = next(source) & (0x7F if burst % 3 else 0xFF)
        box.hear(data)
        box.wait(500 if burst % 5 else 100)
        assert box.desk._count <= 1024 and len(box.desk._heard) == 1024
        assert box.desk.view(0).note
    assert box.kept is None and not box.desk.done
    for data in (bytes(1500), b"\xff" * 1500, b"1234" * 400, b"\x1b" * 1025, b"12.34\r\n" * 200):
        box.desk.feed(data, len(data), box.now)
        box.wait(500)
        assert box.desk._count <= 1024
    assert box.kept is None
    for _ in range(12):  # and a till is still found after all that
        if not box.desk.done:
            box.send(TOTAL)
    assert box.kept == choice("escpos")


def test_a_board_keeps_no_dialect_in_memory():
    if TILLS is None:
        Box().send(TOTAL)
        assert not [name for name in teachdesk._DIALECTS if name in sys.modules]


def test_it_is_no_desk_for_sales():
    box = Box()
    desk = box.desk
    for _ in range(3):
        desk.tick(box.now)
        desk.recover(box.now)
        assert desk.next_call(box.now) is None and desk.due_in(box.now) is None
        assert not desk.selling and desk.shows_sale(box.now) and desk.outgoing(box.now) is None
        assert desk.answer() is None
        box.send(b"SALE A1 12.34\r\n")
    assert desk.answer() is None and box.kept is None


# ---- the cashier --------------------------------------------------------------------------------------------------


def test_the_button_keeps_what_was_read_twice():
    box = Box(button=True)
    assert box.words() == "$12.34 / 9600 8N1 / Ring it up and press total."
    box.desk.press(box.now)
    box.send(TOTAL)
    assert box.words() == "$12.34 / escpos 9600 8N1: TOTAL: 12.34 / Right. Ring it up once more."
    box.desk.press(box.now)
    assert box.kept is None
    revision = box.desk.revision
    box.send(TOTAL)
    assert box.words() == "$12.34 / escpos 9600 8N1: TOTAL: 12.34 / Right. Press the button to keep it."
    assert box.desk.revision != revision
    for _ in range(9):
        box.send(WELCOME)  # nobody is in a hurry
    assert box.kept is None and box.desk.view(0).note == "Right. Press the button to keep it."
    box.desk.press(box.now)
    assert box.kept == choice("escpos") and box.desk.done
    assert box.words() == "$12.34 / escpos 9600 8N1: TOTAL: 12.34 / Stored. Restarting."
    box.kept = None
    box.desk.press(box.now)
    assert box.kept is None


def test_flash_that_fails_is_said_and_tried_again():
    for fault in (OSError(28), ValueError("cannot change settings")):
        box = Box()
        box.broken = fault
        box.send(TOTAL)
        box.send(TOTAL)
        assert not box.desk.done and box.desk.view(0).note == "Not stored. Ring it up once more."
        box.broken = None
        box.send(TOTAL)
        assert box.kept == choice("escpos") and box.desk.done


def test_two_that_read_the_same_are_both_said():
    box = Box(button=True)
    for _ in range(2):
        box.send(b"\x1bu\x41TOTAL          12.34\x0d")
    view = box.desk.view(0)
    assert view.detail == "logiccontrols 9600 8N1: TOTAL 12.34" and view.note.endswith(" Also aedex."), view.note


def test_what_is_tried_is_said():
    box = Box()
    assert box.desk.view(0).detail == "9600 8N1"
    box.send(TOTAL, 2400)
    view = box.desk.view(0)
    assert view.detail == "2400 8N1" and view.note == "Ring it up once more."
    for _ in range(40):
        box.send(b"\xa5\x81\xff\x92" * 3)
    assert box.desk.view(0).note == "Not found. Switch the till off and on."


# ---- storing ------------------------------------------------------------------------------------------------------

_PATH = "test_teach.tmp"


def clean():
    for name in (_PATH, _PATH + "~"):
        try:
            os.remove(name)
        except OSError:
            pass


def stored(text, changes):
    """The file's text after store()."""
    clean()
    with open(_PATH, "wb") as file:
        file.write(text)
    try:
        store(_PATH, changes)
        with open(_PATH, "rb") as file:
            return file.read()
    finally:
        clean()


def test_store_changes_only_the_values():
    text = b"""{
  "// till": "the \\"till_baud\\" of the cable, {till_bits}, a \xc3\xa9",
  "wifi_ssid": "Caf\xc3\xa9, \\"12\\"",
  "till_baud" :  9600,
  "till_parity": "none",
  "till_bits": 8
}
"""
    got = stored(text, {"till_baud": 2400, "till_parity": "even", "till_bits": 7})
    assert got == text.replace(b"9600", b"2400").replace(b"none", b"even").replace(b": 8", b": 7")
    got = stored(text, choice("escpos", 2400))
    assert got.startswith(text[:-3].replace(b"9600", b"2400")), got
    assert json.loads(got)["till_protocol"] == "escpos" and json.loads(got)["till_stop"] == 1
    again = stored(got, choice("escpos", 2400))
    assert again == got


def test_store_adds_what_is_missing():
    for text in (b"{}", b"{ \n }\n", b'{"a":1}', b'{"a":1\n}', b'\r\n{"a": "}"}  ', b'{"a":{"b":2}}'):
        got = json.loads(stored(text, choice("adm")))
        for name, value in choice("adm").items():
            assert got.pop(name) == value
        assert got == json.loads(text)


def test_store_refuses_what_it_cannot_change():
    one = choice("adm")
    for text in (
        b"",
        b"[]",
        b"7",
        b"{",
        b'{"x": "till_baud"}',
        b'{"x": "till_baud", "till_baud": 1}',
        b'{"till_baud": 1, "till_baud": 2}',
        b'{"till_baud": [1, 2]}',
        b'{"x": {"till_baud": 1}}',
        b'{"till_protocol": "a,b"}',
    ):
        refused(text, one)
    clean()
    try:
        store(_PATH, one)
        raise AssertionError("no file")
    except OSError:
        pass


def test_store_knows_how_long_settings_may_be():
    for size in (4090, 4060) if TILLS else ():  # the heap of the other run is full of tests
        refused(b'{"x": "' + b"y" * size + b'"}', choice("adm"))


def refused(text, changes):
    """store() says that it cannot, and leaves the file alone."""
    clean()
    with open(_PATH, "wb") as file:
        file.write(text)
    try:
        store(_PATH, changes)
        raise AssertionError(text[:40])
    except ValueError:
        pass
    with open(_PATH, "rb") as file:
        assert file.read() == text
    clean()


class PowerCut(Exception):
    pass


class Cut:
    """Stands in for os: the power goes before the rename."""

    def rename(self, old, new):
        raise PowerCut


def test_a_power_cut_before_the_rename_leaves_the_old_file():
    text = b'{"till_baud": 9600, "wifi_ssid": "Shop"}'
    clean()
    with open(_PATH, "wb") as file:
        file.write(text)
    real = teachdesk.os
    teachdesk.os = Cut()
    try:
        store(_PATH, choice("adm", 2400))
        raise AssertionError("no rename")
    except PowerCut:
        pass
    finally:
        teachdesk.os = real
    with open(_PATH, "rb") as file:
        assert file.read() == text
    with open(_PATH + "~", "rb") as file:
        assert json.loads(file.read())["till_baud"] == 2400
    store(_PATH, choice("adm", 4800))  # what was left over is in nobody's way
    with open(_PATH, "rb") as file:
        assert json.loads(file.read())["till_baud"] == 4800
    clean()
