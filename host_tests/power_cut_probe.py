"""Runs under MicroPython: cuts the power at every block write of a sale, boots on what is left, checks the money rules.

micropython power_cut_probe.py SCENARIO [BUG or - [FIRST STEP]]

FIRST and STEP choose which block writes: 1 1 is every one, 2 3 the 2nd, 5th, 8th ...

The device's own journal, desk, sale and Centrapay client work on a LittleFS of the board's kind (`vfs.VfsLfs2`) in RAM.
Centrapay is scripted in this process: its answers are JSON that the device's own picker reads. Time is virtual.
Each line printed is a JSON object; the last one counts what was done.
"""

import gc
import json
import os
import sys

import vfs

HERE = __file__.rsplit("/", 1)[0]
sys.path.insert(0, HERE + "/core")

from fakes import Answer, Bench, Ledger, compact  # noqa: E402

import kiosk.archive  # noqa: E402
from centrapay import Centrapay, CentrapayError, Refused  # noqa: E402
from https import HTTPSError  # noqa: E402
from kiosk.app import App  # noqa: E402
from kiosk.journal import Journal, JournalError  # noqa: E402
from kiosk.record import CANCELLED, PAID, PAYABLE, Sale, pack  # noqa: E402
from kiosk.sale import Payment  # noqa: E402

_BLOCK = 4096  # as in the board's vfs partition
_BLOCKS = 40
_PATH = "/flash/journal.log"
_FULL = 66 * 1024  # more than the journal lets stand
_SALES = 250  # more than it keeps
_STILL_OPEN = 3
_EXPIRY_S = 20
_DEFINITE = ("PAID", "CANCELLED", "EXPIRED", "FAILED")
_MODES = ("whole", "torn", "stuck")
_SECOND_CUTS = (2, 5)


class PowerCut(BaseException):
    """Nothing after this happens, and no `except Exception` of the device's sees it."""


class Broken(Exception):
    """A money rule does not hold; the message says which."""


class Flash:
    """NOR flash in RAM behind the block protocol. At the `cut_at`-th write or erase the power goes (0: never).

    mode   whole: that write does not happen; torn: its first half does; stuck: it and all later ones fail with EIO,
           and the processor lives on
    """

    def __init__(self, image=None):
        self.data = bytearray(image or b"\xff" * (_BLOCK * _BLOCKS))
        Flash.latest = self
        self.cut_at = 0
        self.mode = "whole"
        self.count = 0
        self.over = False  # a life that has ended: the collector still closes its files, in a locked heap

    def readblocks(self, block, buffer, offset=0):
        if self.over:
            return
        start = block * _BLOCK + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        if self.over:
            return
        start = block * _BLOCK + offset
        allowed = self._spend(len(buffer))
        if self.data[start : start + allowed].count(b"\xff") == allowed:
            self.data[start : start + allowed] = buffer[:allowed]
        else:
            for i in range(allowed):
                self.data[start + i] &= buffer[i]  # a flash cell goes from 1 to 0; only an erase brings it back
        self._stop(allowed == len(buffer))

    def ioctl(self, request, argument):
        if request == 4:
            return _BLOCKS
        if request == 5:
            return _BLOCK
        if request == 6 and not self.over:
            start = argument * _BLOCK
            allowed = self._spend(_BLOCK)
            self.data[start : start + allowed] = b"\xff" * allowed
            self._stop(allowed == _BLOCK)
        return 0

    def _spend(self, size):
        """How many bytes of this write still reach the flash."""
        self.count += 1
        if not 0 < self.cut_at <= self.count:
            return size
        return size // 2 if self.mode == "torn" and self.count == self.cut_at else 0

    def _stop(self, done):
        if done:
            return
        if self.mode == "stuck":
            raise OSError(5)
        raise PowerCut


class Witness(Journal):
    """The device's journal, with a note of what was tried and what was promised to be on flash."""

    def __init__(self, path, tried, promised):
        super().__init__(path)
        self.tried = tried
        self.promised = promised

    def write(self, sale):
        place = len(self.tried)
        self.tried[pack(sale)] = place
        super().write(sale)
        self.promised[sale.seq] = place


