"""A customer display after a restart, and beside sales whose outcome is not known."""

from displaybench import DisplayBench, selling
from fakes import FlashJournal, Ledger

from kiosk.record import CANCELLED, PAID, PAYABLE, Sale

# ---- restart ---------------------------------------------------------------------------------------------------


def test_a_restart_in_any_state_sells_no_total_twice():
    for policy in ("stable", "button", "tag"):
        for moment in ("preparing", "lost", "paying", "paid unread", "paid", "cancelling", "expired", "unknown"):
            bench = DisplayBench(policy)
            top = "QR#7" if policy == "tag" else "Total"
            if moment == "preparing":
                bench.ledger.drop = ["create"]
            if moment == "lost":
                bench.ledger.lose = ["create"]
            bench.show(top, "12.34")
            if policy == "button":
                bench.press()
            assert bench.states()
            if moment in ("paid unread", "unknown"):
                bench.ledger.pay()
            if moment == "paid":
                bench.pay()
            if moment == "cancelling":
                bench.ledger.drop = ["void"]
                bench.hold()
            if moment == "expired":
                bench.run(140000)
            bench.ledger.drop = []
            bench.ledger.down = moment == "unknown"
            bench.cut()
            for _ in range(2):
                bench.show(top, "12.34", 30000)
                bench.show("", "", 500)
            if moment == "unknown":
                assert bench.kind == "checking" and bench.states() == ["V"]
                bench.press()
                bench.ledger.down = False
                bench.run(40000)
            done = {"paid unread": "PAID", "paid": "PAID", "unknown": "PAID", "expired": "EXPIRED"}
            ended = done.get(moment, "CANCELLED")
            if moment in ("preparing", "lost"):
                ended = bench.states()[0]
                assert ended in ("FAILED", "CANCELLED"), ended
            assert bench.states() == [ended], (policy, moment, bench.states())
            before = bench.creates()
            payable = [r for r in bench.ledger.requests.values() if r[0] == "new"]
            assert not payable, (policy, moment)
            bench.show(top, "12.34")
            bench.press()
            bench.press()
            more = 0 if ended == "PAID" else 1  # what came to nothing, the cashier may try again
            assert bench.creates() == before + more, (policy, moment, bench.screens)


def test_what_was_cut_off_is_on_the_glass_again():
    bench = selling()
    bench.cut()
    bench.run(100)
    assert bench.kind == "checking" and bench.view.amount == "$12.34"
    bench.run(3000)
    assert bench.kind == "cancelled" and bench.view.detail == "The display restarted. Nothing was paid."
    bench = selling()
    bench.ledger.pay()
    bench.cut()
    bench.run(3000)
    assert bench.kind == "paid" and bench.view.amount == "$12.34"
    bench = selling()
    bench.pay(1500)
    assert bench.kind == "paid" and not bench.journal.last().acked
    bench.cut()  # before anyone can have read it
    bench.run(100)
    assert bench.kind == "paid"
    bench.run(5000)
    assert bench.journal.last().acked
    bench.cut()
    bench.run(100)
    assert bench.kind == "ready"


def test_a_restart_beside_a_new_total():
    bench = selling()
    bench.ledger.pay()
    bench.cut()
    bench.total("15.00", 20000)
    assert bench.kind == "paid" and bench.view.amount == "$12.34" and bench.creates() == 1
    bench.press()
    bench.run(1000)
    assert bench.view.amount == "$15.00" and bench.kind == "pay"


def test_expired_before_a_restart_may_still_turn_out_paid():
    bench = selling()
    bench.run(125000)
    assert bench.states() == ["EXPIRED"]
    bench.ledger.requests["id000"][0] = "paid"
    bench.ledger.requests["id000"][5] = True
    bench.cut(100)
    bench.run(15000)
    assert bench.kind == "paid" and bench.view.detail == "Paid at the last moment."
    bench.total(ms=5000)
    bench.press()
    bench.press()
    assert bench.creates() == 1


def owing(count, state=CANCELLED, unresolved=0):
    """A display that starts with so many results that nobody has seen, and sales that nothing can be learnt of."""
    journal = FlashJournal()
    for number in range(1, unresolved + 1):
        journal.write(Sale(number, "~%d" % number, 100 + number, "NZD", "e", 0, PAYABLE, "i", "c"))
    for number in range(unresolved + 1, unresolved + count + 1):
        journal.write(Sale(number, "~%d" % number, 100 + number, "NZD", "e", 0, state, "i", "c", owed=True))
    ledger = Ledger()
    ledger.down = True
    return DisplayBench(ledger=ledger, journal=journal)


def acknowledged(bench):
    return sorted({sale.seq for sale in bench.journal.sales() if sale.acked})


