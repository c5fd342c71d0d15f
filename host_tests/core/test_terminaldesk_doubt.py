"""Card-terminal tills where the box itself is in doubt or at fault."""

from terminalbench import TILLS, TerminalBench, paid

from centrapay import Refused
from kiosk.journal import JournalError


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


def test_a_journal_that_cannot_be_read_leaves_no_till_waiting():
    bench = paid("ecr17")
    bench.ask(bench.till.refund(1), 3000)

    def fails(*_):
        raise JournalError(5)

    sales = bench.journal.sales
    bench.journal.sales = fails
    assert bench.ask(bench.till.last(), 3000) == ["01TERMINALE NON PRONTO"]
    bench.journal.sales = sales
    assert bench.ask(bench.till.last(), 3000) == ["01STORNATO"]
