"""MemoryError in any line of the product's core, once, somewhere in a sale or a refund: the end must be the truth.

A trace raises it before the n-th line that runs in lib/kiosk and lib/till. What the app's tasks do with it
(the supervisor starts them again, the till repeats its line) is done here. TILLPANE_ALL=1 tries every line.
"""

import os
import random
import sys

import pytest
from fakes import Bench, FlashJournal, refunds_of

from centrapay import CentrapayError

SAMPLES = 120
PARTS = (os.sep + os.path.join("lib", "kiosk") + os.sep, os.sep + os.path.join("lib", "till") + os.sep)


class Fault:
    """Raises MemoryError at the n-th line; n = 0 only counts."""

    def __init__(self, n=0):
        self.n = n
        self.lines = 0
        self.where = ""

    def _enter(self, frame, event, _argument):
        return self._line if any(part in frame.f_code.co_filename for part in PARTS) else None

    def _line(self, frame, event, _argument):
        if event == "line":
            self.lines += 1
            if self.lines == self.n:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise MemoryError
        return self._line

    def __enter__(self):
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_):
        sys.settrace(None)


class Shop(Bench):
    """The tasks of the app around a desk, each of which lives on after a fault."""

    def say(self, line):
        try:
            return super().say(line)
        except MemoryError:
            return ""

    def insist(self, line):
        """A till sends its line again until it is answered."""
        for _ in range(3):
            answer = self.say(line)
            if answer:
                return answer
            self.run(500)
        raise AssertionError("never answered: " + line)

    def boot(self):
        try:
            super().boot()
        except MemoryError:
            super().boot()  # the watchdog's turn

    def step(self):
        for work in (self.api, self.glass, self.tell):
            try:
                work()
            except MemoryError:
                if work == self.api:
                    self.desk.recover(self.now)

    def api(self):
        self.desk.tick(self.now)
        call = self.desk.next_call(self.now)
        if call is None:
            return
        try:
            answer = self.ledger.perform(*call, self.now)
        except CentrapayError as error:
            self.desk.failed(call[0], call[1], error, self.now)
            return
        self.desk.answered(call[0], call[1], answer, self.now)

    def glass(self):
        view = self.desk.view(self.now)
        if view.payload:
            self.note_drawn(view)

    def tell(self):
        line = self.desk.outbox(self.now)
        if line:
            self.heard.append(line)


def paid_and_refunded(shop):
    shop.insist("SALE 1 12.34")
    shop.run(3000, 250)
    for identity in shop.shown:
        if shop.ledger.requests[identity][0] == "new":
            shop.ledger.pay(identity)
    shop.run(4000, 250)
    shop.insist("ACK 1")
    shop.insist("REFUND 1 5.00")
    shop.run(4000, 250)


def cancelled_too_late(shop):
    shop.insist("SALE 1 12.34")
    shop.run(2000, 250)
    perform = shop.ledger.perform

    def pay_just_before(owner, verb, identity, now):
        if verb == "void" and shop.ledger.requests[identity][0] == "new" and identity in shop.shown:
            shop.ledger.pay(identity)
        return perform(owner, verb, identity, now)

    shop.ledger.perform = pay_just_before
    shop.insist("CANCEL 1")
    shop.run(4000, 250)


def found_again(shop):
    shop.ledger.lose = ["create"]
    shop.insist("SALE 1 12.34")
    shop.run(5000, 250)
    shop.boot()
    shop.run(4000, 250)


STORIES = (paid_and_refunded, cancelled_too_late, found_again)


def check(shop, where):
    """The till's word, the journal and Centrapay's ledger agree."""
    shop.run(240000, 5000)
    sale = shop.journal.find("1")
    kept = [request for request in shop.ledger.requests.values() if request[5] and not request[6]]
    words = [word for word in shop.results("1") if word not in ("UNKNOWN",) and not word.startswith("REFUND")]
    assert sale is not None and not sale.is_open, where
    assert (sale.state == "PAID") == bool(kept), (where, sale.state)
    assert words[-1:] == [sale.state] and len(set(words)) == 1, (where, words, sale.state)
    assert len(kept) <= 1, where
    assert sum(1 for request in shop.ledger.requests.values() if request[0] == "new") == 0, where
    for refund in refunds_of(shop.journal, "1").values():
        assert (refund.state == "REFUNDED") == (refund.external_ref in shop.ledger.refunds), where
        assert not refund.is_open, where
    assert sum(shop.ledger.refunds.values()) <= 500, where


def told(story, n):
    shop = Shop(journal=FlashJournal())
    with Fault(n) as fault:
        story(shop)
    check(shop, fault.where or "no fault")
    return fault


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_memory_at_any_line(story):
    lines = told(story, 0).lines
    every = range(1, lines + 1)
    chosen = every if os.environ.get("TILLPANE_ALL") else sorted(random.sample(every, min(SAMPLES, lines)))
    places = {told(story, n).where for n in chosen}
    print(f"{story.__name__}: {lines} lines, {len(chosen)} faults at {len(places)} places")
    assert lines > 1000
    assert len(places) > min(len(chosen), SAMPLES) // 3
