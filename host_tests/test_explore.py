"""The money rules hold over every interleaving to a stated depth, and the search finds what breaks them.

Each seeded fault below breaks one rule as a hurried change might; a search that did not catch it would prove nothing.
"""

import os

import pytest

from explorer import CANCELLING, CUT_OFF, EXPIRING, OVERDUE, PAYING, REFUNDING, UNKNOWN, Violation, explore
from kiosk import desk, record, sale
from kiosk.refund import Refund
from kiosk.refunds import Refunds
from kiosk.sale import Payment
from seeds import older_word_acknowledged, result_not_owed_after_a_restart
from till import line as till_line

DEPTH = int(os.environ.get("TILLPANE_DEPTH", "5"))
WORLDS = int(os.environ.get("TILLPANE_WORLDS", "600"))
SCRIPTS = {"fresh": (), "paying": PAYING, "cancelling": CANCELLING, "refunding": REFUNDING, "unknown": UNKNOWN}


@pytest.mark.timeout(3600 if "TILLPANE_WORLDS" in os.environ else 120)
@pytest.mark.parametrize("can_find", [True, False], ids=["with look-up", "without look-up"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_interleaving_keeps_the_money_rules(script, can_find):
    """To the depth that WORLDS allow; TILLPANE_DEPTH and TILLPANE_WORLDS look further."""
    actions = SCRIPTS[script]
    worlds, transitions, full = explore(DEPTH, can_find, limit=WORLDS, script=actions)
    print(f"{script}: {worlds} worlds, {transitions} transitions, every one within {full} of {len(actions)} actions")
    assert worlds > 400 and full >= 1


@pytest.mark.parametrize("script", [PAYING, EXPIRING], ids=["paying", "expiring"])
def test_a_late_payment_is_news(script):
    worlds, _, _ = explore(DEPTH, late=True, script=script, limit=WORLDS)
    assert worlds > 300


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
        self._safe = True
        return True

    patch.setattr(Payment, "_adopt", adopt)


def another_amount_taken(patch):
    real = desk.Desk.sale

    def sale(self, ref, amount, currency, now):
        known = self.known(ref, now)
        return real(self, ref, amount, currency, now) if known is None else known

    patch.setattr(desk.Desk, "sale", sale)


def created_again_without_look_up(patch):
    real = Payment.failed

    def failed(self, verb, error, now):
        real(self, verb, error, now)
        self._lost_at = None

    patch.setattr(Payment, "failed", failed)


def unresolved_forgotten(patch):
    patch.setattr(desk.Desk, "restore", lambda self, now: None)


def doubtful_amount_guessed(patch):
    patch.setattr(till_line, "parse", lambda text, currency: int(text.replace(".", "")))


def late_news_dropped(patch):
    patch.setattr(Payment, "_reread", lambda self, request, now: setattr(self, "_recheck_at", None))


def late_news_forgotten_in_a_power_cut(patch):
    patch.setattr(Payment, "recheck", lambda self, now: None)


def void_not_written_down(patch):
    def note(self, now):
        self._was_out, self._void_out = self._void_out, True
        return True

    patch.setattr(Payment, "_note_void", note)


def refund_not_written_down(patch):
    real = Refunds._new

    def new(self, *arguments):
        self._journal.write = lambda record: None
        try:
            return real(self, *arguments)
        finally:
            del self._journal.write

    patch.setattr(Refunds, "_new", new)


def refund_named_anew(patch):
    real = Refund.failed

    def failed(self, error, now):
        real(self, error, now)
        self.external_ref += "x"

    patch.setattr(Refund, "failed", failed)


def lost_refund_is_failed(patch):
    real = Refund.failed

    def failed(self, error, now):
        real(self, error, now)
        self._end(record.REFUND_FAILED, "NO_ANSWER")

    patch.setattr(Refund, "failed", failed)


def refunds_not_added_up(patch):
    real = Refunds._look_up
    patch.setattr(Refunds, "_look_up", lambda self, ref, external_ref: (real(self, ref, external_ref)[0], 0))


def late_word_not_said(patch):
    from kiosk.telling import Telling

    patch.setattr(Telling, "is_done", lambda self, word: self._silent)


@pytest.mark.parametrize(
    ("rule", "seed", "script", "late"),
    [
        ("rule 1", paid_when_time_is_up, PAYING, False),
        ("rule 1", void_not_written_down, CANCELLING, False),
        ("rule 2", timeout_is_failed, PAYING, False),
        ("rule 2", late_word_not_said, UNKNOWN, False),
        ("rule 2", older_word_acknowledged, OVERDUE, False),
        ("rule 2", result_not_owed_after_a_restart, CUT_OFF, False),
        ("rule 3", cancelled_without_asking, PAYING, False),
        ("rule 3", refund_hidden, PAYING, False),
        ("rule 3", lost_refund_is_failed, REFUNDING, False),
        ("rule 4", drawn_before_written, PAYING, False),
        ("rule 4", refund_not_written_down, REFUNDING, False),
        ("rule 4", refund_named_anew, REFUNDING, False),
        ("rule 5", another_amount_taken, PAYING, False),
        ("rule 6", created_again_without_look_up, (), False),
        ("rule 7", unresolved_forgotten, PAYING, False),
        ("rule 5 or 8", doubtful_amount_guessed, (), False),
        ("rule 8", refunds_not_added_up, REFUNDING, False),
        ("rule 3", late_news_dropped, PAYING, True),
        ("rule 3", late_news_forgotten_in_a_power_cut, EXPIRING, True),
    ],
)
def test_a_seeded_fault_is_caught(monkeypatch, rule, seed, script, late):
    seed(monkeypatch)
    with pytest.raises(Violation) as caught:
        explore(DEPTH + 2, late=late, script=script, limit=20000)
    print(caught.value)
    assert str(caught.value).startswith(rule)
