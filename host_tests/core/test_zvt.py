"""ZVT: the worked frame, the dialogue byte by byte, abort, repeat receipt, reversal, registration, what is refused."""

from ecrwire import ACK, say, written
from ecrwire import zvt_framed as framed

from till.ecr import Outcome
from till.zvt import Protocol

NAK = b"\x15"
WHEN = 1762785430  # 2025-11-10 14:37:10 UTC
PAY = b"\x06\x01\x0a\x04\x00\x00\x00\x00\x12\x34\x49\x09\x78"
REGISTER = b"\x06\x00\x06\x12\x34\x56\x8a\x09\x78"


class Options:
    currency = "EUR"
    till_variant = ""
    terminal = "12345678"


OK = framed(b"\x80\x00\x00")


def accepted(apdu=PAY):
    """A box that has taken this command and told so."""
    till = Protocol(Options())
    assert say(till, framed(apdu)) == ACK + OK
    return till, till.take_request()


def running(apdu=PAY):
    till, request = accepted(apdu)
    assert say(till, ACK) == b""
    return till, request


def heard(till, outcome, now=1000):
    """The result and what ends it, as a till that accepts everything hears them."""
    till.answer(outcome, now)
    result = written(till)
    assert say(till, ACK, now) == b""
    last = say(till, OK, now)
    assert last[:1] == ACK
    assert say(till, ACK, now) == b"" and say(till, OK, now) == ACK
    return result, last[1:]


def test_the_worked_frame():
    frame = framed(PAY)
    assert frame == b"\x10\x02\x06\x01\x0a\x04\x00\x00\x00\x00\x12\x34\x49\x09\x78\x10\x03\xb0\x91"
    till, request = running()
    assert (request.kind, request.ref, request.amount, request.currency) == ("SALE", "", 1234, "EUR")
    result, last = heard(till, Outcome("PAID", "", 1234, "EUR", "CP-C7F-ZS5", 61, WHEN))
    assert result == framed(
        b"\x04\x0f\x2d\x27\x00\x04\x00\x00\x00\x00\x12\x34\x49\x09\x78\x0b\x00\x00\x61\x87\x00\x61\x29\x12\x34\x56\x78"
        b"\x0c\x14\x37\x10\x0d\x11\x10\x3c\xf0\xf1\xf0CP-C7F-ZS5"
    )
    assert last == framed(b"\x06\x0f\x00") and till.take_delivered()


def test_every_word_has_its_error():
    for word, error in (
        ("CANCELLED", 0x6C),
        ("EXPIRED", 0x6C),
        ("FAILED", 0x66),
        ("UNKNOWN", 0x7D),
        ("BUSY", 0x9C),
        ("NOT_READY", 0xA0),
        ("REFUNDED", 0xB4),
    ):
        till, _ = running()
        result, last = heard(till, Outcome(word, amount=1234))
        assert result[5:7] == bytes((0x27, error)) and last == framed(bytes((6, 0x1E, 1, error)))
        assert till.take_delivered()
    till, _ = running()
    assert heard(till, Outcome("PAID", amount=1235))[0][5:7] == b"\x27\x7d"


def test_a_doubled_dle_is_one():
    till, request = running(b"\x06\x01\x07\x04\x00\x00\x00\x00\x10\x10")
    assert request.amount == 1010 and request.currency == "EUR"
    assert heard(till, Outcome("PAID", amount=1010))[0].count(b"\x10\x10\x10\x10") == 1


def test_registration_and_progress():
    till = Protocol(Options())
    assert say(till, framed(REGISTER)) == ACK + OK
    assert say(till, ACK) == framed(b"\x06\x0f\x0a\x19\x00\x29\x12\x34\x56\x78\x49\x09\x78")
    assert say(till, ACK + OK) == ACK
    assert say(till, framed(PAY)) == ACK + OK
    till.take_request()
    assert say(till, ACK) == b""
    till.progress("PAYABLE", 60, 0)
    assert written(till) == framed(b"\x04\xff\x01\x0a")
    assert say(till, ACK) == b""
    till.answer(Outcome("PAID", amount=1234), 10)
    assert written(till) == b""  # the till has the word
    assert say(till, OK, 20)[:1] == ACK
    till, _ = running()
    till.progress("PAYABLE", 60, 0)
    assert written(till) == b""  # it did not register for them


def test_registration_in_another_currency_is_refused():
    till = Protocol(Options())
    assert say(till, framed(b"\x06\x00\x06\x12\x34\x56\x8a\x08\x40")) == ACK + framed(b"\x84\x6f\x00")
    assert say(till, framed(b"\x06\x00\x02\x12\x34")) == ACK + framed(b"\x84\x6f\x00")


