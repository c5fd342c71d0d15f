"""A card-terminal till where acknowledgements are lost and flash fails."""

from terminalbench import TILLS, TerminalBench


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
