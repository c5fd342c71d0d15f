"""ESC/POS customer displays, and what shares the wire with them without conflict: CD5220, BA6x/VT100 and LED8.

Sources: Epson DM-D110 specification (5.2, 5.4); the command tables of the CD5220, POS-X XP8200 and Tysso VFD manuals;
Wincor Nixdorf BA66; "LED8 bits customer display command". Aures' STX ENQ frames as odoo-driver sends them.
Known and refused, because the screen could then be wrong in a plausible way: windows (ESC W), characters with a point
or comma attached (US . , ;), a change of command set (ESC # n, STX ENQ C n other than 31h), stored messages (ESC b).
"""

from micropython import const

_TEXT = const(0)
_COMMAND = const(1)  # a command has begun
_STRING = const(2)  # ESC Q: text up to CR
_SKIP = const(3)  # bytes of a command that says how long it is
_DOTS = const(4)  # ESC &: the next byte is the width of a user-defined character
_PRINTER = const(5)  # ESC = 1: everything is for the printer

_ESC = const(0x1B)
_HELD = const(8)

# command byte, bytes after it; 80h more: the first of them is a small number (0 to 4, or its digit), and nothing else
_AFTER_ESC = (
    b"\x11\x00\x12\x00\x13\x00@\x00%\x81*\x81=\x81_\x81c\x81d\x81s\x81?\x01R\x01f\x01t\x01l\x02Q\x01&\x03W\x02[\x01"
)
_AFTER_US = b"\x01\x00\x02\x00\x03\x00\n\x00\r\x00B\x00@\x00U\x00C\x81X\x81r\x81v\x81E\x01$\x02#\x82T\x02(\x03"
_AFTER_STX = b"\x05\x03B\x01L\x04"

_COUNTRIES = b"AFGUDWISJNE"  # ESC f n: their order is that of ESC R n. L and R, Slavonic and Russian, have no fold
_BA6X_PAGES = b"\x00\x02\x12\x1f\x13"  # ESC R 30h to 34h: cp437, 850, 852, 857, 858, as ESC t counts


