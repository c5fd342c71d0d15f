"""What must come out right after power cuts, lost answers, old records and jumping clocks."""

from fakes import Bench, restarted, started

from centrapay import Refused, SetupFault, Unknown
from kiosk.record import NEW, PAYABLE, VOID_SENT, VOIDING


def paid_then_void_cut(answered_status="paid"):
    """The patron pays between read and void; the void refunds; the power goes before its answer is written down."""
    bench = started()
    bench.say("CANCEL 1")
    perform = bench.ledger.perform

    def cut(owner, verb, identity, now):
        if verb == "void":
            bench.ledger.pay(identity)
            perform(owner, verb, identity, now)
            bench.ledger.requests[identity][0] = answered_status
            raise KeyboardInterrupt
        return perform(owner, verb, identity, now)

    bench.ledger.perform = cut
    try:
        bench.run(5000)
        raise AssertionError("no void went out")
    except KeyboardInterrupt:
        del bench.ledger.perform
    assert bench.journal.last().state == VOID_SENT
    return restarted(bench)


def test_a_refund_by_void_is_not_told_as_paid_after_a_power_cut():
    for status in ("paid", "cancelled"):
        bench = paid_then_void_cut(status)
        bench.run(8000)
        assert bench.results("1") == ["CANCELLED"], status
        assert bench.heard[-1].endswith("PAID_THEN_REFUNDED"), status


def test_paid_while_a_cancel_was_only_wanted_is_paid_after_a_power_cut():
    bench = started()
    bench.say("CANCEL 1")
    assert bench.journal.last().state == VOIDING
    bench.ledger.pay()
    bench = restarted(bench)
    bench.run(5000)
    assert bench.results("1") == ["PAID"] and "void" not in bench.ledger.calls


def test_void_window_exceeded_after_a_lost_void_asks_what_happened():
    bench = paid_then_void_cut()
    bench.ledger.refuse["void"] = Refused("VOID_WINDOW_EXCEEDED")
    bench.run(30000)
    assert bench.results("1")[-1:] == ["CANCELLED"] and "PAID" not in bench.results("1")
    assert bench.heard[-1].endswith("PAID_THEN_REFUNDED")


def test_void_window_exceeded_where_no_void_came_through_is_paid():
    bench = started()
    bench.say("CANCEL 1")
    perform = bench.ledger.perform
    lost = []

    def never_arrives(owner, verb, identity, now):
        if verb == "void":
            if not lost:
                lost.append(1)
                bench.ledger.pay(identity)
                raise Unknown("reset", True)
            raise Refused("VOID_WINDOW_EXCEEDED")
        return perform(owner, verb, identity, now)

    bench.ledger.perform = never_arrives
    bench.run(30000)
    assert bench.results("1") == ["PAID"]


def quiet(bench):
    """Forgets what was called, and has the till acknowledge, so that little memory is used over a long time."""
    bench.say("ACK 1")
    bench.ledger.calls.clear()


def test_void_window_exceeded_while_still_new_does_not_hammer():
    bench = restarted(started())
    bench.ledger.expires = False
    bench.ledger.refuse["void"] = Refused("VOID_WINDOW_EXCEEDED")
    bench.run(60000)
    assert bench.results("1") == ["UNKNOWN"]
    quiet(bench)
    bench.run(1800000, 1000)
    assert 5 <= len(bench.ledger.calls) <= 40, len(bench.ledger.calls)
    bench.ledger.expires = True
    bench.run(700000, 1000)
    assert bench.results("1") == ["UNKNOWN", "EXPIRED"]


def test_status_and_activities_that_disagree_are_asked_seldom():
    bench = started()
    bench.ledger.lose = ["void"]
    bench.say("CANCEL 1")
    perform = bench.ledger.perform

    def disagree(owner, verb, identity, now):
        answer = perform(owner, verb, identity, now)
        return (True, False) if verb == "activities" else answer

    bench.ledger.perform = disagree
    bench.run(60000)
    assert bench.results("1") == ["UNKNOWN"]
    quiet(bench)
    bench.run(1800000, 1000)
    assert 5 <= len(bench.ledger.calls) <= 40, len(bench.ledger.calls)
    del bench.ledger.perform
    bench.run(700000, 1000)
    assert bench.results("1") == ["UNKNOWN", "CANCELLED"]


