"""Explores every interleaving of till, API, patron, time and power cuts, with the money rules as invariants.

A World is a desk with its journal, Centrapay's side as a ledger, and what the till heard. `actions()` lists what may
happen next, `after(action)` gives the World in which it did. Worlds that differ only in when they happened count once.
"""

from __future__ import annotations

import copy
from collections import deque

from fakes import Bench, FlashJournal, Ledger, refunds_of

from centrapay import CentrapayError, RateLimited, SetupFault, Unknown

EXPIRY_S = 20
_MOST_CUTS = 2
_QUIET_STEP_MS = 10000
_TIMES = {
    "deadline",
    "finished_at",
    "_next_at",
    "_give_up_at",
    "_lost_at",
    "_recheck_at",
    "_progress_at",
    "_until",
    "_fault_until",
    "_save_at",
    "_was_lost",
    "_pause_until",
    "_aside_at",
}
PAYING = ("till SALE 1 5.00", "call starts", "call arrives", "answer comes")
CANCELLING = (*PAYING, "till CANCEL 1", "call starts", "call arrives", "answer comes")
REFUNDING = (
    *PAYING,
    "patron pays id000",
    "time 1 s",
    "time 1 s",
    "call starts",
    "call arrives",
    "answer comes",
    "till ACK 1",
    "till REFUND 1 2.00",
)
OVERDUE = (*PAYING, "time 12 s", "time 12 s", "time 12 s")
CUT_OFF = (*PAYING, "patron pays id000", "power cut", "till SALE 2 7.00", "call starts", "call arrives", "answer comes")
UNKNOWN = (*OVERDUE, "till SALE 2 7.00")
EXPIRING = (*PAYING, "time 12 s", "time 12 s", "call starts", "call arrives", "answer comes")
_DEFINITE = ("PAID", "CANCELLED", "EXPIRED", "FAILED")


class Violation(AssertionError):
    """A money rule was broken; the message names it and the way there."""


class PowerCut(BaseException):
    """The power went in the middle of a journal record."""


class CutJournal(FlashJournal):
    """`writes_left` n: the n-th record from now is torn, and nothing after it happens."""

    writes_left = None

    def write(self, sale):
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                raise PowerCut
        super().write(sale)


