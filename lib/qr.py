"""QR Code symbols, versions 1 to 10, after ISO/IEC 18004:2015. Text in, module matrix out, no heap used on the way.

Modules live in strips of 30 columns, one word a row and strip, the leftmost column in bit 29. Thirty because every data
mask but one repeats after 6 columns, because the 57 columns of version 10 fit two strips, and because a 30-bit word is
never negative and is a small integer on a 32-bit board: the same code gives the same bits on 32 and 64 bits and, as
plain Python, on CPython. A step down a strip looks at 30 modules at once; rows are scored the same way, in a copy of
the matrix turned about its diagonal. Below each strip lie 4 rows of zeros: the light area that the penalty looks into.

The whole of it must stay under 6 KB as .mpy for the ESP32. So what runs once a module or more is viper, and what runs a
few times a symbol is bytecode, which is a quarter of the size. In viper the first three locals live in registers, which
is why some routines have scratch variables among their first parameters.
"""

import struct
from array import array

import micropython
from micropython import const

_WORD = const(0x3FFFFFFF)
_NONE = const(11)
# On CPython viper is plain Python, which cannot look into a str.
_PLAIN = hasattr(str, "casefold")

# ISO/IEC 18004 table 9: error correction codewords a block, and blocks; versions 1..10 of level L, then M, Q, H.
_ECC = const(
    b"\x07\x0a\x0f\x14\x1a\x12\x14\x18\x1e\x12\x0a\x10\x1a\x12\x18\x10\x12\x16\x16\x1a"
    b"\x0d\x16\x12\x1a\x12\x18\x12\x16\x14\x18\x11\x1c\x16\x10\x16\x1c\x1a\x1a\x18\x1c"
)
_BLOCKS = const(
    b"\x01\x01\x01\x01\x01\x02\x02\x02\x02\x04\x01\x01\x01\x02\x02\x04\x04\x04\x05\x05"
    b"\x01\x01\x02\x02\x04\x04\x06\x06\x08\x08\x01\x01\x02\x04\x04\x04\x05\x06\x08\x08"
)
# Half the codewords of versions 1..10: all are even.
_CODEWORDS = const(b"\x0d\x16\x23\x32\x43\x56\x62\x79\x92\xad")

# Alphanumeric values of the characters 32..95 (table 5), 255 where there is none.
_VALUES = const(
    b"\x24\xff\xff\xff\x25\x26\xff\xff\xff\xff\x27\x28\xff\x29\x2a\x2b"
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x2c\xff\xff\xff\xff\xff"
    b"\xff\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18"
    b"\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23\xff\xff\xff\xff\xff"
)

