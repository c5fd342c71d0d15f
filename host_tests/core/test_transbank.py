"""Transbank POS Integrado: the worked frames, every code of the answer, progress, repeats, and what is refused."""

from ecrwire import ACK, checked, heard, say, written

from till.ecr import Outcome
from till.transbank import Protocol

NAK = b"\x15"
SALE = b"\x020200|1990|123456|||0|\x037"
WHEN = 1762785430  # 2025-11-10 14:37:10 UTC


class Options:
    def __init__(self, currency="CLP", till_variant=""):
        self.currency = currency
        self.till_variant = till_variant
        self.terminal = "ABC1234C"


def framed(body):
    return checked(body, 3)


def running(frame=SALE):
    till = Protocol(Options())
    assert say(till, frame) == ACK
    return till, till.take_request()


def test_the_worked_frames():
    assert framed(b"0200|1990|123456|||0|") == SALE
    till, request = running()
    assert (request.kind, request.ref, request.amount, request.currency) == ("SALE", "123456", 1990, "CLP")
    answer = heard(till, Outcome("PAID", "123456", 1990, "CLP", "CP-C7F-ZS5", 61, WHEN))
    body = b"0210|00|000000000000|ABC1234C|123456|C7FZS5|1990|0|||61|DB|||QR|10112025|143710||0|"
    assert answer == framed(body)
    assert till.take_delivered()
    assert say(Protocol(Options()), b"\x020100\x03\x02") == ACK
    assert say(Protocol(Options()), b"\x020300\x03\x00") == ACK
    till, request = running(b"\x020250|\x03x")
    assert request.kind == "LAST"
    answer = heard(till, Outcome("PAID", "123456", 1990, "CLP", "CP-C7F-ZS5", 61, WHEN))
    assert answer[1:-2] == b"0260" + body[4:]


def test_every_word_has_its_code():
    for word, code in (
        ("CANCELLED", b"07"),
        ("EXPIRED", b"22"),
        ("FAILED", b"01"),
        ("UNKNOWN", b"02"),
        ("BUSY", b"01"),
        ("NOT_READY", b"03"),
        ("REFUNDED", b"04"),
    ):
        till, _ = running()
        assert heard(till, Outcome(word, "123456", 1990, "CLP", "CP-C7F-ZS5", 61)) == framed(
            b"0210|" + code + b"|000000000000|ABC1234C|123456||1990|0|||61|DB|||QR||||0|"
        )
    till, _ = running()
    assert heard(till, Outcome("PAID", "123456", 1991))[6:8] == b"02"
    till, _ = running(framed(b"0250|"))
    assert heard(till, Outcome("NONE"))[1:8] == b"0260|11"


def test_load_keys_fits_the_c_client():
    answer = say(Protocol(Options()), b"\x020800\x03\x0b")
    assert answer == ACK + framed(b"0810|00|000000000000|ABC1234C") and len(answer) == 33


def test_a_refund_names_its_operation():
    till, request = running(framed(b"1200|61|"))
    assert (request.kind, request.seq, request.top, request.amount) == ("REFUND", 61, 999999, 0)
    answer = heard(till, Outcome("REFUNDED", code="CP-C7F-ZS5", seq=61))
    assert answer == framed(b"1210|00|000000000000|ABC1234C|C7FZS5|61|")
    for word, code in (("REFUND_FAILED", b"21"), ("NONE", b"05"), ("UNKNOWN", b"02"), ("PAID", b"01")):
        till, _ = running(framed(b"1200|61|"))
        assert heard(till, Outcome(word))[6:8] == code
    for body in (b"1200|0|", b"1200|", b"1200|x|", b"1200|1234567|"):
        refused(body, b"05")


def refused(body, code, options=None):
    till = Protocol(options or Options())
    answer = say(till, framed(body))
    assert answer[:1] == ACK and till.take_request() is None
    assert answer[7:9] == code, answer
    assert say(till, ACK) == b"" and not till.take_delivered()


