"""Refunds against lost answers, power cuts, repeats and sums that are too large."""

from fakes import Bench, FlashJournal, paid, refunds_of, restarted

from centrapay import RateLimited, Refused, SetupFault, Unknown
from kiosk.journal import Journal, remove
from kiosk.record import REFUND_FAILED, REFUNDED, REFUNDING


def returned(bench):
    return sum(bench.ledger.refunds.values())


def test_it_is_written_down_before_it_is_sent():
    bench = paid()
    seen = []
    perform = bench.ledger.perform

    def look(owner, verb, identity, now):
        if verb == "refund":
            seen.append([r.state for r in refunds_of(bench.journal, "1").values()])
        return perform(owner, verb, identity, now)

    bench.ledger.perform = look
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    assert seen == [[REFUNDING]]
    assert refunds_of(bench.journal, "1")["T1-1-n-A500"].state == REFUNDED


def test_full_flash_refuses_it_before_anything_is_sent():
    bench = paid()
    bench.journal.full = True
    assert bench.say("REFUND 1 5.00").startswith("ERR NOT_READY FLASH_FAULT")
    bench.run(3000)
    assert not bench.ledger.refunds


def test_power_cut_at_each_stage_ends_with_one_refund_and_the_truth():
    for stage in ("before the call", "after the work", "after the answer"):
        bench = paid()
        bench.say("REFUND 1 5.00")
        if stage != "before the call":
            call = bench.desk.next_call(bench.now)
            answer = bench.ledger.perform(call[0], call[1], call[2], bench.now)
            if stage == "after the answer":
                bench.desk.answered(call[0], call[1], answer, bench.now)
        bench = restarted(bench)
        bench.run(5000)
        assert returned(bench) == 500, stage
        assert bench.results("1") == ["REFUNDED"], (stage, bench.heard)
        assert bench.say("STATUS 1").startswith("RESULT 1 REFUNDED 5.00"), stage
        assert bench.say("ACK 1") == "OK ACK 1"
        assert bench.say("STATUS 1") == "RESULT 1 PAID 12.34 NZD CP-id000 PART_REFUNDED"
        bench = restarted(bench)
        bench.run(5000)
        assert bench.heard == [] and bench.ledger.calls.count("refund") <= 2


def test_repeated_refund_is_answered_from_the_journal():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    bench.say("ACK 1")
    assert bench.say("REFUND 1 5.00") == "RESULT 1 REFUNDED 5.00 NZD CP-id000 -"
    bench = restarted(bench)
    assert bench.say("REFUND 1 5.00") == "RESULT 1 REFUNDED 5.00 NZD CP-id000 -"
    bench.run(3000)
    assert bench.ledger.calls.count("refund") == 1


def test_same_name_with_another_amount_is_an_error():
    bench = paid()
    bench.say("REFUND 1 5.00 A")
    bench.run(3000)
    assert bench.say("REFUND 1 6.00 A").startswith("ERR REF_AMOUNT")
    assert returned(bench) == 500


def test_more_than_the_sale_is_refused_here():
    bench = paid()
    bench.say("REFUND 1 10.00")
    bench.run(3000)
    assert bench.say("REFUND 1 5.00").startswith("ERR AMOUNT")
    assert bench.say("REFUND 1").startswith("ERR AMOUNT")
    assert bench.say("REFUND 1 2.34 B") == "OK REFUND 1 2.34 NZD"
    bench.run(3000)
    bench.say("ACK 1"), bench.say("ACK 1")
    assert bench.say("STATUS 1").endswith(" REFUNDED") and returned(bench) == 1234


def test_one_that_may_have_worked_counts_and_one_that_failed_does_not():
    bench = paid()
    bench.say("REFUND 1 10.00")
    bench.ledger.fail["refund"] = Unknown("reset", True)
    bench.step()
    again = restarted(bench)
    again.ledger.down = True
    assert again.say("REFUND 1 5.00").startswith("ERR AMOUNT")
    again.ledger.down = False
    again.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    again.run(8000)
    assert refunds_of(again.journal, "1")["T1-1-n-A1000"].state == REFUND_FAILED
    assert again.say("REFUND 1 5.00").startswith("OK REFUND")


