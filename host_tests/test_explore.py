"""The money rules hold over every interleaving to a stated depth, and the search finds what breaks them.

Each seeded fault below breaks one rule as a hurried change might; a search that did not catch it would prove nothing.
"""

import pytest

from explorer import Violation, explore
from kiosk import desk, record, sale
from kiosk.sale import Payment
from till import line as till_line

DEPTH = 5
WORLDS = 4000


@pytest.mark.parametrize("can_find", [True, False], ids=["with look-up", "without look-up"])
def test_every_interleaving_keeps_the_money_rules(can_find):
    worlds, transitions = explore(DEPTH, can_find, limit=WORLDS)
    print(f"{worlds} worlds, {transitions} transitions, depth {DEPTH}")
    assert worlds > 900


def test_a_late_payment_is_news():
    worlds, _ = explore_from_pay(late=True)
    assert worlds > 300


def explore_from_pay(**options):
    """A search whose first steps are given: sale, create answered, code drawn, time gone."""
    import explorer

    class Started(explorer.World):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            for action in ("till SALE 1 5.00", "call starts", "call arrives", "answer comes"):
                self.path += (action,)
                self.happen(action)

    real, explorer.World = explorer.World, Started
    try:
        return explorer.explore(DEPTH, **options)
    finally:
        explorer.World = real


def paid_when_time_is_up(patch):
    patch.setattr(
        Payment,
        "tick",
        lambda self, now: self.sale.is_open and now > self.deadline and self._finish(record.PAID, "", now),
    )


def timeout_is_failed(patch):
    real = Payment.tick

    def tick(self, now):
        real(self, now)
        if self.unknown and self.sale.is_open:
            self._finish(record.FAILED, "TIMED_OUT", now)

    patch.setattr(Payment, "tick", tick)


def cancelled_without_asking(patch):
    patch.setattr(
        Payment, "cancel", lambda self, now, reason="": self._finish(record.CANCELLED, "CANCELLED_BY_MERCHANT", now)
    )


def refund_hidden(patch):
    patch.setattr(sale, "PAID_THEN_REFUNDED", "CANCELLED_BY_MERCHANT")


def drawn_before_written(patch):
    def adopt(self, identity, code, now):
        self.sale.id, self.sale.code, self.sale.state = identity, code, record.PAYABLE
        return True

    patch.setattr(Payment, "_adopt", adopt)


def another_amount_taken(patch):
    patch.setattr(desk.Desk, "_same_sale", lambda self, known, command, now: "OK SALE")


def created_again_without_look_up(patch):
    real = Payment._unanswered

    def unanswered(self, verb, error, now):
        real(self, verb, error, now)
        self._lost_at = None

    patch.setattr(Payment, "_unanswered", unanswered)


def unresolved_forgotten(patch):
    patch.setattr(desk.Desk, "restore", lambda self, now: None)


def doubtful_amount_guessed(patch):
    patch.setattr(till_line, "parse", lambda text, currency: int(text.replace(".", "")))


def late_news_dropped(patch):
    patch.setattr(Payment, "_reread", lambda self, request, now: setattr(self, "_recheck_at", None))


@pytest.mark.parametrize(
    ("rule", "seed", "late"),
    [
        ("rule 1", paid_when_time_is_up, False),
        ("rule 2", timeout_is_failed, False),
        ("rule 3", cancelled_without_asking, False),
        ("rule 3", refund_hidden, False),
        ("rule 4", drawn_before_written, False),
        ("rule 5", another_amount_taken, False),
        ("rule 6", created_again_without_look_up, False),
        ("rule 7", unresolved_forgotten, False),
        ("rule 5 or 8", doubtful_amount_guessed, False),
        ("rule 3", late_news_dropped, True),
    ],
)
def test_a_seeded_fault_is_caught(monkeypatch, rule, seed, late):
    seed(monkeypatch)
    with pytest.raises(Violation) as caught:
        explore_from_pay(late=late)
        explore(DEPTH + 1)
    print(caught.value)
    assert str(caught.value).startswith(rule)