def test_what_is_not_understood_or_not_ours_is_refused():
    for body in (b"0200|0|1|||0|", b"0200||1|||0|", b"0200|-5|1|||0|", b"0200|19.90|1|||0|", b"0200|100000000|1|||0|"):
        refused(body, b"72")
    refused(b"0200|1990|1|||0|", b"72", Options("NZD"))  # whole pesos say nothing of cents
    refused(b"0200|0000001990|1|||0|", b"72")
    refused(b"0200|1990|a b|||0|", b"70")
    refused(b"0200|1990|1234567|||0|", b"70")
    for body in (
        b"0200",
        b"0200|1990",
        b"0200|1990|1",
        b"0200|1990|1|||0||",
        b"0200|1990|1|||2|",
        b"0200|1990|1|x||0|",
    ):
        refused(body, b"12")
    for body in (b"0270|1990|1||||0|", b"0260|0|", b"0500||", b"0700||", b"0280|0"):
        refused(body, b"12")
    till = Protocol(Options())
    for frame in (framed(b"sale"), framed(b"02000"), framed(b""), SALE[:-1] + b"8", framed(b"0200|" + b"9" * 60)):
        assert say(till, frame) == NAK


def test_minor_units_are_a_variant():
    till = Protocol(Options("NZD", "minor"))
    say(till, SALE)
    assert till.take_request().amount == 1990


def test_the_frame_of_the_c_client():
    assert running(framed(b"0200|000001990|000123|||0"))[1].amount == 1990
    assert running(framed(b"0200|000001990|000000|||0"))[1].ref == ""


def test_progress_is_said_once_and_the_result_waits_for_it():
    till, _ = running()
    till.progress("WAITING", 60, 10)
    assert written(till) == b""  # not asked for
    till, _ = running(framed(b"0200|1990|123456|||1|"))
    till.progress("PAYABLE", 60, 10)
    assert written(till) == framed(b"0900|78")
    till.progress("PAYABLE", 55, 20)
    till.answer(Outcome("PAID", "123456", 1990), 30)
    assert written(till) == b""
    assert say(till, ACK, 40)[1:8] == b"0210|00"
    till, _ = running(framed(b"0200|1990|123456|||1|"))
    till.progress("CHECKING", 60, 10)
    assert written(till) == framed(b"0900|82")
    till.answer(Outcome("PAID", "123456", 1990), 30)
    till.tick(10010)
    assert written(till)[1:8] == b"0210|00"


def test_an_answer_is_sent_three_times():
    till, _ = running()
    till.answer(Outcome("PAID", "123456", 1990), 0)
    answer = written(till)
    assert say(till, NAK, 10) == answer
    till.tick(10009)
    assert written(till) == b""
    till.tick(10010)
    assert written(till) == answer
    till.tick(20010)
    till.tick(90000)
    assert written(till) == b"" and not till.take_delivered()
    assert say(till, SALE, 100000) == ACK + answer and till.take_request() is None
    assert say(till, ACK, 100001) == b"" and till.take_delivered()
    assert say(till, SALE, 100002) == ACK and till.take_request() is not None


def test_the_same_frame_while_it_runs_is_the_same_sale():
    till, _ = running()
    assert say(till, SALE, 10) == ACK and till.take_request() is None


def test_a_last_sale_query_while_it_runs_says_not_known():
    till, _ = running()
    answer = say(till, framed(b"0250|"), 10)
    assert answer[1:9] == b"\x020260|02" and b"|123456||1990|" in answer
    say(till, ACK, 20)
    till.answer(Outcome("PAID", "123456", 1990), 30)
    till.tick(90000)
    assert written(till) == b"" and not till.take_delivered()
    assert say(till, framed(b"0250|"), 90001) == ACK
    assert till.take_request().kind == "LAST"


def test_an_unheard_last_sale_is_asked_for_anew():
    till, _ = running(framed(b"0250|"))
    till.answer(Outcome("UNKNOWN", "1", 1990), 0)
    assert say(till, framed(b"0250|"), 10)[-1:] == ACK
    assert till.take_request().kind == "LAST"
    assert heard(till, Outcome("PAID", "1", 1990))[6:8] == b"00"


def test_an_answer_is_given_once_and_to_what_was_taken():
    till, _ = running()
    till.answer(Outcome("UNKNOWN", "123456", 1990), 0)
    answer = written(till)
    till.answer(Outcome("PAID", "123456", 1990), 10)
    for now in (10000, 20000, 30000):
        till.tick(now)
    assert written(till) == answer + answer
    other = framed(b"0200|1990|123457|||0|")
    assert say(till, other, 40000) == ACK
    till.answer(Outcome("PAID", "123456", 1990), 40001)  # the first sale's, too late
    assert written(till) == b"" and till.take_request().ref == "123457"
    till.answer(Outcome("PAID", "123456", 1990), 40002)
    assert written(till)[6:8] == b"02"


def test_the_backlog_is_bounded():
    till = Protocol(Options())
    data = framed(b"0100") * 50
    till.feed(data, len(data), 0)
    assert len(written(till)) == 4
