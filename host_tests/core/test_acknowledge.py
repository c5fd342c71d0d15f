"""An ACK settles the word that the till had last, and never one that was not said yet."""

from fakes import Bench, FlashJournal, Ledger, paid, refunds_of

from centrapay import Refused
from kiosk.journal import JournalError


def unknown():
    """A sale that was paid while the connection was gone: the till has heard UNKNOWN."""
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(3000)
    bench.ledger.down = True
    bench.ledger.pay()
    bench.run(140000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.ledger.down = False
    return bench


def unknown_for_want_of_flash():
    """A sale that was paid while flash was full: PAID cannot be said before it is written down."""
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(3000)
    bench.ledger.pay()
    bench.journal.full = True
    bench.run(12000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.journal.full = False
    return bench


def resolved(bench):
    """Lets the API answer, but no line go out."""
    while bench.journal.find("1").is_open:
        bench.desk.tick(bench.now)
        call = bench.desk.next_call(bench.now)
        if call is not None:
            bench.perform(*call)
        bench.now += 100


def acknowledged(bench, words):
    """Whether the till hears just these words of sale 1 in the end, and its next ACK settles the last."""
    bench.run(60000)
    assert bench.results("1") == words, bench.results("1")
    assert not bench.journal.find("1").acked
    assert bench.say("ACK 1") == "OK ACK 1"
    return bench.journal.find("1").acked


def test_unknown_acknowledged_after_it_was_resolved():
    bench = unknown()
    resolved(bench)
    assert bench.say("ACK 1").startswith("RESULT 1 PAID"), "the answer to an older word is the newer one"
    assert acknowledged(bench, ["UNKNOWN", "PAID"])


def test_unknown_acknowledged_while_the_next_sale_keeps_its_result_back():
    bench = unknown()
    bench.say("SALE 2 1.00")
    bench.run(70000)
    assert bench.journal.find("1").state == "PAID"
    bench.say("ACK 1")
    bench.say("CANCEL 2")
    bench.run(3000)
    assert acknowledged(bench, ["UNKNOWN", "PAID"])


def test_unknown_acknowledged_before_flash_took_the_result():
    bench = unknown_for_want_of_flash()
    assert bench.heard[-1].endswith(" -"), "a reason would tell what is not on flash"
    bench.say("ACK 1")
    assert acknowledged(bench, ["UNKNOWN", "PAID"])


def test_unknown_for_want_of_flash_is_owed_over_a_power_cut():
    bench = unknown_for_want_of_flash()
    bench.say("SALE 2 1.00")
    bench.run(8000)
    bench.boot()
    assert acknowledged(bench, ["UNKNOWN", "PAID"])


def test_expired_acknowledged_after_it_was_paid_late():
    bench = Bench(Ledger(20000), expiry_s=20)
    bench.say("SALE 1 5.00")
    while not bench.results("1"):
        bench.run(200)
    bench.say("SALE 2 7.00")
    bench.run(3000)
    request = bench.ledger.requests["id000"]
    request[0], request[5] = "paid", True
    bench.run(12000)
    assert bench.journal.find("1").state == "PAID"
    bench.say("ACK 1")
    bench.say("CANCEL 2")
    bench.run(3000)
    assert acknowledged(bench, ["EXPIRED", "PAID"])


def test_a_word_that_was_asked_for_can_be_acknowledged():
    for question in ("STATUS 1", "LAST", "SALE 1 12.34", "CANCEL 1"):
        bench = unknown()
        resolved(bench)
        assert bench.say(question).startswith("RESULT 1 PAID"), question
        bench.say("ACK 1")
        assert bench.journal.find("1").acked
        bench.heard.clear()
        bench.run(60000)
        assert bench.heard == []


def refunding():
    bench = paid()
    bench.say("REFUND 1 5.00")
    return bench


def test_paid_acknowledged_again_is_not_the_refund_acknowledged():
    bench = refunding()
    bench.perform(*bench.desk.next_call(bench.now))
    bench.say("ACK 1")
    bench.run(3000)
    assert bench.results("1") == ["REFUNDED"]
    bench.say("ACK 1")
    assert refunds_of(bench.journal, "1")["T1-1-n-A500"].acked


def test_an_unknown_refund_acknowledged_after_it_was_resolved():
    bench = refunding()
    bench.ledger.lose = ["refund"]
    bench.step()
    bench.ledger.down = True
    bench.run(70000)
    assert bench.results("1") == ["REFUND_UNKNOWN"]
    bench.ledger.down = False
    while refunds_of(bench.journal, "1")["T1-1-n-A500"].is_open:
        bench.now += 100
        call = bench.desk.next_call(bench.now)
        if call is not None:
            bench.perform(*call)
    bench.say("ACK 1")
    bench.run(3000)
    assert bench.results("1") == ["REFUND_UNKNOWN", "REFUNDED"]


def test_a_refund_that_was_asked_for_can_be_acknowledged():
    bench = refunding()
    bench.perform(*bench.desk.next_call(bench.now))
    assert bench.say("STATUS 1").startswith("RESULT 1 REFUNDED")
    bench.say("ACK 1")
    assert refunds_of(bench.journal, "1")["T1-1-n-A500"].acked


def test_who_asks_for_a_refund_knows_of_the_payment():
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(2000)
    bench.say("REFUND 1")
    bench.heard.clear()
    bench.run(30000)
    assert bench.results("1") == ["REFUNDED"]
    assert bench.journal.find("1").acked


def test_a_refund_is_told_again_after_two_power_cuts():
    bench = refunding()
    bench.ledger.lose = ["refund"]
    bench.step()
    cut(bench)
    bench.say("SALE 2 1.00")
    bench.run(8000)
    assert refunds_of(bench.journal, "1")["T1-1-n-A500"].state == "REFUNDED"
    assert bench.results("1") == []
    cut(bench)
    bench.run(60000)
    assert bench.results("1") == ["REFUNDED"]


def test_a_sale_is_told_after_two_power_cuts():
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(3000)
    bench.ledger.pay()
    cut(bench)
    bench.say("SALE 2 1.00")
    bench.run(8000)
    assert bench.journal.find("1").state == "PAID" and bench.results("1") == []
    cut(bench)
    bench.run(60000)
    assert bench.results("1") == ["PAID"]


def test_a_result_that_met_the_next_sale_is_told_after_a_power_cut():
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.run(3000)
    bench.ledger.pay()
    resolved(bench)
    assert bench.say("SALE 2 1.00") == "OK SALE 2 1.00 NZD" and bench.results("1") == []
    cut(bench)
    bench.run(60000)
    assert bench.results("1") == ["PAID"]


def cut(bench):
    bench.journal = FlashJournal(bench.journal.records)
    bench.boot()


def test_a_failed_refund_that_flash_does_not_take_again_is_not_sent():
    bench = refunding()
    bench.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    bench.run(1500)
    assert bench.results("1") == ["REFUND_FAILED"]
    bench.journal.full = True
    assert bench.say("REFUND 1 5.00") == "ERR NOT_READY FLASH_FAULT"
    bench.run(3000)
    assert bench.ledger.refunds == {}
    bench.journal.full = False
    bench.run(8000)
    cut(bench)
    bench.run(20000)
    assert bench.ledger.refunds == {} and bench.results("1")[-1] == "REFUND_FAILED"
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    assert sum(bench.ledger.refunds.values()) == 500 and bench.results("1")[-1] == "REFUNDED"


def test_a_refund_that_flash_did_not_take_at_first_is_never_made():
    bench = refunding()
    bench.run(3000)
    bench.say("ACK 1")
    write = bench.journal.write

    def lands(sale):
        write(sale)
        raise JournalError(5)

    bench.journal.write = lands
    assert bench.say("REFUND 1 2.00") == "ERR NOT_READY FLASH_FAULT"
    bench.journal.write = write
    bench.run(8000)
    assert bench.results("1")[-1] == "REFUND_FAILED"
    cut(bench)
    bench.run(20000)
    assert list(bench.ledger.refunds.values()) == [500]
    bench.say("REFUND 1 2.00")
    bench.run(3000)
    assert sum(bench.ledger.refunds.values()) == 700


def test_what_a_definite_answer_ended_is_not_lost_when_it_is_tried_again():
    bench = refunding()
    bench.ledger.fail["refund"] = Refused("BAD_REQUEST")
    bench.run(3000)
    assert bench.results("1") == ["REFUND_FAILED"]
    cut(bench)
    bench.run(1000)
    bench.say("REFUND 1 5.00")
    bench.ledger.fail["refund"] = Refused("BAD_REQUEST")
    bench.run(3000)
    assert bench.results("1") == ["REFUND_FAILED"] and not refunds_of(bench.journal, "1")["T1-1-n-A500"].is_open


def test_after_a_power_cut_what_was_said_before_it_can_be_acknowledged():
    for told_unknown in (False, True):
        bench = unknown() if told_unknown else Bench()
        if not told_unknown:
            bench.say("SALE 1 12.34")
            bench.run(2000)
            bench.ledger.pay()
        bench.run(20000)
        assert bench.results("1")[-1] == "PAID"
        cut(bench)
        answer = bench.say("ACK 1")
        if told_unknown:  # the box cannot know which of the words it was
            assert answer.startswith("RESULT 1 PAID") and not bench.journal.find("1").acked
            answer = bench.say("ACK 1")
        assert answer == "OK ACK 1" and bench.journal.find("1").acked


def test_a_failed_refund_acknowledged_and_tried_again_at_once_is_told_of():
    bench = refunding()
    bench.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    bench.run(1500)
    bench.say("ACK 1")
    assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
    assert bench.say("STATUS 1") == "WAIT 1 REFUNDING 0"
    assert not refunds_of(bench.journal, "1")["T1-1-n-A500"].acked