# The first six columns of the masks 0..7 (table 10), of masks 1, 2 and 4 turned, and of none: 12 rows each. Mask 4
# turned is the one that repeats after 4 columns instead of 6: _apply has its columns, and here is which rows to invert.
_MASKS = const(
    b"*\x15*\x15*\x15*\x15*\x15*\x15?\x00?\x00?\x00?\x00?\x00?\x00$$$$$$$$$$$$$\t\x12$\t\x12$\t\x12$\t\x1288\x07"
    b"\x0788\x07\x0788\x07\x07? $*$ ? $*$ ?86*-#?86*-#*\x07#\x158\x1c*\x07#\x158\x1c************?\x00\x00?\x00\x00"
    b"?\x00\x00?\x00\x00\x00\x00\x00???\x00\x00\x00???\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)
_TURNED = const(b"\x00\x08\x09\x03\x0a\x05\x06\x07\x00\x00\x00\x0b")

# Modules of the function patterns, a bit each, rows from right to left: from bit 0 a finder at the left (9 wide, first
# a light row) with 24 light modules behind it, from 96 one at the right (8 wide), from 168 an alignment pattern, from
# 200 the timing.
_PATTERNS = const(
    b"\x00\x1f\xc8%\xd2\xe9t\x82\x7f\x00\x00\x00\xfe\x82\xba\xba\xba\x82\xfe\x00\x00\xfck\x1f\x80\xaa\xaa\xaa\xaa\xaa\x80"
)
# What to draw, 7 bytes each: x and y of the first module, width, height, first bit of the source, 2 for downwards or 0
# for upwards, 2 for x and y swapped or 0. A place from 128 on counts back from the far edge, from 64 to 127 it is about
# the middle (96). Always the timing patterns and finders; from version 2 an alignment pattern; from version 7 five more
# and the places of the version information.
_FUNCTION = const(
    b"\xf7\x06\xf0\x01\xc8\x02\x00"
    b"\x06\x08\x01\xf0\xc8\x02\x00"
    b"\x08\x00\x09\x09\x09\x02\x00"
    b"\x08\xf8\x09\x08\x00\x02\x00"
    b"\xff\x00\x08\x09\x60\x02\x00"
    b"\xfb\xf7\x05\x05\xa8\x02\x00"
    b"\x08\x5e\x05\x05\xa8\x02\x00"
    b"\x62\x04\x05\x05\xa8\x02\x00"
    b"\x62\x5e\x05\x05\xa8\x02\x00"
    b"\xfb\x5e\x05\x05\xa8\x02\x00"
    b"\x62\xf7\x05\x05\xa8\x02\x00"
    b"\xf7\x00\x03\x06\x48\x02\x00"
    b"\x05\xf5\x06\x03\x48\x02\x00"
)
# The 15 format bits, the dark module, and from version 7 the version bits, drawn after the mask is chosen (7.8).
_INFORMATION = const(
    b"\x08\x00\x01\x06\x00\x02\x02"
    b"\x08\x07\x01\x02\x06\x02\x02"
    b"\x08\xf8\x01\x08\x07\x02\x02"
    b"\x08\x08\x01\x02\x07\x00\x00"
    b"\x08\x05\x01\x06\x09\x00\x00"
    b"\x08\xff\x01\x07\x00\x00\x00"
    b"\x08\xf8\x01\x01\x0f\x02\x00"
    b"\xf7\x05\x03\x06\x10\x00\x00"
    b"\xf7\x05\x03\x06\x10\x00\x02"
)
# Version information (annex D) of versions 7..10, 3 bytes each, the first 18 bits of them.
_VERSIONS = const(b"\x1f\x25\x00\x21\x6f\x00\x26\xa6\x40\x29\x34\xc0")


def _gf():
    """Powers of 2 in GF(256) modulo 0x11D; from 256 on logarithms; from 512 on those of the generators (annex A).

    The generator of degree d is d bytes from 512 + d * (d - 1) / 2 on, highest power first, without the leading 1.
    """
    t = bytearray(977)
    x = 1
    for k in range(256):
        t[k] = x
        t[256 + x] = k
        x += x
        if x > 255:
            x ^= 0x11D
    new = 512
    for degree in range(1, 30):
        old = new
        new += degree
        x = 0
        for k in range(degree):
            t[new + k] = t[256 + (t[t[old + k]] ^ t[(x + degree) % 255 if k else degree])]
            x = t[old + k]
        t[new + degree] = (x + degree) % 255
    return t


_GF = _gf()


class QRError(ValueError):
    """The payload, version, level, mask or display size asked for is not possible."""


@micropython.viper
def _octet(data: ptr8, k: int) -> int:
    """Octet k of bytes or, where viper is native, of a str's UTF-8, without a copy."""
    return int(data[k])


@micropython.viper
def _feed(t: ptr8, i: int, j: int, code: ptr8, left: int, step: int, f: int):
    """A step of polynomial division: shifts the remainder (every `step`-th byte), adds 2 ** f times divisor t[j:]."""
    while left:
        left -= 1
        s = f + int(t[j])
        j += 1
        code[i] = int(t[(s & 255) + (s >> 8)]) ^ int(code[i + step])
        i += step


@micropython.viper
def _plot(
    i: int,
    m: int,
    w: ptr32,
    gap: int,
    x: int,
    y: int,
    width: int,
    height: int,
    source: ptr8,
    at: int,
    step: int,
    base: int,
    turned: int,
    shut: int,
) -> int:
    """Draws bits of `source` from bit `at` on, rows from right to left, at (x, y), and at (y, x) in the other matrix.

    With `shut` -1 the modules are closed for data; with 0 only open modules take a bit. `gap` is the words a strip.
    Returns the next bit.
    """
    while height:
        height -= 1
        z = width
        while z:
            z -= 1
            i = y
            m = 29 - x
            if m & 32:
                m += 30
                i += gap
            m = 1 << m
            if (int(w[i]) & m) | shut:
                drop = m & shut
                w[i] = (int(w[i]) | drop) ^ drop
                if (int(source[at >> 3]) << (at & 7)) & 128:
                    i += base
                    w[i] = int(w[i]) | m
                    i = turned + x
                    m = 29 - y
                    if m & 32:
                        m += 30
                        i += gap
                    w[i] = (1 << m) | int(w[i])
                at += 1
            x -= 1
        x += width
        y += step
    return at


@micropython.viper
def _score(
    x: int, i: int, w: ptr32, n: int, base: int, table: ptr8, was: int, now: int, flip: int, full: int, pairs: int
) -> int:
    """Turns mask `was` into mask `now` in the strip at word i, and returns its columns' penalty (7.8.3).

    `base` words before the strip is the map of its open modules. `was` and `now` are rows of the table, `flip` is
    columns to invert, `full` the columns of the symbol. `pairs` is 0 in the turned matrix. In the other it is the
    columns with a right neighbour, shifted right by one; then blocks of 2 x 2 are counted too, and 65536 for each dark
    module, and the second strip borrows the last column of the first as its bit 30, so that no block between the two is
    missed.
    """
    end = i + n
    k = 0
    while i < end:
        w[i] = (((int(table[was + k]) ^ int(table[now + k])) * 0x1041041 ^ flip) & int(w[i - base])) ^ int(w[i])
        k = (k + 1) % 12
        i += 1
    i -= n
    pairs += pairs
    same = 0
    score = 0
    e1 = 0
    a1 = 0
    a2 = 0
    v1 = 0
    p1 = 0
    p2 = 0
    p3 = 0
    p4 = 0
    p5 = 0
    p6 = 0
    h1 = 0
    while i < end:
        r = ((int(w[i - n - 4]) << 30) & pairs) | int(w[i])
        e = (r ^ p1 ^ same) & same
        same = full | pairs
        if pairs:
            x = e << 1
            x = ((r << 1) ^ r ^ pairs) & pairs & e & x
            while x:
                x = (x - 1) & x
                score += 3
            x = r & full
            while x:
                x = (x - 1) & x
                score += 65536
        a = e & e1
        v = a & a2 & full
        x = (v ^ v1) & v
        while x:
            x = (x - 1) & x
            score += 2
        x = v
        while x:
            x = (x - 1) & x
            score += 1
        m = r & p2 & p3 & p4 & p6 & full
        m = ((p1 | p5) ^ m) & m
        if m:
            above = below = 0
            k = 4
            while k:
                above |= int(w[i - 6 - k])
                below |= int(w[i + k])
                k -= 1
            m = ((above & below) ^ m) & m
            x = m
            while x:
                x = (x - 1) & x
                score += 40
        v1 = v
        e1 = e
        a2 = a1
        a1 = a
        p6 = p5
        p5 = p4
        p4 = p3
        p3 = p2
        p2 = p1 ^ h1  # a pattern counted takes its last module away, so that none that overlaps is counted
        p1 = r
        h1 = m
        i += 1
    return score


def _value(data, k):
    """Alphanumeric value of an octet, 45 or more where it has none."""
    c = _octet(data, k)
    return _VALUES[c - 32] if 31 < c < 96 else 255


def _segment(data, version, words, at):
    """The bit behind one segment that starts at bit `at`; `words`, unless None, take its codewords, one each (7.4)."""
    if isinstance(data, str):
        for k in range(len(data)):
            if _PLAIN or _octet(data, k) > 127:
                data = data.encode()
                break
    elif not isinstance(data, bytes) and not isinstance(data, bytearray):
        raise QRError
    length = len(data)
    group = 3 if length else 1
    k = 0
    while k < length and group > 1:
        value = _value(data, k)
        if value > 9:
            group = 2 - (value > 44)
        k += 1
    unit = 9 - 2 * group
    count = 7 + group
    if version > 9:
        count += 8 if group == 1 else 2
    if words is not None:
        bits = 4 + count
        value = 8 >> group << count | length
        byte = at >> 3
        held = at & 7
        keep = (words[byte] & 255) >> (8 - held)
        k = 0
        while True:
            keep = (keep & 255) << bits | value
            held += bits
            while held > 7:
                held -= 8
                words[byte] = keep >> held & 255
                byte += 1
            if k == length:
                break
            value = 0
            bits = 1
            while bits < 8 and k < length:
                value = value * (115 - 35 * group) + _value(data, k) if group > 1 else _octet(data, k)
                bits += unit
                k += 1
        words[byte] = keep << (8 - held) & 255
    return at + 4 + count + length * unit + (length + group - 1) // group


def _bits(data, version, words=None):
    """Bits of the whole message; drawn into `words` unless that is None."""
    if not isinstance(data, tuple):
        return _segment(data, version, words, 0)
    if not data:
        raise QRError
    at = 0
    for part in data:
        at = _segment(part, version, words, at)
    return at


def _room(version, level):
    """Data codewords of a symbol."""
    k = level * 10 + version - 1
    return 2 * _CODEWORDS[version - 1] - _ECC[k] * _BLOCKS[k]


def _check(value, low, high):
    if not isinstance(value, int) or value < low or value > high:
        raise QRError


def _place(value, n):
    """A place or length of _FUNCTION and _INFORMATION in a symbol of n x n."""
    if value > 63:
        value += n - 256 if value > 127 else n // 2 - 96
    return value


class QR:
    """An encoder with its workspace, which is allocated here and nowhere else: 1920 bytes for versions up to 10.

    After `encode`: `size` (modules a side, 21..57), `version` (1..10), `level` (0..3 = L M Q H), `mask` (0..7), and
    `rows`: a bytearray, the same every time, MONO_HLSB, 1 = dark, `stride` (8) bytes a row, no quiet zone, 0 behind the
    last column and row. Before the first `encode` all of them are 0.
    """

    stride = 8

    def __init__(self, max_version=10):
        """`max_version` (1..10) caps the symbols and so the workspace. Raises QRError."""
        _check(max_version, 1, 10)
        n = 17 + 4 * max_version
        self.rows = bytearray(8 * n)
        # Open modules, matrix, turned matrix, two strips each; before they are drawn, the message, a codeword a word.
        self._words = array("I", bytes(24 * n + 96))
        self.size = self.version = self.level = self.mask = 0

    def _least(self, data, level):
        """The smallest version that holds the data, 0 if none does."""
        bits = _bits(data, 1)
        for version in range(1, len(self.rows) // 32 - 4 + 1):
            if version > 9:
                bits = _bits(data, version)
            if bits <= _room(version, level) * 8:
                return version
        return 0

    def fit(self, data, side_px):
        """The (version, level) to show `data` on a square of `side_px` pixels, quiet zone of 4 modules a side included.

        The highest level whose smallest symbol still has the whole pixels per module of level L's smallest symbol.
        Raises QRError when the data fits no version, or its symbol not even with one pixel a module.
        """
        smallest = self._least(data, 0)
        _check(side_px, smallest * 4 + 25, _WORD)
        level = 4
        while level:
            level -= 1
            version = self._least(data, level)
            if version and side_px // (version * 4 + 25) == side_px // (smallest * 4 + 25):
                return version, level
        raise QRError("too long")

    def encode(self, data, version=0, level=0, mask=-1):
        """Draws `data`: bytes, bytearray or str (as UTF-8), or a tuple of them, each a segment in the tightest mode.

        `version` 1..10, 0 for the smallest that fits; `level` 0..3; `mask` 0..7, -1 for the one of least penalty.
        Raises QRError, and leaves the last symbol as it was, for anything else or for data that does not fit.
        """
        _check(version, 0, len(self.rows) // 32 - 4)
        _check(level, 0, 3)
        _check(mask, -1, 7)
        version = version or self._least(data, level)
        if not version or _bits(data, version) > _room(version, level) * 8:
            raise QRError("too long")
        self.version = version
        self.level = level
        self.size = 17 + 4 * version
        self._code(data)
        self._modules()
        self._finish(mask)

    def _code(self, data):
        """All codewords, interleaved (7.6), into `rows`, which are free until the end."""
        words = self._words
        code = self.rows
        at = _bits(data, self.version, words)
        level = self.level * 10 + self.version - 1
        ecc = _ECC[level]
        blocks = _BLOCKS[level]
        count = _room(self.version, self.level)
        words[(at + 7) >> 3] = 0
        pad = 0xEC
        for k in range((at + 11) >> 3, count):
            words[k] = pad
            pad ^= 0xFD
        # Zeros one step further: what the last codeword is shifted in from, and the remainder bits.
        for k in range(count, len(code)):
            code[k] = 0
        short = count // blocks
        shorts = blocks - count % blocks
        at = 0
        for block in range(blocks):
            i = count + block
            to = block
            for k in range(short + (block >= shorts)):
                if k == short:
                    to -= shorts
                f = words[at]
                code[to] = f
                to += blocks
                at += 1
                f ^= code[i]
                if f:
                    _feed(_GF, i, 512 + ecc * (ecc - 1) // 2, code, ecc, blocks, _GF[256 + f])
                else:
                    for f in range(ecc):
                        code[i + f * blocks] = code[i + f * blocks + blocks]

    def _full(self, strip):
        shut = max(30 + 30 * strip - self.size, 0)
        return _WORD >> shut << shut

    def _modules(self):
        """Function patterns, format and version information light as yet, and between them the codewords (7.7.3)."""
        words = self._words
        n = self.size
        gap = n + 4
        for k in range(6 * gap):
            words[k] = 0
        left = self._full(0)
        right = self._full(1)
        for k in range(n):
            words[k] = left
            words[k + gap] = right
        self._draw(_FUNCTION, 35 if self.version == 1 else 42 if self.version < 7 else 91, _PATTERNS)
        at = 0
        x = n - 1
        step = -1
        while x > 0:
            at = _plot(0, 0, words, gap, x, n - 1 if step < 0 else 0, 2, n, self.rows, at, step, 2 * gap, 4 * gap, 0)
            step = -step
            x -= 2 + (x == 8)

    def _draw(self, what, end, source):
        n = self.size
        gap = n + 4
        for k in range(0, end, 7):
            turned = what[k + 6] * gap
            _plot(
                0,
                0,
                self._words,
                gap,
                _place(what[k], n),
                _place(what[k + 1], n),
                _place(what[k + 2], n),
                _place(what[k + 3], n),
                source,
                what[k + 4],
                what[k + 5] - 1,
                2 * gap + turned,
                4 * gap - turned,
                -1,
            )

    def _finish(self, mask):
        n = self.size
        was = _NONE
        if mask < 0:
            lowest = _WORD
            for k in range(8):
                score = self._apply(was, k, 0) + self._apply(was, k, 1)
                was = k
                score = (score & 65535) + abs((score >> 16) * 20 - n * n * 10) // (n * n) * 10
                if score < lowest:
                    lowest = score
                    mask = k
        self.mask = mask
        self._apply(was, mask, 0)
        # Format and version information (7.9, 7.10).
        rows = self.rows
        bits = (self.level ^ 1) << 3 | mask
        rest = bits << 10
        k = 5
        while k:
            k -= 1
            rest ^= (rest >> (k + 10) & 1) * 0x537 << k
        bits = (bits << 10 | rest) ^ 0x5412
        rows[0] = bits >> 7
        rows[1] = bits << 1 & 255 | 1
        end = 49
        if self.version > 6:
            end = 63
            for k in range(3):
                rows[2 + k] = _VERSIONS[self.version * 3 - 21 + k]
        self._draw(_INFORMATION, end, rows)
        words = self._words
        for k in range(n):
            left = words[2 * n + 8 + k]
            right = words[3 * n + 12 + k]
            middle = (left & 16383) << 2 | right >> 28
            struct.pack_into(">HHHH", rows, 8 * k, left >> 14, middle, right >> 12 & 65535, (right & 4095) << 4)

    def _apply(self, was, now, turned):
        """Turns mask `was` into mask `now` in one of the matrices; returns what _score says of its two strips."""
        gap = self.size + 4
        base = (2 + 2 * turned) * gap
        flip = 0
        if turned:
            flip = 0x33333333 * (now >> 1 == 2)
            was = _TURNED[was]
            now = _TURNED[now]
        score = 0
        for strip in range(2):
            full = self._full(strip)
            score += _score(
                0,
                base + strip * gap,
                self._words,
                gap - 4,
                base,
                _MASKS,
                was * 12,
                now * 12,
                flip,
                full,
                0 if turned else full if strip else full & 0x1FFFFFFF,
            )
            if flip:
                flip ^= _WORD
        return score
