"""The cashier's button: what is a press and what a hold, and what each does in every state of a sale."""

from displaybench import DisplayBench

from kiosk.button import HOLD, PRESS, Button


class Finger:
    """A button and its pin, looked at every 10 ms. `events`: what the button made of it."""

    def __init__(self):
        self.down = False
        self.now = 0
        self.events = []
        self.button = Button(lambda: 0 if self.down else 1)

    def move(self, down, ms):
        self.down = down
        for _ in range(ms // 10):
            event = self.button.look(self.now)
            if event:
                self.events.append((event, self.now))
            self.now += 10
        return [event for event, _ in self.events]


def test_a_press_counts_when_it_is_let_go():
    finger = Finger()
    assert finger.move(True, 300) == []
    assert finger.move(False, 300) == [PRESS]
    assert finger.move(True, 300) == [PRESS] and finger.move(False, 20) == [PRESS, PRESS]


def test_a_hold_counts_once_as_soon_as_it_is_long_enough():
    finger = Finger()
    assert finger.move(True, 2000) == []
    assert finger.move(True, 20) == [HOLD] and finger.events[0][1] == 2000
    assert finger.move(True, 10000) == [HOLD] and finger.move(False, 1000) == [HOLD]
    finger.move(True, 100)
    assert finger.move(False, 100) == [HOLD, PRESS]


def test_a_bounce_is_nothing():
    finger = Finger()
    for _ in range(20):
        finger.move(True, 20)
        finger.move(False, 10)
    assert finger.events == []


def bench_in(state):
    """A shop with a button, its till at a total of 12.34, the sale in this state."""
    bench = DisplayBench("button")
    if state == "blocked":
        bench.desk.blocked = "WIFI"
    bench.total()
    if state in ("ready", "blocked"):
        return bench
    bench.ledger.drop = ["create"] if state == "preparing" else []
    bench.press()
    if state == "paid":
        bench.pay(5000)
    if state in ("cancelling", "unknown", "cancelled"):
        bench.ledger.drop = [] if state == "cancelled" else ["get", "void"]
        bench.hold()
        bench.run(25000 if state == "unknown" else 2000)
    if state == "expired":
        bench.run(125000)
    return bench


KINDS = {
    "ready": "ready",
    "blocked": "ready",
    "preparing": "preparing",
    "paying": "pay",
    "paid": "paid",
    "cancelling": "checking",
    "unknown": "checking",
    "cancelled": "cancelled",
    "expired": "expired",
}


def test_a_hold_in_every_state():
    for state in KINDS:
        bench = bench_in(state)
        assert bench.kind == KINDS[state], (state, bench.screens)
        before = bench.states()
        withdrawn = state in ("preparing", "paying", "cancelling")
        assert bench.desk.hold(bench.now) == withdrawn, state
        bench.ledger.drop = []
        bench.run(1000)
        if state == "preparing":
            assert bench.states() == ["FAILED"]
        elif withdrawn:
            assert bench.states() == ["CANCELLED"], state
        elif state != "unknown":
            assert bench.states() == before


def test_a_press_in_every_state():
    after = {"ready": "pay", "paid": "ready", "cancelled": "ready", "expired": "ready"}
    for state in KINDS:
        bench = bench_in(state)
        creates = bench.creates()
        bench.press()
        assert bench.kind == after.get(state, KINDS[state]), (state, bench.kind)
        assert bench.states() or state == "blocked"
        if state == "ready":
            assert bench.creates() == 1
        elif state != "preparing":
            assert bench.creates() == creates, state


def test_a_second_press_pays_again_only_what_was_not_paid():
    for state in ("paid", "unknown", "cancelled", "expired", "paying", "cancelling"):
        bench = bench_in(state)
        bench.press()
        bench.press()
        assert bench.creates() == (2 if state in ("cancelled", "expired") else 1), state


def test_presses_without_a_total_do_nothing():
    bench = DisplayBench("button")
    for top, bottom in (
        ("", ""),
        ("Welcome", ""),
        ("Flat white", "5.00"),
        ("Change", "7.66"),
        ("Total 1.00", "Total 2.00"),
    ):
        bench.show(top, bottom)
        bench.press()
        bench.press()
        bench.desk.hold(bench.now)
    assert bench.creates() == 0 and bench.states() == []
