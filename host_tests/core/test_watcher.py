"""When a display's screens begin a sale, when they take it back, and when the same total is the same sale."""

from till.watcher import Watcher
from till.words import lists

WORDS = lists()
CANCEL = ("CANCEL", "", 0)


class FakePole:
    """The verbs of till.pole that a watcher reads."""

    def __init__(self):
        self.rows = ["", ""]
        self.lamp = 0
        self.undefined = 0
        self.scrolling = False

    def row(self, index):
        return self.rows[index] + " " * (20 - len(self.rows[index]))

    def forgive(self):
        self.undefined = self.lamp = 0
        self.rows = ["", ""]


class Counter:
    """A watcher, its display, and a clock that ticks every 50 ms."""

    def __init__(self, policy="stable", **options):
        self.pole = FakePole()
        self.watcher = Watcher(self.pole, "NZD", WORDS, policy=policy, **options)
        self.now = 1000
        self.intents = []

    def show(self, top="", bottom="", ms=5000, lamp=0):
        """A screen that stands for so many ms; gives the intents of that time."""
        self.pole.rows = [top, bottom]
        self.pole.lamp = lamp
        self.watcher.heard(self.now)
        return self.wait(ms)

    def wait(self, ms):
        start = len(self.intents)
        for _ in range(ms // 50):
            self.now += 50
            intent = self.watcher.tick(self.now)
            if intent:
                self.intents.append(intent)
        return self.intents[start:]

    def paint(self, screens, ms=20000, every=150):
        """These screens again and again, each so short that none comes to rest; gives the intents of that time."""
        start = len(self.intents)
        for turn in range(ms // every):
            self.show(*screens[turn % len(screens)], ms=every)
        return self.intents[start:]

    def press(self):
        self.watcher.press(self.now)
        return self.wait(50)

    def total(self, amount="12.34", ms=5000):
        return self.show("Total", amount, ms)


def sale(amount=1234, ref=""):
    return [("SALE", ref, amount)]


def on(policy="stable"):
    """A counter with a sale of 12.34 on."""
    counter = Counter(policy)
    counter.total()
    if policy == "button":
        counter.press()
    assert counter.intents == sale()
    return counter


def test_a_total_that_stands_starts_once():
    counter = Counter(stable_ms=3000)
    assert counter.total(ms=3000) == []
    assert counter.wait(600) == sale()
    assert counter.wait(20000) == []
    assert counter.watcher.state == "12.34"


def test_nothing_is_read_before_the_wire_is_quiet_and_two_readings_agree():
    counter = Counter(stable_ms=0)
    assert counter.total(ms=450) == []
    assert counter.wait(100) == sale()
    counter = Counter(stable_ms=0)
    for _ in range(100):  # an animation that paints every 50 ms
        assert counter.total(ms=50) == []
    counter = Counter(stable_ms=0)
    for amount in ("1.00", "2.00") * 10:  # a new total each time, never read twice
        assert counter.total(amount, ms=400) == []


def scrolled(text):
    """Every window of a text that is moved through one row, the other one blank."""
    text = " " * 20 + text + " " * 20
    return [(text[at : at + 20], "") for at in range(len(text) - 20)]


def test_a_greeting_with_numbers_may_move():
    for text in ("WELCOME TO JOE'S  TEL 09 555 1234", "10% OFF TODAY", "WELCOME 24/7", "HAPPY HOUR 17:00 - 19:00"):
        counter = on()
        assert counter.paint(scrolled(text), 120000, 200) == [], text


MARQUEE = ("  THANK YOU", " THANK YOU", "THANK YOU FOR", "HANK YOU FOR")


def under(row):
    """A row above a text that moves."""
    return [(row, text) for text in MARQUEE]


def test_a_total_that_is_gone_from_a_screen_that_never_rests_is_withdrawn():
    for screens in (
        under("TOTAL 15.00"),
        under("COFFEE 4.50"),
        [("TOTAL", "15.00")],
        [("", ""), ("TOTAL", ""), ("TOTAL", "15.00")],
        [("TOTAL", "15.00"), ("", "")],
        under("TOTAL 12.34 CASH"),
    ):
        for every in (50, 150, 200):
            counter = on()
            assert counter.paint(screens, 5000, every) == [CANCEL], screens
            assert counter.watcher.state == "screen does not rest"
            assert counter.paint(screens, 60000, every) == []
    counter = on()
    assert counter.paint(under("TOTAL 15.00")) == [CANCEL]
    counter.watcher.settled(False)
    assert counter.paint(under("TOTAL 15.00")) == []  # never from a screen that may be half painted
    assert counter.wait(5000) == sale(1500)


def test_a_total_that_stands_on_a_screen_that_never_rests_is_not_withdrawn():
    for screens in (
        under("TOTAL 12.34"),
        [("TOTAL", "12.34")],
        [("", ""), ("TOTAL", ""), ("TOTAL", "12"), ("TOTAL", "12.34")],
        [("COFFEE", "4.50")] * 3 + [("TOTAL", "12.34")],
        [(text, "") for text in MARQUEE],
        [("", ""), ("WELCOME", "12:34")],
    ):
        for every in (50, 150, 200):
            counter = on()
            assert counter.paint(screens, 60000, every) == [], screens
    counter = Counter("tag")
    counter.show("QR#1017", "12.34")
    assert counter.paint([("QR#1017", ""), ("QR#1017", "12.34")]) == []
    assert counter.paint([("QR#1018", "12.34")]) == [CANCEL]


def test_a_screen_that_never_rests_starts_nothing_and_says_so():
    for policy in ("stable", "button", "tag"):
        counter = Counter(policy)
        assert counter.paint(under("QR#7" if policy == "tag" else "TOTAL 12.34")) == []
        assert counter.press() == [] and counter.watcher.state == "screen does not rest"
    counter = Counter()
    counter.paint([(text, "") for text in MARQUEE])
    assert counter.watcher.state == ""  # a greeting may move
    counter.paint(under("TOTAL 12.34"))
    assert counter.total() == sale() and counter.watcher.state == "12.34"
    counter = Counter()
    counter.pole.undefined = 1
    counter.paint(under("TOTAL 12.34"))
    assert counter.watcher.state == "unknown bytes: check dialect"


def test_a_screen_that_moves_for_a_moment_withdraws_nothing():
    counter = on()
    for _ in range(10):
        assert counter.paint([("COFFEE", "4.50")], 1950) == []
        assert counter.total(ms=700) == []


def test_the_button():
    counter = Counter("button")
    assert counter.total(ms=20000) == []
    assert counter.watcher.press(counter.now)
    assert counter.wait(50) == sale()
    assert not counter.watcher.press(counter.now)
    assert counter.press() == []
    counter = Counter("button")
    counter.show("Coffee", "4.50")
    assert counter.press() == [] and counter.watcher.state == ""
    counter.total(ms=100)
    assert not counter.watcher.press(counter.now)
    assert counter.press() == []  # not read yet, so not what the cashier saw on the glass
    assert counter.wait(5000) == []
    counter.show("Total 10.90", "Total 4.70")
    assert counter.press() == [] and counter.watcher.state == "two totals"


def test_a_running_total_starts_on_the_button_only():
    for policy in ("stable", "tag", "button"):
        counter = Counter(policy)
        assert counter.show("1 Latte 3.00", "Total: 12.34", 60000) == []
        assert counter.watcher.state == "12.34 beside items"
        assert counter.press() == ([] if policy == "tag" else sale())


def test_the_tag_starts_at_once_and_nothing_else_does():
    counter = Counter("tag")
    assert counter.total(ms=60000) == [] and counter.press() == []
    assert counter.show("QR#1017", "12.34", 600) == sale(ref="1017")
    for policy in ("button", "stable"):
        counter = Counter(policy)
        assert counter.show("QR#1017", "12.34", 1000) == []
        assert (counter.press() if policy == "button" else counter.wait(5000)) == sale(ref="1017")


def test_a_repaint_of_the_same_total_is_the_same_sale():
    counter = on()
    for paid in (None, True, False):
        if paid is not None:
            counter.watcher.settled(paid)
        for gap in (50, 300, 2000):
            assert counter.show("", "", gap) == []
            assert counter.total() == []


def test_a_repaint_does_not_stop_the_clock_of_a_total_that_stands():
    counter = Counter(stable_ms=3000)
    for _ in range(5):
        assert counter.total(ms=600) == []
    assert counter.total(ms=1000) == sale()
    counter = Counter(stable_ms=3000)
    counter.total(ms=2000)
    counter.show("Coffee 4.50", ms=300)  # read once
    assert counter.total(ms=3000) == []


def test_what_withdraws_a_sale_and_what_does_not():
    for rows in (
        ("Coffee", "4.50"),
        ("Change", "7.66"),
        ("Total 12.34", "Cash 20.00"),
        ("Total", "15.34"),
        ("Total 12.34", "Total 4.70"),
        ("QR#7", "12.34"),
        ("Total", "12.3"),
        ("Total", "0.00"),
    ):
        counter = on()
        assert counter.show(*rows) == [CANCEL], rows
        assert counter.wait(60000) == []
    for rows in (("", ""), ("WELCOME", "12:34"), ("Total 12.34", "Thank you"), ("Coffee 4.50", "Total 12.34")):
        assert on().show(*rows) == [], rows


def test_a_changed_total_is_voided_first_and_charged_when_that_is_settled():
    counter = on()
    assert counter.total("15.34", ms=20000) == [CANCEL]
    counter.watcher.settled(False)
    assert counter.wait(1000) == sale(1534)


def test_a_withdrawn_sale_that_was_paid_all_the_same_blocks_what_stands_there():
    counter = on()
    counter.show("Coffee 3.00")
    assert counter.total("15.34") == []
    counter.watcher.settled(True)
    assert counter.wait(20000) == []
    assert counter.press() == sale(1534)  # the cashier has seen it and wants that


def test_the_same_total_is_a_new_sale_after_another_screen():
    for rows in (("WELCOME", ""), ("Coffee", "4.50"), ("Change", "7.66")):
        counter = on()
        counter.watcher.settled(True)
        assert counter.show(*rows) == []
        assert counter.total() == sale(), rows


def test_a_greeting_while_people_pay_and_the_total_again_are_one_sale():
    counter = on()
    assert counter.show("WELCOME") == []
    assert counter.total() == []
    counter.watcher.settled(True)
    assert counter.wait(20000) == []
    counter = on()
    counter.show("WELCOME")
    counter.total()
    counter.watcher.settled(False)
    assert counter.wait(20000) == []
    counter = on()
    counter.show("WELCOME")
    counter.watcher.settled(True)
    assert counter.total() == sale()


def test_change_was_given_and_the_payment_came_through_all_the_same():
    counter = on()
    assert counter.show("Change", "7.66") == [CANCEL]
    counter.watcher.settled(True)
    assert counter.total() == sale()
    counter = on()
    assert counter.show("Coffee", "4.50") == [CANCEL]
    counter.show("Total", "12.3?")
    counter.watcher.settled(True)
    assert counter.total(ms=20000) == []


def test_the_same_total_with_an_item_between_is_voided_and_charged_anew():
    counter = on()
    assert counter.show("Coffee 4.50") == [CANCEL]
    assert counter.total() == []
    counter.watcher.settled(False)
    assert counter.wait(1000) == sale()


def test_after_a_sale_that_closed_unpaid_the_button_asks_again():
    counter = on()
    counter.watcher.settled(False)
    assert counter.wait(20000) == []
    assert counter.press() == sale()


def test_after_a_paid_sale_the_button_does_not_ask_again():
    counter = on()
    counter.watcher.settled()
    assert counter.press() == []
    assert counter.wait(20000) == []
    assert counter.total("13.34", ms=20000) == []  # not by itself: no other screen came between
    assert counter.press() == sale(1334)


def test_noise_and_blanks_are_no_screen_between():
    for spoil in ("undefined", "scrolling"):
        counter = on()
        counter.watcher.settled(True)
        setattr(counter.pole, spoil, 1)
        counter.show("T/tal", "12.34")
        setattr(counter.pole, spoil, 0)
        assert counter.total(ms=20000) == []
    for rows in (("", ""), ("Total", "12.3?"), ("Total", ""), ("", "12.34")):
        counter = on()
        counter.watcher.settled(True)
        counter.show(*rows)
        assert counter.total(ms=20000) == [], rows


def test_undefined_bytes_start_nothing_until_the_button_has_cleared_them():
    counter = Counter()
    counter.pole.undefined = 1
    assert counter.total(ms=20000) == []
    assert counter.watcher.state == "unknown bytes: check dialect"
    assert not counter.watcher.press(counter.now)
    assert counter.wait(5000) == []
    assert counter.pole.undefined == 0 and counter.watcher.state == ""
    assert counter.total() == sale()


def test_undefined_bytes_leave_a_sale_whose_total_stands_and_withdraw_one_whose_total_is_gone():
    counter = on()
    counter.pole.undefined = 1
    assert counter.total() == []
    assert counter.show("Coffee", "4.50") == [CANCEL]


def test_one_receipt_number_is_one_sale():
    counter = Counter("tag")
    counter.show("QR#1017", "12.34")
    counter.show("", "", 100)
    assert counter.show("QR#1017", "12.34") == []
    assert counter.show("QR#1017", "15.34") == [CANCEL]
    assert counter.watcher.state == "receipt has another amount"
    counter.watcher.settled(False)
    assert counter.wait(20000) == []
    assert counter.press() == []
    assert counter.show("QR#1017", "12.34") == []
    assert counter.press() == sale(ref="1017")  # by the same name
    counter.watcher.settled(True)
    for rows in (("WELCOME", ""), ("QR#1017", "12.34"), ("Coffee 3.00", ""), ("QR#1017", "12.34")):
        assert counter.show(*rows, ms=20000) == []
        assert counter.press() == []
    assert counter.show("QR#1018", "12.34") == sale(ref="1018")
    counter.watcher.settled(True)
    assert counter.show("QR#1019", "12.34") == []  # the number alone may be damage
    assert counter.show("QR#1020", "9.99") == sale(999, "1020")


def test_queued_messages_that_a_till_repeats_start_nothing():
    counter = on()
    counter.watcher.settled(True)
    for _ in range(3):
        for rows in (("Coffee", "4.50"), ("Total", "12.34"), ("Change", "0.00")):
            assert counter.show(*rows, ms=1000) == []


def test_after_a_restart_the_total_that_was_on_or_paid_starts_no_second_sale():
    counter = Counter()
    counter.watcher.began("", 1234)
    assert counter.total() == []
    counter.watcher.settled(True)
    assert counter.wait(20000) == []
    counter = Counter("tag")
    counter.watcher.began("1017", 1234)
    counter.watcher.settled(False)
    assert counter.show("QR#1017", "12.34") == []


def test_a_numeric_display_whose_lamp_comes_late():
    counter = Counter(stable_ms=1000)
    assert counter.show("12.34", lamp=0, ms=3000) == [] and counter.watcher.state == "no word with it"
    assert counter.show("12.34", lamp=2) == sale()
    assert counter.show("7.66", lamp=4) == [CANCEL]


def test_a_scrolling_message_is_no_total():
    counter = Counter()
    counter.pole.scrolling = True
    assert counter.total(ms=20000) == [] and counter.press() == []
