"""A till that never acknowledges results must not bring the box to a stop."""

from fakes import Bench, FlashJournal, Ledger

from kiosk.journal import Journal, remove
from kiosk.record import CANCELLED, Sale


def owing(count, journal=None):
    """A box that starts with so many results in its journal that were UNKNOWN at first and never acknowledged."""
    journal = journal or FlashJournal()
    for i in range(count):
        sale = Sale(i + 1, "old%d" % i, 100, "NZD", "T1-old%d-n" % i, 1800000000, CANCELLED)
        sale.id = "id%03d" % i
        sale.owed = True
        journal.write(sale)
    bench = Bench(Ledger(), journal)
    bench.boot()
    return bench


def test_it_can_sell_on_after_a_restart():
    bench = owing(18)
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"


def test_eight_results_are_told_again_and_the_others_when_asked():
    bench = owing(18)
    bench.run(5000)
    told = {line.split()[1] for line in bench.heard if line.startswith("RESULT")}
    assert told == {"old%d" % i for i in range(10, 18)}
    assert bench.say("STATUS old0").split()[:3] == ["RESULT", "old0", "CANCELLED"]


def test_two_hundred_of_them_fit_the_heap_at_a_restart():
    journal = Journal("unacknowledged.log")
    remove(journal.path)
    journal.open()
    try:
        bench = owing(200, journal)
        bench.run(5000)
        assert len({line.split()[1] for line in bench.heard if line.startswith("RESULT")}) == 8
        assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    finally:
        remove(journal.path)


def test_what_was_told_makes_room_for_a_new_sale():
    bench = owing(8)
    bench.run(5000)
    bench.desk._unsettled = bench.desk._unsettled * 2
    assert len(bench.desk._unsettled) == 16
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    assert not bench.desk._unsettled
