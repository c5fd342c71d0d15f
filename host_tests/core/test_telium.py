"""Telium / Concert: the worked frames, the handshake, its repeats, and what is refused."""

from ecrwire import say, written

from till.ecr import Outcome
from till.telium import Protocol

ENQ, EOT, ACK, NAK = b"\x05", b"\x04", b"\x06", b"\x15"


class Options:
    currency = "EUR"
    till_variant = ""
    terminal = "12345678"


def check(body):
    value = 0
    for byte in body[1:]:
        value ^= byte
    return body + bytes((value,))


def ask(amount=b"00001234", flag=b"0", mode=b"1", kind=b"0", currency=b"978", private=b" " * 10, tail=b"A010B010"):
    return check(b"\x0201" + amount + flag + mode + kind + currency + private + tail + b"\x03")


def start(frame):
    till = Protocol(Options())
    assert say(till, ENQ) == ACK
    assert say(till, frame) == ACK
    assert till.take_request() is None  # not before the till has heard that it was understood
    return till


def running(frame):
    till = start(frame)
    assert say(till, EOT) == b""
    return till, till.take_request()


def heard(till, outcome, now=1000):
    """The answer as a till that acknowledges everything hears it."""
    till.answer(outcome, now)
    assert written(till) == ENQ
    frame = say(till, ACK, now)
    assert say(till, ACK, now) == EOT
    return frame


def test_the_worked_frames():
    frame = b"\x0201000012340109780000000000"[:17] + b" " * 10 + b"A010B010\x03\x02"
    assert frame == ask()
    till, request = running(frame)
    assert (request.kind, request.ref, request.amount, request.currency) == ("SALE", "", 1234, "EUR")
    assert till.take_request() is None
    assert heard(till, Outcome("PAID", amount=1234, seq=1)) == b"\x0201000001234"[:3] + b"0000012341978QR00000001\x033"
    assert till.take_delivered() and not till.take_delivered()
    for word, result in (("FAILED", b"7"), ("CANCELLED", b"7"), ("EXPIRED", b"7"), ("UNKNOWN", b"9"), ("BUSY", b"7")):
        till, _ = running(frame)
        assert heard(till, Outcome(word, amount=1234, seq=1)) == check(
            b"\x0201" + result + b"000012341978QR00000001\x03"
        )
    assert check(b"\x02017000012341978QR00000001\x03")[-1] == 0x34
    assert check(b"\x02019000012341978QR00000001\x03")[-1] == 0x3A


def test_long_answers_and_the_private_field():
    till, request = running(ask(flag=b"1", private=b"A-17      "))
    assert request.ref == "A-17"
    frame = heard(till, Outcome("PAID", "A-17", 1234))
    assert len(frame) == 83 and frame[13:68] == b" " * 55 and frame[68:81] == b"978A-17      "


def test_a_private_field_of_zeros_is_no_reference():
    # or a till that always sends the same would hear the first sale's result for ever
    assert running(ask(private=b"0000000000"))[1].ref == ""


def test_protocol_e_has_no_delay():
    assert running(ask(tail=b""))[1].amount == 1234
    Options.till_variant = "E+"
    assert say(Protocol(Options()), ask(tail=b"")) == NAK
    Options.till_variant = ""


def refused(frame):
    till = start(frame)
    assert say(till, EOT) == ENQ and till.take_request() is None
    answer = say(till, ACK)
    assert say(till, ACK) == EOT
    assert not till.take_delivered()
    return answer[3:4] == b"7" and answer[4:12] == frame[3:11]


def test_what_is_not_understood_or_not_ours_is_refused():
    assert refused(ask(currency=b"840"))
    assert refused(ask(amount=b"00000000"))
    assert refused(ask(mode=b"C"))
    assert refused(ask(kind=b"1"))
    assert refused(ask(kind=b"2"))  # a refund of nothing in particular
    assert refused(ask(private=b"a b       "))
    till = Protocol(Options())
    for frame in (
        ask(amount=b"0000 123"),
        ask(flag=b"2"),
        ask(tail=b"A020B010"),
        ask(tail=b"A01"),
        ask()[:-1] + b"\x01",
    ):
        assert say(till, frame) == NAK
    assert say(till, EOT) == b"" and till.take_request() is None


def test_a_currency_of_other_decimals_is_refused():
    Options.currency = "JPY"
    assert refused(ask(currency=b"392"))
    Options.currency = "EUR"


def test_a_refund_names_its_sale():
    assert running(ask(kind=b"2", private=b"A-17      "))[1].ref == "A-17"
    till, request = running(ask(kind=b"2", private=b"QR00000012"))
    assert (request.kind, request.ref, request.seq, request.top) == ("REFUND", "", 12, 99999999)
    assert heard(till, Outcome("REFUNDED", amount=1234))[3:4] == b"0"
    till, request = running(ask(kind=b"2", private=b"A-17      "))
    assert heard(till, Outcome("PAID", amount=1234))[3:4] == b"7"