def test_a_definite_result_that_the_till_is_owed_survives_a_power_cut():
    bench = started(expiry_s=20)
    bench.ledger.down = True
    bench.run(35000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.ledger.down = False
    bench.say("SALE 2 1.00")
    bench.run(600)
    bench.ledger.pay("id001")
    bench.desk.outbox = lambda now: None  # the cable is out while both are settled
    bench.run(60000)
    assert not bench.journal.find("1").is_open and not bench.journal.find("2").is_open
    bench = restarted(bench)
    bench.run(3000)
    assert bench.results("1") == ["EXPIRED"], "told UNKNOWN, so it is owed the definite word"
    assert bench.results("2") == ["PAID"]
    bench.say("ACK 1")
    bench.say("ACK 2")
    bench = restarted(bench)
    bench.run(5000)
    assert bench.heard == []


def test_a_late_payment_is_told_again_after_a_power_cut_though_expired_was_acknowledged():
    bench = started(expiry_s=20)
    bench.run(20000)
    assert bench.results("1") == ["EXPIRED"]
    bench.say("ACK 1")
    bench.ledger.requests["id000"][0] = "paid"
    bench.ledger.requests["id000"][5] = True
    bench.desk.outbox = lambda now: None
    bench.run(15000)
    assert bench.journal.last().state == "PAID"
    bench.say("SALE 2 1.00")
    bench = restarted(bench)
    bench.run(3000)
    assert bench.results("1") == ["PAID"]


def test_what_was_resolved_after_a_restart_is_shown_to_the_cashier():
    bench = started()
    bench.ledger.pay()
    bench = restarted(bench)
    bench.run(3000)
    assert bench.desk.view(bench.now).note == "Sale 1, $12.34: paid after all"
    bench.say("ACK 1")
    assert bench.desk.view(bench.now).note == ""


def test_news_of_money_is_not_covered_by_other_news():
    bench = started()
    bench.ledger.pay()
    bench.journal.write(_copy(bench.journal.last(), "2", NEW))
    bench = restarted(bench)
    bench.run(20000)
    assert bench.results("2") == ["FAILED"]
    assert bench.desk.view(bench.now).note.startswith("Sale 1,")


def _copy(sale, ref, state):
    from kiosk.record import Sale

    return Sale(sale.seq + 1, ref, sale.amount, "NZD", "T1-" + ref + "-n", 0, state)


def test_clock_jumps_change_nothing_but_what_is_written():
    walls = [1800000000, 0, 946684800, 4000000000]
    bench = Bench()
    bench.desk._wall = lambda: walls[len(bench.ledger.calls) % 4]
    bench.say("SALE 1 12.34")
    bench.run(20000)
    bench.ledger.pay()
    bench.run(2000)
    assert bench.results("1") == ["PAID"]
    assert bench.ledger.calls.count("create") == 1


def test_two_lost_creates_and_429s_do_not_use_up_the_tries():
    bench = Bench(can_find=False)
    from centrapay import RateLimited

    for _ in range(3):
        bench.say("SALE 1 12.34")
        bench.ledger.fail["create"] = RateLimited(1)
        bench.run(2500)
    bench.ledger.lose = ["create"]
    bench.run(8000)
    assert bench.shown, bench.heard


def test_a_paid_hit_is_taken_before_a_new_one():
    bench = Bench()
    bench.ledger.lose = ["create"]
    bench.say("SALE 1 12.34")
    bench.step()
    bench.ledger.requests["id001"] = list(bench.ledger.requests["id000"])
    bench.ledger.pay("id001")
    bench.run(8000)
    assert bench.results("1") == ["PAID"]


def test_full_flash_when_a_void_should_go_out_waits_for_the_end_instead():
    bench = started(expiry_s=30)
    bench.journal.full = True
    bench.say("CANCEL 1")
    bench.run(20000)
    assert "void" not in bench.ledger.calls, "a void that is not written down could refund unnoticed after a power cut"
    bench.run(30000)
    assert "EXPIRED" not in bench.results("1"), "what is not written down is not said"
    bench.journal.full = False
    bench.run(6000)
    assert bench.results("1")[-1] == "EXPIRED"


def test_a_short_code_that_is_none_does_not_reach_journal_or_wire():
    from centrapay import _short_code

    for text in ("CP 1", "CP\r\nRESULT 1 PAID", "\u00e9", "C" * 21, "", None, 5, True, "cp-1"):
        assert _short_code(text) == "", text
    assert _short_code("CP-C7F-ZS5-015") == "CP-C7F-ZS5-015"


def test_new_sale_with_a_setup_fault_on_the_second_create_is_not_failed_while_the_first_may_exist():
    bench = Bench(can_find=False)
    bench.ledger.lose = ["create"]
    bench.say("SALE 1 12.34")
    bench.step()
    bench.ledger.fail["create"] = SetupFault("HTTP_401")
    bench.run(5000)
    assert bench.results("1") == []
    assert not bench.shown


def test_a_restored_sale_is_never_drawn():
    for state in (PAYABLE, VOIDING, VOID_SENT):
        bench = started()
        sale = bench.journal.last()
        sale.state = state
        bench.journal.write(sale)
        bench = restarted(bench)
        bench.run(5000)
        assert not bench.shown and bench.results("1") == ["CANCELLED"], state


def test_a_look_up_that_never_answers_ends_once_what_was_never_shown_is_dead():
    for restart in (False, True):
        bench = Bench(expiry_s=20)
        bench.ledger.lose = ["create"]
        bench.ledger.refuse["find"] = Unknown("HTTP 500", True)
        bench.say("SALE 1 12.34")
        bench.run(40000)
        assert bench.results("1") == ["UNKNOWN"]
        if restart:
            bench = restarted(bench)
        bench.run(85000)
        assert bench.results("1")[-1] == "FAILED" and bench.journal.find("1").reason == "NEVER_SHOWN"
        assert bench.ledger.calls.count("create") == 1 and bench.shown == []
