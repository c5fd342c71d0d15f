"""Customer-display dialects: golden streams, each command's edges, and what is refused."""

import gc
import sys

from streams import dialect, streams
from till.pole import Pole

NAMES = ("escpos", "logiccontrols", "aedex", "dsp800", "adm")


def show(name, data):
    """The pole after these bytes, and its dialect."""
    pole = Pole()
    parser = dialect(name)(pole)
    parser.feed(data, len(data))
    return pole, parser


def rows(name, data):
    pole, _ = show(name, data)
    assert not pole.undefined, (name, data, pole.undefined)
    return [pole.row(0).rstrip(), pole.row(1).rstrip()]


def doubts(name, data):
    return show(name, data)[0].undefined


def test_golden_streams():
    for stream in streams():
        pole, _ = show(stream.dialect, stream.data)
        assert [pole.row(0), pole.row(1)] == stream.rows, (stream.name, pole.row(0), pole.row(1))
        assert pole.lamp == stream.lamp and bytes(pole.replies) == stream.replies, stream.name
        assert not pole.undefined and not pole.scrolling, stream.name


def test_golden_streams_cut_anywhere_give_the_same_screen():
    for stream in streams():
        for size in (1, 3, 7):
            pole = Pole()
            parser = dialect(stream.dialect)(pole)
            for start in range(0, len(stream.data), size):
                chunk = stream.data[start : start + size]
                parser.feed(memoryview(chunk + b"\x0c!"), len(chunk))  # only `count` of them are its business
            assert [pole.row(0), pole.row(1)] == stream.rows, (stream.name, size)
            assert pole.lamp == stream.lamp and not pole.undefined, (stream.name, size)


def test_no_byte_of_a_screen_costs_heap():
    if sys.implementation.name != "micropython":
        return
    import micropython

    for stream in streams():
        pole = Pole()
        parser = dialect(stream.dialect)(pole)
        pole.replies.extend(bytes(32))  # full: what is answered is sized for the line, not for the byte
        micropython.heap_lock()
        try:
            parser.feed(stream.data, len(stream.data))
        finally:
            micropython.heap_unlock()
        assert not pole.undefined, stream.name


def test_noise_costs_no_heap():
    if sys.implementation.name != "micropython":
        return
    import micropython

    noise = bytearray(1024)
    value = 1
    for i in range(len(noise)):
        value = (value * 75 + 74) % 65537
        noise[i] = value & 0xFF if value & 0x100 else value & 0x1F
    for name in NAMES:
        pole = Pole()
        parser = dialect(name)(pole)
        pole.replies.extend(bytes(32))
        micropython.heap_lock()
        try:
            parser.feed(noise, len(noise))
        finally:
            micropython.heap_unlock()
        assert pole.undefined or pole.foreign, name
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(8):
            parser.feed(noise, len(noise))
        gc.collect()
        assert gc.mem_alloc() <= before, name


def test_a_half_received_command_can_be_dropped():
    pole, parser = show("escpos", b"\x1b\x3d\x01TOTAL 9")
    parser.reset()
    parser.feed(b"9.99", 4)
    assert not pole.row(0).strip() and pole.foreign == 11  # the printer's, however long it takes
    for name, half in (("escpos", b"\x1f\x24"), ("escpos", b"\x1b\x51"), ("logiccontrols", b"\x10")):
        pole, parser = show(name, half)
        parser.reset()
        parser.feed(b"12.34", 5)
        assert pole.row(0).strip() == "12.34" and not pole.undefined, half
    pole, parser = show("aedex", b"!#1Tot")
    parser.reset()
    parser.feed(b"al\r", 3)
    assert pole.row(0).strip() == "Tot" and pole.scrolling  # it never ended: no amount
    pole, parser = show("dsp800", b"\x04\x01P")
    parser.reset()
    parser.feed(b"1", 1)
    assert pole.row(0).strip() == "1"
    pole, parser = show("adm", b"\x10")
    parser.reset()
    parser.feed(b"1", 1)
    assert pole.row(0).strip() == "1"


