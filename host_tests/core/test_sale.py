"""The sale against every outcome the API can give, with the money rules as assertions."""

from fakes import Bench, FlashJournal, restarted, started

from centrapay import RateLimited, Refused, SetupFault, Unknown


def test_paid():
    bench = started()
    assert bench.desk.view(bench.now).payload == b"https://app.centrapay.com/pay/id000"
    bench.ledger.pay()
    bench.run(2000)
    assert bench.results("1") == ["PAID"]
    assert bench.heard[-1].startswith("RESULT 1 PAID 12.34 NZD CP-id000 -")
    view = bench.desk.view(bench.now)
    assert view.method == "Test dollars" and view.amount == "$12.34"


def test_result_repeats_until_acknowledged():
    bench = started()
    bench.ledger.pay()
    bench.run(9000)
    told = len([line for line in bench.heard if line.startswith("RESULT")])
    assert told >= 4
    assert bench.say("ACK 1") == "OK ACK 1"
    bench.run(60000)
    assert len([line for line in bench.heard if line.startswith("RESULT")]) == told
    assert bench.journal.last().acked


def test_paid_screen_stays_until_the_next_sale():
    bench = started()
    bench.ledger.pay()
    bench.run(600000, 5000)
    assert bench.desk.shows_sale(bench.now)


def test_polls_every_second():
    bench = started()
    before = bench.ledger.calls.count("get")
    bench.run(20000)
    assert 18 <= bench.ledger.calls.count("get") - before <= 21


def test_cancel():
    bench = started()
    assert bench.say("CANCEL 1") == "OK CANCEL 1"
    bench.run(3000)
    assert bench.results("1") == ["CANCELLED"]
    assert bench.ledger.requests["id000"][0] == "cancelled"


def test_cancel_reads_before_it_voids_so_a_payment_wins():
    bench = started()
    bench.ledger.pay()
    bench.say("CANCEL 1")
    bench.run(3000)
    assert bench.results("1") == ["PAID"]
    assert "void" not in bench.ledger.calls


def test_payment_between_read_and_void_is_told_as_refunded():
    bench = started()
    bench.say("CANCEL 1")
    perform = bench.ledger.perform

    def pay_just_before_the_void(owner, verb, identity, now):
        if verb == "void":
            bench.ledger.pay(identity)
        return perform(owner, verb, identity, now)

    bench.ledger.perform = pay_just_before_the_void
    bench.run(3000)
    assert bench.results("1") == ["CANCELLED"]
    assert bench.heard[-1].endswith("PAID_THEN_REFUNDED")


def test_lost_void_answer_of_an_unpaid_request():
    bench = started()
    bench.ledger.lose = ["void"]
    bench.say("CANCEL 1")
    bench.run(8000)
    assert bench.results("1") == ["CANCELLED"]
    assert bench.ledger.calls.count("void") == 1


def test_lost_void_answer_that_was_a_refund():
    bench = started()
    bench.say("CANCEL 1")
    perform = bench.ledger.perform

    def pay_then_lose(owner, verb, identity, now):
        if verb == "void" and bench.ledger.requests[identity][0] == "new":
            bench.ledger.pay(identity)
            bench.ledger.lose = ["void"]
        return perform(owner, verb, identity, now)

    bench.ledger.perform = pay_then_lose
    bench.run(8000)
    assert bench.results("1") == ["CANCELLED"]
    assert bench.heard[-1].endswith("PAID_THEN_REFUNDED")


def test_expired_is_said_when_the_api_said_so():
    bench = started(expiry_s=20)
    bench.run(25000)
    assert bench.results("1") == ["EXPIRED"]


def test_paid_in_the_last_second_is_honoured():
    bench = started(expiry_s=20)
    bench.ledger.expires = False
    bench.run(19500)
    bench.ledger.pay()
    bench.run(4000)
    assert bench.results("1") == ["PAID"]


