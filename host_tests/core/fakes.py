"""Hand-written stand-ins behind the verbs of the real things."""

from centrapay import Refused, Unknown
from kiosk.desk import Refusal
from kiosk.journal import Journal, JournalError
from kiosk.linedesk import LineDesk
from kiosk.record import pack, unpack
from till.line import LineError, understand

WALL = 1800000000


class FlashJournal:
    """A journal in memory that packs and unpacks like the real one; `full` makes writes fail."""

    unfinished = Journal.unfinished
    last = Journal.last
    compactions = 0

    def __init__(self, records=()):
        self.records = list(records)
        self.full = False

    def write(self, sale):
        if self.full:
            raise JournalError(28)
        self.records.append(pack(sale))

    def sales(self, _having=b""):
        for record in self.records:
            yield unpack(record)

    def next_seq(self):
        return max((sale.seq for sale in self.sales()), default=0) + 1

    def find(self, ref):
        found = None
        for sale in self.sales():
            if sale.ref == ref and not sale.is_refund:
                found = sale
        return found

    def has_refunds(self, ref):
        return any(sale.ref == ref and sale.is_refund for sale in self.sales())

    def survey(self, found):
        read = 0
        while read < len(self.records):
            found.note(unpack(self.records[read]), read)
            read += 1
            if read % 8 == 0:
                yield

    def newest(self, count):
        last = {sale.seq: sale for sale in self.sales()}
        yield None
        for seq in sorted(last)[-count:]:
            yield last[seq]


def compact(journal):
    """Compacts in one go. Raises JournalError."""
    for _ in journal.compacting():
        pass


def refunds_of(journal, ref):
    """The newest record of each refund of a sale, by its external reference."""
    return {sale.external_ref: sale for sale in journal.sales() if sale.ref == ref and sale.is_refund}


class Answer:
    """What the sale reads of a PaymentRequest."""

    def __init__(self, identity, status, reason="", method=""):
        self.id = identity
        self.status = status
        self.code = "CP-" + identity
        self.url = "https://app.centrapay.com/pay/" + identity
        self.merchant = "Centrapay Café"
        self.method = method
        self.reason = reason
        self.test = False


class Hit:
    def __init__(self, identity, status):
        self.id = identity
        self.status = status


class Ledger:
    """Centrapay's side, by the facts: void refunds what was paid; an expired request cannot be voided.

    `lose` holds verbs whose next answer is lost after the work was done; `drop` those that do not get there at all;
    `fail` maps a verb to the error of its next call, `refuse` to the error of every call.
    """

    def __init__(self, expiry_ms=120000):
        self.requests = {}  # id -> [status, external_ref, amount, currency, dies_at, was_paid, was_refunded, reason]
        self.expiry_ms = expiry_ms
        self.lose = []
        self.drop = []
        self.fail = {}
        self.refuse = {}
        self.down = False
        self.calls = []
        self.refunds = {}
        self.expires = True

    def pay(self, identity=None):
        request = self.requests[identity or self.newest()]
        assert request[0] == "new", request
        request[0] = "paid"
        request[5] = True

    def newest(self):
        return sorted(self.requests)[-1]

    def perform(self, owner, verb, identity, now):
        sale = owner.sale
        self.calls.append(verb)
        if self.down or verb in self.drop:
            raise Unknown("no route", False)
        if verb in self.fail:
            raise self.fail.pop(verb)
        if verb in self.refuse:
            raise self.refuse[verb]
        for request in self.requests.values():
            if request[0] == "new" and now >= request[4] and self.expires:
                request[0] = "expired"
        answer = self._work(owner, sale, verb, identity, now)
        if verb in self.lose:
            self.lose.remove(verb)
            raise Unknown("reset", True)
        return answer

    def _work(self, owner, sale, verb, identity, now):
        if verb == "create":
            identity = "id%03d" % len(self.requests)
            self.requests[identity] = [
                "new",
                sale.external_ref,
                sale.amount,
                sale.currency,
                now + self.expiry_ms,
                False,
                False,
                "",
            ]
            return Answer(identity, "new")
        if verb == "find":
            hits = [
                Hit(key, self.requests[key][0])
                for key in sorted(self.requests)
                if self.requests[key][1] == sale.external_ref
            ]
            return [hit for hit in hits if hit.status == "paid"] + [hit for hit in hits if hit.status != "paid"]
        request = self.requests[identity]
        if verb == "get":
            return Answer(identity, request[0], request[7], "Test dollars" if request[5] else "")
        if verb == "void":
            return self._void(request)
        if verb == "activities":
            return request[5], request[6]
        assert verb == "refund"
        self.refunds[owner.external_ref] = owner.amount
        return None

    def _void(self, request):
        if request[0] == "expired":
            raise Refused("REQUEST_EXPIRED")
        if request[6]:
            raise Refused("ALREADY_REFUNDED")
        if request[0] == "paid":
            request[6] = True
            return "refund"
        request[0] = "cancelled"
        request[7] = "CANCELLED_BY_MERCHANT"
        return "cancellation"


