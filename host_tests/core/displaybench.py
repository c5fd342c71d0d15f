"""A customer display on a bench."""

from glassbench import GlassBench

from kiosk.displaydesk import DisplayDesk
from till.words import lists


class DisplayBench(GlassBench):
    """A till that paints 2x20 screens in ESC/POS, or in another dialect's bytes by `paint`."""

    def __init__(self, policy="stable", dialect=None, stable_ms=1000, **options):
        if dialect is None:
            from till.escpos import Dialect as dialect
        self.dialect = dialect
        self.policy = policy
        self.stable_ms = stable_ms
        super().__init__(**options)

    def boot(self):
        self.desk = DisplayDesk(self.dialect, lists(), "auto", self.policy, self.stable_ms, *self.settings())
        self.desk.restore(self.now)
        self.desk.blocked = ""

    def wire(self):
        self.desk.feed(b"", 0, self.now)

    def paint(self, data):
        self.desk.feed(data, len(data), self.now)

    def show(self, top="", bottom="", ms=3000):
        """A screen that stands for so many ms."""
        for text in (b"\x0c", top.encode() + b" " * (20 - len(top)), bottom.encode()):
            self.paint(text)
        self.run(ms)

    def total(self, amount="12.34", ms=3000):
        self.show("Total", amount, ms)

    def item(self, ms=1000):
        self.show("1 Flat white", "5.00", ms)

    def pay(self, ms=3000):
        self.ledger.pay()
        self.run(ms)


def selling(policy="stable"):
    """A bench with a sale of 12.34 that can be paid."""
    bench = DisplayBench(policy)
    bench.total()
    if policy == "button":
        bench.press()
    assert bench.kind == "pay" and bench.view.amount == "$12.34", bench.screens
    return bench
