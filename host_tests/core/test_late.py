"""A provider that lets a payment through after the request had expired, and what may lie between. Found by the soak."""

from fakes import Answer, Bench, Ledger

from centrapay import Refused, SetupFault, Unknown
from kiosk.record import unpack


def expired(expiry_s=20):
    """A bench on which sale 1 has just been told EXPIRED."""
    bench = Bench(Ledger(expiry_s * 1000), expiry_s=expiry_s)
    bench.say("SALE 1 5.00")
    while not bench.results("1"):
        bench.run(200)
    assert bench.results("1") == ["EXPIRED"]
    return bench


def pay_late(bench, identity="id000"):
    request = bench.ledger.requests[identity]
    request[0], request[5] = "paid", True


def test_late_payment_of_a_sale_before_the_last_is_found_after_a_power_cut():
    bench = expired()
    bench.say("ACK 1")
    bench.say("SALE 2 7.00")
    bench.run(1000)
    bench.boot()
    pay_late(bench)
    bench.run(40000)
    assert bench.results("1") == ["EXPIRED", "PAID"]
    assert bench.journal.find("1").reason == "LATE"


def test_late_payment_just_after_a_quick_restart_is_found():
    bench = expired()
    bench.boot()
    bench.run(3000)
    pay_late(bench)
    bench.run(30000)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_an_acknowledged_sale_that_stayed_expired_is_read_again_without_a_word():
    bench = expired()
    bench.say("ACK 1")
    bench.say("SALE 2 7.00")
    bench.run(2000)
    bench.ledger.pay("id001")
    bench.run(2000)
    bench.boot()
    heard = len(bench.heard)
    gets = bench.ledger.calls.count("get")
    bench.run(60000)  # sale 2 is paid, so what is read is sale 1
    assert not [line for line in bench.heard[heard:] if line.startswith("RESULT 1 ")]
    assert bench.ledger.calls.count("get") > gets


def test_late_payment_is_found_although_the_link_was_away_for_minutes():
    bench = expired()
    bench.ledger.down = True
    pay_late(bench)
    bench.run(300000, 500)
    bench.ledger.down = False
    bench.run(60000)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_late_payment_is_found_however_often_the_power_went_and_however_much_was_sold_since():
    bench = expired()
    bench.say("ACK 1")
    pay_late(bench)
    for i in range(36):
        bench.say("SALE n%d 1.00" % i)
        bench.run(3000)
        bench.say("CANCEL n%d" % i)
        bench.run(2000)
        bench.boot()
        assert "PAID" not in bench.results("1")
        bench.heard.clear()  # it all would fill the heap
        bench.ledger.calls.clear()
        records = bench.journal.records
        bench.journal.records = [record for record in records if unpack(record).ref == "1"] + records[-1:]
    bench.run(30000)
    assert bench.results("1") == ["PAID"]


def test_what_was_read_once_more_is_left_alone_after_a_restart():
    bench = expired()
    bench.run(20000)
    gets = bench.ledger.calls.count("get")
    bench.boot()
    bench.run(60000)
    assert bench.ledger.calls.count("get") == gets


def test_what_the_api_no_longer_knows_is_not_asked_for_ever():
    bench = expired()
    bench.say("ACK 1")
    for _ in range(380):
        bench.ledger.fail["get"] = Refused("NOT_FOUND")
        bench.run(10000, 500)
    gets = bench.ledger.calls.count("get")
    bench.boot()
    bench.run(60000)
    assert bench.ledger.calls.count("get") == gets


def test_after_an_outage_of_hours_the_late_payment_is_found():
    bench = expired()
    bench.say("ACK 1")
    bench.ledger.down = True
    pay_late(bench)
    bench.run(3 * 3600000, 5000)
    assert bench.results("1") == ["EXPIRED"]
    bench.ledger.down = False
    bench.run(700000, 500)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_what_is_only_watched_makes_room_and_is_watched_again_after_a_restart():
    bench = expired()
    bench.say("ACK 1")
    bench.ledger.drop = ["get"]
    watched = bench.desk._ticket("1")
    bench.desk._unsettled = [watched] * 16
    bench.desk._current = None
    assert bench.say("SALE 2 1.00") == "OK SALE 2 1.00 NZD"
    bench.ledger.drop = []
    pay_late(bench)
    bench.boot()
    bench.run(60000)
    assert bench.results("1") == ["EXPIRED", "PAID"]