class Bench:
    """A desk, a ledger and a till on one clock. `heard` is every line the till got."""

    def __init__(self, ledger=None, journal=None, can_find=True, expiry_s=120):
        self.ledger = ledger or Ledger(expiry_s * 1000)
        self.journal = journal or FlashJournal()
        self.now = 0
        self.wall = WALL
        self.heard = []
        self.can_find = can_find
        self.expiry_s = expiry_s
        self.shown = []
        self.boot()

    def boot(self):
        """Power on with what is in the journal."""
        self.desk = LineDesk(*self.settings())
        self.desk.restore(self.now)
        self.desk.blocked = ""

    def settings(self):
        """What every Desk is built with."""
        return (
            self.journal,
            "NZD",
            self.expiry_s,
            "T1",
            self.can_find,
            lambda: "n",
            lambda: self.wall,
            lambda payment: payment.url.encode(),
            True,
            "Shop",
        )

    def say(self, line):
        try:
            answer = self.desk.command(understand(line.encode(), "NZD"), self.now)
        except (LineError, Refusal) as error:
            answer = "ERR " + error.code + " " + error.words
        self.heard.append(answer)
        return answer

    def run(self, ms, step=100):
        """Lets `ms` pass with everything working as it does in the app."""
        end = self.now + ms
        while self.now < end:
            self.step()
            self.now += step

    def step(self):
        self.desk.tick(self.now)
        call = self.desk.next_call(self.now)
        if call is not None:
            self.perform(*call)
        view = self.desk.view(self.now)
        if view.payload:
            self.note_drawn(view)
        line = self.desk.outbox(self.now)
        if line:
            self.heard.append(line)

    def perform(self, owner, verb, identity):
        try:
            answer = self.ledger.perform(owner, verb, identity, self.now)
        except (Refused, Unknown) as error:
            self.desk.failed(owner, verb, error, self.now)
            return
        except Exception as error:
            if type(error).__name__ not in ("SetupFault", "RateLimited"):
                raise
            self.desk.failed(owner, verb, error, self.now)
            return
        self.desk.answered(owner, verb, answer, self.now)

    def note_drawn(self, view):
        """Money rule 4: the id is in flash before its code is drawn."""
        identity = view.payload.decode().split("/")[-1]
        assert any(sale.id == identity for sale in self.journal.sales()), "drawn before it was written down"
        if identity not in self.shown:
            self.shown.append(identity)

    def results(self, ref):
        """The distinct result words the till heard for this reference, in order."""
        words = []
        for line in self.heard:
            parts = line.split(" ")
            if parts[0] == "RESULT" and parts[1] == ref and (not words or words[-1] != parts[2]):
                words.append(parts[2])
        return words


def started(**options):
    """A bench whose sale 1 has its code on the glass."""
    bench = Bench(**options)
    assert bench.say("SALE 1 12.34") == "OK SALE 1 12.34 NZD"
    bench.run(3000)
    return bench


def paid(**options):
    """A bench whose sale 1 is paid, and the till has said that it knows."""
    bench = Bench(**options)
    bench.say("SALE 1 12.34")
    bench.run(2000)
    bench.ledger.pay()
    bench.run(2000)
    bench.say("ACK 1")
    bench.heard.clear()
    return bench


def restarted(bench):
    """Another bench after a power cut: the same shop and flash, and a till that has heard nothing yet."""
    again = Bench(bench.ledger, FlashJournal(bench.journal.records), bench.can_find, bench.expiry_s)
    again.now = bench.now
    again.boot()
    return again
