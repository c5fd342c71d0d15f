"""Pass-through: every byte to the old device, in order, whatever its UART takes; and when it stands still."""

from kiosk.passthrough import Passthrough


class Wire:
    """The verbs of a UART. takes: how much each write() takes, in turn; None as MicroPython has it."""

    def __init__(self, takes=(1 << 20,)):
        self.got = bytearray()
        self.takes = list(takes)
        self.busy = False
        self.writes = 0
        self.longest = 0
        self.says = b""

    def txdone(self):
        return not self.busy

    def write(self, data):
        self.writes += 1
        self.longest = max(self.longest, len(data))
        take = self.takes[self.writes % len(self.takes)]
        if take is None:
            return None
        take = min(take, len(data))
        self.got.extend(data[:take])
        return take

    def readinto(self, buffer):
        if not self.says:
            return None
        count = min(len(buffer), len(self.says))
        buffer[:count] = self.says[:count]
        self.says = self.says[count:]
        return count


def stream(count, seed=1):
    data = bytearray(count)
    for i in range(count):
        seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
        data[i] = seed >> 12 & 0xFF
    return data


def test_every_byte_in_order_whatever_the_uart_takes():
    for takes in ((1 << 20,), (1,), (0, 3, None, 7), (None, None, 600), (511, 512, 513)):
        wire = Wire(takes)
        through = Passthrough(wire)
        data = stream(20000)
        at = 0
        turn = 0
        while at < len(data) or len(wire.got) < at:
            size = min((1, 128, 17, 0, 100)[turn % 5], len(data) - at)
            if at + size - len(wire.got) <= 2048:
                through.push(data[at : at + size], size)
                at += size
            through.pump()
            turn += 1
        assert wire.got == data and not through.lost and wire.longest <= 512


def test_only_the_count_of_the_buffer_is_taken():
    wire = Wire()
    through = Passthrough(wire)
    chunk = bytearray(b"12345678")
    through.push(chunk, 3)
    through.push(memoryview(chunk), 1)
    through.push(chunk, 0)
    through.pump()
    assert wire.got == b"1231"


def test_it_waits_while_the_uart_is_busy():
    wire = Wire()
    through = Passthrough(wire)
    wire.busy = True
    through.push(b"12", 2)
    through.pump()
    assert not wire.writes
    wire.busy = False
    through.pump()
    assert wire.got == b"12"
    through.pump()
    assert wire.writes == 1


def test_a_device_that_stands_still_costs_the_newest_bytes_and_they_are_counted():
    for first in (0, 1, 700, 2047):
        wire = Wire()
        through = Passthrough(wire)
        through.push(bytes(first), first)
        through.pump()
        wire.got = bytearray()
        wire.busy = True
        data = stream(5000)
        for at in range(0, 5000, 100):
            through.push(data[at : at + 100], 100)
            through.pump()
        assert through.lost == 5000 - 2048
        wire.busy = False
        through.pump()
        assert wire.got == data[:2048]
        through.push(b"and on", 6)
        through.pump()
        assert wire.got[2048:] == b"and on" and through.lost == 5000 - 2048
    wire.busy = True
    through.push(stream(9000), 9000)  # more than the ring at once
    wire.busy = False
    wire.got = bytearray()
    through.pump()
    assert wire.got == stream(9000)[:2048]


def test_it_is_said_once():
    wire = Wire()
    wire.busy = True
    through = Passthrough(wire)
    said = []
    import kiosk.passthrough as module

    module.print = said.append
    try:
        for _ in range(40):
            through.push(bytes(100), 100)
    finally:
        del module.print
    assert len(said) == 1 and "[tillpane]" in said[0] and through.lost == 4000 - 2048


def test_what_the_old_device_says():
    wire = Wire()
    through = Passthrough(wire)
    buffer = bytearray(4)
    assert through.pull(buffer) == 0
    wire.says = b"\x57\x20\x1fABC\x00"
    assert through.pull(buffer) == 4 and buffer == b"\x57\x20\x1fA"
    assert through.pull(buffer) == 3 and buffer[:3] == b"BC\x00"
    assert through.pull(buffer) == 0