def test_escpos_moves():
    assert rows("escpos", b"ab\x08X\x09Y\x1f\x0dZ") == ["aX Y               Z", ""]
    assert rows("escpos", b"\x1f\x42Z\x0bA\x0aB\x1f\x0aC") == ["A C", " B                 Z"]
    assert rows("escpos", b"\x1f\x24\x14\x02Z\x1b\x6c\x01\x02A") == ["", "A                  Z"]
    assert rows("escpos", b"abc\x18d\x1b\x5b\x42e\x1b\x5b\x41\x1b\x5b\x44\x1b\x5b\x43f") == ["d f", " e"]
    assert rows("escpos", b"\x1b\x5b\x4bZ\x1b\x5b\x48A\x1b\x5b\x52B\x1b\x5b\x4c") == [
        "A                  B",
        "                   Z",
    ]


def test_escpos_scroll_modes():
    assert rows("escpos", b"\x1f\x02" + b"a" * 40 + b"b") == ["a" * 20, "b"]
    assert rows("escpos", b"\x1b\x13" + b"a" * 20 + b"b") == ["a" * 19 + "b", ""]
    assert rows("escpos", b"\x1b\x12\x1b\x11" + b"a" * 40 + b"b") == ["b" + "a" * 19, "a" * 20]


def test_escpos_modes_of_both_families_are_the_same():
    for mode, over in ((0, ["b" + "a" * 19, "a" * 20]), (1, ["a" * 20, "b"]), (2, ["a" * 19 + "b", ""])):
        for command in (bytes([0x1F, 1 + mode]), bytes([0x1B, 0x11 + mode])):
            assert rows("escpos", command + b"a" * 40 + b"b") == over, command


def test_escpos_definition_of_one_character():
    assert rows("escpos", b"\x1b\x26\x01\x7e\x7e\x02\x0c\x0cab\x1b\x26\x01\x20\x21\x00\x01\x0ccd") == ["abcd", ""]


def test_escpos_led8_cursor_takes_a_digits_number_only():
    assert rows("escpos", b"\x1b\x6c\x3112\x1b\x6c\x383") == ["123", ""]


def test_escpos_attributes_change_no_text():
    quiet = (
        b"\x1b\x2a\x04\x1b\x5f\x01\x1b\x63\x01\x1b\x73\x01\x1b\x64\x01\x1f\x58\x04\x1f\x45\xff\x1f\x72\x01\x1f\x76\x30"
        b"\x1f\x23\x01\x14\x1b\x57\x01\x00\x1b\x57\x00\x01\x14\x01\x1b\x25\x00\x1f\x43\x30\x1b\x66A\x1b\x74\x00\x00\x00"
    )
    assert rows("escpos", b"ab" + quiet + b"cd") == ["abcd", ""]


def test_escpos_refuses_what_it_would_show_wrong():
    for data in (
        b"\x1f\x2e5",  # a 5 with its point attached
        b"\x1f\x2c5",
        b"\x1f\x3b5",
        b"\x1b\x57\x01\x01\x01\x01\x14\x01",  # a window
        b"\x1b\x23\x30",  # another command set
        b"\x02\x05\x43\x32\x03",
        b"\x02\x05\x55\x13\x04",
        b"\x1b\x62",
        b"\x1b\x74\x63",  # a code page that nobody knows
        b"\x1b\x51\x43",
        b"\x1b\x73\x05",
        b"\x1b\x73\x02",
        b"\x1b\x3d\x04",
        b"\x1b\x3d\x30",
        b"\x1b\x52\x35",
        b"\x02\x05\x56\x13\x03",
        b"\x1b\x6c\x39\x01",
        b"\x1b\x26\x01\x20\x20\x06",
        b"\x1f\x24\x15\x01",
        b"\x1f\x24\x01\x03",
        b"\x1f\x24\x00\x01",
        b"\x1b\x5b\x33\x3b\x31\x48",
        b"\x1b\x5b1111111",
        b"\x1f\x43\x0c",
        b"\x1f\x28\x45\x00\x01",
        b"\x1b\x26\x02\x20\x20",
        b"\x1b\x26\x01\x21\x20",
        b"\x1b\x61\x00",  # a receipt
        b"\x1d\x56\x00",
        b"\x10\x00",
        b"\x11",
        b"\x04\x01",
        b"!#1",
    ):
        assert doubts("escpos", data), data


