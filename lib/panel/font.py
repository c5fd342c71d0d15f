"""Bitmap fonts read from their files: a glyph is found by seek and readinto, the file is never held in memory.

The format is described in tools/tillpane/fontmaker.py, which makes the files.
"""

from micropython import const

_HEADER = const(16)
_ENTRY = const(12)
_WORK = const(384)
_FIRST_ASCII = const(0x20)
_LAST_ASCII = const(0x7E)
# Combining marks: no room, no ink, rather than a box.
_FIRST_MARK = const(0x300)
_LAST_MARK = const(0x36F)


class FontError(ValueError):
    """The file is no font of ours, or is cut short."""


class Font:
    """One size of one typeface.

    path      a .font file; stays open
    height    px of one line, from the top of the tallest accent to the bottom of the longest descender
    baseline  px from the top of the line to the baseline
    Raises FontError, or OSError when the file cannot be read.
    """

    def __init__(self, path):
        self._file = open(path, "rb")
        self._work = bytearray(_WORK)
        self._view = memoryview(self._work)
        self._entry = bytearray(_ENTRY)
        head = bytearray(_HEADER)
        got = self._file.readinto(head)
        end = self._file.seek(0, 2)
        self.height = head[4]
        self.baseline = head[5]
        self._widest = head[6]
        self._count = head[8] | head[9] << 8
        if (
            got != _HEADER
            or head[:4] != b"TPF1"
            or _u32(head, 12) != end
            or not 0 < self._count * _ENTRY <= end - _HEADER
            or not 0 < self._widest <= _WORK
            or not 0 < self.baseline <= self.height
            or self._code(0) != 0
        ):
            self._file.close()
            raise FontError(path)

    def close(self):
        self._file.close()

    @property
    def most_rows(self):
        """How many rows of the widest glyph `rows()` can hand over at once."""
        return _WORK // self._widest

    def measure(self, text):
        """Width of `text` in px."""
        return sum(self._advance(character) for character in text)

    def wrap(self, text, width, most):
        """`text` as at most `most` lines of at most `width` px, broken at spaces, or inside a word that is too long.

        What is left over stays on the last line, for `Panel.text` to cut with an ellipsis.
        """
        lines = []
        start = 0
        while start < len(text) and len(lines) < most - 1:
            end = self._break(text, start, width)
            lines.append(text[start:end].strip())
            start = end
            while start < len(text) and text[start] == " ":
                start += 1
        if start < len(text) and most > 0:
            lines.append(text[start:])
        return lines

    def lay(self, text, width, line):
        """Find the glyphs of `text`, cut with an ellipsis to `width` px. -> (number of glyphs, their width in px)

        line  bytearray that takes their index entries, 12 bytes each: for `shape` and `rows`
        """
        dots = self._advance("…")
        most = len(line) // _ENTRY
        pixels = count = keep = keep_pixels = 0
        for character in text:
            advance = self._advance(character)
            if pixels + advance > width or count == most:
                return self._cut(line, keep, keep_pixels, width)
            line[count * _ENTRY : (count + 1) * _ENTRY] = self._entry
            pixels += advance
            count += 1
            if pixels + dots <= width and count < most and character != " ":
                keep = count
                keep_pixels = pixels
        return count, pixels

    def rows(self, place, first, wanted, step):
        """Rows from row `first` on of the glyph whose rows begin at `place`, `step` bytes each. -> a reused buffer"""
        self._file.seek(place + first * step)
        if self._file.readinto(self._view[: wanted * step]) != wanted * step:
            raise FontError("cut short")
        return self._work

    def _cut(self, line, count, pixels, width):
        dots = self._advance("…")
        if pixels + dots > width:
            return 0, 0
        line[count * _ENTRY : (count + 1) * _ENTRY] = self._entry
        return count + 1, pixels + dots

    def _break(self, text, start, width):
        """Where the line that begins at `start` ends."""
        pixels = 0
        space = -1
        for at in range(start, len(text)):
            if text[at] == " ":
                space = at
            pixels += self._advance(text[at])
            if pixels > width and text[at] != " ":
                if space > start:
                    return space
                return max(at, start + 1)
        return len(text)

    def _advance(self, character):
        """Put the glyph's index entry into `_entry`. -> its advance in px"""
        wanted = ord(character)
        if wanted < _FIRST_ASCII:
            wanted = _FIRST_ASCII
        if _FIRST_MARK <= wanted <= _LAST_MARK:
            self._entry[2] = self._entry[3] = 0
            return 0
        # ASCII lies where it can be guessed; the guess is checked.
        if _FIRST_ASCII <= wanted <= _LAST_ASCII:
            guess = wanted - _FIRST_ASCII + 1
        else:
            guess = 0
        if guess and guess < self._count and self._code(guess) == wanted:
            return self._entry[2]
        low = 1
        high = self._count - 1
        while low <= high:
            middle = (low + high) >> 1
            code = self._code(middle)
            if code == wanted:
                return self._entry[2]
            if code < wanted:
                low = middle + 1
            else:
                high = middle - 1
        self._code(0)
        return self._entry[2]

    def _code(self, at):
        """Read index entry `at`. -> its code point, -1 where the file ends"""
        self._file.seek(_HEADER + at * _ENTRY)
        if self._file.readinto(self._entry) != _ENTRY:
            return -1
        return self._entry[0] | self._entry[1] << 8


def _u32(buf, at):
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | buf[at + 3] << 24
