"""Whatever bytes arrive, the till's line gives whole commands, clear refusals or silence: no crash, no guess."""

from hypothesis import given
from hypothesis import strategies as st

from till.amount import AmountError, parse, plain, shown
from till.line import LineError, LineReader, checksum, encode, understand

LINE = b"SALE A-17 12.34"


def commands(data, required=False):
    reader = LineReader()
    found = []
    for byte in data:
        if not reader.push(byte):
            continue
        try:
            found.append(understand(reader.take(), "NZD", required))
        except LineError as error:
            assert error.code.isupper() and error.words.isascii()
            assert len(encode("ERR " + error.code + " " + error.words, True)) < 128
    return found


def sales(data, required=False):
    return [(c.ref, c.amount, c.currency) for c in commands(data, required) if c.verb == "SALE"]


@given(st.binary(max_size=400))
def test_any_bytes(data):
    for command in commands(data):
        assert command.ref == "" or 1 <= len(command.ref) <= 24
        assert 0 <= command.amount <= 99999999


@given(
    st.lists(
        st.sampled_from(
            [b"SALE", b" ", b"1", b"12.34", b"*", b"\r", b"\n", b"NZD", b"\x00", b"\xff", b"REFUND", b"ACK", b"."]
        ),
        max_size=40,
    )
)
def test_any_mixture_of_what_means_something(pieces):
    commands(b"".join(pieces))


@given(st.binary(max_size=200))
def test_after_any_noise_and_a_line_end_the_next_line_is_understood(noise):
    assert sales(noise + b"\r" + LINE + b"\r")[-1] == ("A-17", 1234, "NZD")


@given(st.integers(0, len(LINE) + 2), st.integers(0, 255), st.sampled_from(["drop", "double", "replace", "insert"]))
def test_one_damaged_byte_of_a_checked_line_never_makes_another_sale(place, byte, how):
    line = LINE + b"*%02X" % checksum(LINE)
    damaged = bytearray(line)
    if how == "drop":
        del damaged[place]
    elif how == "double":
        damaged.insert(place, damaged[place])
    elif how == "insert":
        damaged.insert(place, byte)
    else:
        damaged[place] = byte
    for sale in sales(bytes(damaged) + b"\r", required=True):
        assert sale == ("A-17", 1234, "NZD")


@given(st.integers(1, 99999999), st.sampled_from(["NZD", "JPY", "KWD"]))
def test_amounts_round_trip(minor, currency):
    assert parse(plain(minor, currency), currency) == minor
    digits = "".join(c for c in shown(minor, currency) if c.isdigit())
    assert int(digits) == minor


@given(st.text(max_size=14), st.sampled_from(["NZD", "JPY", "KWD"]))
def test_an_amount_is_read_back_exactly_or_refused(text, currency):
    try:
        minor = parse(text, currency)
    except AmountError:
        return
    assert plain(minor, currency) == text
