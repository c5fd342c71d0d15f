"""Any bytes leave every dialect sane and bounded; damage and a wrong dialect never make another amount look good."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import dialect, streams
from till import codepages, words
from till.pole import Pole
from till.reading import CHARGE, read

NAMES = ("escpos", "logiccontrols", "aedex", "dsp800", "adm")
STREAMS = {stream.name: stream for stream in streams()}
PIECES = [bytes([n]) for n in range(0x20)] + [
    *(b"\x1b" + bytes([n]) for n in b"@Q[W&=lstRf#cdu\x11\x06\x1a\x40"),
    *(b"\x1f" + bytes([n]) for n in b"$(CX\x01\x02\x03\x0a#T"),
    *(b"\x04\x01P1\x17", b"\x04\x01C", b"!#1", b"!#8", b"!#9", b"\x1buA", b"\x02\x05", b"\x02L", b"\x10\x00", b"\x17"),
    *(b"Total", b"12.34", b"A", b"B", b"1", b"2", b";", b"H", b"J", b"\xd5", b"\xff", b" " * 15, b"x" * 20),
]
HOSTILE = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join))


def feed(name, *chunks):
    pole = Pole()
    parser = dialect(name)(pole)
    for chunk in chunks:
        parser.feed(chunk, len(chunk))
    return pole, parser


def check_sane(pole):
    assert len(pole.cells) == 40 and len(pole.glyphs) == 256 and len(pole.replies) <= 32
    for index in (0, 1):
        row = pole.row(index)
        assert len(row) == 20 and row.isascii() and row.isprintable(), row
    assert 0 <= pole.at < 40 and pole.mode in (0, 1, 2) and 0 <= pole.lamp <= 4
    assert pole.scrolling in (False, True) and pole.undefined >= 0 and pole.foreign >= 0
    assert 0 <= pole.point < 8 and pole.revision >= 0


def state(pole):
    return (
        bytes(pole.cells),
        bytes(pole.glyphs),
        bytes(pole.replies),
        [(name, value) for name, value in sorted(vars(pole).items()) if isinstance(value, int)],
    )


def amount(name, data):
    """Minor units that this screen, if it stands, is a total of; 0 where it is none, or one of several numbers."""
    pole, _ = feed(name, data)
    if pole.undefined or pole.scrolling:
        return 0
    kind, minor, _ = read(pole.row(0), pole.row(1), pole.lamp, "EUR", words.lists())
    return minor if kind == CHARGE else 0


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=120, deadline=None)
@given(data=HOSTILE)
def test_any_bytes_leave_a_sane_screen(name, data):
    pole, parser = feed(name, data)
    check_sane(pole)
    parser.reset()
    pole.forgive()
    assert not (pole.row(0) + pole.row(1)).strip() and not pole.undefined


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(data=HOSTILE, cuts=st.lists(st.integers(0, 300), max_size=8))
def test_any_chunking_gives_the_same_screen(name, data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    whole, one = feed(name, data)
    pieces, other = feed(name, *chunks)
    assert state(whole) == state(pieces)
    assert {key: value for key, value in vars(one).items() if key != "pole"} == {
        key: value for key, value in vars(other).items() if key != "pole"
    }


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("escpos", b"\x1b\x40\x1b\x3d\x02\x0cTotal\x1f\x24\x10\x0112.34"),
        ("logiccontrols", b"\x1f\x11\x10\x00Total\x10\x0f12.34"),
        ("aedex", b"!#9Total          12.34\r"),
        ("dsp800", b"\x04\x01C1X\x17\x04\x01P1\x17Total          12.34"),
        ("adm", b"\x0cTotal          12.34"),
    ],
)
@settings(max_examples=60, deadline=None)
@given(noise=HOSTILE)
def test_after_any_noise_forgiven_the_next_screen_is_right(name, again, noise):
    pole, parser = feed(name, noise)
    parser.reset()
    pole.forgive()
    if name == "escpos":
        parser.feed(b"\x1b\x3d\x02", 3)  # the noise may have named the printer
    if name == "aedex":
        parser.code[:] = b"!#\x1bu"  # the one thing that a till may move for good
    if name != "escpos":
        pole.restart()  # modes and pages are settings of the till's; ESC @ is ESC/POS's own
    parser.feed(again, len(again))
    assert (pole.row(0), pole.row(1).strip(), pole.undefined) == ("Total          12.34", "", 0)


def damaged(data, at):
    yield data[:at] + data[at + 1 :]
    yield data[: at + 1] + data[at:]
    for bit in range(8):
        yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_damage_outside_the_number_never_makes_another_amount(name):
    """One byte lost, doubled or with a bit flipped. What nobody can tell of digits, marks and blanks, till.reading
    says; here it is every command byte and every letter."""
    stream = STREAMS[name]
    right = amount(stream.dialect, stream.data)
    for at, byte in enumerate(stream.data):
        if byte == 0x20 or 0x2C <= byte <= 0x39:
            continue
        for data in damaged(stream.data, at):
            got = amount(stream.dialect, data)
            assert got in (0, right), (at, data, got)


def test_a_wrong_dialect_is_noticed_or_shows_nothing_or_the_same():
    """The exact cases in which a stream in a wrong dialect leaves undefined at 0."""
    unnoticed = []
    for stream in STREAMS.values():
        for name in NAMES:
            pole, _ = feed(name, stream.data)
            if name == stream.dialect or pole.undefined:
                continue
            if name == "aedex" and not (pole.row(0) + pole.row(1)).strip():
                continue  # bytes without an attention code are for the printer
            unnoticed.append((stream.name, name))
            assert [pole.row(0), pole.row(1)] == stream.rows  # UTC enhanced is in both
    assert unnoticed == [("logiccontrols-utc-enhanced", "aedex")]


def test_a_wrong_dialect_never_reads_another_amount_wherever_it_begins_to_listen():
    for stream in STREAMS.values():
        for start in range(len(stream.data)):
            rest = stream.data[start:]
            here = amount(stream.dialect, rest)
            for name in NAMES:
                got = amount(name, rest)
                # text alone is the same text in every dialect
                assert not got or got in (here, amount(stream.dialect, stream.data)), (stream.name, name, start, got)


def test_what_a_wrong_dialect_cannot_notice():
    """AEDEX with its attention code moved to blanks is plain text to the others, three columns to the right."""
    text = b"  9" + b"Total               " + b"               12.34" + b"\r"
    for name in ("escpos", "logiccontrols", "adm"):
        pole, _ = feed(name, text)
        assert not pole.undefined
        assert pole.row(0) == ".34Total            " and pole.row(1) == "                  12"
        assert not amount(name, text)
    assert feed("dsp800", text)[0].undefined


def folded(character):
    if character in FOLDED:
        return FOLDED[character]
    base = unicodedata.normalize("NFD", character)[0]
    return base if base != character and base.isascii() and base.isalpha() else "?"


FOLDED = dict(zip("ßæÆœŒøØđĐðÐłŁıþÞ", "saAoOoOdDdDlLitT", strict=True))
FOLDED |= dict(zip("€£¥₧₪₫¤×\u00a0‘’“”–—\u00ad", "$$$$$$$x ''\"\"---", strict=True))
FOLDED |= dict(zip("ƒ•¡‹›ªº´", "f*!<>ao'", strict=True))
PAGES = {0: 437, 2: 850, 3: 860, 4: 863, 5: 865, 14: 1250, 16: 1252, 18: 852, 19: 858, 25: 1254, 31: 857}
BARE = {15: 1251, 17: 866, 21: 862, 26: 1257, 28: 775, 29: 737, 30: 1253, 33: 1255, 36: 855, 40: 1256, 41: 1258}


@pytest.mark.parametrize("number", [*PAGES, *BARE])
def test_code_pages_against_pythons_codecs(number):
    glyphs = bytearray(range(256))
    assert codepages.load(number, glyphs)
    for byte in range(128, 256):
        try:
            character = bytes([byte]).decode(f"cp{PAGES.get(number) or BARE[number]}")
        except UnicodeDecodeError:
            character = "?"
        shown = chr(glyphs[byte])
        if number in BARE and character not in "€\u00a0":
            assert shown == "?", (byte, character)
        else:
            assert shown == folded(character), (byte, character)
    assert not set(glyphs[128:]) & set(b"0123456789.,")


@given(st.integers(0, 255))
def test_every_page_number_leaves_printable_glyphs(number):
    glyphs = bytearray(range(256))
    known = codepages.load(number, glyphs)
    assert known or set(glyphs[128:]) == {0x3F}
    codepages.nation(number, glyphs)
    assert all(0x20 <= glyph < 0x7F for glyph in glyphs[32:127])