def test_unknown_after_a_minute_then_the_truth():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.ledger.lose = ["refund"]
    bench.step()
    bench.ledger.down = True
    bench.run(70000)
    assert bench.results("1") == ["REFUND_UNKNOWN"]
    assert bench.say("SALE 2 1.00").startswith("OK SALE 2"), "the shop goes on"
    bench.ledger.down = False
    bench.run(5000)
    bench.say("CANCEL 2")
    bench.run(60000)
    assert bench.results("1") == ["REFUND_UNKNOWN", "REFUNDED"] and returned(bench) == 500


def test_never_sent_is_failed_and_can_be_tried_again():
    bench = paid()
    bench.ledger.down = True
    bench.say("REFUND 1 5.00")
    bench.run(70000)
    assert bench.heard[-1] == "RESULT 1 REFUND_FAILED 5.00 NZD CP-id000 NO_CONNECTION"
    bench.ledger.down = False
    assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
    bench.run(3000)
    assert bench.results("1") == ["REFUND_FAILED", "REFUNDED"] and returned(bench) == 500


def test_a_setup_fault_after_a_lost_answer_is_not_failed():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.ledger.lose = ["refund"]
    bench.step()
    for _ in range(40):
        bench.ledger.fail["refund"] = SetupFault("HTTP_401")
        bench.run(2000)
    assert bench.results("1") == ["REFUND_UNKNOWN"]
    bench.run(600000, 2000)
    assert bench.results("1") == ["REFUND_UNKNOWN", "REFUNDED"]


def test_a_setup_fault_at_first_is_failed_and_staff_are_told():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.ledger.fail["refund"] = SetupFault("HTTP_401")
    bench.run(1000)
    assert bench.results("1") == ["REFUND_FAILED"] and bench.desk.setup_fault == "HTTP_401"


def test_already_refunded_after_a_lost_answer_means_the_money_is_back():
    bench = paid()
    bench.say("REFUND 1")
    bench.ledger.lose = ["refund"]
    bench.step()
    bench.ledger.fail["refund"] = Refused("ALREADY_REFUNDED")
    bench.run(5000)
    assert bench.results("1") == ["REFUNDED"]


def test_a_429_puts_it_off():
    bench = paid()
    bench.say("REFUND 1")
    bench.ledger.fail["refund"] = RateLimited(8)
    bench.run(7000)
    assert bench.results("1") == []
    bench.run(4000)
    assert bench.results("1") == ["REFUNDED"]


def test_status_while_it_is_under_way():
    bench = paid()
    bench.say("REFUND 1")
    assert bench.say("STATUS 1") == "WAIT 1 REFUNDING 0"
    assert bench.say("INFO").endswith("BUSY 1")
    assert bench.say("SALE 2 1.00").startswith("ERR BUSY 1")
    bench.run(2000)
    assert bench.say("SALE 2 1.00").startswith("OK SALE")


def read_out(bench, count=""):
    bench.say("JOURNAL " + count)
    lines = []
    for _ in range(400):
        line = bench.desk.outbox(bench.now)
        if line:
            lines.append(line)
        if line and line.startswith("END"):
            return lines
    raise AssertionError(lines)


def test_the_journal_is_read_out_for_reconciliation():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    bench.say("ACK 1")
    bench.say("SALE 2 1.00")
    bench.run(1000)
    assert [line for line in [bench.desk.outbox(bench.now) for _ in range(50)] if line and line[:5] == "ENTRY"] == []
    bench.say("CANCEL 2")
    bench.run(3000)
    bench.say("ACK 2")
    date = "20270115T080000Z"
    assert read_out(bench) == [
        "ENTRY 1 " + date + " 1 12.34 NZD PAID CP-id000",
        "ENTRY 2 " + date + " 1 5.00 NZD REFUNDED CP-id000",
        "ENTRY 3 " + date + " 2 1.00 NZD CANCELLED CP-id001",
        "END JOURNAL 3",
    ]
    assert read_out(bench, "1")[0].startswith("ENTRY 3 ") and not bench.desk.listing
    assert bench.say("JOURNAL 0").startswith("ERR SYNTAX") and bench.say("JOURNAL x").startswith("ERR SYNTAX")
    assert bench.say("JOURNAL 201").startswith("ERR SYNTAX")


