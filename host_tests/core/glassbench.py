"""A desk of which the glass is watched: what the benches of customer displays and of card-terminal tills share."""

from fakes import Bench

from kiosk import view

STARTED = (view.PREPARING, view.PAY, view.CHECKING)


class GlassBench(Bench):
    """`screens` is every (kind, amount) the glass showed, `notes` every note, in order and without repeats."""

    def __init__(self, ledger=None, journal=None, can_find=True, expiry_s=120):
        self.screens = []
        self.notes = []
        self.view = None
        self.drawn = b""
        super().__init__(ledger, journal, can_find, expiry_s)

    def step(self):
        self.desk.tick(self.now)
        call = self.desk.next_call(self.now)
        if call is not None:
            self.perform(*call)
        self.wire()
        self.view = self.desk.view(self.now)
        if self.view.payload != self.drawn:
            self.drawn = self.view.payload
            if self.drawn:
                self.note_drawn(self.view)
        screen = self.view.kind, self.view.amount
        if not self.screens or self.screens[-1] != screen:
            self.screens.append(screen)
        if self.view.note and (not self.notes or self.notes[-1] != self.view.note):
            self.notes.append(self.view.note)

    def press(self):
        self.desk.press(self.now)
        self.run(300)

    def hold(self):
        self.desk.hold(self.now)
        self.run(300)

    @property
    def kind(self):
        return view.NAMES[self.view.kind]

    def creates(self):
        return self.ledger.calls.count("create")

    def states(self):
        """The state of each sale in the journal, oldest first."""
        newest = {}
        for sale in self.journal.sales():
            newest[sale.seq] = sale.state
        return [newest[seq] for seq in sorted(newest)]

    def cut(self, ms=1000):
        """The power goes, and comes back."""
        self.now += ms
        self.boot()
