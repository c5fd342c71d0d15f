"""lib/panel/font.py on the product's own font files, and on damaged ones."""

import os
import sys

from panelwire import fonts_folder, refuses

from panel import Font, FontError


def test_every_text_font_has_latin_1_and_the_macrons():
    wanted = "".join(chr(c) for c in range(0x20, 0x7F)) + "ĀĒĪŌŪāēīōū€…–—‘’“”"
    wanted += "".join(chr(c) for c in range(0xA0, 0x100) if c != 0xAD)
    line = bytearray(12)
    for name in ("small", "medium", "large"):
        font = Font(fonts_folder() + name + ".font")
        for character in wanted:
            assert font.lay(character, 200, line) == (1, font.measure(character))
            assert line[0] | line[1] << 8 == ord(character), (name, character)


def test_digits_all_have_one_width():
    for name in ("small", "medium", "large", "huge"):
        font = Font(fonts_folder() + name + ".font")
        assert len({font.measure(digit) for digit in "0123456789"}) == 1


def test_what_a_font_lacks_is_a_box():
    font = Font(fonts_folder() + "small.font")
    line = bytearray(12)
    for character in ("語", "Ж", "\u200b", "\U0001f600" if sys.implementation.name == "cpython" else "☃"):
        count, pixels = font.lay(character, 100, line)
        assert count == 1 and pixels > 4
        assert line[0] | line[1] << 8 == 0


def test_a_combining_mark_takes_no_room():
    font = Font(fonts_folder() + "small.font")
    assert font.measure("a\u0304") == font.measure("a")
    assert font.measure("a\tb") == font.measure("a b")


def test_what_is_too_long_ends_in_an_ellipsis():
    font = Font(fonts_folder() + "small.font")
    line = bytearray(12 * 72)
    name = "Te Whare Pukapuka o Ōtautahi"
    whole = font.measure(name)
    for width in range(whole + 3):
        count, pixels = font.lay(name, width, line)
        assert pixels <= width
        last = line[(count - 1) * 12] | line[(count - 1) * 12 + 1] << 8 if count else -1
        if width >= whole:
            assert (count, pixels) == (len(name), whole)
        elif count:
            assert last == 0x2026
            before = line[(count - 2) * 12] | line[(count - 2) * 12 + 1] << 8
            assert count == 1 or before != 0x20
        else:
            assert width < font.measure("…")


def test_a_line_has_room_for_so_many_glyphs_and_is_never_overrun():
    font = Font(fonts_folder() + "small.font")
    line = bytearray(12 * 5)
    assert font.lay("iiiiii", 300, line)[0] == 5
    assert len(line) == 60
    assert font.lay("iiiii", 300, line) == (5, font.measure("iiiii"))


def test_wrap_keeps_every_word_and_fits_the_width():
    font = Font(fonts_folder() + "small.font")
    text = "Check the key in the settings,  or call your Tillpane supplier."
    for width in (90, 140, 216):
        lines = font.wrap(text, width, 20)
        assert " ".join(lines).split() == text.split()
        assert all(font.measure(each) <= width for each in lines)
    assert len(font.wrap(text, 90, 2)) == 2
    assert font.wrap("", 90, 3) == []
    assert font.wrap("   ", 90, 3) in ([], [""])
    assert font.wrap(text, 90, 0) == []


def test_wrap_breaks_a_word_that_is_too_long():
    font = Font(fonts_folder() + "small.font")
    word = "Taumatawhakatangihangakoauauotamatea"
    lines = font.wrap(word, 100, 20)
    assert "".join(lines) == word and len(lines) > 2
    assert all(font.measure(each) <= 100 for each in lines)
    assert font.wrap("WW", 1, 9) == ["W", "W"]


def test_a_file_that_is_no_font_is_refused():
    whole = open(fonts_folder() + "small.font", "rb").read()
    path = "/tmp/tillpane-%s-%d.font" % (sys.implementation.name, id(whole))
    try:
        for damaged in (
            b"",
            whole[:10],
            whole[:16],
            whole[:-1],
            whole + b"\0",
            b"TPF2" + whole[4:],
            whole[:4] + b"\0" + whole[5:],
            whole[:8] + b"\xff\xff" + whole[10:],
            whole[:6] + b"\0" + whole[7:],
            whole[:16] + b"\x41" + whole[17:],
        ):
            with open(path, "wb") as file:
                file.write(damaged)
            assert refuses(FontError, Font, path), damaged[:16]
    finally:
        os.remove(path)
    assert refuses(OSError, Font, "no/such.font")
