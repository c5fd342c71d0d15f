"""A customer display where a sale is refused, bytes are not understood, flash is full."""

from displaybench import DisplayBench, selling

from centrapay import Refused

# ---- refusals --------------------------------------------------------------------------------------------------


def test_a_refusal_says_why_and_leaves_a_box_that_sells():
    for fault, words in (("blocked", "No code: Wifi."), ("flash", "No code: The display cannot store the sale.")):
        for policy in ("stable", "button"):
            bench = DisplayBench(policy)
            bench.desk.blocked = "WIFI" if fault == "blocked" else ""
            bench.journal.full = fault == "flash"
            bench.total()
            if policy == "button":
                bench.press()
            bench.run(10000)
            assert bench.kind == "ready" and bench.view.note == words, bench.view.note
            assert bench.creates() == 0 and bench.states() == []
            bench.desk.blocked = ""
            bench.journal.full = False
            bench.run(10000)
            assert bench.creates() == 0, "nothing starts by itself that was refused"
            bench.press()
            assert bench.kind == "pay" and bench.creates() == 1
            bench.pay(5000)
            bench.item()
            bench.total("15.00")
            bench.press()
            assert bench.creates() == 2


def test_a_receipt_is_paid_once_and_may_be_tried_again():
    bench = DisplayBench("tag")
    bench.show("QR#1017", "12.34", 1000)
    bench.hold()
    bench.run(3000)
    assert bench.states() == ["CANCELLED"]
    bench.show("QR#1017", "12.34", 3000)
    assert bench.creates() == 1
    bench.press()
    bench.press()
    assert bench.creates() == 2 and bench.journal.last().ref == "1017~2"
    bench.pay(5000)
    bench.show("QR#1018", "9.00", 1000)
    bench.pay(5000)
    bench.show("QR#1017", "12.34", 5000)  # recalled on the till
    assert bench.creates() == 3 and bench.view.note == "No code: 1017~2 was paid, or may be."
    bench.show("QR#1017", "13.00", 5000)
    bench.show("QR#1016", "9.00", 1000)
    bench.pay(5000)
    bench.show("QR#1017", "13.00", 5000)
    assert bench.creates() == 4 and bench.view.note == "No code: 1017 was 12.34 NZD"
    bench.cut()
    bench.show("QR#1016", "9.00", 5000)
    bench.press()
    assert bench.creates() == 4


def test_the_api_refuses():
    bench = DisplayBench()
    bench.ledger.fail["create"] = Refused("INVALID_CONFIG")
    bench.total()
    assert bench.kind == "failed" and bench.states() == ["FAILED"]
    bench.run(60000)
    assert bench.creates() == 1
    bench.press()
    bench.press()
    assert bench.kind == "pay"


def test_a_result_that_flash_does_not_take():
    bench = selling()
    bench.journal.full = True
    bench.pay(60000)
    tries = []
    write = bench.journal.write
    bench.journal.write = lambda sale: tries.append(sale) or write(sale)
    bench.run(60000)
    assert 1 <= len(tries) <= 40, len(tries)
    bench.total()
    bench.item()
    bench.total("15.00")
    assert bench.creates() == 1
    bench.journal.full = False
    bench.run(10000)
    assert bench.states() == ["PAID"]


# ---- the wire --------------------------------------------------------------------------------------------------


def test_dsp800_is_answered():
    from till.dsp800 import Dialect

    bench = DisplayBench(dialect=Dialect)
    bench.paint(b"\x04\x01C1X\x17\x04\x01P1\x17Total               12.34")
    assert bench.desk.answer() == b"\x06\x06" and bench.desk.answer() is None
    bench.paint(b"\x04\x01Q\x17")
    assert bench.desk.answer() == b"\x15"
    for _ in range(100):
        bench.paint(b"\x04\x01P1\x17")
    assert len(bench.desk.answer()) == 32 and bench.desk.outgoing(0) is None


def test_undefined_bytes_show_the_mirror_and_start_nothing():
    for policy in ("stable", "button", "tag"):
        bench = DisplayBench(policy)
        bench.paint(b"\x1b\x7f")
        for _ in range(3):
            bench.show("QR#1", "12.34", 5000) if policy == "tag" else bench.total(ms=5000)
        assert bench.creates() == 0 and bench.kind == "mirror"
        assert bench.view.detail.startswith("12.34") and bench.view.note == "unknown bytes: check dialect"
        before = bench.desk.revision
        bench.paint(b"x")
        assert bench.desk.revision > before
        bench.press()
        assert bench.creates() == 0 and bench.kind == "ready"
        bench.show("QR#1", "12.34", 5000) if policy == "tag" else bench.total(ms=5000)
        bench.press()
        assert bench.creates() == 1


def test_news_of_money_comes_before_the_mirror():
    bench = selling()
    bench.ledger.drop = ["get", "void"]
    bench.hold()
    bench.run(25000)
    bench.ledger.pay()
    bench.item()
    bench.total("15.00")
    bench.ledger.drop = ["create"]
    bench.hold()
    bench.ledger.drop = []
    bench.run(60000)
    bench.press()
    bench.paint(b"\x1b\x7f")
    bench.run(1000)
    assert bench.kind == "mirror" and bench.view.note in (
        "Sale ~1, $12.34: paid after all",
        "unknown bytes: check dialect",
    )


def test_a_code_that_cannot_be_drawn():
    bench = selling()
    bench.desk.could_not_draw(bench.desk.busy_with, bench.now)
    bench.run(3000)
    assert bench.states() == ["CANCELLED"] and bench.creates() == 1
    bench.run(60000)
    assert bench.creates() == 1