class Wire:
    """Centrapay behind the verbs of https.HTTPS: JSON out of the ledger."""

    retry_after = None

    def __init__(self, box):
        self._box = box

    async def request(self, method, path, headers, body, sink, timeout_ms):
        document = self._work(method, path, json.loads(body) if body else None)
        data = json.dumps(document).encode()
        sink.feed(data, 0, len(data))
        return 403 if "message" in document else 200

    def _work(self, method, path, body):
        box = self._box
        parts = path.split("?")[0].split("/")[3:]
        verb = "create" if not parts else "find" if parts[0] == "external-ref" else (parts[1:] or ["get"])[0]
        try:
            answer = box.ledger.perform(box.owner, verb, parts[0] if parts else "", box.now)
        except Refused as error:
            return {"message": error.code}
        except CentrapayError as error:
            raise HTTPSError("lost", error.sent) from error
        if verb == "create" and body["value"]["amount"] != str(box.owner.sale.amount):
            raise Broken("another amount was asked for than the till said")
        if verb == "find":
            return {"items": [self._document(Answer(hit.id, hit.status)) for hit in answer]}
        if verb == "void":
            return {"type": answer, "paymentRequestId": parts[0]}
        if verb == "activities":
            kinds = ["request"] + ["payment"] * answer[0] + ["refund"] * answer[1]
            return {"items": [{"type": kind, "paymentRequestId": parts[0]} for kind in kinds]}
        return self._document(answer)

    def _document(self, answer):
        request = self._box.ledger.requests[answer.id]
        document = {
            "id": answer.id,
            "status": answer.status,
            "shortCode": answer.code,
            "url": answer.url,
            "externalRef": request[1],
            "value": {"amount": str(request[2]), "currency": request[3]},
        }
        if answer.reason:
            document["cancellationReason"] = answer.reason
        return document


class Radio:
    up = True


class Box(Bench):
    """The device between a till that takes notes and a scripted Centrapay, on one flash."""

    _wrong_root = None  # as in an App whose verification was proven

    def __init__(self, image, can_find=True, tried=None, promised=None):
        self.tried = dict(tried or {})  # record -> when it was last written
        self.promised = dict(promised or {})
        self.drawn = {}  # ref -> ids
        self._wifi = Radio()
        self._expiry_s = _EXPIRY_S
        self._centrapay = Centrapay(Wire(self), "key", "config", "T1", "device", "account" if can_find else "")
        self.flash = Flash(image)
        self.mount()
        super().__init__(Ledger(_EXPIRY_S * 1000), self.opened(), can_find, _EXPIRY_S)

    def mount(self):
        vfs.mount(vfs.VfsLfs2(self.flash), "/flash")

    def opened(self):
        journal = Witness(_PATH, self.tried, self.promised)
        journal.open()
        return journal

    def again(self):
        """Power on with what is left on the flash. Raises Broken when that cannot be used."""
        image = bytes(self.flash.data)
        self.end()
        self.flash = Flash(image)
        try:
            self.mount()
            self.journal = self.opened()
        except (OSError, JournalError) as error:
            raise Broken("what is left cannot be mounted: " + repr(error)) from error
        self.boot()

    def end(self):
        self.flash.over = True
        vfs.umount("/flash")
        gc.collect()

    def perform(self, owner, verb, identity):
        self.owner = owner
        try:
            answer = run(App._ask(self, owner, verb, identity))
        except CentrapayError as error:
            self.desk.failed(owner, verb, error, self.now)
        else:
            self.desk.answered(owner, verb, answer, self.now)

    def note_drawn(self, view):
        identity = view.payload.decode().split("/")[-1]
        ids = self.drawn.setdefault(self.desk._current.sale.ref, [])
        if identity in ids:
            return
        if identity not in [sale.id for sale in self.journal.sales()]:
            raise Broken("rule 4: drawn before its id was written down")
        ids.append(identity)
        if sum(1 for one in ids if self.ledger.requests[one][0] == "new") > 1:
            raise Broken("rule 6: two payable codes for one sale")

    def results(self, ref):
        return [words for words in super().results(ref) if words in _DEFINITE]

    def answered_ok(self, verb, ref):
        return any(line.startswith("OK " + verb + " " + ref) for line in self.heard)


