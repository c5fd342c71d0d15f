"""How often the API is called: quick where it matters, less where displays share an account, never against a 429."""

from fakes import Bench, FlashJournal, started

from centrapay import RateLimited, SetupFault, Unknown
from kiosk.record import PAYABLE, Sale


def polled(bench, ms):
    """When each poll went out, over the next ms, in steps of 10 ms."""
    times = []
    end = bench.now + ms
    while bench.now < end:
        before = bench.ledger.calls.count("get")
        bench.step()
        if bench.ledger.calls.count("get") > before:
            times.append(bench.now)
        bench.now += 10
    return times


def gaps(times):
    return [times[i + 1] - times[i] for i in range(len(times) - 1)]


def test_polls_are_quick_at_first_slower_between_and_quick_near_the_end():
    bench = started()
    first, between, late = polled(bench, 25000), polled(bench, 75000), polled(bench, 16000)
    assert max(gaps(first)) <= 1110 and max(gaps(late)[9:]) <= 1110
    middle = gaps(between)[5:-2]
    assert 1290 <= sum(middle) / len(middle) <= 1420
    assert max(gaps(first + between + late)) <= 1510, "a payment must be noticed within 2 s"


def test_four_displays_stay_below_the_accounts_limit_in_the_long_middle():
    bench = started()
    polled(bench, 30000)
    assert 4 * len(polled(bench, 60000)) < 200


def test_polls_are_jittered_and_two_displays_drift_apart():
    one, two = started(), Bench()
    two.say("SALE 2 12.34")
    two.run(3000)
    a, b = polled(one, 20000), polled(two, 20000)
    assert len(set(gaps(a))) > 5
    assert gaps(a)[:10] != gaps(b)[:10]


def test_a_429_pauses_the_whole_desk():
    old = Sale(1, "0", 500, "NZD", "T1-0-n", 0, PAYABLE, "id000")
    bench = Bench(journal=FlashJournal())
    bench.say("SALE 0 5.00")
    bench.run(2000)
    bench.journal.write(old)
    bench.boot()
    bench.say("SALE 1 12.34")
    bench.ledger.fail["create"] = RateLimited(9)
    bench.step()
    count = len(bench.ledger.calls)
    for _ in range(88):
        bench.now += 100
        bench.step()
    assert len(bench.ledger.calls) == count, bench.ledger.calls[count:]
    bench.run(3000)
    assert len(bench.ledger.calls) > count
    bench.run(20000)
    assert bench.journal.find("0").state == "CANCELLED"


def test_after_a_429_polls_come_slower_for_a_while():
    bench = started()
    usual = len(polled(bench, 10000))
    for _ in range(3):
        bench.ledger.fail["get"] = RateLimited(1)
        polled(bench, 4000)
    assert len(polled(bench, 10000)) < usual * 0.6
    polled(bench, 60000)
    bench.ledger.pay()
    bench.run(2000)
    assert bench.results("1") == ["PAID"]


def test_a_429_on_a_poll_does_not_hide_what_happened():
    bench = started(expiry_s=20)
    bench.ledger.fail["get"] = RateLimited(60)
    bench.run(2000)
    bench.ledger.pay()
    bench.run(30000)
    assert bench.results("1") == ["UNKNOWN"]
    bench.run(40000)
    assert bench.results("1") == ["UNKNOWN", "PAID"]


def crowded(n, verb=None):
    """A desk with n sales open from before a power cut, and a live one with its code on the glass."""
    bench = Bench()
    for i in range(n):
        bench.say("SALE R%d 1.00" % i)
        bench.run(1000)
        bench.boot()
    bench.ledger.calls.clear()
    return bench


def test_old_sales_do_not_keep_a_patron_waiting():
    bench = crowded(6)
    perform, hang = bench.ledger.perform, [0]

    def slow_for_old_ones(owner, verb, identity, now):
        if owner.sale.ref != "live":
            bench.now += 5000  # the API hangs for old ones, until the call's deadline
            hang[0] += 1
            raise Unknown("timeout", True)
        return perform(owner, verb, identity, now)

    bench.ledger.perform = slow_for_old_ones
    bench.say("SALE live 12.34")
    bench.run(2000)
    times = polled(bench, 60000)
    assert hang[0] >= 1, "and yet they get their turn"
    late = [gap for gap in gaps(times) if gap > 2000]
    assert len(late) <= hang[0] and sum(late) <= 0.2 * 60000


def test_old_sales_take_turns():
    bench = crowded(9)
    bench.run(10000)
    for i in range(9):
        assert bench.results("R%d" % i) == ["CANCELLED"], i


def test_old_sales_of_another_account_do_not_close_the_shop():
    bench = started()
    bench.boot()
    perform = bench.ledger.perform

    def forbidden(owner, verb, identity, now):
        if owner.sale.ref == "1":
            bench.ledger.calls.append("old")
            raise SetupFault("HTTP_403")
        return perform(owner, verb, identity, now)

    bench.ledger.perform = forbidden
    bench.run(30000)
    assert bench.results("1") == ["UNKNOWN"] and not bench.desk.setup_fault
    bench.say("ACK 1")
    bench.ledger.calls.clear()
    bench.run(1800000, 1000)
    assert 3 <= bench.ledger.calls.count("old") <= 10, "asked seldom, but for ever"
    assert bench.say("SALE 2 1.00").startswith("OK SALE 2")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(3000)
    assert bench.results("2") == ["PAID"]


def test_a_setup_fault_lapses_after_a_minute_for_only_a_sale_can_tell_whether_it_was_mended():
    bench = Bench()
    bench.ledger.fail["create"] = SetupFault("HTTP_401")
    bench.say("SALE 1 1.00")
    bench.run(30000)
    assert bench.say("INFO").endswith("NOT_READY HTTP_401")
    bench.run(40000)
    assert bench.say("INFO").endswith("READY") and "HTTP_401" not in bench.heard[-1]
