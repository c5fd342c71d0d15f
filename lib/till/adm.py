"""ADM787/788: two lines, two fields of the lower line, and a decimal point that is set by a command of its own.

Sources: HP Retail Integrated 2x20 Display Programming Guide 3.1.5, CD5220 manual 10.6, POS-X EVO-RD4 5.6. The point is
set "to upper line last n position", read here as n digits after it. Were it the n-th cell from the right, an amount in
a currency of two decimals would come out with one decimal too many and be refused, never charged ten times over.
"""

from micropython import const

_COMMAND_FIRST = const(0x10)  # 10 point, 11 blink, 12 do not: one digit follows
_COMMAND_LAST = const(0x12)


class Dialect:
    """Feeds a till.pole.Pole."""

    def __init__(self, pole):
        self.pole = pole
        self.reset()

    def reset(self):
        """Forgets a half-received command."""
        self.prefix = 0

    def feed(self, data, count):
        """Takes data[:count], bytes-like. Never raises; what it does not know is counted in pole.undefined."""
        pole = self.pole
        i = 0
        while i < count:
            byte = data[i]
            prefix = self.prefix
            if byte >= 0x20 and not prefix:
                i = pole.write(data, i, count)
                continue
            i += 1
            if prefix:
                self.prefix = 0
                if 0x31 <= byte <= (0x37 if prefix == _COMMAND_FIRST else 0x32):
                    if prefix == _COMMAND_FIRST:
                        pole.point = byte - 0x30
                        pole.shine(0)
                    continue
                pole.doubt()
            if 0 < byte < 0x20:
                self.control(byte)

    def control(self, byte):
        pole = self.pole
        if _COMMAND_FIRST <= byte <= _COMMAND_LAST:
            self.prefix = byte
        elif byte == 0x0D:
            pole.move(byte)
        elif byte == 0x0C:
            pole.clear(0, 40)
        elif byte == 0x0E:
            pole.point = 0
            pole.clear(0, 20)
            pole.go(0)
        elif byte == 0x0F:
            pole.clear(20, 40)
            pole.go(20)
        elif byte == 0x1E:
            pole.clear(20, 28)
            pole.go(20)
        elif byte == 0x1F:
            pole.clear(32, 40)
            pole.go(32)
        else:
            pole.doubt()