def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise Broken("the scripted API waits")


# ---- what happens in the shop ------------------------------------------------------------------------------------


def sell(box, ref="1", amount="5.00"):
    box.say("SALE " + ref + " " + amount)
    box.run(2000)


def pay(box, ref="1"):
    for identity in box.drawn.get(ref, []):
        if box.ledger.requests[identity][0] == "new":
            box.ledger.pay(identity)


def paid(box):
    sell(box)
    pay(box)
    box.run(3000)
    box.say("ACK 1")
    box.run(500)


def cancelled(box):
    sell(box)
    box.say("CANCEL 1")
    box.run(3000)
    box.say("ACK 1")


def expired(box):
    sell(box)
    box.run(60000)
    box.say("ACK 1")


def cancel_loses(box):
    """The void is done and its answer lost; the patron had paid between the read and the void."""
    sell(box)
    box.ledger.lose = ["void"]
    real = box.ledger._void

    def void(request):
        if request[0] == "new":
            request[0], request[5] = "paid", True
        return real(request)

    box.ledger._void = void
    try:
        box.say("CANCEL 1")
        box.run(8000)
    finally:
        box.ledger._void = real
    box.say("ACK 1")


def lost_create(box):
    box.ledger.lose = ["create"]
    sell(box)
    box.run(6000)
    pay(box)
    box.run(3000)
    box.say("ACK 1")


def two_sales(box):
    sell(box)
    pay(box)
    box.run(3000)
    sell(box, "2", "7.00")
    box.say("CANCEL 2")
    box.run(3000)
    box.say("ACK 1")
    box.say("ACK 2")


def compaction(box):
    """The journal is full of old sales: a sale, then the quiet minute in which it is compacted, then another sale."""
    sell(box)
    pay(box)
    box.run(2000)
    try:
        check(box.journal.tidies(True), "the journal is not full")
        compact(box.journal)
    except JournalError:
        check(box.flash.mode == "stuck", "compaction failed on a good flash")
    box.say("ACK 1")
    sell(box, "2", "7.00")
    pay(box, "2")
    box.run(2000)
    box.say("ACK 2")


SCENARIOS = {
    "paid": paid,
    "cancelled": cancelled,
    "expired": expired,
    "cancel_loses": cancel_loses,
    "lost_create": lost_create,
    "two_sales": two_sales,
    "compaction": compaction,
}


def empty_flash():
    flash = Flash()
    vfs.VfsLfs2.mkfs(flash)
    return bytes(flash.data)


def full_flash():
    """(image, records, promises, requests) of a box after many sales; one of the oldest is still open."""
    box = Box(empty_flash())
    for i in range(_SALES):
        identity, ref = f"old{i}", f"R{i}"
        sale = Sale(box.journal.next_seq(), ref, 100 + i, "NZD", "T1-" + ref + "-n", 1800000000, PAID, identity)
        sale.acked = i != _STILL_OPEN
        if i == _STILL_OPEN:  # its outcome was never known: it must outlive every compaction
            sale.state = PAYABLE
        status = "expired" if sale.is_open else "paid"
        box.ledger.requests[identity] = [status, sale.external_ref, sale.amount, "NZD", 0, not sale.is_open, False, ""]
        box.journal.write(sale)
    with open(_PATH, "ab") as file:  # worn records, quickly read over, bring the file to the size that is compacted
        while file.tell() < _FULL:
            file.write(b"worn " * 50 + b"\n")
    image = bytes(box.flash.data)
    box.end()
    return image, box.tried, box.promised, box.ledger.requests