def test_each_of_many_results_is_on_the_glass_before_it_counts_as_told():
    bench = owing(8)
    bench.run(5000)
    for number in range(1, 8):
        assert acknowledged(bench) == list(range(1, number)) + [8]  # the last sale was on the glass itself
        assert "$1.%02d" % number in bench.notes[-1]
        bench.run(30 * 60 * 1000 + 2000, 1000)
    assert acknowledged(bench) == list(range(1, 9))


def test_news_that_wait_keep_no_sale_away():
    bench = owing(8, PAID, unresolved=9)
    bench.run(60000, 1000)
    assert len(bench.desk._unsettled) == 16 and acknowledged(bench) == [17]
    bench.show("Welcome", "", 1000)
    bench.total("15.00", 5000)
    assert bench.journal.last().amount == 1500
    assert acknowledged(bench) == [11, 17]  # the oldest but for the one on the glass


def test_money_that_comes_late_is_read_before_it_counts_as_told():
    bench = owing(9)
    bench.run(45 * 60 * 1000, 1000)
    sold = []
    for amount in ("12.00", "13.00", "14.00", "15.00"):
        bench.ledger.down = False
        bench.show("Thank you", "")
        bench.total(amount, 5000)
        assert bench.kind == "pay", amount
        sold.append(bench.journal.last().seq)
        bench.ledger.pay()
        bench.ledger.down = True
        bench.run(150000, 500)
    bench.ledger.down = False
    bench.show("Thank you", "")
    bench.run(60000)
    assert bench.kind == "paid" and bench.view.amount == "$15.00"
    read = [sold[3]]
    for _ in range(12):
        read += [sold[i] for i in range(4) if "$1%d.00: paid after all" % (i + 2) in bench.view.note]
        assert all(seq in read for seq in sold if seq in acknowledged(bench)), read
        bench.press()
        bench.run(3000)
    assert sorted(set(read)) == sold


# ---- what is not known -----------------------------------------------------------------------------------------


def unknown(policy="stable"):
    bench = selling(policy)
    bench.ledger.down = True
    bench.hold()
    bench.run(25000)
    assert bench.kind == "checking" and bench.desk._current.payment.result == "UNKNOWN"
    return bench


def test_a_sale_not_known_is_not_sold_again():
    for policy in ("stable", "button"):
        bench = unknown(policy)
        for _ in range(3):
            bench.total(ms=5000)
            bench.press()
        assert bench.creates() == 1
        bench.ledger.down = False
        while bench.states() != ["CANCELLED"]:
            bench.run(1000)
        assert bench.kind == "cancelled"
        bench.press()
        bench.press()
        assert bench.creates() == 2, "its cashier may try again once it is known that nothing was paid"


def test_not_known_and_paid_after_all_shows_though_it_was_pressed():
    bench = unknown()
    bench.press()
    bench.ledger.down = False
    bench.ledger.pay()
    bench.run(40000)
    assert bench.kind == "paid" and bench.journal.last().acked
    bench.total(ms=5000)
    bench.press()
    bench.press()
    assert bench.creates() == 1


def test_the_shop_goes_on_beside_a_sale_not_known():
    bench = unknown("button")
    bench.item()
    bench.total("15.00")
    assert bench.kind == "checking" and bench.view.note == "Till: 15.00. Press for the code."
    bench.ledger.down = False
    bench.press()
    assert bench.kind == "pay" and bench.view.amount == "$15.00"
    bench = selling()
    bench.ledger.drop = ["get", "void"]
    bench.hold()
    bench.run(25000)
    bench.ledger.pay("id000")
    bench.item()
    bench.total("15.00")
    assert bench.kind == "pay" and bench.view.amount == "$15.00"
    bench.ledger.drop = []
    bench.ledger.pay("id001")
    bench.run(90000)
    assert bench.states() == ["PAID", "PAID"] and bench.kind == "paid"
    assert bench.view.note == "Sale ~1, $12.34: paid after all"
    assert not bench.journal.find("~1").acked
    bench.press()
    bench.run(1500)
    assert bench.journal.find("~1").acked and bench.desk._unsettled == []


def test_all_late_news_is_shown_one_after_the_other():
    bench = DisplayBench()
    bench.ledger.drop = ["get", "void"]
    for number in range(3):
        bench.item()
        bench.total("1%d.00" % number)
        bench.ledger.pay("id%03d" % number)
        bench.hold()
        bench.run(25000)
    assert bench.creates() == 3 and bench.states() == ["V"] * 3
    bench.ledger.drop = []
    bench.run(120000)
    assert bench.states() == ["PAID"] * 3
    read = set()
    for _ in range(4):
        read.add(bench.view.note)
        bench.press()
        bench.run(1500)
    assert "Sale ~1, $10.00: paid after all" in read and "Sale ~2, $11.00: paid after all" in read
    assert bench.desk._unsettled == [] and bench.journal.find("~1").acked and bench.journal.find("~2").acked