class World(Bench):
    def __init__(self, can_find=True, late=False):
        self.late = late  # a provider may let a payment through after the API said expired
        self.path = ()
        self.pending = None  # (owner, verb, id) in flight
        self.arrived = None  # the answer or error that is on its way back
        self.ghosts = []  # calls given up by the box that may still reach the API
        self.told = {}  # ref -> result words in order
        self.drawn = {}  # ref -> ids drawn
        self.accepted = []
        self.cuts = 0
        self.pays = 0
        self.must_find = False  # a create was lost: look it up before another
        self.no = set()  # refusals of the API that were had, each is tried once
        self.fills = 0
        super().__init__(Ledger(EXPIRY_S * 1000), CutJournal(), can_find, EXPIRY_S)

    # ---- what may happen ---------------------------------------------------------------------------------------

    def actions(self):
        yield "time 1 s"
        yield "time 12 s"
        if "1" not in self.accepted:
            yield "till SALE 1 5.00"
            yield "till SALE 1 500"
        else:
            yield "till SALE 1 6.00"
            yield "till CANCEL 1"
            if "1" in self.told:
                yield "till ACK 1"
                if "2" not in self.accepted:
                    yield "till SALE 2 7.00"
        if "PAID" in self.told.get("1", []):
            yield "till REFUND 1 2.00"
            yield "till REFUND 1 4.00"
        if self.cuts < _MOST_CUTS:
            yield "power cut"
        if self.journal.full:
            yield "flash works again"
        elif self.fills < 1:
            yield "flash is full"
        for identity in self.payable():
            yield "patron pays " + identity
        for identity in self.payable_late():
            yield "provider pays late " + identity
        if self.pending and self.arrived is None:
            yield "call arrives"
            yield "call is lost on its way"
            yield "call cannot be sent"
            yield from (refusal for refusal in ("call gets 429", "call gets 401") if refusal not in self.no)
        elif self.pending:
            yield "answer comes"
            if "1" in self.told:
                yield "answer comes, and the till says ACK 1"
            yield "answer is lost"
        elif self.desk.due_in(self.now) == 0:
            yield "call starts"
        for index in range(len(self.ghosts)):
            yield f"late call {index} arrives"

    def payable(self):
        """What a patron can pay: drawn at some time, and still new at Centrapay."""
        drawn = [identity for ids in self.drawn.values() for identity in ids]
        return [identity for identity in drawn if self.ledger.requests[identity][0] == "new" and self.pays < 2]

    def payable_late(self):
        drawn = [identity for ids in self.drawn.values() for identity in ids]
        return [
            i
            for i in drawn
            if self.late and self.ledger.requests[i][0] == "expired" and self.now < self.ledger.requests[i][4] + 5000
        ]

    def after(self, action, torn_write=0):
        """The World in which action happened; torn_write n: the power went in the middle of its n-th journal record."""
        world = copy.deepcopy(self)
        world.path = self.path + (action + (f", but power goes in write {torn_write}" if torn_write else ""),)
        world.journal.writes_left = torn_write or None
        try:
            world.happen(action)
        except PowerCut:
            world.journal.writes_left = None
            world.cut()
            world.settle()
        return world

    def successors(self):
        for action in self.actions():
            after = self.after(action)
            yield after
            if self.cuts < _MOST_CUTS and not action.startswith("power"):
                for n in range(1, len(after.journal.records) - len(self.journal.records) + 1):
                    yield self.after(action, n)

    def happen(self, action):
        word, _, rest = action.partition(" ")
        if word == "till":
            self.till(rest)
        elif word == "time":
            self.now += int(rest.split()[0]) * 1000
            self.expire()
        elif word == "flash":
            self.journal.full = rest == "is full"
            self.fills += self.journal.full
        elif word == "power":
            self.cut()
        elif word == "patron":
            self.pays += 1
            self.ledger.pay(rest.split()[1])
        elif word == "provider":
            request = self.ledger.requests[rest.split()[2]]
            request[0], request[5] = "paid", True
        elif word == "late":
            self.reach(*self.ghosts.pop(int(rest.split()[1])))
        else:
            self.call(action)
        self.settle()

    def expire(self):
        for request in self.ledger.requests.values():
            if request[0] == "new" and self.now >= request[4]:
                request[0] = "expired"

    def till(self, line):
        answer = self.say(line)
        self.hear(answer)
        if line in ("SALE 1 6.00", "SALE 1 500"):
            self.check(answer.startswith("ERR "), "rule 5 or 8: a doubtful or changed amount was taken")
        elif line.startswith("SALE") and answer.startswith("OK"):
            ref = line.split()[1]
            if ref not in self.accepted:
                self.accepted.append(ref)
            self.check(self.journal.find(ref) is not None, "rule 4: accepted but not written down")

    def cut(self):
        self.cuts += 1
        if self.pending and self.arrived is None:
            self.ghosts.append(self.pending)
        self.pending = self.arrived = None
        self.boot()

    def call(self, action):
        if action == "call starts":
            self.pending = self.desk.next_call(self.now)
            if self.pending is None:
                return
            self.check(
                not (self.must_find and self.can_find and self.pending[1] == "create"),
                "rule 6: created again without looking it up",
            )
        elif action == "call arrives":
            self.arrived = self.reach(*self.pending)
        elif action.startswith("answer comes"):
            self.give(self.arrived)
            if action.endswith("ACK 1"):
                self.till("ACK 1")  # before the box has said what it heard
        elif action.startswith("call gets"):
            self.no.add(action)
            self.give(RateLimited(5) if action.endswith("429") else SetupFault("HTTP_401"))
        elif action == "call is lost on its way":
            self.ghosts.append(self.pending)
            self.give(Unknown("lost", True))
        elif action == "answer is lost":
            self.give(Unknown("lost", True))
        else:
            self.give(Unknown("no route", False))

    def reach(self, owner, verb, identity):
        """The API does the work; returns its answer or its error."""
        if verb == "refund":
            kept = refunds_of(self.journal, owner.sale.ref).get(owner.external_ref)
            self.check(kept is not None and kept.amount == owner.amount, "rule 4: a refund went out, not written down")
        try:
            return ("answer", self.ledger.perform(owner, verb, identity, self.now))
        except CentrapayError as error:
            return error

    def give(self, outcome):
        owner, verb, _ = self.pending
        self.pending = self.arrived = None
        if verb == "create" and isinstance(outcome, Unknown) and outcome.sent:
            self.must_find = True
        if verb == "find" and (isinstance(outcome, SetupFault) or not isinstance(outcome, CentrapayError)):
            self.must_find = False  # looked up, or this key may not
        if isinstance(outcome, CentrapayError):
            self.desk.failed(owner, verb, outcome, self.now)
        else:
            self.desk.answered(owner, verb, outcome[1], self.now)

    # ---- what follows, and must be true ------------------------------------------------------------------------

    def settle(self):
        """What the app does after every event: time passes in the desk, the glass is painted, the till is told."""
        self.desk.tick(self.now)
        view = self.desk.view(self.now)
        if view.payload:
            self.draw(view.payload.decode().rsplit("/", 1)[-1])
        while True:
            line = self.desk.outbox(self.now)
            if line is None:
                break
            self.hear(line)

    def draw(self, identity):
        sale = self.desk._current.sale
        self.check(
            any(record.id == identity for record in self.journal.sales()),
            "rule 4: drawn before its id was written down",
        )
        ids = self.drawn.setdefault(sale.ref, [])
        if identity not in ids:
            ids.append(identity)
        payable = [i for i in ids if self.ledger.requests[i][0] == "new"]
        self.check(len(payable) <= 1, "rule 6: two payable codes for one sale")
        self.check(self.ledger.requests[identity][1] == sale.external_ref, "rule 1: another sale's code")

    def hear(self, line):
        parts = line.split()
        if parts[0] != "RESULT" or parts[1] not in ("1", "2"):
            return
        ref, word = parts[1], parts[2]
        if word.startswith("REFUND"):
            self.check_refund(ref, word, parts[3])
            return
        words = self.told.setdefault(ref, [])
        if not words or words[-1] != word:
            words.append(word)
        self.check_words(words)
        self.check_truth(ref, word, parts[6])

    def check_words(self, words):
        definite = [word for word in words if word in _DEFINITE]
        self.check(len(definite) <= 1 or definite == ["EXPIRED", "PAID"], f"rule 2: more than one result {words}")
        if definite:
            self.check("UNKNOWN" not in words[words.index(definite[0]) :], f"rule 2: UNKNOWN after a result {words}")

    def requests_of(self, ref):
        return [r for r in self.ledger.requests.values() if r[1].startswith(f"T1-{ref}-")]

    def check_truth(self, ref, word, reason):
        requests = self.requests_of(ref)
        kept = [r for r in requests if r[5] and not r[6]]
        drawn = [self.ledger.requests[i] for i in self.drawn.get(ref, [])]
        if word == "PAID":
            self.check(bool(kept), "rule 1: PAID without the money")
        elif word == "EXPIRED" and self.late:
            return  # true when it was read; check_end sees to it that the news arrives
        elif word in _DEFINITE:
            self.check(not kept, f"rule 3: {word}, but the money was taken and kept")
            self.check(all(r[0] != "new" for r in drawn), f"rule 3: {word}, but the code can still be paid")
            taken = any(r[5] for r in requests)
            self.check(not taken or reason == "PAID_THEN_REFUNDED", "rule 3: the refund was hidden")
        if word == "FAILED":
            self.check(not drawn, "rule 2: FAILED, but a code was shown")

    def check_refund(self, ref, word, amount):
        """A refund's word is true, and no more went back than was paid."""
        external_ref = f"T1-{ref}-n-A{amount.replace('.', '')}"
        if word != "REFUND_UNKNOWN":
            done = external_ref in self.ledger.refunds
            went = "back" if done else "nowhere"
            self.check(done == (word == "REFUNDED"), f"rule 3: {word}, but the money went {went}")
        self.check(sum(self.ledger.refunds.values()) <= 500, "rule 8: more went back than was paid")

    def check(self, true, words):
        if not true:
            raise Violation(words + "\n  " + "\n  ".join(self.path))

    def check_end(self):
        """From here, with everything working and nobody touching it, each sale comes to its true result."""
        world = copy.deepcopy(self)
        world.path = self.path + ("... then five quiet minutes",)
        world.journal.full = False
        while world.ghosts:
            world.reach(*world.ghosts.pop())
        if world.pending:
            world.give(world.arrived or Unknown("lost", True))
        end = world.now + 300000
        while world.now < end:
            call = world.desk.next_call(world.now)
            if call:
                world.pending = call
                world.give(world.reach(*call))
                world.settle()
            wait = world.desk.due_in(world.now)
            world.now += _QUIET_STEP_MS if wait is None else max(min(wait, _QUIET_STEP_MS), 10)
            world.expire()
            world.settle()
        for ref in world.accepted:
            sale = world.journal.find(ref)
            world.check(sale is not None, "rule 4: a sale was forgotten")
            world.check(not sale.is_open, "rule 7: never resolved")
            last = world.told.get(ref, ["nothing"])[-1]
            world.check(last == sale.state, f"rule 2: {last} was the last word, of a sale that is {sale.state}")
            for refund in refunds_of(world.journal, ref).values():
                world.check(not refund.is_open, "rule 7: a refund was never resolved")
                world.check_refund(ref, refund.state, f"{refund.amount / 100:.2f}")
            world.late = False
            world.check_truth(ref, sale.state, sale.reason or "-")
            if sale.state != "PAID" or sale.reason != "LATE":
                world.check_words(
                    world.told.get(ref, []) + ([sale.state] if world.told.get(ref, [""])[-1] != sale.state else [])
                )

    # ---- sameness ----------------------------------------------------------------------------------------------

    def key(self):
        now = self.now
        return repr(
            (
                frozen(self.desk, now),
                [frozen(sale, now) for sale in self.journal.sales()],
                sorted((k, r[:4], min(r[4] - now, 0) // 1000, r[5:]) for k, r in self.ledger.requests.items()),
                self.pending and (self.pending[1], self.pending[2]),
                frozen(self.arrived, now),
                [(verb, identity) for _, verb, identity in self.ghosts],
                self.told,
                self.drawn,
                self.accepted,
                self.cuts,
                self.pays,
                self.must_find,
                sorted(self.no),
                self.fills,
                self.journal.full,
                sorted(self.ledger.refunds.items()),
            )
        )


def frozen(thing, now, depth=0):
    """A value in which equal states look equal: times become distances from now."""
    if isinstance(thing, (str, bytes, bool, float)) or thing is None:
        return thing
    if isinstance(thing, int):
        return thing
    if isinstance(thing, (bytearray, memoryview)):
        return bytes(thing)
    if isinstance(thing, (list, tuple)):
        return [frozen(item, now, depth + 1) for item in thing]
    if isinstance(thing, dict):
        return {key: frozen(value, now, depth + 1) for key, value in thing.items()}
    if callable(thing) or isinstance(thing, (FlashJournal, Ledger)):
        return None
    fields = {}
    for name, value in vars(thing).items():
        if name in ("revision", "_dice"):
            continue
        fields[name] = (
            max(min(value - now, 99000), -99000)
            if name in _TIMES and value is not None
            else frozen(value, now, depth + 1)
        )
    return type(thing).__name__, fields


def explore(depth, can_find=True, late=False, check_ends=True, limit=None, script=()):
    """Visits every World within `depth` actions of the one after `script`, or the nearest `limit` of them.

    -> (worlds visited, transitions, depth that was reached in full). Raises Violation.
    """
    start = World(can_find, late)
    for action in script:
        start = start.after(action)
    seen = {start.key()}
    queue = deque([(start, 0)])
    transitions = 0
    while queue:
        world, far = queue.popleft()
        if far == depth:
            continue
        for after in world.successors():
            transitions += 1
            key = after.key()
            if key in seen:
                continue
            seen.add(key)
            if check_ends:
                after.check_end()
            queue.append((after, far + 1))
            if limit and len(seen) >= limit:
                return len(seen), transitions, far
    return len(seen), transitions, depth
