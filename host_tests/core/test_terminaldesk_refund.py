"""Refunds that a card-terminal till asks for."""

from ecrwire import zvt_framed
from terminalbench import TILLS, TerminalBench, paid

from centrapay import Refused


def test_a_refund_by_number():
    for name in TILLS:
        bench = paid(name)
        bench.sale(5000)
        bench.pay()
        assert bench.ask(bench.till.refund(1), 3000) == [bench.till.paid], name
        assert bench.states() == ["PAID", "PAID", "REFUNDED"] and list(bench.ledger.refunds.values()) == [1234]
        assert bench.ask(bench.till.refund(1), 3000) == [bench.till.paid]
        assert len(bench.states()) == 3 and bench.ledger.calls.count("refund") == 1
        answer = bench.ask(bench.till.refund(77), 3000)
        assert answer and answer[0] not in (bench.till.paid, bench.till.unknown) and len(bench.states()) == 3


def part(bench, amount=500):
    """The till refunds so much of sale 1. -> (what it hears, minor units that have gone back)"""
    answer = bench.ask(bench.till.refund(1, amount), 5000)
    return answer, sum(bench.ledger.refunds.values())


def test_the_same_part_again_after_the_acknowledgement_is_a_second_refund():
    for name in ("zvt", "telium"):
        bench = paid(name)
        ok = [bench.till.paid]
        assert part(bench) == (ok, 500)
        assert part(bench) == (ok, 1000), name
        assert part(bench, 100) == (ok, 1100)
        bench.cut()
        assert part(bench, 100) == (ok, 1200)
        answer, back = part(bench)
        assert back == 1200 and answer and answer != ok, "more than is left of the sale"
        assert part(bench, 34) == (ok, 1234)


def test_the_same_part_again_before_the_acknowledgement_is_the_same_refund():
    for name in ("zvt", "telium"):
        for cut in (False, True):
            bench = paid(name)
            ok = [bench.till.paid]
            assert part(bench) == (ok, 500)
            bench.till.acks = False
            assert part(bench) == ([], 1000)
            bench.run(30000)
            if cut:
                bench.cut()
            assert part(bench) == ([], 1000)
            bench.run(30000)
            bench.till.acks = True
            assert part(bench) == (ok, 1000), (name, cut)
            assert part(bench, 200) == (ok, 1200)


def test_the_same_part_again_before_a_zvt_till_heard_the_end_is_the_same_refund():
    for heard in ("then the power goes", "then the cable comes out", "and cannot take it back"):
        bench = paid("zvt")
        hear = bench.till.hear

        def hears_no_end(frame, bench=bench, hear=hear, heard=heard):
            if frame[2:4] == b"\x04\x0f":
                bench.till.acks = heard.endswith("back")
                return b"\x06" + (zvt_framed(b"\x84\x64\x00") if bench.till.acks else b"")
            return hear(frame)

        bench.till.hear = hears_no_end
        assert part(bench)[1] == 500
        if heard.endswith("goes"):
            bench.cut()
        bench.run(30000)
        bench.till.hear, bench.till.acks = hear, True
        assert part(bench) == ([bench.till.paid], 500), heard
        assert part(bench) == ([bench.till.paid], 1000), heard


def test_a_further_part_is_not_told_of_the_last_where_flash_cannot_tell_them_apart():
    for name in ("zvt", "telium"):
        bench = paid(name)
        bench.till.acks = False
        assert part(bench, 300) == ([], 300)
        bench.run(30000)
        bench.till.acks = True
        bench.journal.full = True
        assert part(bench, 300) == ([bench.till.paid], 300)
        answer, back = part(bench, 300)
        assert back == 300 and answer and answer != [bench.till.paid], name
        bench.journal.full = False
        assert part(bench, 300) == ([bench.till.paid], 600), name


def test_the_same_part_again_after_a_lost_answer_is_the_same_refund():
    for name in ("zvt", "telium"):
        bench = paid(name)
        assert part(bench)[1] == 500
        bench.ledger.lose = ["refund"] * 40
        assert bench.ask(bench.till.refund(1, 500), 90000) == [bench.till.unknown]
        bench.cut()
        bench.ledger.lose = []
        assert part(bench) == ([bench.till.paid], 1000), name


def test_the_same_part_again_after_a_refusal_is_the_same_refund():
    bench = paid("zvt")
    assert part(bench)[1] == 500
    bench.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    assert part(bench) == (["b5"], 500)
    bench.ledger.fail.clear()
    assert part(bench) == ([bench.till.paid], 1000)
    assert len(bench.states()) == 3


def test_the_whole_again_is_the_same_refund():
    for name in ("zvt", "telium"):
        bench = paid(name)
        for _ in range(2):
            assert part(bench, 1234) == ([bench.till.paid], 1234) and len(bench.states()) == 2


def test_a_refund_of_the_last_sale():
    bench = paid("ecr17")
    assert bench.ask(bench.till.refund(0), 3000) == ["00"] and list(bench.ledger.refunds.values()) == [1234]
    assert TerminalBench("ecr17").ask(bench.till.refund(0), 3000) == ["01NESSUNA TRANSAZIONE"]


def test_a_refund_not_known_is_news_when_it_is():
    bench = paid("ecr17")
    bench.ledger.lose = ["refund"] * 40
    assert bench.ask(bench.till.refund(1), 70000) == ["01ESITO NON VERIFICATO"]
    bench.ledger.lose = []
    bench.run(40000)
    assert bench.states() == ["PAID", "REFUNDED"]
    assert bench.view.note == "Sale ~000001, $12.34: refunded"
    bench.press()
    assert not bench.view.note
    bench.ledger.fail["refund"] = Refused("NOT_ALLOWED")
    bench.sale(5000)
    bench.pay()
    bench.cut()
    assert bench.ask(bench.till.refund(3), 3000) == ["01NON ESEGUITO"]


def test_what_went_back_is_not_paid():
    """Refunded before the till had acknowledged that it was paid."""
    bench = TerminalBench("ecr17")
    bench.sale()
    bench.till.acks = False
    bench.pay(20000)
    bench.till.acks = True
    assert bench.ask(bench.till.refund(1), 3000) == ["00"]
    assert bench.sale(ms=3000) == ["01STORNATO"] and bench.creates() == 1
    assert bench.sale(ms=3000) == [] and bench.creates() == 2
    bench = TerminalBench("transbank")
    bench.sale(1234, "7")
    bench.pay()
    bench.ask(bench.till.refund(1), 3000)
    assert bench.sale(1234, "7", 3000) == ["04"] and bench.ask(bench.till.last(), 3000) == ["04"]


def test_a_refund_that_flash_did_not_take_is_not_told():
    bench = TerminalBench("ecr17")
    bench.sale(500)
    bench.pay()
    bench.ledger.fail["refund"] = Refused("REFUND_DECLINED")
    perform = bench.ledger.perform

    def fill(owner, verb, identity, now):
        bench.journal.full = verb == "refund"
        return perform(owner, verb, identity, now)

    bench.ledger.perform = fill
    assert bench.ask(bench.till.refund(1), 75000) == [bench.till.unknown]


def test_an_amount_to_refund_in_another_currency_than_the_sales_is_refused():
    bench = TerminalBench("telium")
    bench.sale(500)
    bench.pay()
    bench.desk._current.sale.currency = "JPY"
    bench.ask(bench.till.refund(1, 300), 3000)
    assert bench.ledger.refunds == {}
    bench.desk._current.sale.currency = "NZD"
    bench.ask(bench.till.refund(1, 300), 3000)
    assert list(bench.ledger.refunds.values()) == [300]