class Dialect:
    """Feeds a till.pole.Pole."""

    def __init__(self, pole):
        self.pole = pole
        self.held = bytearray(_HELD)
        self.need = self.skip = self.characters = 0  # here, so that no byte makes the instance grow
        self.state = _TEXT
        self.length = 0

    def reset(self):
        """Forgets a half-received command. What is for the printer stays so: no receipt reaches the screen."""
        if self.state != _PRINTER:
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
                if byte:
                    self.control(byte)
            elif state == _STRING:
                i = pole.text(data, i, count)
                if not pole.begun:
                    self.state = _TEXT
                elif i < count:
                    self.state = _TEXT
                    if data[i] != 0x0C and data[i] != 0x18:
                        pole.doubt()  # its CR was lost
                continue
            elif state == _COMMAND:
                self.command(byte)
            elif state == _SKIP:
                self.skip -= 1
                if not self.skip:
                    self.state = _DOTS if self.characters else _TEXT
            elif state == _DOTS:
                self.characters -= 1
                if 0 < byte < 6:
                    self.skip = byte
                    self.state = _SKIP
                elif byte or not self.characters:
                    self.state = _TEXT
                    if byte:
                        pole.doubt()
            else:
                pole.foreign = (pole.foreign + 1) & 0xFFFFFF
                self.printing(byte)
            i += 1

    def printing(self, byte):
        """Watches the printer's bytes for ESC = n, which names the display again."""
        length = self.length
        if length == 2:
            length = 0
            if byte & 0xCF == 2 or byte & 0xCF == 3:
                self.state = _TEXT
                return
        if byte == _ESC:
            self.length = 1
        else:
            self.length = 2 if length == 1 and byte == 0x3D else 0

    def control(self, byte):
        pole = self.pole
        if byte == _ESC or byte == 0x1F or byte == 0x02:
            self.held[0] = byte
            self.length = 1
            self.state = _COMMAND
        elif byte == 0x0C:
            pole.clear(0, 40)
        elif byte == 0x0B:
            pole.go(0)
        elif byte == 0x18:
            start = pole.at - pole.at % 20
            pole.clear(start, start + 20)
            pole.go(start)
        elif 0x08 <= byte <= 0x0D:
            pole.move(byte)
        else:
            pole.doubt()

    def command(self, byte):
        """One more byte of a command; runs it when it is whole."""
        held = self.held
        length = self.length
        held[length] = byte
        self.length = length + 1
        if length == 1:
            table = _AFTER_ESC if held[0] == _ESC else _AFTER_US if held[0] == 0x1F else _AFTER_STX
            for i in range(0, len(table), 2):
                if table[i] == byte:
                    self.need = table[i + 1]
                    break
            else:
                self.refuse(byte)
                return
        elif length == 2:
            if self.need & 0x80 and byte > 4 and not 0x30 <= byte <= 0x34:
                self.refuse(byte)
                return
            if held[1] == 0x57 and not byte:
                self.need = 4
        more = (self.need & 0x7F) + 1 - length
        if more > 0:
            if held[1] == 0x6C and length == 2 and 0x31 <= byte <= 0x38:
                self.state = _TEXT  # LED8: ESC l has a digit's number only, and the cursor shows nothing
            return
        self.state = _TEXT
        self.run(held, byte)

    def refuse(self, byte):
        """Not a command: counted, and a control byte may begin the next one."""
        self.state = _TEXT
        self.pole.doubt()
        if 0 < byte < 0x20:
            self.control(byte)

    def run(self, held, last):
        pole = self.pole
        command = held[1]
        if held[0] == 0x02:
            if command == 0x4C:
                self.lamps(held)
            elif command == 0x05:
                if last != 0x03 or (held[2] == 0x43 and held[3] != 0x31):
                    pole.doubt()
                elif held[2] == 0x55:
                    pole.page(held[3])
                elif held[2] != 0x43 and held[2] != 0x54:  # T is a country whose numbers are not known: ASCII stays
                    pole.doubt()
        elif held[0] == 0x1F:
            self.run_us(held, last)
        elif command == 0x40:
            pole.restart()
            pole.shine(0)
        elif 0x11 <= command <= 0x13:
            pole.mode = command - 0x11
        elif command == 0x3D:
            if last & 0xCF == 1:
                self.state = _PRINTER
                self.length = 0
            elif not last & 2:
                pole.doubt()
        elif command == 0x51:
            self.state = _STRING
            if last == 0x41 or last == 0x42:
                pole.begin(0 if last == 0x41 else 20, 20)
            elif last == 0x44:
                pole.begin(0, 40, False)
            else:
                self.refuse(last)
        elif command == 0x5B:
            self.run_csi(held, last)
        elif command == 0x6C:
            self.locate(held[2], last)
        elif command == 0x73:
            if last >= 0x30:
                pole.shine(last - 0x30)
            elif last != 1:
                pole.doubt()
        elif command == 0x74:
            pole.page(last)
        elif command == 0x52:
            if 0x30 <= last <= 0x34:
                pole.page(_BA6X_PAGES[last - 0x30])
            else:
                pole.nation(last)
        elif command == 0x66:
            number = 0
            while number < 11 and _COUNTRIES[number] != last:
                number += 1
            if last == 0x4C or last == 0x52:
                pole.page(255)
            else:
                pole.nation(number if number < 11 else 255)
        elif command == 0x57:
            # a window; Epson's n, 0 and CD5220's 0, x1, x2, y cancel one
            if last > 2 if self.need == 4 else last & 0xCF:
                self.refuse(last)
        elif command == 0x26:
            self.characters = last - held[3] + 1
            self.state = _DOTS
            if held[2] != 1 or held[3] < 0x20 or self.characters < 1:
                self.refuse(last)

    def run_us(self, held, last):
        pole = self.pole
        command = held[1]
        if command == 0x24:
            self.locate(held[2], last)
        elif command <= 0x03:
            pole.mode = command - 1
        elif command == 0x0A:
            pole.move(0x0B)
        elif command == 0x0D:
            pole.go(pole.at - pole.at % 20 + 19)
        elif command == 0x42:
            pole.go(39)
        elif command == 0x54 or command == 0x55:
            pole.scrolling = True  # a clock
        elif command == 0x40:
            pole.restart()
        elif command == 0x28:
            if held[2] == 0x42 and len(pole.replies) < 16:
                pole.replies.extend(b"\x57\x20\x1fTillpane\x00")
            self.skip = held[3]
            self.characters = 0
            if last or not self.skip:
                pole.doubt()
            else:
                self.state = _SKIP

    def run_csi(self, held, last):
        """ESC [: BA6x numbers and a letter, or CD5220's letter alone. One byte more until the letter has come."""
        pole = self.pole
        length = self.length
        if 0x30 <= last <= 0x3B and last != 0x3A and length < _HELD:
            self.need += 1
            self.state = _COMMAND
            return
        first = second = 0
        for i in range(2, length - 1):
            if held[i] == 0x3B:
                first = second
                second = 0
            else:
                second = second * 10 + held[i] - 0x30
        if last == 0x48:
            if length == 3:
                pole.go(0)
            else:
                self.locate(second, first)
        elif length == 3 and 0x41 <= last <= 0x44:
            pole.move(b"\x0b\x0a\x09\x08"[last - 0x41])
        elif length == 3 and (last == 0x4B or last == 0x4C or last == 0x52):
            pole.go(39 if last == 0x4B else pole.at - pole.at % 20 + (19 if last == 0x52 else 0))
        elif last == 0x4A and second == 2:
            pole.clear(0, 40)
        elif last == 0x4B and second == 0:
            pole.clear(pole.at, pole.at - pole.at % 20 + 20)
        elif last != 0x63:  # 0 c asks for an identity; what a BA6x answers is not known
            self.refuse(last)

    def locate(self, x, y):
        """The cursor to column x, 1 to 20, of row y, 1 or 2."""
        if 1 <= x <= 20 and 1 <= y <= 2:
            self.pole.go(y * 20 + x - 21)
        else:
            self.refuse(y)

    def lamps(self, held):
        """STX L: four lamps one by one. Only one that is alone tells what the number is."""
        lamp = 0
        for i in range(2, 6):
            if held[i] & 0xFE != 0x30 and held[i] > 1:
                self.pole.doubt()
            elif held[i] & 1:
                lamp = i - 1 if not lamp else 9
        self.pole.shine(lamp if lamp < 9 else 0)
