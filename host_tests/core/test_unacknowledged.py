"""A till that never acknowledges results must not bring the box to a stop."""

from fakes import Bench, FlashJournal


def restarted(bench):
    again = Bench(bench.ledger, FlashJournal(bench.journal.records), bench.can_find, bench.expiry_s)
    again.now = bench.now
    again.boot()
    return again


def test_a_till_that_never_acknowledges_can_sell_on_after_a_restart():
    bench = Bench()
    for i in range(18):  # each UNKNOWN at first, so that the till is owed a result; and then cancelled
        bench.say("SALE %d 1.00" % i)
        bench.run(2000)
        bench.ledger.down = True
        bench.say("CANCEL %d" % i)
        bench.run(25000, 500)
        bench.ledger.down = False
        bench.run(40000, 500)
        bench.heard.clear()
        bench.ledger.calls.clear()
    owed = [sale for sale in bench.journal.unresolved() if sale.owed and not sale.acked]
    assert len(owed) > 16, len(owed)
    again = restarted(bench)
    assert again.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    again.run(60000, 500)
    told = [line for line in again.heard if line.startswith("RESULT") and "CANCELLED" in line]
    assert len({line.split()[1] for line in told}) <= 9, told
    for sale in owed:
        assert again.say("STATUS " + sale.ref).split()[2] == "CANCELLED"


def test_results_that_were_told_make_room_for_a_new_sale():
    bench = Bench()
    bench.say("SALE 1 1.00")
    bench.run(2000)
    bench.ledger.down = True
    bench.say("CANCEL 1")
    bench.run(25000, 500)
    bench.ledger.down = False
    bench.run(40000, 500)
    ticket = bench.desk._tickets()[0]
    bench.desk._unsettled = [ticket] * 16
    bench.desk._current = None
    assert bench.say("SALE 2 2.00") == "OK SALE 2 2.00 NZD"