def test_status_enquiry():
    for word, status in (("NONE", 0), ("NOT_READY", 0xDF)):
        till, request = running(b"\x05\x01\x03\x12\x34\x56")
        assert request.kind == "STATUS"
        till.answer(Outcome(word), 10)
        assert written(till) == framed(bytes((6, 15, 1, status)))
        assert say(till, ACK + OK) == ACK and not till.take_delivered()
    till, _ = running()
    assert say(till, framed(b"\x05\x01\x03\x12\x34\x56")) == ACK + framed(b"\x84\x9c\x00")
    say(till, ACK)
    assert heard(till, Outcome("PAID", amount=1234))[0][5:7] == b"\x27\x00"


def test_abort_is_the_sales_cancel():
    till, _ = running()
    assert say(till, framed(b"\x06\xb0\x00"), 10) == ACK + OK
    assert till.take_request().kind == "CANCEL" and till.take_request() is None
    assert say(till, ACK, 20) == b""
    result, last = heard(till, Outcome("CANCELLED", amount=1234))
    assert result[5:7] == b"\x27\x6c" and last == framed(b"\x06\x1e\x01\x6c")
    till = Protocol(Options())
    assert say(till, framed(b"\x06\xb0\x00"), 10) == ACK + OK
    assert till.take_request() is None


def test_repeat_receipt_and_reversal():
    till, request = running(b"\x06\x20\x03\x12\x34\x56")
    assert request.kind == "LAST"
    result, last = heard(till, Outcome("PAID", amount=1234, seq=61))
    assert result[5:7] == b"\x27\x00" and last == framed(b"\x06\x0f\x00") and till.take_delivered()
    till, request = running(b"\x06\x30\x06\x12\x34\x56\x87\x00\x61")
    assert (request.kind, request.seq, request.top, request.amount) == ("REFUND", 61, 9999, 0)
    assert heard(till, Outcome("REFUNDED", amount=1234, seq=61))[0][5:7] == b"\x27\x00"
    till, request = running(b"\x06\x30\x0d\x12\x34\x56\x87\x00\x61\x04\x00\x00\x00\x00\x05\x00")
    assert request.amount == 500
    assert heard(till, Outcome("PAID", amount=500))[1] == framed(b"\x06\x1e\x01\x66")


def refused(apdu, error=0x83):
    till = Protocol(Options())
    assert say(till, framed(apdu)) == ACK + framed(bytes((0x84, error, 0))) and till.take_request() is None
    assert say(till, ACK) == b"" and not till.take_delivered()


def amount(field):
    return bytes((6, 1, len(field))) + field


def test_what_is_not_understood_or_not_ours_is_refused():
    whole = PAY[3:10]
    refused(amount(whole + b"\x49\x08\x40"), 0x6F)
    refused(amount(b""))
    refused(amount(b"\x49\x09\x78"))
    refused(amount(b"\x04\x00\x00\x00\x00\x00\x00"))
    refused(amount(b"\x04\x00\x01\x00\x00\x00\x00"))
    refused(amount(b"\x04\x00\x00\x00\x00\x12\x3a"))
    refused(amount(whole + whole))
    refused(amount(whole[:-1]))
    refused(amount(whole + b"\x99\x01"))
    refused(amount(whole + b"\x06\x05\x01"))
    refused(amount(whole + b"\x06"))
    refused(amount(whole + b"\x22\xf1"))
    refused(amount(whole + b"\x22\x00\x02\x12\x34"))
    refused(b"\x06\x30\x03\x12\x34\x56")
    refused(b"\x06\x30\x06\x12\x34\x56\x87\x00\x00")
    refused(b"\x06\x30\x06\x12\x34\x56\x87\x0a\x00")
    refused(b"\x06\x31\x0a\x12\x34\x56" + whole)
    refused(b"\x06\x50\x03\x12\x34\x56")
    till = Protocol(Options())
    for frame in (
        framed(b""),
        framed(b"\x06\x01"),
        framed(b"\x06\x01\x0b" + PAY[3:]),
        framed(PAY)[:-1] + b"\x00",
    ):
        assert say(till, frame) == NAK
    assert say(till, framed(PAY)[:-2] + b"\x00\x91") == NAK
    assert till.take_request() is None
    assert running(amount(b"\x19\x40\x22\xf0\xf2\x12\x34" + whole + b"\x06\x03\x1f\x05\x01"))[1].amount == 1234
    Options.currency = "JPY"
    refused(amount(whole))
    Options.currency = "EUR"


