"""Whatever bytes a till sends, a terminal asks for the amount that was meant or for nothing, and never grows."""

import pytest
import test_ecr17
import test_telium
import test_transbank
import test_zvt
from hypothesis import given, settings
from hypothesis import strategies as st

from till import ecr, ecr17, telium, transbank, zvt
from till.amount import is_currency


class Options:
    terminal = "12345678"

    def __init__(self, currency, till_variant=""):
        self.currency = currency
        self.till_variant = till_variant


class Talk:
    """One protocol and what a till says in it. asks: request -> the frames that ask for it."""

    def __init__(self, module, currency, variant, frames, pieces, opening=b"", closing=b""):
        self.module, self.currency, self.variant = module, currency, variant
        self.frames, self.pieces, self.opening, self.closing = frames, pieces, opening, closing

    def box(self):
        return self.module.Protocol(Options(self.currency, self.variant))


def _zvt_amount(field):
    return test_zvt.framed(test_zvt.amount(field))


LINK = [b"\x06", b"\x15", b"\x05", b"\x04", b"\x02", b"\x03", b"\x10", b"\x10\x02", b"\x10\x03", b"\x00", b"\xff"]
TALKS = {
    "telium": Talk(
        telium,
        "EUR",
        "",
        [
            test_telium.ask(),
            test_telium.ask(amount=b"00000500", private=b"A-17      ", flag=b"1"),
            test_telium.ask(tail=b""),
        ],
        [test_telium.ask(kind=b"2", private=b"A-17      "), b"01", b"00001234", b"978"],
        b"\x05",
        b"\x04",
    ),
    "transbank": Talk(
        transbank,
        "CLP",
        "",
        [test_transbank.SALE, test_transbank.framed(b"0200|000000500|000777|||1")],
        [test_transbank.framed(body) for body in (b"0100", b"0250|", b"1200|61|", b"0800", b"0500||")]
        + [b"|", b"0200"],
    ),
    **{
        "ecr17 " + variant: Talk(
            ecr17,
            "EUR",
            variant,
            [
                test_ecr17.framed(test_ecr17.PAY, seed),
                test_ecr17.framed(test_ecr17.PAY.replace(b"1234", b"0500"), seed),
            ],
            [
                test_ecr17.framed(body, seed)
                for body in (b"000000000G000000010000", b"123456780S0000000100006100", b"123456780s")
            ],
        )
        for variant, seed in (("stx", 0x7E), ("std", 0x7F), ("noext", 0x7C), ("stx_noext", 0x7D))
    },
    "zvt": Talk(
        zvt,
        "EUR",
        "",
        [
            test_zvt.framed(test_zvt.PAY),
            _zvt_amount(b"\x04\x00\x00\x00\x00\x10\x10"),
            _zvt_amount(b"\x19\x40" + test_zvt.PAY[3:]),
        ],
        [test_zvt.OK, test_zvt.framed(test_zvt.REGISTER)]
        + [test_zvt.framed(bytes.fromhex(text)) for text in ("0501031234 56", "06b000", "0620031234 56", "846600")],
    ),
}
KINDS = {"SALE", "CANCEL", "LAST", "REFUND", "STATUS"}
every_talk = pytest.mark.parametrize("name", TALKS)


def hear(box, data, now):
    """The requests that these bytes make, each checked for sanity; what the box says is thrown away."""
    box.feed(data, len(data), now)
    requests = []
    while True:
        request = box.take_request()
        if request is None:
            break
        assert request.kind in KINDS and 0 <= request.amount <= 99999999 and len(request.ref) <= 10
        assert request.amount or request.kind != "SALE"
        assert all(c.isascii() and (c.isalnum() or c in "._-") for c in request.ref)
        requests.append(request)
    assert len(box._out) <= 4
    while box.outgoing():
        pass
    return requests


def sale(box, frame, talk, now=0):
    """(ref, amount) of every sale that one exchange of this frame starts."""
    heard = hear(box, talk.opening, now) + hear(box, frame, now) + hear(box, talk.closing, now)
    return [(request.ref, request.amount) for request in heard if request.kind == "SALE"]