def test_a_receipt_never_makes_a_screen_that_may_be_charged():
    receipt = b"\x1b\x61\x00\x1b\x74\x00\x1b\x45\x01TOTAL       EUR   7.50\x0a\x1b\x64\x06\x1d\x56\x00"
    for name in NAMES:
        pole, _ = show(name, receipt)
        assert pole.undefined or not (pole.row(0) + pole.row(1)).strip(), name


def test_after_a_refused_command_the_next_one_is_understood():
    pole, _ = show("escpos", b"\x1f\x43\x0cTotal\x1b\x1f\x24\x01\x0212.34")
    assert pole.undefined == 2
    assert (pole.row(0).strip(), pole.row(1).strip()) == ("Total", "12.34")


def test_escpos_string_mode():
    assert rows("escpos", b"x\x1b\x51Aab\r\x1b\x51Bcd\r\x0cef") == ["ef", ""]
    assert rows("escpos", b"old text\x1b\x51Anew\r") == ["new", ""]
    assert doubts("escpos", b"\x1b\x51ATotal 12.34\x1b\x51B1\r")  # the first CR was lost
    assert doubts("escpos", b"\x1b\x51A" + b"1" * 21 + b"\r")
    pole, _ = show("escpos", b"\x1b\x51DTotal 12.34\r")
    assert pole.scrolling and not pole.row(0).strip() and not pole.undefined
    pole, _ = show("escpos", b"\x1b\x51DTotal 12.34\r\x0cTotal")
    assert not pole.scrolling


def test_escpos_clock_is_no_amount():
    for data in (b"\x1f\x54\x0c\x22", b"\x1f\x55"):
        pole, parser = show("escpos", data)
        assert pole.scrolling and not pole.undefined
        parser.feed(b"\x0c", 1)
        assert not pole.scrolling


def test_escpos_printer_text_is_foreign():
    pole, _ = show("escpos", b"ab\x1b\x3d\x01TOTAL 99.99\x0c\x1b\x1b\x3d\x1b\x3d\x33cd\x1b\x3d\x031")
    assert pole.row(0).rstrip() == "abcd1" and not pole.undefined
    assert pole.foreign == 18
    pole, _ = show("escpos", b"\x1b\x3d\x31a=\x02b\x1b=\x00c")
    assert not pole.row(0).strip() and pole.foreign == 8


def test_escpos_length_prefixed_commands_answer_and_skip():
    pole, _ = show("escpos", b"\x1f\x28\x42\x02\x00\x30\x41Total\x1f\x28\x44\x03\x00\x0c\x0c\x0c")
    assert pole.row(0).rstrip() == "Total" and not pole.undefined
    assert bytes(pole.replies) == b"\x57\x20\x1fTillpane\x00"
    pole, _ = show("escpos", b"\x1f\x28\x42\x02\x00\x30\x41" * 50)
    assert len(pole.replies) <= 32


def test_led8_lamps_come_before_or_after_the_digits():
    for data in (b"\x1b\x73\x32\x0c\x1b\x51A12.34\r", b"\x0c\x1b\x51A12.34\r\x1b\x73\x32", b"\x0212.34\x0d"):
        pole, _ = show("escpos", data)
        if data[0] == 0x02:
            assert pole.undefined
        else:
            assert pole.lamp == 2 and pole.row(0).strip() == "12.34" and not pole.undefined
    for lamps, lamp in ((b"0100", 2), (b"0000", 0), (b"0101", 0), (b"\x00\x00\x01\x00", 3)):
        pole, _ = show("escpos", b"\x02L" + lamps)
        assert pole.lamp == lamp and not pole.undefined, lamps
    assert show("escpos", b"\x1b\x73\x34\x1b\x40")[0].lamp == 0
    assert doubts("escpos", b"\x02L01x0")


