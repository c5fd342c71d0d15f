"""The line protocol: what is a command, what is refused, and what noise does."""

from till.amount import AmountError, decimals, parse, plain, shown
from till.line import LineError, LineReader, amount_in, checksum, encode, understand


def feed(reader, data):
    """Every command or refusal that these bytes make: verbs, or "ERR CODE"."""
    heard = []
    for byte in data:
        if reader.push(byte):
            try:
                heard.append(understand(reader.take(), "NZD").verb)
            except LineError as error:
                heard.append("ERR " + error.code)
    return heard


def refusal(line, currency="NZD", required=False):
    try:
        understand(line, currency, required)
    except LineError as error:
        return error.code
    return ""


def test_cr_lf_and_crlf_end_a_line_once():
    assert feed(LineReader(), b"INFO\rINFO\nINFO\r\n\r\n\n\rLAST\r") == ["INFO", "INFO", "INFO", "LAST"]


def test_sale():
    command = understand(b"SALE A-1.2_3 12.34", "NZD")
    assert (command.verb, command.ref, command.amount, command.currency) == ("SALE", "A-1.2_3", 1234, "NZD")
    command = understand(b"sale 7 1200 JPY", "NZD")
    assert (command.amount, command.currency) == (1200, "JPY")


def test_amount_must_be_written_in_full():
    for text in (
        b"1234",
        b"12.3",
        b"12.345",
        b"12,34",
        b"-1.00",
        b"+1.00",
        b"1e2.00",
        b".50",
        b"0.00",
        b"012.34",
        b"1000000.00",
        b"1.2.3",
        b"12.",
        b"$1.00",
    ):
        assert refusal(b"SALE 1 " + text) == "AMOUNT", text
    assert refusal(b"SALE 1 12.34 JPY") == "AMOUNT"
    assert refusal(b"SALE 1 1.234 KWD") == ""
    assert parse("999999.99", "NZD") == 99999999
    assert parse("0.01", "NZD") == 1


def test_a_refused_amount_says_what_is_wrong():
    for text, words in ((b"1234", "12.34"), (b"0.00", "nothing"), (b"012.34", "zeros"), (b"1000000.00", "999999.99")):
        try:
            understand(b"SALE 1 " + text, "NZD")
        except LineError as error:
            assert words in error.words, error.words
        else:
            raise AssertionError(text)
    assert understand(b"SALE 1 12.34 nzd", "NZD").currency == "NZD"


def test_amount_round_trip():
    for minor in (1, 9, 10, 99, 100, 101, 99999999):
        for currency in ("NZD", "JPY", "KWD"):
            assert parse(plain(minor, currency), currency) == minor
    assert (decimals("NZD"), decimals("JPY"), decimals("KWD")) == (2, 0, 3)


def test_amounts_for_people():
    assert shown(123456789 // 100, "NZD") == "$12,345.67"
    assert shown(99999999, "NZD") == "$999,999.99"
    assert shown(5, "NZD") == "$0.05"
    assert shown(1200, "JPY") == "¥1,200"
    assert shown(1200, "VND") == "1,200 VND"


def test_unknown_currency_is_refused():
    for currency in (b"XYZ", b"NZ", b"NZDX", b"D A", b"US1"):
        assert refusal(b"SALE 1 12.34 " + currency) in ("CURRENCY", "SYNTAX"), currency


def test_checksum_must_be_right_where_present():
    line = b"SALE 1 12.34"
    good = line + b"*%02X" % checksum(line)
    assert understand(good, "NZD").checked and understand(good, "NZD").amount == 1234
    assert understand(line + b"*%02x" % checksum(line), "NZD").checked
    assert not understand(line, "NZD").checked
    wrong = line + b"*%02X" % (checksum(line) ^ 1)
    assert refusal(wrong) == "CHECKSUM"
    for tail in (b"*", b"*1", b"*123", b"*G0", b"*-1", b"**"):
        assert refusal(line + tail) == "CHECKSUM", tail
    assert refusal(line, "NZD", True) == "CHECKSUM"
    assert refusal(good, "NZD", True) == ""


def test_no_flipped_bit_of_a_checked_line_makes_another_sale():
    line = b"SALE 1 12.34"
    good = line + b"*%02X" % checksum(line)
    for i in range(len(good)):
        for bit in range(8):
            flipped = bytearray(good)
            flipped[i] ^= 1 << bit
            reader = LineReader()
            for byte in bytes(flipped) + b"\r":
                if reader.push(byte):
                    check_same_sale(reader)


def check_same_sale(reader):
    try:
        command = understand(reader.take(), "NZD")
    except LineError:
        return
    assert (command.verb, command.ref, command.amount) == ("SALE", "1", 1234)


def test_answers_carry_a_checksum_where_the_till_uses_them():
    assert encode("OK ACK 1", False) == b"OK ACK 1\r\n"
    assert encode("OK ACK 1", True) == b"OK ACK 1*%02X\r\n" % checksum(b"OK ACK 1")


def test_refs():
    assert refusal(b"SALE " + b"x" * 24 + b" 1.00") == ""
    assert refusal(b"SALE " + b"x" * 25 + b" 1.00") == "REF"
    for ref in (b"a/b", b"a%b", b'a"b', b"a#b", b"a\\b"):
        assert refusal(b"SALE " + ref + b" 1.00") == "REF"


def test_wrong_number_of_words():
    for line in (
        b"SALE",
        b"SALE 1",
        b"SALE 1 1.00 NZD x",
        b"CANCEL",
        b"ACK",
        b"ACK 1 2",
        b"INFO x",
        b"HELLO",
        b"SALEX 1 1.00",
    ):
        assert refusal(line) == "SYNTAX", line


def test_noise_is_one_error_and_the_next_line_works():
    assert feed(LineReader(), b"SA\x00LE 1 1.00\rINFO\r") == ["ERR NOISE", "INFO"]
    assert feed(LineReader(), b"\x00\x00\x00INFO\r") == ["INFO"]
    assert feed(LineReader(), b"\xff\xfe\x80" * 100 + b"\rINFO\r") == ["ERR NOISE", "INFO"]
    assert feed(LineReader(), b"A" * 5000 + b"\rINFO\r") == ["ERR SYNTAX", "INFO"]
    assert feed(LineReader(), b"A" * 97 + b"\r") == ["ERR SYNTAX"]


def test_a_cut_line_is_no_sale():
    line = b"SALE 100 12.34"
    for cut in range(len(line)):
        assert "SALE" not in feed(LineReader(), line[:cut] + line + b"\r") or cut == 0, cut


def test_a_dropped_half_line_leaves_nothing():
    reader = LineReader()
    feed(reader, b"SALE 1 1")
    assert reader.waiting
    reader.drop()
    assert not reader.waiting
    assert feed(reader, b"INFO\r") == ["INFO"]


def test_refund():
    command = understand(b"REFUND 7", "NZD")
    assert (command.ref, command.amount, command.refund_ref) == ("7", 0, "")
    command = understand(b"REFUND 7 1.50 B2", "NZD")
    assert (command.written, command.refund_ref) == ("1.50", "B2")
    assert amount_in("1.50", "NZD") == 150 and amount_in("150", "JPY") == 150
    try:
        amount_in("1.5", "NZD")
        raise AssertionError("it was taken")
    except LineError as error:
        assert error.code == "AMOUNT"


def test_amount_error_is_a_value_error():
    try:
        parse("x", "NZD")
    except AmountError as error:
        assert isinstance(error, ValueError)
    else:
        raise AssertionError