# ---- what must be true -------------------------------------------------------------------------------------------


def check(true, words):
    if not true:
        raise Broken(words)


def check_records(box):
    """Nothing is believed that was not written, nothing that was promised is gone."""
    tried = box.tried
    newest = {}
    for sale in box.journal.sales():
        record = pack(sale)
        check(record in tried, "a record is believed that was never written")
        newest[sale.seq] = tried[record]
    for seq, place in box.promised.items():
        if seq in newest:
            check(newest[seq] >= place, "a record that was on flash is gone")
        else:
            check(newest and seq <= max(newest) - 200, "a sale that was on flash is gone")


def check_memory(box):
    """Right after a boot: rules 4 and 5, as the till can see them."""
    check_records(box)
    for ref in ("1", "2"):
        sale = box.journal.find(ref)
        if box.answered_ok("SALE", ref):
            check(sale is not None, "rule 4: accepted, and forgotten: " + ref)
        for identity in box.drawn.get(ref, []):
            check(sale.id == identity, "rule 4: drawn, and its id forgotten")
        told = box.results(ref)
        if told and not box.flash_failed:
            check(sale.state == told[-1], "rule 4: told " + told[-1] + ", and remembers " + sale.state)
        if box.answered_ok("ACK", ref) and not sale.is_open:
            check(sale.acked, "an acknowledgement was confirmed and is forgotten")


def check_recovery(box):
    """Left alone, everything comes to its true and only result, and the till gets it, asked or not."""
    heard = len(box.heard)
    box.run(200000, 500)
    last = box.journal.last()
    for ref in ("1", "2"):
        sale = box.journal.find(ref)
        if sale is None:
            check(not box.answered_ok("SALE", ref), "rule 4: accepted, and forgotten")
            continue
        check(not sale.is_open, "rule 7: never resolved")
        check_truth(box, sale)
        words = box.results(ref)
        if box.flash_failed:  # what a dead flash could not keep is found out again: not paid may get another name
            words = [word for word in words if PAID in (word, sale.state)]
        check(all(word == sale.state for word in words), "rule 2: more than one result " + repr(words + [sale.state]))
        if last is not None and sale.seq == last.seq and not sale.acked:
            again = [line for line in box.heard[heard:] if line.startswith("RESULT " + ref + " " + sale.state)]
            check(len(again) > 1, "the last result is not told again")
        amount = "5.00" if ref == "1" else "7.00"
        again = box.say("SALE " + ref + " " + amount)
        check(again.startswith("RESULT " + ref + " " + sale.state), "rule 5: the same sale, another answer")
        check(box.say("SALE " + ref + " 9.99").startswith("ERR REF_AMOUNT"), "rule 5: another amount")
    check(not [s for s in box.journal.unfinished()[0] if s.is_open], "rule 7: something is never resolved")


def check_truth(box, sale):
    requests = [r for r in box.ledger.requests.values() if r[1] == sale.external_ref]
    kept = [r for r in requests if r[5] and not r[6]]
    drawn = [box.ledger.requests[i] for i in box.drawn.get(sale.ref, [])]
    if sale.state == PAID:
        check(len(kept) == 1 and kept[0][2] == sale.amount, "rule 1: PAID without the money")
        return
    check(not kept, "rule 3: " + sale.state + ", but the money was taken and kept")
    check(all(r[0] != "new" for r in drawn), "rule 3: " + sale.state + ", but the code can still be paid")
    if any(r[5] for r in requests):
        check(sale.state == CANCELLED and sale.reason == "PAID_THEN_REFUNDED", "rule 3: the refund was hidden")


# ---- seeded faults: a probe that did not find these would prove nothing ----------------------------------------------


aim = []  # how many writes had been made when a seeded fault went to work: where a cut meets it


def careless_compaction():
    """The old file is removed before the new one takes its name."""

    class Files:
        def __getattr__(self, name):
            return getattr(os, name)

        def rename(self, old, new):
            aim.append(Flash.latest.count)
            os.remove(new)
            os.rename(old, new)

    kiosk.archive.os = Files()