def test_countries_and_pages_of_the_stream():
    assert rows("escpos", b"\x1b\x52\x02R}ckgeld\x1b\x66UR}\x1b\x40}") == ["}", ""]
    assert rows("escpos", b"\x1b\x66G}\x1b\x66A}\x1b\x52\x34\xd5") == ["u}$", ""]
    assert rows("escpos", b"\x1b\x52\x34\xd5\x1b\x52\x30\xd5\x1b\x52\x31\x9e") == ["$?x", ""]
    assert rows("escpos", b"\x1b\x74\x10\x80\x1b\x74\x13\xd5\x1b\x74\x00\xd5") == ["$$?", ""]
    assert rows("escpos", b"\x1b\x66L\x8e\x1b\x66R\x8e\x1b\x66F{") == ["??e", ""]
    assert doubts("escpos", b"\x1b\x66Q") and doubts("escpos", b"\x1b\x52\x0e")
    assert doubts("logiccontrols", b"\x02\x03")


def test_logiccontrols_commands():
    assert rows("logiccontrols", b"abc\x08\x08X\x1d\x1c\x13\x14\x04\xff\x04\x20\x04\x40\x04\x60Y") == ["aXY", ""]
    assert rows("logiccontrols", b"a" * 40 + b"\x10\x05\x18\x10\x19\x19b") == ["a" * 5, "aaaaab"]
    assert rows("logiccontrols", b"junk\x1eab\x1f\x12" + b"c" * 40 + b"d") == ["c" * 20, "d"]
    assert rows("logiccontrols", b"\x03\x41\x1f\x1f\x00\x10\x1bab\x1b\x0c\x1b\x0e\x1b\x0fc\x00\x00\x01d") == [
        "abcd",
        "",
    ]
    for data in (
        b"\x05Total 12.34\r",
        b"\x1b\x06Total 1.00\r",
        b"\x1b\x1a12:34",
        b"\x1bu\x44Hi\r",
        b"\x1bu\x4512:34\r",
    ):
        pole, parser = show("logiccontrols", data)
        assert pole.scrolling and not pole.undefined and not (pole.row(0) + pole.row(1)).strip(), data
        parser.feed(b"\x1f", 1)
        assert not pole.scrolling
    assert rows("logiccontrols", b"top\x0abottom\x1b\x07Hi\r\x10\x00") == ["", "   bottom"]
    assert rows("logiccontrols", b"top\x0abottom\x1b\x0bHi\r\x10\x00") == ["top", ""]
    assert rows("logiccontrols", b"ab\x00 c\x00d") == ["ab cd", ""]
    assert rows("logiccontrols", b"\x05Hello\r\x10\x00Total\x10\x1412.34") == ["Total", "12.34"]
    for data in (
        b"\x10\x28",
        b"\x10T",
        b"\x0c",
        b"\x0b",
        b"\x0f",
        b"\x04\x01",
        b"\x1b\x40",
        b"\x1b\x51",
        b"\x1f\x24\x01",
    ):
        assert doubts("logiccontrols", data), data
    assert doubts("logiccontrols", b"\x1bu\x48ab\r") and doubts("logiccontrols", b"\x05Total\x1f12.34")


def test_the_known_wrong_dialect_trap_is_doubted():
    # An ESC/POS total in a Logic Controls display leaves "12.3" and "4" on the glass.
    assert doubts("logiccontrols", b"\x1f\x43\x00\x0cTOTAL:" + b" " * 14 + b"\x1f\x24\x01\x02" + b" " * 15 + b"12.34")


def test_aedex_frames():
    assert rows("aedex", b"!#1Total\r!#212.34\r") == ["Total", "12.34"]
    assert rows("aedex", b"!!#1Total\rnoise!#x"[:11] + b"!#9" + b"a" * 20 + b"b\r") == ["a" * 20, "b"]
    pole, _ = show("aedex", b"TOTAL 12.34\r\n!1")
    assert pole.foreign == 15 and not pole.undefined and not pole.row(0).strip()
    for data in (b"!#4Total 12.34\r", b"!#512:34\r", b"!#6Hi\r", b"!#5\r", b"\x1buE12:34\r", b"!#AHi\r"):
        pole, parser = show("aedex", data)
        assert pole.scrolling and not pole.undefined and not pole.row(0).strip(), data
        parser.feed(b"!#9Total 12.34\r", 15)
        assert not pole.scrolling and pole.row(0).strip() == "Total 12.34"
        parser.feed(b"!#A\r", 4)
        assert not pole.row(0).strip()
    assert rows("aedex", b"!#7\r!#1Total\r") == ["Total", ""]


