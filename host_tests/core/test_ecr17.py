"""Nexi ECR17: the worked frame in its four variants, results, progress, reversal, status, and what is refused."""

from ecrwire import ACK, checked, heard, say, written

from till.ecr import Outcome
from till.ecr17 import Protocol

NAK = b"\x15"
WHEN = 1762785430  # 2025-11-10 14:37:10 UTC, day 314
PAY = b"000000000P00000001000000000" + b"1234" + b" " * 128 + b"00000000"


class Options:
    currency = "EUR"
    terminal = "12345678"

    def __init__(self, till_variant="stx"):
        self.till_variant = till_variant


def framed(body, seed=0x7E):
    return checked(body, seed)


def running(body=PAY):
    till = Protocol(Options())
    assert say(till, framed(body)) == ACK
    return till, till.take_request()


def test_the_worked_frame_in_four_variants():
    assert len(PAY) == 167
    for variant, seed, check in (
        ("stx", 0x7E, 0x2B),
        ("std", 0x7F, 0x2A),
        ("noext", 0x7C, 0x29),
        ("stx_noext", 0x7D, 0x28),
    ):
        frame = framed(PAY, seed)
        assert frame[-1] == check
        till = Protocol(Options(variant))
        assert say(till, frame) == ACK
        request = till.take_request()
        assert (request.kind, request.ref, request.amount, request.currency) == ("SALE", "", 1234, "EUR")
        answer = heard(till, Outcome("PAID", amount=1234))
        assert answer == framed(answer[1:-2], seed)
        for other in (0x7C, 0x7D, 0x7E, 0x7F):
            if other != seed:
                assert say(till, framed(PAY, other), 2000) == NAK


def test_results():
    till, _ = running()
    answer = heard(till, Outcome("PAID", "x", 1234, "EUR", "CP-C7F-ZS5", 61, WHEN))
    assert answer[1:-2] == b"123456780E00" + b"0" * 19 + b"   C7FZS531414373CENTRAPAY  000061000000"
    assert len(answer) == 74 and till.take_delivered()
    for word, said in (
        ("UNKNOWN", b"ESITO NON VERIFICATO"),
        ("CANCELLED", b"ANNULLATO"),
        ("EXPIRED", b"TEMPO SCADUTO"),
        ("FAILED", b"NON ESEGUITO"),
        ("REFUNDED", b"STORNATO"),
        ("BUSY", b"TERMINALE OCCUPATO"),
    ):
        till, _ = running()
        answer = heard(till, Outcome(word, amount=1234, seq=61))
        assert answer[1:-2] == (b"123456780E01" + (said + b" " * 24)[:24] + b"000000000003CENTRAPAY  000061000000"), (
            answer
        )
        assert len(answer) == 74
    till, _ = running()
    assert heard(till, Outcome("PAID", amount=1235))[11:13] == b"01"


def test_the_last_result():
    till, request = running(b"000000000G000000010000")
    assert request.kind == "LAST"
    assert heard(till, Outcome("NONE"))[11:32] == b"01NESSUNA TRANSAZIONE"
    assert till.take_delivered()
    till, _ = running()
    assert say(till, framed(b"000000000G000000010000"), 10)[12:34] == b"01ESITO NON VERIFICATO"
    say(till, ACK, 20)
    till.answer(Outcome("PAID", amount=1234), 30)
    assert written(till) == b""


def test_a_reversal_names_the_stan():
    till, request = running(b"123456780S0000000100006100")
    assert (request.kind, request.seq, request.top) == ("REFUND", 61, 999999)
    assert heard(till, Outcome("REFUNDED", seq=61))[11:13] == b"00"
    till, request = running(b"123456780S0000000100000000")
    assert request.seq == 0
    assert heard(till, Outcome("PAID"))[11:13] == b"01"


def test_status():
    till, request = running(b"123456780s")
    assert request.kind == "STATUS"
    assert heard(till, Outcome("NONE", when=WHEN))[1:-2] == b"123456780s000000000010112514372TILLPANE"
    assert not till.take_delivered()
    till, _ = running()
    assert say(till, framed(b"123456780s"), 10)[32:33] == b"2"
    say(till, ACK, 20)
    assert heard(till, Outcome("PAID", amount=1234))[11:13] == b"00"  # asking how it is lets go of nothing


def test_progress():
    till, _ = running()
    till.progress("PAYABLE", 60, 0)
    assert written(till) == b"\x01INQUADRARE IL QR    \x04"
    till.progress("CHECKING", 60, 0)
    assert written(till) == b"\x01ATTENDERE           \x04"
    till = Protocol(Options())
    till.progress("PAYABLE", 60, 0)
    assert written(till) == b""


def test_what_is_not_understood_or_not_ours_is_refused():
    for body in (
        b"",
        b"000000000",
        b"999999990s",
        b"000000001s",
        b"000000000Q",
        PAY[:-1],
        PAY + b"0",
        PAY[:23] + b"0000 123" + PAY[31:],
        PAY[:18] + b"1" + PAY[19:],
        b"000000000G00000001000",
        b"123456780S00000001x0006100",
        PAY.replace(b"P", b"X"),
    ):
        till = Protocol(Options())
        assert say(till, framed(body)) == NAK and till.take_request() is None
    till = Protocol(Options())
    answer = say(till, framed(PAY.replace(b"1234", b"0000")))
    assert answer[:1] == ACK and answer[12:32] == b"01IMPORTO NON VALIDO"
    assert till.take_request() is None
    Options.currency = "JPY"
    till = Protocol(Options())
    assert say(till, framed(PAY))[12:14] == b"01" and till.take_request() is None
    Options.currency = "EUR"


def test_repeats():
    till, _ = running()
    assert say(till, framed(PAY), 10) == ACK and till.take_request() is None
    till.answer(Outcome("PAID", amount=1234), 20)
    answer = written(till)
    for now in (3020, 6020, 9020, 12020):
        till.tick(now)
    assert written(till) == answer + answer and not till.take_delivered()
    assert say(till, framed(PAY), 20000) == ACK + answer and till.take_request() is None
    assert say(till, ACK, 20001) == b"" and till.take_delivered()
    assert say(till, framed(PAY), 20002) == ACK and till.take_request() is not None


def test_an_old_result_is_not_said_again_while_the_next_question_arrives():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 20)
    assert written(till)  # and the till does not hear it
    other = framed(PAY.replace(b"00001234", b"00005600"))
    for at in range(0, len(other), 16):
        piece = other[at : at + 16]
        till.feed(piece, len(piece), 3010 + at)
        till.tick(3015 + at)
    assert written(till) == ACK  # the answer carries no amount: the old one would be taken for the new sale's
    assert till.take_request().amount == 5600


def test_an_old_result_that_waits_to_be_written_goes_when_another_question_comes():
    till, _ = running()
    till.answer(Outcome("PAID", amount=1234), 20)
    assert say(till, framed(PAY.replace(b"00001234", b"00005600")), 30) == ACK
    assert till.take_request().amount == 5600
