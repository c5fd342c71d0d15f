"""The virtual 2x20 screen: where the next character goes, what scrolls, and what is never taken for an amount."""

from till.pole import Pole

BLANK = " " * 20


def write(pole, text):
    data = text.encode()
    assert pole.write(data, 0, len(data)) == len(data)


def text(pole, data):
    """Feeds a line that has begun, in two pieces; True when it has ended."""
    half = pole.text(data, 0, len(data) // 2)
    assert pole.text(data, half, len(data)) == len(data)
    return not pole.begun


def rows(pole):
    return [pole.row(0).rstrip(), pole.row(1).rstrip()]


def test_a_new_screen_is_blank():
    pole = Pole()
    assert [pole.row(0), pole.row(1)] == [BLANK, BLANK]
    assert (pole.undefined, pole.lamp, pole.foreign, pole.scrolling, bytes(pole.replies)) == (0, 0, 0, False, b"")


def test_text_wraps_from_line_to_line_and_round():
    pole = Pole()
    write(pole, "12345678901234567890abc")
    assert rows(pole) == ["12345678901234567890", "abc"]
    write(pole, "d" * 17 + "XY")
    assert rows(pole) == ["XY345678901234567890", "abc" + "d" * 17]


def test_the_end_of_a_full_line_is_not_a_line_more():
    for end in (b"", b"\x0a", b"\x0d", b"\x0a\x0d", b"\x0d\x0a"):
        pole = Pole()
        write(pole, "12345678901234567890")
        for byte in end:
            pole.move(byte)
        write(pole, "abc")
        assert rows(pole) == ["12345678901234567890", "abc"], end


def test_a_cursor_that_was_placed_has_not_wrapped():
    for place in (0, 20):
        pole = Pole()
        write(pole, "a" * 20)
        pole.go(place)
        pole.move(0x0A)
        write(pole, "b")
        assert pole.at == (21 if place == 0 else 1)


def test_line_feed_keeps_the_column():
    pole = Pole()
    write(pole, "abc")
    pole.move(0x0A)
    write(pole, "def")
    pole.move(0x0A)
    write(pole, "ghi")
    assert rows(pole) == ["abc   ghi", "   def"]
    pole.move(0x0B)
    pole.move(0x0D)
    write(pole, "X")
    assert rows(pole) == ["abc   ghi", "X  def"]


def test_vertical_scroll_moves_the_lines_up():
    pole = Pole()
    pole.mode = 1
    write(pole, "a" * 20 + "b" * 20)
    assert rows(pole) == ["a" * 20, "b" * 20]  # nothing moves before the next character comes
    write(pole, "c")
    assert rows(pole) == ["b" * 20, "c"]
    pole.move(0x0A)
    pole.move(0x0D)
    write(pole, "d")
    assert rows(pole) == ["c", "d"]
    pole.go(20)
    write(pole, "e" * 20)
    pole.move(0x0A)
    write(pole, "f")
    assert rows(pole) == ["e" * 20, "f"]


def test_horizontal_scroll_pushes_the_line_left():
    pole = Pole()
    pole.mode = 2
    write(pole, "12345678901234567890abc")
    assert rows(pole) == ["45678901234567890abc", ""]
    pole.go(20)
    write(pole, "x")
    assert rows(pole) == ["45678901234567890abc", "x"]


def test_left_and_right_go_round_when_overwriting():
    pole = Pole()
    pole.move(0x08)
    assert pole.at == 39
    pole.move(0x09)
    assert pole.at == 0
    pole.go(20)
    pole.move(0x08)
    assert pole.at == 19
    assert not pole.undefined


def test_what_would_scroll_the_glass_sideways_is_doubted():
    for mode, at, byte in ((1, 0, 0x08), (1, 39, 0x09), (2, 19, 0x09), (2, 20, 0x08), (1, 3, 0x0B)):
        pole = Pole()
        pole.mode = mode
        pole.go(at)
        pole.move(byte)
        assert pole.undefined, (mode, at, byte)


def test_a_cursor_out_of_the_screen_stays_and_is_doubted():
    pole = Pole()
    pole.go(7)
    pole.go(40)
    pole.go(-1)
    assert (pole.at, pole.undefined) == (7, 2)


def test_revision_tells_a_change_from_a_repaint():
    pole = Pole()
    write(pole, "12.34")
    before = pole.revision
    pole.go(0)
    write(pole, "12.34")
    assert pole.revision == before
    pole.go(0)
    write(pole, "2")
    assert pole.revision != before
    before = pole.revision
    pole.shine(2)
    assert pole.revision != before and pole.lamp == 2


def test_forgiving_blanks_what_may_be_wrong():
    pole = Pole()
    write(pole, "Total 12.34")
    pole.doubt()
    pole.shine(4)
    before = pole.revision
    pole.forgive()
    assert (rows(pole), pole.undefined, pole.lamp, pole.at) == (["", ""], 0, 0, 0)
    assert pole.revision != before


def test_counting_doubt_ends_at_a_small_int():
    pole = Pole()
    pole.undefined = pole.revision = 0x3FFFFFFF
    pole.doubt()
    write(pole, "A")
    assert pole.undefined == 0x3FFFFFFF and pole.revision == 0


def test_a_line_that_has_not_ended_is_no_amount():
    pole = Pole()
    pole.begin(0, 20)
    assert not text(pole, b"Total 1\x002.3") and pole.scrolling
    assert pole.text(b"\x0c", 0, 1) == 0 and pole.begun
    assert pole.text(b"\r12", 0, 3) == 1 and not pole.begun
    assert not pole.scrolling and rows(pole) == ["Total 12.3", ""]


def test_a_scrolling_message_stays_no_amount_until_its_line_is_written_anew():
    pole = Pole()
    pole.begin(0, 40, False)
    assert text(pole, b"Total 12.34\r")
    assert pole.scrolling and rows(pole) == ["", ""]
    pole.begin(20, 20)
    assert text(pole, b"12.34\r")
    assert pole.scrolling
    pole.begin(0, 20)
    assert text(pole, b"Total\r")
    assert not pole.scrolling and rows(pole) == ["Total", "12.34"]


def test_what_a_line_has_no_room_for_is_doubted_only_where_a_number_is_cut():
    pole = Pole()
    pole.begin(0, 20)
    assert text(pole, b"Thank You for your custom\r")
    assert (rows(pole), pole.undefined) == (["Thank You for your c", ""], 0)
    pole.begin(0, 20)
    assert text(pole, b"Total           12.34\r")
    assert pole.undefined


def test_a_point_of_its_own_takes_a_blank_before_its_number():
    pole = Pole()
    write(pole, "Total           1234")
    pole.point = 2
    assert pole.row(0) == "Total          12.34"
    pole.go(0)
    write(pole, "9" * 20)
    assert pole.row(0) == "?" * 20
    pole.clear(0, 40)
    assert pole.row(0) == BLANK


def test_attention_codes_of_another_dialect_are_doubted():
    pole = Pole()
    write(pole, "!")
    pole.go(5)
    write(pole, "#1! #")
    assert not pole.undefined
    write(pole, "!#")
    assert pole.undefined == 1


def test_code_pages_and_countries():
    pole = Pole()
    for page, bytes_, shown in (
        (0, b"\x82\x9b\x9c\x9d\xff\x8e\xd5", "e?$$ A?"),
        (2, b"\xd5\x9e\xb7", "ixA"),
        (19, b"\xd5\x9e", "$x"),
        (16, b"\x80\xa3\xa5\xa0\xd7\xe9\xb2\xb7", "$$$ xe??"),
        (17, b"\x80\xff", "? "),
        (255, b"\x80\xff", "??"),
    ):
        pole.clear(0, 40)
        pole.page(page)
        pole.write(bytes_, 0, len(bytes_))
        assert pole.row(0)[: len(shown)] == shown, page
    assert not pole.undefined
    pole.page(99)
    assert pole.undefined == 1
    pole.clear(0, 40)
    pole.nation(2)
    write(pole, "R}ckgeld #1 $2 {[")
    assert rows(pole)[0] == "Ruckgeld #1 $2 aA"
    pole.nation(14)
    assert pole.undefined == 2
    pole.restart()
    write(pole, "[}")
    write(pole, "\x7f")
    assert rows(pole)[0] == "[}?"
