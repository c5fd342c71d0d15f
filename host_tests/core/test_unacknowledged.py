"""A till that never acknowledges results must not bring the box to a stop."""

from fakes import Bench, FlashJournal, Ledger, compact, restarted

from kiosk.journal import Journal, JournalError, remove
from kiosk.record import CANCELLED, HEARD, PAID, PAYABLE, REFUNDED, Sale


def owing(count, journal=None, state=CANCELLED):
    """A box that starts with so many results in its journal that were UNKNOWN at first and never acknowledged."""
    return Bench(Ledger(), write_owed(journal or FlashJournal(), count, state))


def write_owed(journal, count, state=CANCELLED):
    for i in range(1, count + 1):
        journal.write(owed(i, state))
    return journal


def owed(number, state=CANCELLED):
    sale = Sale(number, "old%d" % number, 100, "NZD", "T1-old%d-n" % number, 1800000000, state)
    sale.id = "id%03d" % number
    sale.owed = True
    return sale


def told(bench):
    """The references of which the till has heard a result, in the order of the first time."""
    refs = []
    for line in bench.heard:
        parts = line.split()
        if parts[0] == "RESULT" and parts[1] not in refs:
            refs.append(parts[1])
    return refs


def olds(first, end):
    return ["old%d" % i for i in range(first, end)]


def run_acknowledging(bench, ms):
    """Lets time pass with a till that acknowledges whatever it hears."""
    seen = len(bench.heard)
    end = bench.now + ms
    while bench.now < end:
        bench.run(500)
        for line in bench.heard[seen:]:
            if line.startswith("RESULT"):
                bench.say("ACK " + line.split()[1])
        seen = len(bench.heard)


def test_it_can_sell_on_after_a_restart():
    bench = owing(18)
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"


def test_eight_results_are_told_again_and_the_others_when_asked():
    bench = owing(18)
    bench.run(5000)
    assert told(bench) == olds(11, 19)
    assert bench.say("STATUS old1").split()[:3] == ["RESULT", "old1", "CANCELLED"]


def test_the_others_are_told_when_those_are_acknowledged():
    bench = owing(18)
    run_acknowledging(bench, 10000)
    assert told(bench) == olds(11, 19) + olds(3, 11) + olds(1, 3)
    assert not unacknowledged(bench.journal)
    lines = len(bench.heard)
    bench.run(60000)
    assert len(bench.heard) == lines


def test_results_that_came_together_before_a_power_cut_are_all_told():
    bench = Bench(can_find=False, expiry_s=10)
    bench.desk.outbox = lambda now: None  # the cable is out
    for number in range(12):
        bench.ledger.lose = ["create", "create"]
        bench.say("SALE %d 1.00" % number)
        bench.run(45000)
    bench = restarted(bench)
    bench.desk.outbox = lambda now: None
    bench.run(75000)
    bench = restarted(bench)
    run_acknowledging(bench, 10000)
    assert sorted(told(bench)) == sorted(str(number) for number in range(12))
    assert {bench.results(ref)[-1] for ref in told(bench)} == {"FAILED"}


def run_speaking(bench, ms):
    """Lets time pass with a till that asks now and then, and acknowledges nothing."""
    end = bench.now + ms
    while bench.now < end:
        bench.run(5000)
        bench.say("INFO")


def test_a_till_that_acknowledges_none_hears_of_each_and_that_is_all():
    bench = owing(30)
    run_speaking(bench, 120000)
    assert told(bench) == olds(23, 31) + olds(15, 23) + olds(7, 15) + olds(1, 7)
    assert len(bench.desk._unsettled) == 6
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    bench.run(1000)
    bench.ledger.pay()
    bench.run(5000)
    bench.heard.clear()
    run_speaking(bench, 60000)
    assert told(bench) == ["next"]


def test_a_till_that_is_not_there_yet_misses_nothing():
    for silence in (5000, 12000, 30000, 60000):
        bench = owing(30)
        bench.run(silence)
        bench.heard.clear()
        run_acknowledging(bench, 120000)
        assert sorted(told(bench)) == sorted(olds(1, 31)), silence