@every_talk
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_bytes(name, data):
    talk = TALKS[name]
    box = talk.box()
    now = 0
    piece = st.one_of(st.binary(max_size=40), st.sampled_from(LINK + talk.frames + talk.pieces))
    for part, gap, word in data.draw(
        st.lists(
            st.tuples(piece, st.sampled_from([0, 5, 1100, 12000]), st.sampled_from(["", "PAID", "UNKNOWN"])),
            max_size=12,
        )
    ):
        now += gap
        box.tick(now)
        hear(box, part, now)
        box.progress("PAYABLE", 10, now)
        if word:
            box.answer(ecr.Outcome(word, "A", 1234, talk.currency, "CP-C7F-ZS5", 10**7, 1762785430), now)
    now += 60000
    for _ in range(12):  # whatever it was, it ends, and the next sale is understood once the till has it all
        now += 12000
        box.tick(now)
        while box.outgoing():
            pass
    fresh = talk.frames[0]
    box._request = box._result = box._sent = None
    assert sale(box, fresh, talk, now + 2000) == sale(talk.box(), fresh, talk)


@every_talk
def test_one_byte_dropped_doubled_or_changed(name):
    talk = TALKS[name]
    for frame in talk.frames:
        (meant,) = sale(talk.box(), frame, talk)
        whole = talk.opening + frame + talk.closing
        for at in range(len(whole)):
            if len(whole) > 160 and 40 < at < 155:
                continue  # ECR17's 128 blanks: a few stand for all
            byte = whole[at]
            others = {byte ^ 1 << bit for bit in range(8)} | set(b"\x00\x02\x03\x04\x05\x06\x10\x15\x20019|\xff")
            damaged = [whole[:at] + whole[at + 1 :], whole[:at] + whole[at : at + 1] + whole[at:]]
            damaged += [whole[:at] + bytes((other,)) + whole[at + 1 :] for other in others - {byte}]
            for data in damaged:
                box = talk.box()
                heard = hear(box, data, 0)
                assert all((r.kind, r.ref, r.amount) == ("SALE", *meant) for r in heard), (at, data)
                assert len(heard) < 2
                # the till sends it once more: whatever the damage was, this is the same sale
                again = hear(box, talk.opening + frame + talk.closing, 1500)
                assert len(heard) + len(again) == 1 and (heard + again)[0].amount == meant[1], (at, data)


@every_talk
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_frame_starts_one_sale_until_its_result_was_heard(name, data):
    talk = TALKS[name]
    box = talk.box()
    now, last, delivered = 0, None, True
    moves = st.sampled_from(["ask", "ask", "other", "ACK", "ACK", "NAK", "wait", "long", "answer", "OK"])
    for move in data.draw(st.lists(moves, min_size=4, max_size=40)):
        now += {"wait": 900, "long": 13000}.get(move, 3)
        said = {
            "ask": talk.opening + talk.frames[0] + talk.closing,
            "other": talk.opening + talk.frames[1] + talk.closing,
            "ACK": b"\x06",
            "NAK": b"\x15",
            "OK": test_zvt.OK,
        }.get(move, b"")
        box.tick(now)
        for request in hear(box, said, now):
            assert request.data != last or delivered, "one sale became two"
            last, delivered = request.data, False
        if move == "answer":
            box.answer(ecr.Outcome("PAID", "", 1234), now)
        delivered = box.take_delivered() or delivered
        while box.outgoing():
            pass


def test_the_table_of_currencies_is_that_of_the_amounts():
    codes = [ecr._CODES[at : at + 6].decode() for at in range(0, len(ecr._CODES), 6)]
    assert len(ecr._CODES) == 6 * len(set(codes)) and codes == sorted(codes)
    assert all(is_currency(code[:3]) and code[3:].isdigit() for code in codes)
    from till import amount

    known = (amount._TWO_DECIMALS + " " + amount._NO_DECIMALS + " " + amount._THREE_DECIMALS).split()
    assert sorted(known) == [code[:3] for code in codes]
    pycountry = pytest.importorskip("pycountry")
    for code in codes:
        assert pycountry.currencies.get(alpha_3=code[:3]).numeric == code[3:], code
        assert ecr.numeric(code[:3]) == code[3:].encode()
    for word in ("", "EU", "ZZZ", "EUR9", "978", "UR9"):
        assert ecr.numeric(word) == b"000"


@given(st.integers(1, 10**9), st.sampled_from([9999, 999999, 99999999]))
def test_short_numbers(seq, top):
    assert 1 <= ecr.short(seq, top) <= top and ecr.short(seq + top, top) == ecr.short(seq, top)
    assert ecr.short(0, top) == 0


@given(st.integers(1, 4102444800))
def test_dates_are_utc(when):
    import datetime

    date = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    assert ecr.Outcome("PAID", when=when).date()[:6] == date.timetuple()[:6]
