"""A card-terminal till where acknowledgements are lost, flash fails, money goes back; and the journal's numbers."""

from terminalbench import TILLS, TerminalBench

from centrapay import Refused
from kiosk.journal import JournalError


def paid(name, amount=1234):
    bench = TerminalBench(name)
    bench.sale(amount)
    assert bench.pay() == [bench.till.paid]
    return bench


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


def test_the_acknowledgement_never_comes():
    for name in TILLS:
        bench = TerminalBench(name)
        bench.sale()
        bench.till.acks = False
        frames = []
        hear = bench.till.hear
        bench.till.hear = lambda frame, hear=hear, frames=frames: frames.append(frame) or hear(frame)
        bench.ledger.pay()
        bench.run(120000)
        assert 1 <= len(frames) <= 4, (name, frames)
        assert bench.states() == ["PAID"] and bench.kind == "paid"
        bench.till.acks = True
        assert bench.sale(5000, ms=3000) == [] and bench.view.amount == "$50.00"
        assert bench.pay(5000) == [bench.till.paid]


def test_flash_that_does_not_take_the_acknowledgement():
    for name in ("ecr17", "zvt", "telium"):
        bench = TerminalBench(name)
        bench.sale()
        bench.ledger.pay()
        while bench.journal.last().state != "PAID":
            bench.desk.tick(bench.now)
            call = bench.desk.next_call(bench.now)
            if call is not None:
                bench.perform(*call)
            bench.now += 100
        bench.journal.full = True
        bench.run(5000)
        assert bench.till.heard == [bench.till.paid] and not bench.journal.last().acked
        assert bench.sale(ms=3000)[:1] != [bench.till.paid], "that would be the next patron's"


def test_a_result_that_flash_does_not_take_is_not_acknowledged():
    for name in ("ecr17", "zvt", "telium"):
        bench = TerminalBench(name)
        bench.sale()
        bench.journal.full = True
        assert bench.pay(14000) == [bench.till.unknown]
        bench.journal.full = False
        bench.run(10000)
        assert bench.states() == ["PAID"] and not bench.journal.last().acked
        assert bench.sale(ms=3000) == [bench.till.paid] and bench.journal.last().acked


def test_a_journal_that_cannot_be_read_leaves_no_till_waiting():
    bench = paid("ecr17")
    bench.ask(bench.till.refund(1), 3000)

    def fails(*_):
        raise JournalError(5)

    refunds = bench.journal.refunds
    bench.journal.refunds = fails
    assert bench.ask(bench.till.last(), 3000) == ["01TERMINALE NON PRONTO"]
    bench.journal.refunds = refunds
    assert bench.ask(bench.till.last(), 3000) == ["01STORNATO"]


def test_a_fault_of_ours_is_tried_again():
    for name in TILLS:
        for place in ("sale", "_tell"):
            bench = TerminalBench(name)
            real = getattr(bench.desk, place)
            left = [3]

            def faulty(*arguments, left=left, real=real):
                if left[0]:
                    left[0] -= 1
                    raise MemoryError
                return real(*arguments)

            setattr(bench.desk, place, faulty)
            feed = bench.desk.feed

            def kept(data, count, now, feed=feed):
                try:
                    return feed(data, count, now)
                except MemoryError:
                    return False

            bench.desk.feed = kept
            assert bench.sale() == [] and bench.kind == "pay", (name, place)
            assert bench.pay() == [bench.till.paid] and bench.states() == ["PAID"]


def test_the_last_sale_refused_by_the_api():
    for name in TILLS:
        bench = TerminalBench(name)
        bench.ledger.fail["create"] = Refused("INVALID_CONFIG")
        answer = bench.sale(ms=3000)
        assert len(answer) == 1 and answer[0] not in (bench.till.paid, bench.till.unknown)
        assert bench.sale(ms=3000) == [] and bench.kind == "pay"