def test_what_is_said_of_this_day_does_not_give_way():
    bench = owing(20)
    run_acknowledging(bench, 900)
    bench.say("SALE new 7.00")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(2000)
    bench.say("ACK new")
    bench.say("REFUND new")
    run_speaking(bench, 60000)  # it acknowledges nothing of that
    bench.heard.clear()
    run_acknowledging(bench, 20000)
    assert bench.results("new") == ["REFUNDED"]


def test_paid_is_not_told_behind_its_refund():
    for count in (4, 9, 20):
        bench = owing(count, state=PAID)
        bench.ledger.requests["id001"] = ["paid", "T1-old1-n", 100, "NZD", 0, True, False, ""]
        bench.run(1500)
        assert bench.say("STATUS old1").startswith("RESULT old1 PAID")
        bench.say("REFUND old1")
        bench.run(2000)
        bench.say("ACK old1")
        bench.heard.clear()
        run_acknowledging(bench, 20000)
        assert "old1" not in told(bench), count
        bench = restarted(bench)
        run_acknowledging(bench, 20000)
        assert "old1" not in told(bench), count


def test_a_refund_that_is_refused_acknowledges_nothing():
    for line, blocked in (("REFUND old1 999.00", ""), ("REFUND old1", "WIFI")):
        bench = owing(20, state=PAID)
        bench.run(1500)
        bench.desk.blocked = blocked
        assert bench.say(line).startswith("ERR")
        run_acknowledging(bench, 20000)
        assert bench.results("old1") == ["PAID"]


def test_a_refund_that_gave_way_can_be_acknowledged():
    journal = FlashJournal()
    for number in range(1, 21):
        sale = owed(number, PAID)
        sale.acked = True
        journal.write(sale)
    for number in range(21, 41):
        refund = owed(number, REFUNDED)
        refund.ref, refund.id = "old%d" % (number - 20), "id%03d" % (number - 20)
        journal.write(refund)
    bench = Bench(Ledger(), journal)
    run_speaking(bench, 60000)
    for ref in told(bench):
        assert bench.say("ACK " + ref) == "OK ACK " + ref
    bench.run(5000)
    assert len(told(bench)) == 20 and not unacknowledged(journal)


def test_a_sale_with_a_refund_is_not_owed():
    journal = write_owed(FlashJournal(), 20, PAID)
    refund = owed(21, REFUNDED)
    refund.ref, refund.id, refund.external_ref = "old3", "id003", "T1-old3-n-A100"
    journal.write(refund)
    bench = Bench(Ledger(), journal)
    run_acknowledging(bench, 20000)
    assert bench.results("old3") == ["REFUNDED"]
    assert len(told(bench)) == 20


def test_a_till_that_goes_on_selling_hears_of_each_too():
    bench = owing(30)
    for number in range(8):
        bench.run(5000)
        bench.say("SALE new%d 2.00" % number)
        bench.run(3000)
        bench.ledger.pay()
        bench.run(3000)
    assert sorted(told(bench)) == sorted(olds(1, 31) + ["new%d" % number for number in range(8)])


def test_what_it_has_not_heard_comes_before_what_it_has_not_acknowledged():
    journal = write_owed(FlashJournal(), 30)
    heard = []
    for _ in range(4):  # a till that never acknowledges, and a box that never stays on for long
        bench = Bench(Ledger(), journal)
        bench.run(1500)
        heard += told(bench)
        bench.say("SALE s%d 1.00" % len(heard))
        bench.run(3000)
        bench.ledger.pay()
        bench.run(1000)
        bench.say("ACK s%d" % len(heard))
    assert sorted(heard) == sorted(olds(1, 31) + ["old29", "old30"]), heard


def test_another_word_is_owed_anew():
    journal = FlashJournal()
    for number in range(1, 10):
        sale = owed(number)
        sale.owed = HEARD
        journal.write(sale)
    journal.write(owed(1))
    bench = Bench(Ledger(), journal)
    bench.run(1000)
    assert told(bench) == ["old1"] + olds(3, 10)