def test_a_sale_may_have_more_refunds_than_their_records_fit_the_heap():
    journal = Journal("refunds.log")
    remove(journal.path)
    journal.open()
    try:
        bench = paid(journal=journal)
        for i in range(120):
            bench.say("REFUND 1 0.10 n%d" % i)
            bench.run(1000)
            bench.say("ACK 1")
            for kept in (bench.heard, bench.ledger.calls, bench.ledger.refunds):
                kept.clear()  # they would fill it
        assert bench.say("STATUS 1").endswith(" PART_REFUNDED")
        assert bench.say("REFUND 1 0.35").startswith("ERR AMOUNT")
        assert bench.say("REFUND 1 0.34") == "OK REFUND 1 0.34 NZD"
        bench.run(1000)
        bench.say("ACK 1")
        assert bench.say("STATUS 1").endswith(" REFUNDED")
    finally:
        remove(journal.path)


def test_the_read_out_goes_on_where_the_api_answers_meanwhile():
    bench = paid()
    bench.say("ACK 1")
    bench.say("SALE 2 1.00")
    bench.run(1000)
    assert bench.say("JOURNAL") == "OK JOURNAL"
    bench.run(3000)  # sale 2 is polled, and its progress comes first
    bench.say("CANCEL 2")
    bench.run(5000)
    assert "END JOURNAL 2" in bench.heard


def test_dates_are_right():
    from kiosk.listing import _date

    for unix, text in (
        (0, "-"),
        (951782400, "20000229T000000Z"),
        (1709251199, "20240229T235959Z"),
        (1709251200, "20240301T000000Z"),
        (4102444799, "20991231T235959Z"),
        (1798761599, "20261231T235959Z"),
        (1798761600, "20270101T000000Z"),
    ):
        assert _date(unix) == text, (unix, _date(unix))


def test_a_name_that_looks_like_an_amount_is_another_refund():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    bench.say("ACK 1")
    bench.say("REFUND 1 5.00 500")
    bench.run(3000)
    assert sorted(bench.ledger.refunds.values()) == [500, 500]


def test_a_refund_said_again_while_it_is_under_way_is_the_same_refund():
    bench = paid()
    assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
    assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
    assert bench.say("REFUND 1 4.00").startswith("ERR BUSY")
    bench.run(3000)
    assert list(bench.ledger.refunds.values()) == [500]


def test_a_list_that_ran_out_of_memory_does_not_look_whole():
    bench = paid()

    def newest(_count):
        yield bench.journal.find("1")
        raise MemoryError

    bench.journal.newest = newest
    bench.say("JOURNAL")
    bench.heard.clear()
    bench.run(3000)
    assert [line.split()[0] for line in bench.heard] == ["ENTRY", "ERR"]
    assert bench.heard[-1] == "ERR NOT_READY MEMORY" and bench.desk.listing is None


def test_the_amount_is_in_the_currency_of_the_sale():
    bench = Bench()
    bench.say("SALE 1 1200 JPY")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(2000)
    assert bench.say("REFUND 1 5.00").startswith("ERR AMOUNT")
    assert bench.say("REFUND 1 500") == "OK REFUND 1 500 JPY"
    bench.run(2000)
    assert list(bench.ledger.refunds.values()) == [500]
    assert bench.say("REFUND 9 5.00").startswith("ERR NO_SUCH_SALE")


