"""What all tills have in common: a program lays a sale out on two rows of twenty, a driver puts them on the wire."""

from collections.abc import Callable
from dataclasses import dataclass

from tillpane.capture import LineSettings

COLUMNS = 20

Stream = list[tuple[int, bytes]]  # (ms of silence before it, what is written)
Rows = tuple[str, str]
Wire = Callable[[str, str], Stream]  # what a driver sends to show these two rows


def figure(amount: int, point: str = ".") -> str:
    """Cents as a till writes them: 1234 -> 12.34."""
    return f"{amount // 100}{point}{amount % 100:02}"


def ends(left: str, right: str, width: int = COLUMNS) -> str:
    """left and right at the two ends of a row; left gives way."""
    return left[: max(0, width - len(right) - 1)].ljust(width - len(right)) + right


class Words:
    """How a till's program lays a sale out. Amounts are in cents."""

    def money(self, amount: int) -> str:
        return figure(amount)

    def welcome(self) -> Rows:
        return "Welcome!", "Point of Sale Open"

    def item(self, name: str, count: int, price: int) -> Rows:
        return name, ends(f"{count} x {self.money(price)}", self.money(count * price))

    def total(self, amount: int) -> Rows:
        return ends("TOTAL", self.money(amount)), ""

    def change(self, amount: int, given: int) -> Rows:
        return ends("CHANGE", self.money(given - amount)), "Thank you"

    def tag(self, amount: int, ref: str) -> Rows:
        """The private tag that a merchant puts into an editable template."""
        return f"QR#{ref}", self.money(amount).rjust(COLUMNS)


@dataclass(frozen=True)
class Till:
    """One kind of till. Each verb gives the bytes of one message, with the pauses that its driver makes.

    dialect: the box's setting; sender: whose bytes these are; source: where they are known from;
    answer: what the box sends back for each command, where the dialect has answers. Amounts are in cents.
    """

    name: str
    dialect: str
    sender: str
    source: str
    wire: Wire
    words: Words
    opening: bytes = b""
    line: LineSettings = LineSettings()
    answer: bytes = b""

    def start(self) -> Stream:
        """The till is switched on: the display is set up, then says welcome."""
        opening: Stream = [(0, self.opening)] if self.opening else []
        return opening + self.wire(*self.words.welcome())

    def item(self, name: str = "Flat white", count: int = 2, price: int = 617) -> Stream:
        """An item was rung up: `count` of them at `price` each."""
        return self.wire(*self.words.item(name, count, price))

    def total(self, amount: int, ref: str = "") -> Stream:
        """The cashier asks for the money; with ref, on a till whose template carries the private tag."""
        return self.wire(*(self.words.tag(amount, ref) if ref else self.words.total(amount)))

    def change(self, amount: int, given: int) -> Stream:
        """It was paid in cash, and this is what goes back."""
        return self.wire(*self.words.change(amount, given))

    def idle(self) -> Stream:
        """Nobody is served."""
        return self.wire(*self.words.welcome())