def test_api_that_never_expires_it_is_voided_after_the_grace():
    bench = started(expiry_s=20)
    bench.ledger.expires = False
    bench.run(40000)
    assert bench.results("1") == ["EXPIRED"]
    assert bench.ledger.requests["id000"][0] == "cancelled"


def test_late_payment_after_expired_is_news():
    bench = started(expiry_s=20)
    bench.run(20500)
    assert bench.results("1") == ["EXPIRED"]
    bench.ledger.requests["id000"][0] = "paid"
    bench.ledger.requests["id000"][5] = True
    bench.run(12000)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_network_gone_is_unknown_then_the_truth():
    bench = started(expiry_s=20)
    bench.ledger.down = True
    bench.run(15000)
    assert bench.results("1") == []
    bench.run(20000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.ledger.requests["id000"][0] = "paid"
    bench.ledger.requests["id000"][5] = True
    bench.ledger.down = False
    bench.run(40000)
    assert bench.results("1") == ["UNKNOWN", "PAID"]


def test_late_news_reaches_the_till_after_it_began_another_sale():
    bench = started(expiry_s=20)
    bench.run(20500)
    assert bench.results("1") == ["EXPIRED"]
    bench.say("SALE 2 1.00")
    bench.run(1500)
    bench.ledger.requests["id000"][0] = "paid"
    bench.ledger.requests["id000"][5] = True
    bench.run(9000)
    bench.say("CANCEL 2")
    bench.run(6000)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_new_sale_beside_an_unknown_one():
    bench = started(expiry_s=20)
    bench.ledger.down = True
    bench.run(35000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.ledger.down = False
    assert bench.say("SALE 2 1.00") == "OK SALE 2 1.00 NZD"
    bench.run(3000)
    bench.ledger.pay()
    bench.run(40000)
    assert bench.results("2") == ["PAID"]
    assert bench.results("1") == ["UNKNOWN", "EXPIRED"]


def test_never_sent_create_is_failed():
    bench = Bench()
    bench.ledger.down = True
    bench.say("SALE 1 12.34")
    bench.run(25000)
    assert bench.results("1") == []
    bench.run(10000)
    assert bench.results("1") == ["FAILED"]
    assert not bench.ledger.requests


def test_create_refused_is_failed_with_the_code():
    bench = Bench()
    bench.ledger.fail["create"] = Refused("NO_AVAILABLE_PAYMENT_OPTIONS")
    bench.say("SALE 1 12.34")
    bench.run(1000)
    assert bench.heard[-1] == "RESULT 1 FAILED 12.34 NZD - NO_AVAILABLE_PAYMENT_OPTIONS"
    assert bench.ledger.calls == ["create"]


def test_wrong_key_is_failed_and_staff_are_told():
    bench = Bench()
    bench.ledger.fail["create"] = SetupFault("HTTP_401")
    bench.say("SALE 1 12.34")
    bench.run(1000)
    assert bench.results("1") == ["FAILED"]
    assert bench.desk.setup_fault == "HTTP_401"


def test_rate_limit_is_obeyed():
    bench = started()
    bench.ledger.fail["get"] = RateLimited(7)
    bench.run(1100)
    before = bench.ledger.calls.count("get")
    bench.run(5000)
    assert bench.ledger.calls.count("get") == before
    bench.run(3000)
    assert bench.ledger.calls.count("get") > before


def test_lost_create_is_looked_up_and_adopted():
    bench = Bench()
    bench.ledger.lose = ["create"]
    bench.say("SALE 1 12.34")
    bench.run(8000)
    assert len(bench.ledger.requests) == 1
    assert bench.shown == ["id000"]
    bench.ledger.pay()
    bench.run(2000)
    assert bench.results("1") == ["PAID"]


def test_lost_create_without_look_up_makes_one_more_and_draws_only_that():
    bench = Bench(can_find=False)
    bench.ledger.lose = ["create"]
    bench.say("SALE 1 12.34")
    bench.run(8000)
    assert len(bench.ledger.requests) == 2
    assert bench.shown == ["id001"]


def test_create_lost_twice_without_look_up_is_unknown_then_failed_and_never_drawn():
    bench = Bench(can_find=False, expiry_s=30)
    bench.ledger.lose = ["create", "create"]
    bench.say("SALE 1 12.34")
    bench.run(35000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.run(70000)
    assert bench.results("1") == ["UNKNOWN", "FAILED"]
    assert len(bench.ledger.requests) == 2 and not bench.shown


def test_several_requests_of_one_reference_leave_one_payable():
    bench = Bench()
    bench.ledger.lose = ["create"]
    bench.say("SALE 1 12.34")
    bench.step()
    copy = list(bench.ledger.requests["id000"])
    bench.ledger.requests["id001"] = copy
    bench.run(8000)
    assert len(bench.shown) == 1
    assert [request[0] for request in bench.ledger.requests.values()].count("new") == 1


def test_cancel_while_create_is_under_way_is_never_drawn():
    bench = Bench()
    bench.say("SALE 1 12.34")
    call = bench.desk.next_call(bench.now)
    bench.say("CANCEL 1")
    bench.perform(*call)
    bench.run(3000)
    assert bench.results("1") == ["CANCELLED"]
    assert not bench.shown and bench.ledger.requests["id000"][0] == "cancelled"


def test_cancel_before_create_was_sent_is_failed():
    bench = Bench()
    bench.say("SALE 1 12.34")
    assert bench.say("CANCEL 1").startswith("RESULT 1 FAILED")
    bench.run(1000)
    assert "create" not in bench.ledger.calls


def test_full_flash_before_the_code_is_drawn_withdraws_it():
    bench = Bench()
    bench.say("SALE 1 12.34")
    bench.journal.full = True
    bench.run(5000)
    assert not bench.shown
    assert bench.ledger.requests["id000"][0] == "cancelled"
    assert bench.results("1") == [], "what is not written down is not said"
    bench.journal.full = False
    bench.run(6000)
    assert bench.results("1") == ["CANCELLED"]


def test_full_flash_refuses_a_sale():
    bench = Bench()
    bench.journal.full = True
    assert bench.say("SALE 1 12.34").startswith("ERR NOT_READY FLASH_FAULT")
    assert bench.desk.next_call(bench.now) is None


def test_power_cut_while_payable_is_voided():
    bench = restarted(started())
    bench.run(5000)
    assert bench.results("1") == ["CANCELLED"]
    assert bench.ledger.requests["id000"][0] == "cancelled"


def test_power_cut_after_payment_tells_paid():
    bench = started()
    bench.ledger.pay()
    bench = restarted(bench)
    bench.run(5000)
    assert bench.results("1") == ["PAID"]
    assert bench.say("STATUS 1").startswith("RESULT 1 PAID")
    assert bench.say("SALE 1 12.34").startswith("RESULT 1 PAID")


def test_power_cut_after_the_result_repeats_it_until_acknowledged():
    bench = started()
    bench.ledger.pay()
    bench.run(2000)
    bench = restarted(bench)
    bench.run(1000)
    assert bench.results("1") == ["PAID"]
    bench.say("ACK 1")
    bench = restarted(bench)
    bench.run(5000)
    assert bench.results("1") == []
    assert bench.say("LAST").startswith("RESULT 1 PAID")


def test_power_cut_at_every_write_of_a_sale_never_loses_it():
    for cut in range(1, 6):
        bench = Bench()
        bench.say("SALE 1 12.34")
        bench.run(3000)
        bench.say("CANCEL 1") if cut == 5 else bench.ledger.pay()
        bench.run(3000)
        again = Bench(bench.ledger, FlashJournal(bench.journal.records[:cut]))
        again.run(8000)
        status = bench.ledger.requests["id000"]
        word = again.say("STATUS 1").split(" ")[2]
        if status[0] == "paid" and not status[6]:
            assert word == "PAID", (cut, again.heard)
        elif status[0] == "cancelled":
            assert word == "CANCELLED", (cut, again.heard)


def test_same_reference_is_the_same_sale_and_another_amount_an_error():
    bench = started()
    assert bench.say("SALE 1 12.34") == "OK SALE 1 12.34 NZD"
    assert bench.say("SALE 1 12.35").startswith("ERR REF_AMOUNT")
    bench.run(3000)
    assert bench.ledger.calls.count("create") == 1
    bench.ledger.pay()
    bench.run(2000)
    assert bench.say("SALE 1 12.34").startswith("RESULT 1 PAID")
    assert bench.say("SALE 1 12.35").startswith("ERR REF_AMOUNT")
    assert bench.ledger.calls.count("create") == 1


def test_second_sale_is_busy_and_names_the_first():
    bench = started()
    assert bench.say("SALE 2 1.00").startswith("ERR BUSY 1 ")
    assert bench.journal.find("2") is None


def test_not_ready_refuses_and_keeps_nothing():
    bench = Bench()
    bench.desk.blocked = "WIFI"
    assert bench.say("SALE 1 12.34") == "ERR NOT_READY WIFI"
    assert not bench.journal.records
    assert bench.say("INFO").endswith("NOT_READY WIFI")


def test_progress_is_told():
    bench = started()
    bench.run(12000)
    waits = [line for line in bench.heard if line.startswith("WAIT 1 PAYABLE")]
    assert 3 <= len(waits) <= 5


def test_refund_whole_part_and_repeated():
    bench = started()
    assert bench.say("REFUND 1").startswith("ERR BUSY")
    bench.ledger.pay()
    bench.run(2000)
    bench.say("ACK 1")
    assert bench.say("REFUND 1 20.00").startswith("ERR AMOUNT")
    assert bench.say("REFUND 1 5.00") == "OK REFUND 1 5.00 NZD"
    bench.ledger.lose = ["refund"]
    bench.run(5000)
    assert "RESULT 1 REFUNDED 5.00 NZD CP-id000 -" in bench.heard
    assert len(bench.ledger.refunds) == 1 and bench.ledger.calls.count("refund") == 2
    bench.say("ACK 1")
    assert bench.say("REFUND 1 5.00 B") == "OK REFUND 1 5.00 NZD"
    bench.run(3000)
    assert len(bench.ledger.refunds) == 2
    assert bench.say("REFUND 9").startswith("ERR NO_SUCH_SALE")


def test_refund_refused_names_the_code():
    bench = started()
    bench.ledger.pay()
    bench.run(2000)
    bench.say("ACK 1")
    bench.say("REFUND 1")
    bench.ledger.fail["refund"] = Refused("REFUND_WINDOW_EXCEEDED")
    bench.run(1000)
    assert bench.heard[-1] == "RESULT 1 REFUND_FAILED 12.34 NZD CP-id000 REFUND_WINDOW_EXCEEDED"


def test_polls_survive_every_error_and_still_see_the_payment():
    bench = started()
    for error in (Unknown("x"), Unknown("y", False), RateLimited(1), SetupFault("HTTP_401"), Refused("ODD")):
        bench.ledger.fail["get"] = error
        bench.run(12000)
    bench.ledger.pay()
    bench.run(3000)
    assert bench.results("1") == ["PAID"]


def test_code_that_cannot_be_drawn_is_withdrawn():
    bench = started()
    bench.desk.could_not_draw("0", bench.now)  # a view of an earlier one failed
    bench.run(3000)
    assert bench.results("1") == []
    bench.desk.could_not_draw("1", bench.now)
    bench.run(3000)
    assert bench.heard[-1].endswith("NO_QR_CODE")
    assert bench.ledger.requests["id000"][0] == "cancelled"