def test_the_next_sale_while_the_last_look_is_on_its_way_does_not_lose_it():
    for lost in (False, True):
        bench = expired()
        pay_late(bench)
        bench.now += 10000
        call = bench.desk.next_call(bench.now)
        assert call[1:] == ("get", "id000")
        bench.say("SALE 2 7.00")
        bench.desk.tick(bench.now)
        bench.ledger.lose = ["get"] if lost else []
        bench.perform(*call)
        bench.run(60000)
        assert bench.results("1") == ["EXPIRED", "PAID"], lost


def test_late_news_waits_for_flash_and_needs_no_second_look():
    bench = expired()
    bench.say("ACK 1")
    pay_late(bench)
    bench.journal.full = True
    bench.run(60000)
    assert bench.results("1") == ["EXPIRED"] and bench.say("STATUS 1").startswith("RESULT 1 EXPIRED")
    bench.ledger.down = True
    bench.journal.full = False
    bench.run(10000)
    assert bench.results("1") == ["EXPIRED", "PAID"]
    assert bench.journal.find("1").reason == "LATE" and bench.journal.find("1").owed


def test_expired_that_was_never_said_gives_way_to_paid():
    bench = Bench(Ledger(20000), expiry_s=20)
    bench.say("SALE 1 5.00")
    bench.run(3000)
    bench.journal.full = True
    while "EXPIRED" not in [ticket.sale.state for ticket in bench.desk._tickets()]:
        bench.run(200)
    pay_late(bench)
    bench.run(15000)
    bench.journal.full = False
    bench.run(15000)
    assert bench.results("1") == ["UNKNOWN", "PAID"]


def test_the_last_look_at_an_old_sale_does_not_close_the_shop():
    bench = expired()
    bench.say("ACK 1")
    for _ in range(30):
        bench.ledger.fail["get"] = SetupFault("HTTP_404")
        bench.run(10000, 1000)
        assert bench.desk.setup_fault == ""


def voids_expired(bench):
    """A server that refuses a void by its clock, while the status still says new."""
    bench.ledger.expires = False
    bench.ledger.refuse["void"] = Refused("REQUEST_EXPIRED")


def test_a_status_that_lags_behind_the_expiry_is_read_again():
    for paid_after in (12000, 25000, 60000, 600000):
        bench = Bench(Ledger(20000), expiry_s=20)
        voids_expired(bench)
        bench.say("SALE 1 5.00")
        bench.run(20000 + paid_after)
        assert bench.results("1") == ["EXPIRED"]
        bench.ledger.pay()
        bench.run(600000, 500)
        assert bench.results("1") == ["EXPIRED", "PAID"], paid_after
        assert bench.journal.find("1").reason == "LATE"


def test_a_status_that_stays_new_after_the_expiry_is_read_ever_more_seldom_and_not_for_ever():
    bench = Bench(Ledger(20000), expiry_s=20)
    voids_expired(bench)
    bench.say("SALE 1 5.00")
    bench.run(40000)
    bench.say("ACK 1")
    bench.ledger.calls.clear()
    bench.run(5600000, 1000)
    assert 5 <= len(bench.ledger.calls) <= 20, len(bench.ledger.calls)
    bench.ledger.calls.clear()
    bench.run(3600000, 1000)
    assert not bench.ledger.calls


def test_a_look_on_its_way_when_flash_works_again_tells_the_late_payment_once():
    for outcome in ("paid", "lost", "new"):
        bench = expired()
        bench.say("ACK 1")
        pay_late(bench)
        bench.journal.full = True
        bench.run(20000)
        while bench.desk.next_call(bench.now) is None:
            bench.now += 100
        bench.journal.full = False
        bench.now += 6000
        bench.desk.tick(bench.now)
        ticket = bench.desk._ticket("1")
        if outcome == "lost":
            bench.desk.failed(ticket, "get", Unknown("timeout"), bench.now)
        else:
            bench.desk.answered(ticket, "get", Answer("id000", outcome), bench.now)
        bench.run(100)
        assert bench.heard[-1].startswith("RESULT 1 PAID"), outcome
        bench.say("ACK 1")
        assert bench.journal.find("1").acked and bench.journal.find("1").state == "PAID", outcome
        bench.heard.clear()
        bench.ledger.calls.clear()
        bench.run(60000)
        assert bench.heard == [] and bench.ledger.calls == [], outcome
