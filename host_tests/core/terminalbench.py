"""Card-terminal tills of four protocols, and their link to the box, on a bench."""

from ecrwire import checked, zvt_framed
from glassbench import GlassBench

from kiosk.terminaldesk import TerminalDesk
from till.ecr import Options


class Till:
    """A till's side of one protocol. `heard`: the code of each result it got. `acks`: whether it acknowledges."""

    module = ""
    paid = unknown = busy = not_ready = ""

    def __init__(self):
        self.heard = []
        self.acks = True
        self.asking = False  # in the midst of a question it hears none of the box's
        self.progress = 0

    def hear(self, frame):
        """Takes what the box wrote. -> what the till says to it"""
        if frame[:1] != b"\x02":
            self.progress += frame[:1] == b"\x01"
            return b""
        code = self.code(frame[1:-2])
        if not self.acks:
            return b""
        if code:
            self.heard.append(code)
        return b"\x06"


class Transbank(Till):
    module = "transbank"
    paid, unknown, busy, not_ready, cancelled = "00", "02", "01", "03", "07"

    def sale(self, amount, ref=""):
        return (checked(b"0200|%d|%s|||1|" % (amount, ref.encode()), 3),)

    def last(self):
        return (checked(b"0250|", 3),)

    def refund(self, seq):
        return (checked(b"1200|%d|" % seq, 3),)

    def code(self, body):
        if body[:4] == b"0900":
            self.progress += 1
            return ""
        return body[5:7].decode()


class Ecr17(Till):
    module = "ecr17"
    paid, unknown, busy = "00", "01ESITO NON VERIFICATO", "01TERMINALE OCCUPATO"
    not_ready, cancelled = "01TERMINALE NON PRONTO", "01ANNULLATO"

    def sale(self, amount, ref=""):
        return (checked(b"000000000P0000000100000%08d" % amount + b" " * 128 + b"00000000", 0x7F),)

    def last(self):
        return (checked(b"000000000G000000010000", 0x7F),)

    def refund(self, seq):
        return (checked(b"123456780S00000001%06d00" % seq, 0x7F),)

    def status(self):
        return (checked(b"123456780s", 0x7F),)

    def code(self, body):
        if body[9:10] == b"s":
            return "s" + body[20:22].decode()
        return "00" if body[10:12] == b"00" else (body[10:12] + body[12:36].rstrip()).decode()


class Telium(Till):
    module = "telium"
    paid, unknown, busy, not_ready, cancelled = "0", "9", "7", "7", "7"

    def sale(self, amount, ref="", kind=b"0"):
        body = b"01%08d01%s554%-10sA010B010" % (amount, kind, ref.encode())
        return b"\x05", checked(body, 3), b"\x04"

    def refund(self, seq, amount=1234):
        return self.sale(amount, "QR%08d" % seq, b"2")

    def hear(self, frame):
        if frame == b"\x05":
            return b"\x06" if self.acks and not self.asking else b""
        return super().hear(frame)

    def code(self, body):
        return body[2:3].decode()


class Zvt(Till):
    module = "zvt"
    paid, unknown, busy, not_ready, cancelled = "00", "7d", "9c", "a0", "6c"

    def sale(self, amount, ref=""):
        return (zvt_framed(b"\x06\x01\x07\x04" + bytes.fromhex("%012d" % amount)),)

    def last(self):
        return (zvt_framed(bytes.fromhex("062003123456")),)

    def refund(self, seq, amount=0):
        part = "04%012d" % amount if amount else ""
        return (zvt_framed(bytes.fromhex("0630%02x12345687%04d%s" % (6 + len(part) // 2, seq, part))),)

    def cancel(self):
        return (zvt_framed(b"\x06\xb0\x00"),)

    def status(self):
        return (zvt_framed(bytes.fromhex("050103123456")),)

    def hear(self, frame):
        if frame[:2] != b"\x10\x02":
            return b""
        apdu = frame[2:-4].replace(b"\x10\x10", b"\x10")
        if not self.acks:
            return b""
        if apdu[0] in (0x80, 0x84):
            if apdu[0] == 0x84:
                self.heard.append("%02x" % apdu[1])
            return b"\x06"
        if apdu[0] == 4 and apdu[1] == 15:
            self.heard.append("%02x" % apdu[4])
        elif apdu[:2] == b"\x06\x0f" and apdu[2]:
            self.heard.append("s%02x" % apdu[3])
        self.progress += apdu[1] == 0xFF
        return b"\x06" + zvt_framed(b"\x80\x00\x00")


TILLS = {"transbank": Transbank, "ecr17": Ecr17, "telium": Telium, "zvt": Zvt}


class TerminalBench(GlassBench):
    """A card-terminal till and the box. The variants are those that count in the box's minor units."""

    def __init__(self, name="ecr17", **options):
        self.till = TILLS[name]()
        self.queue = []  # what the till has said and the box has not read
        super().__init__(**options)

    def boot(self):
        module = __import__("till." + self.till.module, None, None, ("Protocol",))
        variant = {"transbank": "minor", "ecr17": "std"}.get(self.till.module, "")
        protocol = module.Protocol(Options("NZD", variant, "12345678"))
        self.desk = TerminalDesk(protocol, *self.settings())
        self.desk.restore(self.now)
        self.desk.blocked = ""
        self.queue = []

    def wire(self):
        """Both read until neither has anything to say."""
        while True:
            data = self.queue.pop(0) if self.queue else b""
            self.desk.feed(data, len(data), self.now)
            frame = self.desk.answer()
            while frame is not None:
                reply = self.till.hear(frame)
                if reply:
                    self.queue.append(reply)
                frame = self.desk.answer()
            if not self.queue:
                return

    def ask(self, frames, ms=1000):
        """The till says these frames, one a tenth of a second. -> the codes of the results that came of it"""
        before = len(self.till.heard)
        for frame in frames:
            self.till.asking = frame is not frames[-1]
            self.queue.append(frame)
            self.run(100)
        self.run(ms)
        return self.till.heard[before:]

    def sale(self, amount=1234, ref="", ms=1000):
        return self.ask(self.till.sale(amount, ref), ms)

    def pay(self, ms=3000):
        before = len(self.till.heard)
        self.ledger.pay()
        self.run(ms)
        return self.till.heard[before:]


REFLESS = ("ecr17", "zvt", "telium")  # tills that give their sales no reference


def running(name, amount=1234, ref=""):
    """A bench with a sale that can be paid."""
    bench = TerminalBench(name)
    assert bench.sale(amount, ref) == [] and bench.kind == "pay", (name, bench.screens)
    return bench


def unheard(name):
    """Paid, and no acknowledgement of the till came."""
    bench = running(name)
    bench.till.acks = False
    assert bench.pay(30000) == [] and bench.kind == "paid" and not bench.journal.last().acked
    bench.till.acks = True
    return bench


def paid(name, amount=1234):
    """A bench whose last sale was paid and acknowledged."""
    bench = TerminalBench(name)
    bench.sale(amount)
    assert bench.pay() == [bench.till.paid]
    return bench
