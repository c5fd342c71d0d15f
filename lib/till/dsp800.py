"""DSP-800: plain text, and commands from EOT SOH to ETB that the display must answer with ACK or NAK.

Source: Tysso VFD-550 manual 6.2 (P cursor, C clear range, D show and S save a message). Its other letters were not
found; they are answered with NAK and counted.
"""

from micropython import const

_TEXT = const(0)
_START = const(1)  # EOT was seen
_LETTER = const(2)
_VALUES = const(3)

_MOST = const(96)  # a saved message is 40 characters; beyond this its end was lost
_ACK = const(0x06)
_NAK = const(0x15)


class Dialect:
    """Feeds a till.pole.Pole."""

    def __init__(self, pole):
        self.pole = pole
        self.values = bytearray(2)
        self.letter = self.count = 0  # here, so that no byte makes the instance grow
        self.reset()

    def reset(self):
        """Forgets a half-received command."""
        self.state = _TEXT

    def feed(self, data, count):
        """Takes data[:count], bytes-like. Never raises; what it does not know is counted in pole.undefined."""
        pole = self.pole
        i = 0
        while i < count:
            byte = data[i]
            state = self.state
            if state == _TEXT and byte >= 0x20:
                i = pole.write(data, i, count)
                continue
            i += 1
            if state == _TEXT:
                if byte == 0x04:
                    self.state = _START
                elif byte:
                    pole.doubt()
            elif state == _START and byte == 0x01:
                self.state = _LETTER
            elif state == _LETTER and byte >= 0x20:
                self.letter = byte
                self.count = 0
                self.state = _VALUES
            elif state == _VALUES and byte >= 0x20 and self.count < _MOST:
                if self.count < 2:
                    self.values[self.count] = byte
                self.count += 1
            else:
                self.state = _TEXT
                if state == _VALUES and byte == 0x17:
                    self.run()
                    continue
                self.answer(False)
                if byte == 0x04:
                    self.state = _START

    def run(self):
        pole = self.pole
        letter = self.letter
        count = self.count
        first = self.values[0] - 0x31
        last = self.values[1] - 0x31
        done = True
        if letter == 0x50 and count == 1 and 0 <= first < 40:
            pole.scrolling = False
            pole.go(first)
        elif letter == 0x43 and count == 2 and 0 <= first <= last < 40:
            at = pole.at
            pole.clear(first, last + 1)
            pole.scrolling = False
            pole.go(at)
        elif letter == 0x44 and count == 2 and 0 <= first < 7 and 0 <= last < 3:
            pole.clear(0, 40)  # the saved message is not known here, and it moves
            pole.scrolling = True
        else:
            done = letter == 0x53
        self.answer(done)

    def answer(self, done):
        pole = self.pole
        if not done:
            pole.doubt()
        if len(pole.replies) < 32:
            pole.replies.append(_ACK if done else _NAK)