def test_a_refund_of_an_earlier_sale_with_the_same_number_is_not_of_this_one():
    """The till's numbers begin again, and a refund, made later than its sale, outlives it in the journal."""
    bench = paid()
    bench.say("REFUND 1")
    bench.run(2000)
    bench.say("ACK 1")
    kept = [record for record in bench.journal.records if b" REFUNDED " in record]
    bench.journal = FlashJournal(kept)
    bench.boot()
    bench.desk._nonce = lambda: "m"
    bench.heard.clear()
    bench.say("SALE 1 12.34")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(2000)
    assert bench.results("1") == ["PAID"]
    bench.say("ACK 1")
    assert bench.say("STATUS 1").endswith(" PAID 12.34 NZD CP-id001 -")
    assert bench.say("REFUND 1") == "OK REFUND 1 12.34 NZD"
    bench.run(2000)
    assert bench.ledger.refunds == {"T1-1-n-A1234": 1234, "T1-1-m-A1234": 1234}
    assert bench.say("STATUS 1").split()[2] == "REFUNDED"


def test_an_open_refund_of_an_earlier_sale_does_not_answer_for_this_one():
    bench = paid()
    bench.ledger.drop = ["refund"]
    bench.say("REFUND 1")
    bench.run(1000)
    bench.journal = FlashJournal(bench.journal.records[-1:])
    bench.boot()
    assert bench.say("STATUS 1") == "WAIT 1 REFUNDING 0"
    bench.desk._nonce = lambda: "m"
    bench.run(61000)
    bench.say("SALE 1 12.34")
    bench.run(2000)
    assert bench.say("STATUS 1").startswith("WAIT 1 PAYABLE")


def test_a_failed_refund_on_the_glass_is_tried_again():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.ledger.lose = ["refund"]
    bench.step()
    bench.ledger.down = True
    bench.run(70000)
    bench.ledger.down = False
    bench.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    bench.run(40000)
    assert bench.desk.view(bench.now).note.endswith("refund failed")
    bench.ledger.down = True
    bench.say("REFUND 1 5.00")
    bench.run(3000)
    assert bench.desk.view(bench.now).note == ""
    bench.ledger.down = False
    bench.run(3000)
    assert bench.results("1")[-1] == "REFUNDED"


def test_some_proxys_400_after_a_lost_answer_is_no_word_on_the_money():
    bench = paid()
    bench.say("REFUND 1 8.00")
    bench.ledger.lose = ["refund"]
    bench.step()
    bench.ledger.fail["refund"] = Refused("BAD_REQUEST")
    bench.run(4000)
    assert "refund" not in bench.ledger.fail and bench.results("1") == []
    bench.run(4000)
    assert bench.results("1") == ["REFUNDED"]
    bench.say("ACK 1")
    bench.say("REFUND 1 1.00")
    bench.ledger.fail["refund"] = Refused("BAD_REQUEST")
    bench.run(2000)
    assert bench.results("1")[-1] == "REFUND_FAILED"  # of one that was never lost it is definite


def test_one_that_was_made_while_flash_was_full_has_not_failed_when_it_is_repeated():
    for error in (None, SetupFault("HTTP_401")):
        bench = paid()
        bench.say("REFUND 1 5.00")
        bench.journal.full = True
        bench.run(62000)
        assert bench.results("1") == ["REFUND_UNKNOWN"] and returned(bench) == 500
        bench.journal.full = error is None
        if error:
            bench.ledger.refuse["refund"] = error
        assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
        bench.journal.full = False
        bench.run(8000)
        assert bench.results("1") == ["REFUND_UNKNOWN", "REFUNDED"]
        assert bench.say("REFUND 1 12.34 B").startswith("ERR AMOUNT")


def test_one_that_met_the_next_sale_is_told_after_a_power_cut():
    bench = paid()
    bench.say("REFUND 1 5.00")
    bench.perform(*bench.desk.next_call(bench.now))
    assert bench.say("SALE 2 3.00") == "OK SALE 2 3.00 NZD" and bench.results("1") == []
    bench.run(2000)
    bench = restarted(bench)
    bench.run(60000)
    assert bench.results("1") == ["REFUNDED"]