def test_only_paid_of_this_amount_approves():
    for outcome in (Outcome("PAID", amount=1235), Outcome("PAID"), Outcome("REFUNDED", amount=1234), Outcome("NONE")):
        till, _ = running(ask())
        assert heard(till, outcome)[3:4] != b"0"


def test_the_same_frame_is_the_same_sale_until_its_answer_was_heard():
    till, _ = running(ask())
    assert say(till, ENQ + ask() + EOT, 10) == ACK + ACK
    assert till.take_request() is None
    till.answer(Outcome("PAID", amount=1234), 20)
    assert written(till) == ENQ
    for now in (3020, 6020):
        till.tick(now)
        assert written(till) == ENQ
    till.tick(9020)
    till.tick(99999)
    assert written(till) == b"" and not till.take_delivered()
    assert say(till, ENQ + ask() + EOT, 100000) == ACK + ACK + ENQ
    assert till.take_request() is None
    answer = say(till, ACK, 100001)
    assert say(till, NAK, 100002) == answer
    assert say(till, ACK, 100003) == EOT and till.take_delivered()
    assert say(till, ENQ + ask() + EOT, 200000) == ACK + ACK
    assert till.take_request() is not None


def test_another_question_lets_go_of_the_running_sale():
    till, _ = running(ask())
    assert say(till, ENQ + ask(amount=b"00000500") + EOT, 10) == ACK + ACK + ENQ
    assert say(till, ACK, 10)[3:12] == b"700000500"
    assert say(till, ACK, 10) == EOT and not till.take_delivered() and till.take_request() is None
    till.answer(Outcome("PAID", amount=1234), 20)
    till.tick(90000)
    assert written(till) == b""  # it could be taken for the answer to 5.00
    assert say(till, ENQ + ask() + EOT, 90010) == ACK + ACK + ENQ
    assert say(till, ACK, 90020)[3:12] == b"000001234"


def test_a_question_without_its_end_starts_nothing():
    till = Protocol(Options())
    assert say(till, ENQ + ask()) == ACK + ACK
    till.tick(3500)
    assert say(till, EOT, 3600) == b"" and till.take_request() is None


def test_the_end_of_a_question_that_was_not_understood_starts_no_older_one():
    bad = ask(amount=b"00005000")[:-1] + b"\x01"
    for again in (ENQ + bad, ENQ, bad, ENQ + ask(tail=b"A01")):
        till = start(ask())
        say(till, again, 10)
        assert say(till, EOT, 20) == b"" and till.take_request() is None, again
    till = start(ask())
    assert say(till, ENQ + bad + ENQ + ask(amount=b"00005000") + EOT, 10) == ACK + NAK + ACK + ACK
    assert till.take_request().amount == 5000


def test_the_till_goes_first():
    till, _ = running(ask())
    till.answer(Outcome("PAID", amount=1234), 10)
    assert written(till) == ENQ
    assert say(till, ENQ, 20) == ACK  # both at once
    assert say(till, EOT, 30) == b""
    till.tick(3020)
    assert written(till) == b""  # and has its time
    till.tick(3100)
    assert written(till) == ENQ
    assert say(till, ACK, 3110)[3:12] == b"000001234"


def test_three_refusals_of_an_answer_end_it():
    till, _ = running(ask())
    till.answer(Outcome("PAID", amount=1234), 10)
    written(till)
    answer = say(till, ACK, 10)
    assert say(till, NAK, 20) == answer and say(till, NAK, 30) == answer
    assert say(till, NAK, 40) == EOT and not till.take_delivered()


def test_a_till_that_is_not_ready_is_asked_later():
    till, _ = running(ask())
    till.answer(Outcome("PAID", amount=1234), 10)
    assert written(till) == ENQ
    assert say(till, NAK, 20) == b""
    till.tick(3010)
    assert written(till) == ENQ


def test_a_result_that_nobody_heard_is_not_another_patrons():
    till, _ = running(ask())
    till.answer(Outcome("PAID", amount=1234), 0)
    for now in (3000, 6000, 9000, 599999):
        till.tick(now)
    written(till)
    assert say(till, ENQ + ask() + EOT, 599999) == ACK + ACK + ENQ
    for now in (602999, 605999, 608999):
        till.tick(now)
    written(till)
    assert say(till, ENQ + ask() + EOT, 620000) == ACK + ACK
    assert till.take_request() is not None


def test_a_stray_ack_in_the_rest_of_a_frame_is_none():
    till, _ = running(ask())
    till.answer(Outcome("PAID", amount=1234), 10)
    written(till)
    say(till, ACK, 10)
    assert say(till, b"12\x06", 20) == b"" and not till.take_delivered()
    assert say(till, ACK, 1100) == EOT and till.take_delivered()
