"""The virtual customer display: a 2x20 screen that the dialects write to, and what they could not understand.

Cells hold ASCII, folded by code page (till.codepages). Only a screen can tell what a till shows: real senders wrap
lines at column 20, jump back to change two digits, and repaint in any order.
The verbs follow the Epson DM-D110 specification, section 5.4; where displays differ, the comment says what is done.
"""

from micropython import const

from till import codepages

_COLUMNS = const(20)
_CELLS = const(40)
_REPLIES = const(32)
_MOST = const(0x3FFFFFFF)  # the largest small int on a board: counting stays free of allocations

_OVERWRITE = const(0)
_VERTICAL = const(1)
_HORIZONTAL = const(2)


class Pole:
    """A blank 2x20 screen.

    cells      bytearray(40) of ASCII, 20h to 7Eh; read them with row()
    at         where the next character goes, 0 to 39
    mode       after the last column: 0 overwrite the next line, 1 scroll the lines up, 2 scroll the line to the left
    undefined  bytes and commands that the dialect does not define, since forgive(). More than 0: the screen may be
               wrong in a plausible way and nothing may be charged.
    lamp       LED8 displays: 0 none, 1 unit price, 2 total, 3 collected, 4 change
    scrolling  a scrolling message or a clock is on the glass, or a line has begun and not ended: no amount is there
    revision   another number after each change of cells, point or lamp
    replies    bytearray of at most 32 bytes for the till; whoever sends them empties it (`replies[:] = b""`)
    foreign    bytes that went by for a printer or another device
    """

    def __init__(self):
        self.cells = bytearray(b" " * _CELLS)
        self.glyphs = bytearray(range(256))
        self.replies = bytearray()
        self.revision = self.foreign = self.undefined = self.lamp = self.room = 0
        self.folded = True  # glyphs are not those of power-up
        self.begun = self.shown = self.moving = False
        self.restart()

    def restart(self):
        """As after power-up: blank, overwriting, code page 437, no country. Counts and lamp stay."""
        self.mode = _OVERWRITE
        self.clear(0, _CELLS)
        if not self.folded:
            return
        self.folded = False
        for place in range(32, 127):
            self.glyphs[place] = place
        self.glyphs[127] = 0x3F
        codepages.load(0, self.glyphs)

    def forgive(self):
        """Blanks the screen and forgets what was undefined: from here on it holds only what was understood."""
        self.undefined = self.lamp = 0
        self.clear(0, _CELLS)

    def row(self, index):
        """Line 0 or 1 as a str of 20 printable ASCII characters."""
        text = bytes(memoryview(self.cells)[index * _COLUMNS : index * _COLUMNS + _COLUMNS]).decode()
        if index or not self.point:
            return text
        # A point shares a cell with a digit on the glass. Here it takes the place of a blank before its number.
        split = _COLUMNS - self.point
        gap = text.rfind(" ", 0, split)
        if gap < 0:
            return "?" * _COLUMNS
        return text[:gap] + text[gap + 1 : split] + "." + text[split:]

    def doubt(self):
        """Counts one thing that the dialect does not define."""
        if self.undefined < _MOST:
            self.undefined += 1

    def clear(self, start, end):
        """Blanks cells start to end - 1; all of them is a new screen, with the cursor at home and nothing scrolling."""
        for at in range(start, end):
            self.cells[at] = 0x20
        self.revision = (self.revision + 1) & _MOST
        if end - start == _CELLS:
            self.point = 0  # ADM: digits of the top line after its point; 0 none
            self.scrolling = False
            self.go(0)

    def go(self, at):
        """The cursor to cell `at`. Out of the screen: it stays and that is counted as undefined."""
        self.wrapped = False
        if 0 <= at < _CELLS:
            self.at = at
        else:
            self.doubt()

    def write(self, data, i, count):
        """Shows data[i:count] from the cursor on, which wraps or scrolls as `mode` says, up to the first control byte.

        Returns the index of that byte, or count.
        """
        cells = self.cells
        glyphs = self.glyphs
        mode = self.mode
        at = self.at
        wrapped = self.wrapped
        changed = 0
        while i < count:
            byte = data[i]
            if byte < 0x20:
                break
            if wrapped and mode:  # the scroll modes scroll when the next character comes
                if mode == _HORIZONTAL:
                    for place in range(at - at % _COLUMNS, at):
                        cells[place] = cells[place + 1]
                elif at == _CELLS - 1:
                    self._scroll()
                    at = _COLUMNS
            if byte == 0x23 and at and cells[at - 1] == 0x21:
                self.doubt()  # "!#" is AEDEX's attention code: the wrong dialect is set, and columns are shifted
            byte = glyphs[byte]
            if cells[at] != byte:
                cells[at] = byte
                changed += 1
            at += 1
            wrapped = at % _COLUMNS == 0
            if wrapped and (mode == _HORIZONTAL or (mode and at == _CELLS)):
                at -= 1
            elif at == _CELLS:
                at = 0
            i += 1
        self.at = at
        self.wrapped = wrapped
        self.revision = (self.revision + changed) & _MOST
        return i

    def move(self, byte):
        """The cursor by a control byte: 08 left, 09 right, 0A down, 0D left-most; 0B is up (no display's own byte).

        After column 20 the cursor already stands on the next line. A line feed that comes then does not move it again,
        so that senders which end full lines, and those which do not, both come out as they mean it.
        """
        at = self.at
        wrapped = self.wrapped
        if byte == 0x0D:
            self.wrapped = wrapped and at % _COLUMNS == 0
            self.at = at - at % _COLUMNS
            return
        self.wrapped = False
        if byte == 0x0A:
            if wrapped and at == _CELLS - 1 and self.mode == _VERTICAL:
                self._scroll()
                self.at = _COLUMNS
            elif wrapped and at % _COLUMNS == 0:
                return
            elif at >= _COLUMNS and self.mode == _VERTICAL:
                self._scroll()
            else:
                self.at = (at + _COLUMNS) % _CELLS
            return
        edge = self.mode and at % _COLUMNS == (_COLUMNS - 1 if byte == 0x09 else 0)
        if byte == 0x0B:
            edge = self.mode == _VERTICAL and at < _COLUMNS
            at += _COLUMNS
        else:
            at += 1 if byte == 0x09 else _CELLS - 1
        if edge:
            self.doubt()  # would scroll the glass sideways or down; no sender is known that does
        self.at = at % _CELLS

    def _scroll(self):
        for i in range(_COLUMNS):
            self.cells[i] = self.cells[i + _COLUMNS]
        self.clear(_COLUMNS, _CELLS)

    def begin(self, start, room, shown=True):
        """A line of text that ends with CR: `room` characters from cell `start` on, which is blanked.

        shown False: a scrolling message of at most `room` characters; it is not kept, and only its line is blanked.
        """
        end = start + (room if shown else _COLUMNS)
        self.moving = not shown or (self.scrolling and start > 0)
        self.clear(start, end)
        self.scrolling = self.begun = True
        self.shown = shown
        self.room = room
        self.go(start)

    def text(self, data, i, count):
        """Takes what data[i:count] has of the line begun. Returns the index of the first byte not of it, or count.

        The line has ended when `begun` is False. A control byte other than CR is not of it; a NUL is nothing.
        """
        while i < count:
            byte = data[i]
            if byte < 0x20:
                if byte and byte != 0x0D:
                    return i
                i += 1
                if byte:
                    self.begun = False
                    self.scrolling = self.moving
                    return i
            elif not self.room:
                if not self.shown or 0x2C <= byte <= 0x39:
                    self.doubt()  # part of a number would be lost; lost letters only shorten a name, as on the glass
                i += 1
            else:
                start = i
                end = count if count - i < self.room else i + self.room
                if self.shown:
                    i = self.write(data, i, end)
                else:
                    while i < end and data[i] >= 0x20:
                        i += 1
                self.room -= i - start
        return i

    def shine(self, lamp):
        """Lights one of the four lamps, 1 to 4, or none, 0."""
        self.lamp = lamp
        self.revision = (self.revision + 1) & _MOST

    def page(self, number):
        """Selects a code page, as ESC t counts. An unknown one is counted as undefined and shows "?"."""
        self.folded = True
        if not codepages.load(number, self.glyphs):
            self.doubt()

    def nation(self, number):
        """Selects a country's characters, as ESC R counts. An unknown one is counted as undefined."""
        self.folded = True
        if not codepages.nation(number, self.glyphs):
            self.doubt()
