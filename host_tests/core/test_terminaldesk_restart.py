"""Card-terminal tills over power cuts and nights."""

from fakes import WALL
from terminalbench import REFLESS, TILLS, TerminalBench, running, unheard


def test_the_same_frame_after_a_restart():
    for name in TILLS:
        for moment in ("paying", "paid", "heard", "unheard", "unknown"):
            bench = unheard(name) if moment == "unheard" else running(name)
            if moment == "paid":
                bench.ledger.pay()
            if moment == "heard":
                bench.pay()
            if moment == "unknown":
                bench.ledger.down = True
                bench.hold()
                bench.run(25000)
                assert bench.till.heard == [bench.till.unknown], (name, bench.till.heard)
            bench.cut()
            heard = bench.sale(ms=5000)
            if moment == "paying":
                assert heard == [bench.till.cancelled], (name, heard)
            elif moment == "heard":
                assert heard == [] and bench.creates() == 2 and bench.kind == "pay"
                continue
            elif moment == "unknown":
                assert heard == []  # it is being found out
                bench.run(20000)
                assert bench.till.heard == [bench.till.unknown] * 2 and bench.states() == ["V"]
            else:
                assert heard == [bench.till.paid], (name, moment, heard)
            assert bench.creates() == 1, (name, moment)


def test_a_result_from_before_a_long_night_is_another_patrons():
    for name in REFLESS:
        bench = unheard(name)
        bench.cut()
        bench.wall += 10 * 3600
        assert bench.sale(ms=3000) == [] and bench.creates() == 2 and bench.kind == "pay"
        bench = unheard(name)
        bench.run(601000)
        assert bench.sale(ms=3000) == [] and bench.creates() == 2


def test_last_after_a_restart():
    for name in ("transbank", "ecr17", "zvt"):
        bench = TerminalBench(name)
        assert bench.ask(bench.till.last(), 3000) in (["11"], ["01NESSUNA TRANSAZIONE"], ["83"])
        bench = running(name)
        bench.pay()
        bench.cut()
        assert bench.ask(bench.till.last(), 3000) == [bench.till.paid]
        bench = running(name)
        bench.ledger.pay()
        bench.ledger.down = True
        bench.cut()
        assert bench.ask(bench.till.last(), 3000) == [bench.till.unknown]
        bench.ledger.down = False
        bench.run(30000)
        assert bench.ask(bench.till.last(), 3000) == [bench.till.paid] and bench.journal.last().acked


def test_without_a_clock_nobody_knows_how_old_a_result_is():
    for name in ("ecr17", "zvt", "telium"):
        bench = unheard(name)
        bench.wall = 0
        bench.cut()
        bench.desk.blocked = "CLOCK"
        assert bench.sale(ms=3000) == [bench.till.not_ready] and bench.creates() == 1, name
        bench.wall = WALL
        bench.desk.blocked = ""
        assert bench.sale(ms=5000) == [bench.till.paid] and bench.creates() == 1, name
