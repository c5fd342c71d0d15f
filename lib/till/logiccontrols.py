"""Logic Controls LD9000/PD3000, Ultimate (UTC) standard and enhanced, IBM SurePOS: one family of commands.

Sources: LD9000 command set (Elo/Tyco manuals), Logic Controls LDX9, UTC Retail PD1200 and 3190, HP Retail Integrated
2x20 Display Programming Guide 3.1.2 and 3.1.3, IBM SurePOS as uniCenta drives it.
Not defined here although a manual names it: 0F (self test in one, cursor in a misprint of another), a moved attention
code (till.aedex follows it), code pages other than 02 (cp858).
"""

from micropython import const

_TEXT = const(0)
_COMMAND = const(1)  # bytes of a command are still to come
_STRING = const(2)  # text up to CR
_SKIP = const(3)  # bytes that change no text

_ESC = const(0x1B)
_ESC_U = const(0x75)  # stands for ESC u: its function letter is still to come


class Dialect:
    """Feeds a till.pole.Pole."""

    def __init__(self, pole):
        self.pole = pole
        self.prefix = self.skip = 0  # here, so that no byte makes the instance grow
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
            if state == _TEXT:
                if byte >= 0x20:
                    i = pole.write(data, i, count)
                    continue
                self.control(byte)
            elif state == _STRING:
                i = pole.text(data, i, count)
                if not pole.begun:
                    self.state = _TEXT
                elif i < count:
                    self.state = _TEXT
                    pole.doubt()  # its CR was lost
                continue
            elif state == _SKIP:
                self.skip -= 1
                if not self.skip:
                    self.state = _TEXT
            else:
                self.state = _TEXT
                if self.prefix or byte < 0x20:
                    self.command(self.prefix, byte)
                else:
                    continue  # after a NUL: text
            i += 1

    def control(self, byte):
        pole = self.pole
        if byte == 0x08:
            pole.move(byte)
            pole.clear(pole.at, pole.at + 1)
        elif byte == 0x09 or byte == 0x0A or byte == 0x0D:
            pole.move(byte)
        elif byte == 0x1F or byte == 0x1E:
            pole.clear(0, 40)
        elif byte == 0x11 or byte == 0x12:
            pole.mode = byte - 0x11
        elif byte == 0x18:
            pole.clear(pole.at, pole.at - pole.at % 20 + 20)
        elif byte == 0x19:
            at = pole.at
            pole.clear(at, 40)
            pole.go(at)
        elif byte == 0x05:
            self.state = _STRING
            pole.begin(0, 45, False)
        elif byte == 0x03:
            self.state = _SKIP  # a character's number and five columns of dots
            self.skip = 6
        elif byte == 0x00 or byte == 0x02 or byte == 0x04 or byte == 0x10 or byte == _ESC:
            self.state = _COMMAND
            self.prefix = byte
        elif byte not in (0x13, 0x14, 0x1C, 0x1D):  # cursor on and off, flash on and off
            pole.doubt()

    def command(self, prefix, byte):
        pole = self.pole
        if prefix == 0x00:
            if byte != 0x01:  # 00 01 is IBM's mode; a 00 alone is padding
                self.control(byte)
        elif prefix == 0x10:
            if byte < 40:
                pole.go(byte)
                pole.scrolling = False
            else:
                self.refuse(byte)
        elif prefix == 0x02:
            if byte == 0x02:
                pole.page(19)
            else:
                self.refuse(byte)
        elif prefix == 0x04:
            if byte not in (0xFF, 0x60, 0x40, 0x20):
                self.refuse(byte)
        elif prefix == _ESC_U:
            self.state = _STRING
            if byte == 0x41 or byte == 0x42:
                pole.begin(0 if byte == 0x41 else 20, 20)
            elif byte == 0x49:
                pole.begin(0, 40)
            elif 0x44 <= byte <= 0x46:  # scroll, clock, scroll once
                pole.begin(0, 45, False)
            else:
                self.refuse(byte)
        elif byte == 0x75:
            self.state = _COMMAND
            self.prefix = _ESC_U
        elif byte == 0x06 or byte == 0x07 or byte == 0x0B:
            self.state = _STRING
            pole.begin(0 if byte == 0x07 else 20, 45, False)
        elif byte == 0x1A:
            pole.scrolling = True  # a clock: hh:mm
            self.state = _SKIP
            self.skip = 5
        elif byte not in (0x0C, 0x0E, 0x0F, 0x64):  # sides of a two-sided display; to UTC enhanced, and 0F CR back
            self.refuse(byte)

    def refuse(self, byte):
        """Not a command: counted, and a control byte may begin the next one."""
        self.state = _TEXT
        self.pole.doubt()
        if byte < 0x20:
            self.control(byte)
