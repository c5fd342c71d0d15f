"""What the till knows of its sales, and the auditor who holds it against the ledger and the box's own journal."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from tillpane.standin import PaymentRequest, StandIn

DEFINITE = ("PAID", "CANCELLED", "EXPIRED", "FAILED")
REFUND_WORDS = ("REFUNDED", "REFUND_FAILED", "REFUND_UNKNOWN")
RESULTS = (*DEFINITE, "UNKNOWN")


@dataclass
class Sale:
    """One sale in the till's book. `words` are the different results that the box said, in their order."""

    ref: str
    amount: int
    accepted: bool = False
    words: list[str] = field(default_factory=list)
    reason: str = ""
    code: str = ""
    acked: bool = False
    drawn: list[str] = field(default_factory=list)  # ids of the requests whose code was on the glass
    forced: bool = False  # a provider let the payment through after the request had expired
    refund: int = 0  # minor units that the till asked back
    refund_line: str = ""
    refund_word: str = ""

    @property
    def word(self) -> str:
        """The newest result, "" before the first."""
        return self.words[-1] if self.words else ""

    @property
    def is_final(self) -> bool:
        return self.word in DEFINITE


def money(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02d}"


class Auditor:
    """Hears every line that the box says, before the cable spoils it, and sees every code that it draws.

    A promise that is false at the moment it is made is a disagreement, whatever happens later.
    """

    def __init__(self, api: StandIn, terminal: str, sales: dict[str, Sale]) -> None:
        self._api = api
        self._terminal = terminal
        self._sales = sales
        self.found: list[tuple[str, str]] = []  # (ref, what does not agree)

    def object(self, ref: str, words: str) -> None:
        if (ref, words) not in self.found:
            self.found.append((ref, words))

    def requests(self, ref: str) -> list[PaymentRequest]:
        """The payment requests of this sale, by their external reference."""
        return [request for request in self._api.requests if self.ref_of(request) == ref]

    def ref_of(self, request: PaymentRequest) -> str:
        external = request.external_ref or ""
        return external[len(self._terminal) + 1 :].rpartition("-")[0]

    def drawn(self, identity: str) -> Sale | None:
        """A code is on the glass. Answers the sale that it belongs to."""
        try:
            request = self._api.request(identity)
        except Exception:  # noqa: BLE001 - whatever the stand-in says, it does not know this code
            self.object("", f"the code on the glass belongs to nothing: {identity}")
            return None
        sale = self._sales.get(self.ref_of(request))
        if sale is None:
            self.object("", f"the code on the glass belongs to no sale of this till: {request.external_ref}")
            return None
        if request.amount != sale.amount:
            self.object(sale.ref, f"the code on the glass asks for {money(request.amount)}")
        if identity not in sale.drawn:
            sale.drawn.append(identity)
        payable = [one for one in sale.drawn if self._api.request(one).status == "new"]
        if len(payable) > 1:
            self.object(sale.ref, "two codes were drawn that could be paid at the same time")
        return sale

    def said(self, line: str) -> None:
        """A line of the box's, as it left the box."""
        words = line.split(" ")
        if words[0] == "RESULT" and len(words) == 7:
            sale = self._sales.get(words[1])
            if sale is None:
                self.object(words[1], f"a result for a sale that was never made: {line}")
            elif words[2] in RESULTS:
                self._check_word(sale, words[2], words[3:5], words[6])
                self._check_truth(sale, words[2], words[6])
            elif words[2] == "REFUNDED":
                self._check_refund(sale)

    def _check_word(self, sale: Sale, word: str, value: list[str], reason: str) -> None:
        if value != [money(sale.amount), "NZD"]:
            self.object(sale.ref, f"{word} of {' '.join(value)}, but the till sold {money(sale.amount)}")
        if sale.words and sale.word == word:
            return
        if sale.is_final and [*sale.words[-1:], word] != ["EXPIRED", "PAID"]:
            self.object(sale.ref, f"{sale.word} was followed by {word}")
        sale.words.append(word)
        sale.acked = False
        sale.reason = reason

    def _check_truth(self, sale: Sale, word: str, reason: str) -> None:
        if word == "UNKNOWN":
            return
        requests = self.requests(sale.ref)
        kept = sum(request.paid - request.refunded for request in requests)
        if word == "PAID":
            if sum(request.paid for request in requests) != sale.amount:
                self.object(sale.ref, "PAID, but the ledger has another sum")
            elif sale.amount - kept > sale.refund:
                self.object(sale.ref, "PAID, but the money went back and the till did not ask for it")
            return
        if kept and not (word == "EXPIRED" and sale.forced):
            self.object(sale.ref, f"{word}, but {money(kept)} was taken and kept")
        if any(request.status == "new" for request in requests if request.id in sale.drawn):
            self.object(sale.ref, f"{word}, but the code can still be paid")
        if any(request.paid for request in requests) and reason != "PAID_THEN_REFUNDED" and not sale.forced:
            self.object(sale.ref, f"{word} {reason}, but it was paid and refunded")
        if reason == "PAID_THEN_REFUNDED" and not any(request.refunded for request in requests):
            self.object(sale.ref, "PAID_THEN_REFUNDED, but nothing was refunded")
        if word == "FAILED" and sale.drawn:
            self.object(sale.ref, "FAILED, but a code was shown")

    def _check_refund(self, sale: Sale) -> None:
        refunded = sum(request.refunded for request in self.requests(sale.ref))
        if refunded != sale.refund:
            self.object(sale.ref, f"REFUNDED, but the ledger gave back {money(refunded)} of {money(sale.refund)}")

    # ---- at the end ------------------------------------------------------------------------------------------------

    def close(self, sale: Sale) -> None:
        """The till has asked for the last time: its book and the ledger must agree to the cent."""
        requests = self.requests(sale.ref)
        kept = sum(request.paid - request.refunded for request in requests)
        if sale.word == "UNKNOWN" or (sale.accepted and not sale.words):
            self.object(sale.ref, f"never resolved: {sale.word or 'no result at all'}")
            return
        if not sale.words:
            if requests:
                self.object(sale.ref, "the box knows nothing of it, but the ledger does")
            return
        wanted = sale.amount if sale.word == "PAID" else 0
        if sale.refund_word == "REFUNDED":
            wanted -= sale.refund
        elif sale.refund_word == "REFUND_UNKNOWN" or (sale.refund and not sale.refund_word):
            self.object(sale.ref, f"its refund was never resolved: {sale.refund_word or 'no answer'}")
            return
        if kept != wanted:
            self.object(sale.ref, f"the till's book has {money(wanted)}, the ledger {money(kept)}")
        if any(request.status == "new" for request in requests if request.id in sale.drawn):
            self.object(sale.ref, f"{sale.word}, but the code can still be paid at the end")

    def compare_journal(self, records: Iterable[Record]) -> int:
        """The box's journal against the till's book and the ledger. Returns how many sales were compared."""
        newest: dict[int, Record] = {}
        for record in records:
            newest[record.seq] = record
        compared = 0
        for record in newest.values():
            sale = self._sales.get(record.ref)
            if sale is None:
                self.object(record.ref, "in the journal, but never sold")
                continue
            if record.state.startswith("R"):
                continue  # a refund; the ledger has been asked about it
            compared += 1
            if (record.amount, record.currency) != (sale.amount, "NZD"):
                self.object(sale.ref, f"the journal has {record.amount} {record.currency}")
            if sale.is_final and record.state != sale.word:
                self.object(sale.ref, f"the journal has {record.state}, the till heard {sale.word}")
            if sale.is_final and sale.acked and not record.acked:
                self.object(sale.ref, "the journal lost the acknowledgement")
            if record.state == "PAID" and not any(r.id == record.id and r.paid for r in self.requests(sale.ref)):
                self.object(sale.ref, f"the journal has PAID for {record.id}, the ledger does not")
        return compared


@dataclass(frozen=True)
class Record:
    """One line of the journal, read without the box's own code."""

    seq: int
    ref: str
    amount: int
    currency: str
    state: str
    id: str
    acked: bool


def read_journal(data: bytes) -> list[Record]:
    """The readable records in the order in which they were written. Lines with a wrong CRC are not believed."""
    records = []
    for line in data.split(b"\n"):
        crc, _, body = line.partition(b" ")
        if len(crc) != 8 or crc != b"%08x" % zlib.crc32(body):
            continue
        seq, ref, amount, currency, _, _, state, identity, _, _, marks = body.decode().split(" ")
        records.append(Record(int(seq), ref, int(amount), currency, state, identity, "A" in marks))
    return records