def test_diagnosis_initialisation_and_log_off():
    for code in (0x70, 0x93):
        till = Protocol(Options())
        assert say(till, framed(bytes((6, code, 0)))) == ACK + OK
        assert say(till, ACK) == framed(b"\x06\x0f\x00")
    till = Protocol(Options())
    assert say(till, framed(b"\x06\x02\x00")) == ACK + OK
    assert say(till, ACK) == b""


def test_repeats():
    till, _ = running()
    assert say(till, framed(PAY), 10) == ACK + OK and till.take_request() is None
    assert say(till, ACK, 20) == b""
    till.answer(Outcome("PAID", amount=1234), 30)
    result = written(till)
    for now in (5030, 10030, 15030, 20030):
        till.tick(now)
    assert written(till) == result + result and not till.take_delivered()
    assert say(till, framed(PAY), 30000) == ACK + OK and till.take_request() is None
    assert say(till, ACK, 30001) == result
    assert say(till, ACK, 30002) == b"" and till.take_delivered()
    assert say(till, OK, 30003) == ACK + framed(b"\x06\x0f\x00")
    assert say(till, ACK + OK, 30004) == ACK
    assert say(till, framed(PAY), 30005) == ACK + OK and till.take_request() is not None


def test_another_command_lets_go_of_the_running_sale():
    till, _ = running()
    other = amount(b"\x04\x00\x00\x00\x00\x05\x00")
    assert say(till, framed(other), 10) == ACK + framed(b"\x84\x9c\x00")
    assert say(till, ACK, 20) == b""
    till.answer(Outcome("PAID", amount=1234), 30)
    till.tick(90000)
    assert written(till) == b"" and not till.take_delivered()
    assert say(till, framed(PAY), 90001) == ACK + OK
    assert say(till, ACK, 90002)[5:7] == b"\x27\x00"


def test_a_status_enquiry_leaves_a_sale_let_go():
    till, _ = running()
    busy = ACK + framed(b"\x84\x9c\x00")
    assert say(till, framed(amount(b"\x04\x00\x00\x00\x00\x05\x00")), 10) == busy
    assert say(till, ACK, 20) == b""
    assert say(till, framed(b"\x05\x01\x03\x12\x34\x56"), 30) == busy
    assert say(till, ACK, 40) == b""
    till.answer(Outcome("PAID", amount=1234), 50)
    till.tick(90000)
    assert written(till) == b"" and not till.take_delivered()  # it could be taken for the answer to 5.00


def test_an_acceptance_that_comes_twice_acknowledges_nothing():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 30)
    result = written(till)
    assert say(till, OK, 40) == ACK and not till.take_delivered()
    till.tick(5030)
    assert written(till) == result


def test_goods_that_were_not_given_are_not_reversed_by_us():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 30)
    written(till)
    say(till, ACK, 40)
    assert say(till, framed(b"\x84\x66\x00"), 50) == ACK + framed(b"\x06\x1e\x01\xb5")


def test_a_till_that_never_accepts_is_not_waited_for():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 30)
    written(till)
    say(till, ACK, 40)
    till.tick(5041)
    assert written(till) == framed(b"\x06\x0f\x00")


def unfinished():
    """A till that has heard that its sale was paid, and has not accepted it yet."""
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 30)
    written(till)
    assert say(till, ACK, 40) == b""
    return till


def test_the_end_of_a_command_never_follows_the_next_one():
    other = framed(amount(b"\x04\x00\x00\x00\x00\x50\x00"))
    till = unfinished()
    assert say(till, other, 50) == ACK + OK and till.take_request().amount == 5000
    assert say(till, ACK, 60) == b""
    till.tick(9000)
    assert written(till) == b""
    till = unfinished()
    assert say(till, framed(amount(b"\x04\x00\x00\x00\x00\x00\x00")), 50) == ACK + framed(b"\x84\x83\x00")
    assert say(till, ACK, 60) == b""
    till = Protocol(Options())
    assert say(till, framed(REGISTER)) == ACK + OK
    assert say(till, other) == ACK + OK
    assert say(till, ACK) == b""


def test_an_abort_that_comes_with_the_result_leaves_the_sales_end():
    till = unfinished()
    assert say(till, framed(b"\x06\xb0\x00"), 50) == ACK + OK
    assert say(till, ACK, 60) == framed(b"\x06\x0f\x00")


def test_the_rest_of_a_frame_whose_start_was_lost_acknowledges_nothing():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 30)
    written(till)
    assert say(till, framed(PAY)[1:], 40) == b"" and not till.take_delivered()