def test_what_is_not_resolved_yet_leaves_room():
    journal = write_owed(FlashJournal(), 20)
    for number in range(21, 33):
        journal.write(owed(number, PAYABLE))
    ledger = Ledger()
    ledger.down = True
    bench = Bench(ledger, journal)
    run_acknowledging(bench, 60000)
    assert not set(told(bench)) & set(olds(1, 13))
    assert len(bench.desk._unsettled) == 12


def test_what_was_acknowledged_meanwhile_is_not_told():
    bench = owing(12)
    bench.run(5000)
    bench.say("STATUS old2")
    bench.say("ACK old2")
    bench.heard.clear()
    run_acknowledging(bench, 10000)
    assert sorted(told(bench)) == sorted(olds(5, 13) + ["old1", "old3", "old4"])


def test_refunds_are_told_too():
    bench = owing(20, state=REFUNDED)
    run_acknowledging(bench, 10000)
    assert told(bench) == olds(13, 21) + olds(5, 13) + olds(1, 5)
    assert not unacknowledged(bench.journal)


def test_refunds_that_are_not_acknowledged_give_way():
    bench = owing(20, state=REFUNDED)
    run_speaking(bench, 60000)
    assert told(bench) == olds(13, 21) + olds(5, 13) + olds(1, 5)


def test_none_is_looked_for_while_a_sale_is_under_way():
    bench = owing(12)
    run_acknowledging(bench, 400)
    bench.say("SALE next 2.00")
    bench.run(20000)
    assert not set(told(bench)) & set(olds(1, 5))
    bench.say("CANCEL next")
    run_acknowledging(bench, 10000)
    assert set(told(bench)) == set(olds(1, 13) + ["next"])


def test_flash_that_cannot_be_read_is_read_again_a_minute_later():
    bench = owing(20)
    survey = bench.journal.survey

    def broken(found):
        steps = survey(found)
        next(steps)
        yield
        raise JournalError(5)

    bench.journal.survey = broken
    run_acknowledging(bench, 10000)
    assert told(bench) == olds(13, 21)
    bench.journal.survey = survey
    run_acknowledging(bench, 70000)
    assert sorted(told(bench)) == sorted(olds(1, 21))


def test_two_hundred_of_them_fit_the_heap_at_a_restart():
    with_flash(two_hundred)


def two_hundred(journal):
    bench = owing(200, journal)
    bench.run(5000)
    assert len(told(bench)) == 8
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    bench.say("CANCEL next")
    for _ in range(25):
        run_acknowledging(bench, 15000)
        bench.heard.clear()
    assert unacknowledged(journal) == list(range(193, 201))  # the till began something new when it had heard those


def test_a_journal_compacted_meanwhile_is_read_from_its_beginning():
    with_flash(compacted_meanwhile)


def compacted_meanwhile(journal):
    bench = owing(60, journal)
    for number in range(60, 0, -1):
        journal.write(owed(number))  # out of order: what comes early in the file will come late
    run_acknowledging(bench, 1000)
    assert bench.desk._arrears is not None
    compact(journal)
    run_acknowledging(bench, 60000)
    assert not unacknowledged(journal)


def with_flash(work):
    journal = Journal("unacknowledged.log")
    remove(journal.path)
    journal.open()
    try:
        work(journal)
    finally:
        remove(journal.path)


def unacknowledged(journal):
    newest = {sale.seq: sale.acked for sale in journal.sales()}
    return [seq for seq in newest if not newest[seq]]


def test_what_was_told_makes_room_for_a_new_sale():
    bench = owing(8)
    bench.run(5000)
    bench.desk._unsettled = bench.desk._unsettled * 2
    assert len(bench.desk._unsettled) == 16
    assert bench.say("SALE next 2.00") == "OK SALE next 2.00 NZD"
    bench.run(2000)
    assert not bench.desk._unsettled