def test_aedex_attention_code_moves_and_sticks():
    pole, parser = show("aedex", b"!#8~~\r!#1no\r~~~1yes\r")
    assert pole.row(0).strip() == "" and pole.row(1).strip() == "" and pole.undefined  # function "~"
    pole, parser = show("aedex", b"!#8~%\r!#1no\r~~%1yes\r")
    assert pole.row(0).strip() == "yes" and not pole.undefined
    parser.reset()
    parser.feed(b"~%2still\r", 9)
    assert pole.row(1).strip() == "still"
    pole, _ = show("aedex", b"\x1buH~%\r\x1buAno\r!#1one\r~%Btwo\r")
    assert (pole.row(0).strip(), pole.row(1).strip(), pole.undefined) == ("one", "two", 0)


def test_aedex_refuses():
    for data in (
        b"!#3x\r",
        b"!#8\r",
        b"!#8a\r",
        b"!#8abc\r",
        b"!#7x",
        b"!#1Total\x1b\r",
        b"\x1buCx\r",
        b"!#1Total!#212.34\r",
    ):
        assert doubts("aedex", data), data


def test_dsp800_answers_each_command():
    for data, replies, doubted in (
        (b"\x04\x01P1\x17", b"\x06", 0),
        (b"\x04\x01PX\x17", b"\x06", 0),
        (b"\x04\x01PY\x17", b"\x15", 1),
        (b"\x04\x01P0\x17", b"\x15", 1),
        (b"\x04\x01P11\x17", b"\x15", 1),
        (b"\x04\x01C51\x17", b"\x15", 1),
        (b"\x04\x01C1Y\x17", b"\x15", 1),
        (b"\x04\x01C55\x17", b"\x06", 0),
        (b"\x04\x01D73\x17", b"\x06", 0),
        (b"\x04\x01D81\x17", b"\x15", 1),
        (b"\x04\x01D14\x17", b"\x15", 1),
        (b"\x04\x01SHello 12.34\x17", b"\x06", 0),
        (b"\x04\x01Q1\x17", b"\x15", 1),
        (b"\x04\x02", b"\x15", 1),
        (b"\x04\x01P\x04\x01P1\x17", b"\x15\x06", 1),
        (b"\x04\x01S" + b"x" * 97 + b"\x17", b"\x15", 2),
    ):
        pole, _ = show("dsp800", data)
        assert (bytes(pole.replies), pole.undefined) == (replies, doubted), (data, pole.replies, pole.undefined)
    pole, _ = show("dsp800", b"\x04\x01P1\x17" * 100)
    assert len(pole.replies) == 32


def test_dsp800_screen():
    assert rows("dsp800", b"abcdef\x04\x01C23\x17g") == ["a  defg", ""]
    pole, parser = show("dsp800", b"Total 12.34\x04\x01D11\x17")
    assert pole.scrolling and not pole.row(0).strip() and not pole.undefined
    parser.feed(b"\x04\x01P1\x17Total", 10)
    assert not pole.scrolling and pole.row(0).strip() == "Total"


def test_adm_places_the_point():
    assert rows("adm", b"\x0e" + b"                1234" + b"\x102") == ["               12.34", ""]
    assert rows("adm", b"\x0e\x102" + b"                1234") == ["               12.34", ""]
    assert rows("adm", b"\x0e" + b"                1234\x102\x0e                  56") == [
        " " * 18 + "56",
        "",
    ]
    assert rows("adm", b"\x0e" + b"                1234" + b"\x102\x103") == ["               1.234", ""]
    pole, _ = show("adm", b"\x0e" + b"                1234")
    before = pole.revision
    dialect("adm")(pole).feed(b"\x102", 2)
    assert pole.revision != before


def test_adm_lines_and_fields():
    assert rows("adm", b"\x0cab\r\x0fcd\r\x1eef\x1fgh") == ["ab", "ef          gh"]
    assert rows("adm", b"\x0fold text, and more\x0fnew") == ["", "new"]
    assert rows("adm", b"\x107\x111\x122\x112") == ["            .", ""]
    for data in (b"\x108", b"\x100", b"\x113", b"\x123", b"\x1b\x40", b"\x0a", b"\x14", b"\x10\x0c"):
        assert doubts("adm", data), data
