"""A till with a customer display: which screens start a sale, and that no screen makes a patron pay twice."""

from displaybench import DisplayBench


def selling(policy="stable", **options):
    """A bench with a sale of 12.34 that can be paid."""
    bench = DisplayBench(policy, **options)
    bench.total()
    if policy == "button":
        bench.press()
    assert bench.kind == "pay" and bench.view.amount == "$12.34", bench.screens
    return bench


def paid(policy="stable"):
    bench = selling(policy)
    bench.pay(5000)
    assert bench.kind == "paid" and bench.states() == ["PAID"]
    return bench


def test_a_total_that_stands_is_a_sale():
    bench = selling()
    bench.run(60000)
    assert bench.creates() == 1 and bench.states() == ["P"]
    bench.pay()
    assert bench.kind == "paid" and bench.view.amount == "$12.34"


def test_a_press_makes_the_code_and_the_glass_says_so():
    bench = DisplayBench("button")
    bench.total(ms=20000)
    assert bench.kind == "ready" and bench.view.note == "Till: 12.34. Press for the code."
    bench.press()
    assert bench.creates() == 1 and bench.kind == "pay"
    bench.press()
    assert bench.creates() == 1 and bench.kind == "pay"


def test_a_tag_carries_the_reference():
    bench = DisplayBench("tag")
    bench.total(ms=20000)
    assert bench.creates() == 0
    bench.show("QR#1017", "12.34", 1000)
    assert bench.creates() == 1 and bench.journal.last().ref == "1017"
    bench.pay(5000)
    for _ in range(3):
        bench.show("QR#1017", "12.34", 5000)
        bench.item()
    assert bench.creates() == 1
    bench.show("QR#1018", "12.34", 1000)
    assert bench.creates() == 2 and bench.journal.last().ref == "1018"


def test_the_same_total_painted_again_is_the_same_sale():
    bench = selling()
    for ms in (100, 400, 2000):
        bench.total(ms=ms)
        bench.show(ms=ms)
    bench.total()
    assert bench.creates() == 1 and bench.kind == "pay"


def test_another_total_voids_the_old_code_first():
    for policy in ("stable", "button"):
        bench = selling(policy)
        bench.total("15.00")
        if policy == "button":
            assert bench.kind == "cancelled" and bench.creates() == 1
            assert bench.view.note == "Till: 15.00. Press for the code."
            bench.press()
        assert bench.kind == "pay" and bench.view.amount == "$15.00"
        calls = bench.ledger.calls
        assert calls.index("void") < len(calls) - 1 - calls[::-1].index("create")
        assert bench.states() == ["CANCELLED", "P"]


def test_change_and_money_given_withdraw():
    for top, bottom in (("Cash 20.00", "Change 7.66"), ("Flat white", "5.00"), ("Total 12.34", "Total 15.00")):
        bench = selling()
        bench.show(top, bottom)
        assert bench.states() == ["CANCELLED"] and bench.kind == "cancelled"
        bench.run(60000)
        assert bench.creates() == 1
    bench = selling()
    bench.show("Welcome", "", 20000)
    assert bench.kind == "pay"


def moving(bench, total, ms=20000):
    """A total above a text that moves by a column every 150 ms, so that the screen never rests."""
    for turn in range(ms // 150):
        bench.paint(b"\x0b" + total.encode() + b" " * (20 - len(total)) + (b"  THANK YOU  " * 3)[turn % 13 :][:20])
        bench.run(150, 10)


def test_a_screen_that_never_rests():
    bench = selling()
    moving(bench, "Total          12.34")
    assert bench.kind == "pay" and bench.creates() == 1
    moving(bench, "Total          15.00", 6000)
    assert bench.states() == ["CANCELLED"] and bench.kind == "cancelled" and bench.creates() == 1
    bench = DisplayBench()
    moving(bench, "Total          15.00", 6000)
    assert bench.kind == "ready" and bench.view.note == "Till: screen does not rest" and bench.creates() == 0
    bench.run(3000)
    assert bench.kind == "pay" and bench.view.amount == "$15.00"
    bench.ledger.pay()
    moving(bench, "Total          15.00", 6000)
    assert bench.kind == "paid"


def lost_race(policy):
    """The till shows another total, and the old code is paid before it is voided."""
    bench = selling(policy)
    bench.ledger.drop = ["get"]
    bench.total("15.00")
    assert bench.kind == "checking" and bench.desk._withdrawn
    bench.ledger.pay()
    bench.ledger.drop = []
    bench.run(20000)
    assert bench.kind == "paid" and bench.view.amount == "$12.34" and bench.states() == ["PAID"]
    assert bench.view.note.startswith("Till: 15.00")
    return bench


def test_a_void_that_loses_the_race_is_seen_before_anything_starts():
    for policy in ("stable", "button"):
        bench = lost_race(policy)
        bench.item()
        bench.total("15.00", 5000)
        assert bench.creates() == 1 and bench.kind == "paid"
        bench.press()
        bench.run(1000)
        assert bench.creates() == 1
        bench.press()
        assert bench.view.amount == "$15.00" and bench.states() == ["PAID", "P"]
    bench = lost_race("stable")
    bench.run(20000)  # there is no button on this box
    bench.total("15.00")
    assert bench.creates() == 1
    bench.item()
    bench.total("15.00")
    assert bench.creates() == 2 and bench.states() == ["PAID", "P"]


def test_paid_as_the_total_changes():
    bench = selling()
    bench.ledger.pay()
    bench.total("15.00", 20000)  # read as paid before the new total was
    assert bench.kind == "paid" and bench.view.amount == "$12.34" and bench.creates() == 1
    bench.press()
    assert bench.kind == "pay" and bench.view.amount == "$15.00" and bench.states() == ["PAID", "P"]


def test_paid_between_read_and_void_is_seen_too():
    bench = selling()
    perform = bench.ledger.perform

    def race(owner, verb, identity, now):
        if verb == "void" and bench.ledger.requests[identity][0] == "new":
            bench.ledger.pay(identity)
        return perform(owner, verb, identity, now)

    bench.ledger.perform = race
    bench.total("15.00", 20000)
    assert bench.kind == "cancelled" and bench.view.detail == "It was paid and has been refunded."
    assert bench.creates() == 1
    bench.press()
    bench.run(1000)
    assert bench.creates() == 2


def test_what_was_paid_is_not_sold_again_while_its_total_stands():
    for policy in ("stable", "button", "tag"):
        bench = DisplayBench(policy)
        top = "QR#7" if policy == "tag" else "Total"
        bench.show(top, "12.34")
        if policy == "button":
            bench.press()
        bench.pay(60000)
        for _ in range(3):
            bench.show(top, "12.34", 5000)
            bench.press()
            bench.show("", "", 500)
        assert bench.creates() == 1 and bench.states() == ["PAID"]


def test_the_next_patron_may_owe_the_same():
    bench = paid()
    bench.item()
    bench.total()
    assert bench.creates() == 2 and bench.kind == "pay"
    bench = paid("button")
    bench.item()
    bench.total()
    assert bench.kind == "paid"
    bench.press()
    assert bench.kind == "ready" and bench.view.note == "Till: 12.34. Press for the code."
    bench.press()
    assert bench.creates() == 2 and bench.kind == "pay"


def test_paid_does_not_stand_beside_another_total():
    bench = paid("button")
    bench.item()
    assert bench.kind == "paid"
    bench.total("15.00")
    assert bench.kind == "ready" and bench.view.note == "Till: 15.00. Press for the code."
    bench.press()
    assert bench.view.amount == "$15.00" and bench.kind == "pay"
