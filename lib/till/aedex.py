"""AEDEX / EMAX and UTC enhanced: an attention code, a function, text, CR. Everything between frames is for the printer.

Sources: HP Retail Integrated 2x20 Display Programming Guide 3.1.3 and 3.1.4; Logic Controls LDX9; CD5220 and Tysso
VFD-450 manuals, AEDEX mode. UTC enhanced has the functions of AEDEX with letters: A B D E F G H I for 1 2 4 5 6 7 8 9.
"""

from micropython import const

_OUTSIDE = const(0)
_ATTENTION = const(1)  # the first byte of an attention code was seen
_FUNCTION = const(2)
_STRING = const(3)  # text up to CR
_FIRST = const(4)  # the first byte of a new attention code
_SECOND = const(5)
_END = const(6)  # CR and nothing else
_SCROLL = const(60)


class Dialect:
    """Feeds a till.pole.Pole. code: the attention codes in force, AEDEX's two bytes and UTC enhanced's two.

    A till that moved its code before the box was switched on is not understood: the screen stays blank.
    """

    def __init__(self, pole):
        self.pole = pole
        self.code = bytearray(b"!#\x1bu")
        self.pair = 0  # whose frame it is: 0 AEDEX, 2 UTC enhanced
        self.function = self.first = self.second = 0  # here, so that no byte makes the instance grow
        self.reset()

    def reset(self):
        """Forgets a half-received frame; the attention code stays."""
        self.state = _OUTSIDE

    def feed(self, data, count):
        """Takes data[:count], bytes-like. Never raises; what it does not know is counted in pole.undefined."""
        pole = self.pole
        code = self.code
        i = 0
        while i < count:
            state = self.state
            if state == _STRING:
                i = pole.text(data, i, count)
                if not pole.begun:
                    self.state = _OUTSIDE
                    if self.function == 0x41 and pole.room == _SCROLL:
                        pole.clear(0, 40)  # Logic Controls: "!#A" without text is a reset
                elif i < count:
                    self.state = _OUTSIDE
                    pole.doubt()  # its CR was lost
                continue
            byte = data[i]
            i += 1
            if state == _FUNCTION:
                self.run(byte - 0x10 if self.pair else byte)
                continue
            elif state == _ATTENTION and byte == code[self.pair + 1]:
                self.state = _FUNCTION
                continue
            elif state > _STRING:
                self.change(state, byte)
                continue
            if state == _ATTENTION:
                pole.foreign = (pole.foreign + 1) & 0xFFFFFF
            self.state = _ATTENTION
            if byte == code[0]:
                self.pair = 0
            elif byte == code[2]:
                self.pair = 2
            else:
                self.state = _OUTSIDE
                pole.foreign = (pole.foreign + 1) & 0xFFFFFF

    def run(self, function):
        pole = self.pole
        self.function = function
        self.state = _STRING
        if function == 0x31 or function == 0x32:
            pole.begin(0 if function == 0x31 else 20, 20)
        elif function == 0x39:
            pole.begin(0, 40)
        elif 0x34 <= function <= 0x36 or (function == 0x41 and not self.pair):
            pole.begin(0, _SCROLL, False)  # 4 scroll, 5 clock, 6 scroll once; A is one more scroll on Tysso's
        elif function == 0x38:
            self.state = _FIRST
        elif function == 0x37:  # for the printer from here on; it still says when it means the display
            self.state = _END
        else:
            self.state = _OUTSIDE
            pole.doubt()

    def change(self, state, byte):
        """`8 a b CR` moves the attention code of the kind that the frame has."""
        if byte >= 0x20 and state != _END:
            if state == _FIRST:
                self.first = byte
            else:
                self.second = byte
            self.state = state + 1
            return
        self.state = _OUTSIDE
        if byte != 0x0D or state != _END:
            self.pole.doubt()
        elif self.function == 0x38:
            self.code[self.pair] = self.first
            self.code[self.pair + 1] = self.second
