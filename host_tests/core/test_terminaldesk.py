"""Card-terminal tills of four protocols: what they ask becomes one sale, and what they hear is true."""

from terminalbench import REFLESS, TILLS, TerminalBench, running, unheard


def test_paid_is_said_once_and_acknowledged():
    for name in TILLS:
        bench = running(name)
        assert bench.pay() == [bench.till.paid] and bench.kind == "paid"
        assert bench.journal.last().acked and bench.states() == ["PAID"]
        bench.run(60000)
        assert len(bench.till.heard) == 1


def test_two_patrons_with_the_same_amount_are_two_sales():
    for name in TILLS:
        bench = running(name)
        bench.pay()
        assert bench.sale() == [] and bench.creates() == 2 and bench.kind == "pay"
        assert bench.pay() == [bench.till.paid] and bench.states() == ["PAID", "PAID"]


def test_the_same_frame_is_the_same_sale_while_it_runs_and_until_it_was_heard():
    for name in TILLS:
        bench = running(name)
        for _ in range(3):
            assert bench.sale() == []
        assert bench.creates() == 1
        bench = unheard(name)
        assert bench.sale(ms=5000) == [bench.till.paid] and bench.creates() == 1
        assert bench.journal.last().acked
        assert bench.sale() == [] and bench.creates() == 2, "and after it was heard, it is another patron's"


def test_after_unknown_the_same_frame_is_the_same_sale():
    for name in REFLESS:
        bench = running(name)
        bench.ledger.drop = ["get", "void"]
        bench.hold()
        bench.run(25000)
        assert bench.till.heard == [bench.till.unknown]
        assert bench.sale(ms=5000) == [bench.till.unknown] and bench.creates() == 1
        bench.ledger.pay()
        bench.ledger.drop = []
        bench.run(40000)
        assert bench.states() == ["PAID"] and not bench.journal.last().acked
        assert bench.sale(ms=5000) == [bench.till.paid] and bench.creates() == 1
        assert bench.journal.last().acked
        assert bench.sale() == [] and bench.creates() == 2


def test_a_till_with_its_own_references():
    bench = running("transbank", 1234, "A-1")
    assert bench.pay() == ["00"]
    assert bench.sale(1234, "A-1", 3000) == ["00"] and bench.creates() == 1
    assert bench.sale(1300, "A-1", 3000) == ["01"] and bench.creates() == 1
    bench.cut()
    assert bench.sale(1234, "A-1", 3000) == ["00"] and bench.creates() == 1
    assert bench.sale(1234, "A-2", 3000) == [] and bench.creates() == 2
    bench.hold()
    bench.run(3000)
    assert bench.sale(1234, "A-2", 3000) == ["07"] and bench.creates() == 2


def test_an_acknowledgement_of_unknown_acknowledges_nothing():
    for name in REFLESS:
        bench = running(name)
        bench.ledger.drop = ["get", "void"]
        bench.hold()
        bench.run(20000)
        bench.till.acks = False
        bench.run(4000)
        bench.ledger.pay()
        bench.ledger.drop = []
        while bench.states() != ["PAID"]:
            bench.run(500)
        bench.queue.append(b"\x06")  # late, of the frame that said UNKNOWN
        bench.run(1000)
        assert not bench.journal.last().acked, name


def test_an_acknowledgement_of_a_refusal_is_not_of_the_sale_before():
    for name in REFLESS:
        bench = unheard(name)
        bench.desk.blocked = "WIFI"
        assert bench.sale(5000, ms=5000) == [bench.till.not_ready]
        assert not bench.journal.last().acked, name


def test_another_request_while_one_runs():
    for name in TILLS:
        bench = running(name)
        assert bench.sale(5000, ms=8000) == [bench.till.busy], name
        assert bench.creates() == 1 and bench.view.amount == "$12.34"
        bench.pay(20000)
        assert bench.till.heard == [bench.till.busy], "it may take a result for the answer to something else"
        assert bench.kind == "paid"
        if name != "telium":
            assert bench.ask(bench.till.last(), 3000) == [bench.till.paid]
            assert bench.journal.last().acked


def test_paid_that_the_till_let_go_of_becomes_news():
    bench = running("ecr17")
    bench.sale(5000, ms=3000)
    bench.till.acks = False
    bench.pay(1000)
    bench.till.acks = True
    assert bench.sale(5000, ms=3000) == [] and bench.view.amount == "$50.00"
    bench.till.acks = False
    bench.pay(3000)
    assert bench.kind == "paid" and bench.view.note == "Sale ~000001, $12.34: paid after all"
    bench.press()
    bench.run(1500)
    assert bench.journal.find("~000001").acked and bench.desk._unsettled == []


def test_not_ready():
    for name in TILLS:
        bench = TerminalBench(name)
        bench.desk.blocked = "WIFI"
        assert bench.sale(ms=5000) == [bench.till.not_ready] and bench.states() == []
        bench.desk.blocked = ""
        bench.journal.full = True
        assert bench.sale(5000, ms=5000) == [bench.till.not_ready]
        bench.journal.full = False
        assert bench.sale(5000, ms=5000) == [] and bench.kind == "pay"


def test_cancel_is_a_wish():
    bench = running("zvt")
    assert bench.ask(bench.till.cancel(), 3000) == ["6c"] and bench.states() == ["CANCELLED"]
    bench = running("zvt")
    bench.ledger.pay()
    assert bench.ask(bench.till.cancel(), 3000) == ["00"] and bench.states() == ["PAID"]
    assert bench.ask(bench.till.cancel(), 3000) == []
    for name in TILLS:
        bench = running(name)
        bench.hold()
        bench.run(3000)
        assert bench.till.heard == [bench.till.cancelled], (name, bench.till.heard)


def test_progress_and_status():
    for name in ("transbank", "ecr17"):
        bench = running(name)
        assert bench.till.progress == 2, "one moment, and that it can be paid"
        bench.run(30000)
        assert 10 <= bench.till.progress <= 13 and bench.till.heard == []
        assert bench.pay() == [bench.till.paid]
    bench = TerminalBench("zvt")
    assert bench.ask(bench.till.status()) == ["s00"]
    bench.desk.setup_fault, bench.desk._fault_until = "HTTP_401", bench.now + 60000
    assert bench.ask(bench.till.status()) == ["sdf"]