def id_in_memory_only():
    real = Payment._adopt

    def adopt(payment, identity, code, now):
        save, payment._save = payment._save, lambda: True
        try:
            return real(payment, identity, code, now)
        finally:
            payment._save = save

    Payment._adopt = adopt


def result_in_memory_only():
    real = Payment._finish

    def finish(payment, state, reason, now):
        payment._save = lambda: True
        real(payment, state, reason, now)

    Payment._finish = finish


BUGS = {
    "careless_compaction": careless_compaction,
    "id_in_memory_only": id_in_memory_only,
    "result_in_memory_only": result_in_memory_only,
}


# ---- every cut of a scenario ---------------------------------------------------------------------------------------


class Bout:
    """One scenario, one flash image, every n."""

    def __init__(self, name, can_find, first, step, one_is_enough):
        self.one_is_enough = one_is_enough
        self.first = first
        self.step = step
        self.name = name
        self.can_find = can_find
        self.image, self.tried, self.promised, self.requests = empty_flash(), {}, {}, {}
        if name == "compaction":
            self.image, self.tried, self.promised, self.requests = full_flash()
        self.cuts = 0
        self.broken = 0

    def box(self):
        box = Box(self.image, self.can_find, self.tried, self.promised)
        for identity, request in self.requests.items():
            box.ledger.requests[identity] = list(request)
        box.flash_failed = False
        return box

    def run(self):
        """Returns how many writes the whole scenario takes."""
        box = self.box()
        try:
            self.play(box)
        except Broken as error:
            self.tell(error, "no cut")
            box.end()
            return 0
        writes = box.flash.count
        self.verify(box, "no cut")
        numbers = range(aim[0], aim[0] + 9) if aim else range(self.first, writes + 1, self.step)
        for mode in _MODES:
            for n in numbers:
                self.cut(n, mode, 0)
                if self.broken and self.one_is_enough:
                    return writes
                if self.name not in ("compaction", "two_sales") and mode != "stuck":
                    for second in _SECOND_CUTS:
                        self.cut(n, mode, second)
        return writes

    def play(self, box):
        try:
            SCENARIOS[self.name](box)
        except PowerCut:
            return

    def cut(self, n, mode, second):
        box = self.box()
        box.flash.cut_at = box.flash.count + n
        box.flash.mode = mode
        box.flash_failed = mode == "stuck"
        try:
            self.play(box)
            box.again()
            if second:
                self.cut_recovery(box, second, mode)
        except Broken as error:
            self.tell(error, n, mode, second)
            box.end()
            return
        self.cuts += 1 + bool(second)
        self.verify(box, (n, mode, second))

    def cut_recovery(self, box, second, mode):
        box.flash.cut_at = box.flash.count + second
        box.flash.mode = mode
        try:
            box.say("SALE 1 5.00")  # a till that heard no answer repeats itself
            box.run(40000)
        except PowerCut:
            pass
        box.flash.cut_at = 0
        box.again()

    def verify(self, box, where):
        try:
            check_memory(box)
            check_recovery(box)
        except Broken as error:
            self.tell(error, where)
        box.end()

    def tell(self, error, *where):
        self.broken += 1
        if self.broken <= 5:
            told = {"broken": error.args[0], "scenario": self.name, "find": self.can_find, "at": repr(where)}
            print(json.dumps(told))


def main(name, bug="-", first="1", step="1"):
    if bug != "-":
        BUGS[bug]()
    total = {"scenario": name, "writes": 0, "cuts": 0, "broken": 0}
    for can_find in (True, False):
        bout = Bout(name, can_find, int(first), int(step), bug != "-")
        total["writes"] = bout.run()
        total["cuts"] += bout.cuts
        total["broken"] += bout.broken
        if name == "compaction":
            break  # the look-up plays no part in it
    print(json.dumps(total))


main(*sys.argv[1:])
