"""Picks named fields out of a JSON document (RFC 8259) as its bytes arrive, and never holds the document.

    picker = Picker(("id", "value.amount", "items[0].id"))
    picker.feed(buf, 0, n)      # as often as bytes come, cut anywhere
    picker.finish()             # JSONError unless it was exactly one well-formed document
    picker["value.amount"]

All state lives in one bytearray that is allocated once, so a body of 500 bytes and one of 64 KB cost the same.
The names are compiled into a trie of bytes; keys are matched after unescaping, byte by byte.
"""

import micropython
from micropython import const

from ondemand import drop_modules, load_module

# Work area. One byte each unless noted.
_STATE = const(0)
_DEPTH = const(1)
_NODE = const(2)  # node of the value that comes next, or of the key just read; 0: nobody asked for it
_NEXT = const(3)  # while in a key: head of the trie nodes that may match the next byte
_IN_KEY = const(4)
_SLOT = const(5)  # which pick the string, number or literal being read belongs to; 0: none
_LEN = const(6)  # 2 bytes: bytes kept so far
_OVER = const(8)  # 1: longer than the limit
_NEED = const(9)  # UTF-8 continuation bytes still due, and the bounds of the next one
_LOW = const(10)
_HIGH = const(11)
_HEX = const(12)  # hex digits still due
_CODE = const(13)  # 2 bytes: code unit being read
_PAIR = const(15)  # 2 bytes: first half of a surrogate pair, 0: none
_WORD = const(17)  # place in _WORDS
_DIGITS = const(18)  # length of the number so far
_EVENT = const(19)  # what was just picked
_FAULT = const(20)
_MAX_DEPTH = const(21)
_LIMIT = const(22)  # 2 bytes
_TRIE = const(24)  # 2 bytes: where the trie starts, 4 bytes a node: byte, sibling, child, value node
_VALUES = const(26)  # 2 bytes: where the value nodes start, 4 bytes each: slot, keys, elements, seen
_COUNT = const(28)  # value nodes
_KEPT = const(29)  # 2 bytes: where the bytes of the value being read are kept
_STACK = const(32)  # 3 bytes a level: 1 for an array, value node, index of the element

_PLAIN = hasattr(str, "casefold")  # CPython

# States
_VALUE = const(0)
_FIRST_VALUE = const(1)
_FIRST_KEY = const(2)
_KEY = const(3)
_COLON = const(4)
_AFTER = const(5)
_STRING = const(6)
_ESCAPE = const(7)
_UNIT = const(8)
_PAIR_SLASH = const(9)
_PAIR_U = const(10)
_UTF8 = const(11)
_LITERAL = const(12)
_MINUS = const(13)  # numbers from here on
_ZERO = const(14)
_INT = const(15)
_POINT = const(16)
_FRACTION = const(17)
_EXP = const(18)
_EXP_SIGN = const(19)
_EXP_DIGITS = const(20)

_IS_STRING = const(1)
_IS_INT = const(2)
_IS_FLOAT = const(3)
_IS_TRUE = const(4)
_IS_FALSE = const(5)
_IS_NULL = const(6)

_MALFORMED = const(1)
_TRUNCATED = const(2)
_TOO_DEEP = const(3)
_REPEATED = const(4)
_TOO_LONG = const(5)
_FAULTS = ("", "malformed", "truncated", "nested too deep", "a picked name is there twice", "number too long")

_MAX_DIGITS = const(32)
_MAX_LEVELS = const(64)

# What a byte means inside a string: 0 itself, 1 quote, 2 backslash, 3 never allowed, 4..6 leads 2..4 bytes of UTF-8.
_CLASS = (
    b"\x03" * 32
    + b"\0\0\x01"
    + b"\0" * 57
    + b"\x02"
    + b"\0" * 35
    + b"\x03" * 66
    + b"\x04" * 30
    + b"\x05" * 16
    + b"\x06" * 5
    + b"\x03" * 11
)
_WORDS = b"true\0false\0null\0"


class JSONError(ValueError):
    """The document was malformed, truncated or nested too deep."""


def _keep(w, c):
    # One unescaped byte of a key or of a picked string.
    if w[_IN_KEY]:
        trie = w[_TRIE] | w[_TRIE + 1] << 8
        x = w[_NEXT]
        while x and w[trie + 4 * x] != c:
            x = w[trie + 4 * x + 1]
        w[_NEXT] = w[trie + 4 * x + 2]
        w[_NODE] = w[trie + 4 * x + 3]
        return
    if not w[_SLOT]:
        return
    k = w[_LEN] | w[_LEN + 1] << 8
    if k >= (w[_LIMIT] | w[_LIMIT + 1] << 8):
        w[_OVER] = 1
        return
    w[(w[_KEPT] | w[_KEPT + 1] << 8) + k] = c
    k += 1
    w[_LEN] = k & 255
    w[_LEN + 1] = k >> 8


def _keep_point(w, code):
    if code < 0x80:
        _keep(w, code)
        return
    if code < 0x800:
        _keep(w, 0xC0 | code >> 6)
    else:
        if code < 0x10000:
            _keep(w, 0xE0 | code >> 12)
        else:
            _keep(w, 0xF0 | code >> 18)
            _keep(w, 0x80 | code >> 12 & 0x3F)
        _keep(w, 0x80 | code >> 6 & 0x3F)
    _keep(w, 0x80 | code & 0x3F)


def _unit(w):
    # A whole \uXXXX was read: returns the next state, or -1.
    code = w[_CODE] | w[_CODE + 1] << 8
    first = w[_PAIR] | w[_PAIR + 1] << 8
    w[_PAIR] = 0
    w[_PAIR + 1] = 0
    if first:
        if code < 0xDC00 or code > 0xDFFF:
            return -1
        _keep_point(w, 0x10000 + ((first & 0x3FF) << 10 | code & 0x3FF))
        return _STRING
    if code < 0xD800 or code > 0xDFFF:
        _keep_point(w, code)
        return _STRING
    if code >= 0xDC00:
        return -1
    w[_PAIR] = code & 255
    w[_PAIR + 1] = code >> 8
    return _PAIR_SLASH


def _in_escape(w, s, c):
    # One byte of an escape or of a UTF-8 sequence: returns the next state, or -1.
    if s == _UTF8:
        if c < w[_LOW] or c > w[_HIGH]:
            return -1
        _keep(w, c)
        w[_LOW] = 0x80
        w[_HIGH] = 0xBF
        w[_NEED] -= 1
        return _UTF8 if w[_NEED] else _STRING
    if s == _ESCAPE:
        if c == 0x75:
            w[_HEX] = 4
            return _UNIT
        if c == 0x22 or c == 0x5C or c == 0x2F:
            x = c
        elif c == 0x6E:
            x = 10
        elif c == 0x74:
            x = 9
        elif c == 0x72:
            x = 13
        elif c == 0x62:
            x = 8
        elif c == 0x66:
            x = 12
        else:
            return -1
        _keep(w, x)
        return _STRING
    if s == _PAIR_SLASH:
        return _PAIR_U if c == 0x5C else -1
    if s == _PAIR_U:
        w[_HEX] = 4
        return _UNIT if c == 0x75 else -1
    # _UNIT
    if c >= 0x30 and c <= 0x39:
        c -= 0x30
    else:
        c |= 0x20
        if c < 0x61 or c > 0x66:
            return -1
        c -= 0x57
    x = (w[_CODE] | w[_CODE + 1] << 8) << 4 | c
    w[_CODE] = x & 255
    w[_CODE + 1] = x >> 8 & 255
    w[_HEX] -= 1
    if w[_HEX]:
        return _UNIT
    return _unit(w)


def _in_number(s, c):
    # One byte after the first of a number: the next state, _AFTER when the number was whole before it, or -1.
    if c >= 0x30 and c <= 0x39:
        if s in (_INT, _FRACTION, _EXP_DIGITS):
            return s
        if s == _MINUS:
            return _ZERO if c == 0x30 else _INT
        if s == _ZERO:
            return -1
        return _FRACTION if s == _POINT else _EXP_DIGITS
    if s in (_INT, _ZERO):
        if c == 0x2E:
            return _POINT
        if c == 0x65 or c == 0x45:
            return _EXP
        return _AFTER
    if s == _FRACTION:
        return _EXP if c == 0x65 or c == 0x45 else _AFTER
    if s == _EXP_DIGITS:
        return _AFTER
    if s == _EXP and (c == 0x2B or c == 0x2D):
        return _EXP_SIGN
    return -1


@micropython.viper
def _begin(w: ptr8, d: int) -> int:
    # A value starts at depth d: notes whether it is asked for; returns its node, or -1 when it was there before.
    v = int(w[_NODE])
    values = w[_VALUES] | w[_VALUES + 1] << 8
    if d:
        level = _STACK + 3 * d
        if w[level]:
            v = 0
            if w[level + 1]:
                trie = w[_TRIE] | w[_TRIE + 1] << 8
                x = int(w[values + 4 * int(w[level + 1]) + 2])
                while x and w[trie + 4 * x] != w[level + 2]:
                    x = int(w[trie + 4 * x + 1])
                v = int(w[trie + 4 * x + 3])
    w[_SLOT] = 0
    if v:
        if w[values + 4 * v + 3]:
            return -1
        w[values + 4 * v + 3] = 1
        w[_SLOT] = w[values + 4 * v]
        w[_LEN] = 0
        w[_LEN + 1] = 0
        w[_OVER] = 0
    return v


@micropython.viper
def _scan(b: ptr8, i: int, n: int, work) -> int:
    # Reads b[i:n]. Returns where it stopped: n, sooner after a picked value (_EVENT says what), or -1 at a fault.
    w = ptr8(work)
    classes = ptr8(_CLASS)
    words = ptr8(_WORDS)
    trie = w[_TRIE] | w[_TRIE + 1] << 8
    values = w[_VALUES] | w[_VALUES + 1] << 8
    s = int(w[_STATE])
    d = int(w[_DEPTH])
    c = 0
    x = 0
    k = 0
    w[_EVENT] = 0
    while i < n:
        if s == _STRING:
            if w[_IN_KEY]:
                x = int(w[_NEXT])
                k = int(w[_NODE])
                while i < n and x:
                    c = int(b[i])
                    if classes[c]:
                        break
                    i += 1
                    while x and int(w[trie + 4 * x]) != c:
                        x = int(w[trie + 4 * x + 1])
                    k = int(w[trie + 4 * x + 3])
                    x = int(w[trie + 4 * x + 2])
                if i < n and not classes[b[i]]:
                    x = 0
                    k = 0
                w[_NEXT] = x
                w[_NODE] = k
            elif w[_SLOT]:
                k = w[_LEN] | w[_LEN + 1] << 8
                x = (w[_KEPT] | w[_KEPT + 1] << 8) + (w[_LIMIT] | w[_LIMIT + 1] << 8)
                k += w[_KEPT] | w[_KEPT + 1] << 8
                while i < n and k < x:
                    c = int(b[i])
                    if classes[c]:
                        break
                    w[k] = c
                    k += 1
                    i += 1
                if i < n and not classes[b[i]]:
                    w[_OVER] = 1
                k -= w[_KEPT] | w[_KEPT + 1] << 8
                w[_LEN] = k & 255
                w[_LEN + 1] = k >> 8
            while i < n:
                if classes[b[i]]:
                    break
                i += 1
            if i >= n:
                break
            x = int(classes[b[i]])
            i += 1
            if x == 1:
                if w[_IN_KEY]:
                    w[_IN_KEY] = 0
                    s = _COLON
                    continue
                s = _AFTER
                if w[_SLOT]:
                    w[_EVENT] = _IS_STRING
                    break
                continue
            if x == 2:
                s = _ESCAPE
                continue
            if x == 3:
                return -_MALFORMED
            c = int(b[i - 1])
            w[_NEED] = x - 3
            w[_LOW] = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
            w[_HIGH] = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
            _keep(work, c)
            s = _UTF8
            continue

        c = int(b[i])
        if s < _STRING:
            i += 1
            if c == 0x20 or c == 0x0A or c == 0x0D or c == 0x09:
                continue
            if s == _AFTER:
                if not d:
                    return -_MALFORMED
                x = _STACK + 3 * d
                if c == 0x2C:
                    if not w[x]:
                        s = _KEY
                        continue
                    if w[x + 2] != 255:
                        w[x + 2] += 1
                    s = _VALUE
                    continue
                if c != (0x5D if w[x] else 0x7D):
                    return -_MALFORMED
                d -= 1
                continue
            if s == _COLON:
                if c != 0x3A:
                    return -_MALFORMED
                s = _VALUE
                continue
            if s == _KEY or s == _FIRST_KEY:  # noqa: SIM109 (viper)
                if c == 0x22:
                    x = int(w[_STACK + 3 * d + 1])
                    w[_IN_KEY] = 1
                    w[_NODE] = 0
                    w[_NEXT] = w[values + 4 * x + 1]
                    s = _STRING
                    continue
                if c != 0x7D or s == _KEY:
                    return -_MALFORMED
                d -= 1
                s = _AFTER
                continue
            # A value
            if c == 0x5D and s == _FIRST_VALUE:
                d -= 1
                s = _AFTER
                continue
            x = int(_begin(work, d))
            if x < 0:
                return -_REPEATED
            if c == 0x22:
                s = _STRING
                continue
            if c == 0x7B or c == 0x5B:
                if d >= int(w[_MAX_DEPTH]):
                    return -_TOO_DEEP
                d += 1
                k = _STACK + 3 * d
                w[k] = 0 if c == 0x7B else 1
                w[k + 1] = x
                w[k + 2] = 0
                s = _FIRST_KEY if c == 0x7B else _FIRST_VALUE
                continue
            if c == 0x2D or (c >= 0x30 and c <= 0x39):
                s = _MINUS if c == 0x2D else _ZERO if c == 0x30 else _INT
                w[_DIGITS] = 1
                _keep(work, c)
                continue
            if c == 0x74:
                w[_WORD] = 1
            elif c == 0x66:
                w[_WORD] = 6
            elif c == 0x6E:
                w[_WORD] = 12
            else:
                return -_MALFORMED
            s = _LITERAL
            continue

        if s >= _MINUS:
            k = s
            s = int(_in_number(s, c))
            if s < 0:
                return -_MALFORMED
            if s == _AFTER:
                if w[_SLOT]:
                    w[_EVENT] = _IS_INT if k <= _INT else _IS_FLOAT
                    break
                continue
            if w[_DIGITS] >= _MAX_DIGITS:
                return -_TOO_LONG
            w[_DIGITS] += 1
            _keep(work, c)
            i += 1
            continue

        i += 1
        if s == _LITERAL:
            x = int(w[_WORD])
            if int(words[x]) != c:
                return -_MALFORMED
            x += 1
            w[_WORD] = x
            if words[x]:
                continue
            s = _AFTER
            if w[_SLOT]:
                w[_EVENT] = _IS_TRUE if x < 5 else _IS_FALSE if x < 11 else _IS_NULL
                break
            continue

        s = int(_in_escape(work, s, c))
        if s < 0:
            return -_MALFORMED
    w[_STATE] = s
    w[_DEPTH] = d
    return i


@micropython.viper
def _clear(w: ptr8):
    i = 0
    while i < _FAULT + 1:
        w[i] = 0
        i += 1
    w[_NODE] = 1
    i = (w[_VALUES] | w[_VALUES + 1] << 8) + 7
    end = i + 4 * int(w[_COUNT])
    while i < end:
        w[i] = 0
        i += 4


@micropython.viper
def _same(text: ptr8, kept: ptr8, size: int) -> int:
    # 1 where both begin with the same `size` bytes of ASCII.
    i = 0
    while i < size:
        if text[i] != kept[i] or kept[i] > 127:
            return 0
        i += 1
    return 1


def _put16(w, place, value):
    w[place] = value & 255
    w[place + 1] = value >> 8


class Picker:
    """Picks `paths` out of one document after another.

    paths: names and indices 0..254, `"value.amount"`, `"items[0].id"`; at most 255 different bytes of names in all.
    limit: longest string kept, in bytes of UTF-8, up to 8192. depth: containers within each other, up to 64.
    Raises ValueError for a path it cannot take.
    """

    def __init__(self, paths, limit=320, depth=12):
        if not 32 <= limit <= 8192 or not 1 <= depth <= _MAX_LEVELS:
            raise ValueError("limit or depth")
        tables = load_module("jsonpaths").Tables()
        drop_modules("jsonpaths")
        self._slots = {}
        for path in paths:
            self._slots[path] = len(self._slots)
            tables.add(path, len(self._slots))
        self._found = [None] * len(self._slots)
        self._before = [None] * len(self._slots)
        trie = _STACK + 3 * (depth + 1)
        values = trie + len(tables.trie)
        kept = values + len(tables.values)
        self._w = w = bytearray(kept + limit)
        w[_MAX_DEPTH] = depth
        w[_COUNT] = len(tables.values) // 4 - 1
        _put16(w, _LIMIT, limit)
        _put16(w, _TRIE, trie)
        _put16(w, _VALUES, values)
        _put16(w, _KEPT, kept)
        w[trie:values] = tables.trie
        w[values:kept] = tables.values
        self._kept = memoryview(w)[kept:]
        _clear(w)

    def reset(self):
        """Forgets everything: the next byte fed is the first of a new document."""
        _clear(self._w)
        found = self._before
        self._before = self._found
        self._found = found
        for i in range(len(found)):
            found[i] = None

    def feed(self, buf, start, end):
        """Takes buf[start:end] (bytes, bytearray or memoryview). Never raises: the first fault is kept for finish()."""
        w = self._w
        if w[_FAULT]:
            return
        if end > len(buf):
            end = len(buf)
        while 0 <= start < end:
            start = _scan(buf, start, end, w)
            if start < 0:
                w[_FAULT] = -start
                return
            if w[_EVENT]:
                self._take(w[_EVENT])

    def finish(self):
        """Raises JSONError unless exactly one well-formed document was fed."""
        w = self._w
        if not w[_FAULT] and not w[_DEPTH] and w[_STATE] > _MINUS:
            self.feed(b" ", 0, 1)  # only the end of the document ends a number outside of every container
        if not w[_FAULT] and (w[_DEPTH] or w[_STATE] != _AFTER):
            w[_FAULT] = _TRUNCATED
        if w[_FAULT]:
            raise JSONError(_FAULTS[w[_FAULT]])

    def __getitem__(self, path):
        return self._found[self._slots[path]]

    def began(self, path):
        """Whether the document has anything at this path, be it an empty list, which gives no value."""
        w = self._w
        at = w[_VALUES] | w[_VALUES + 1] << 8
        for node in range(at, at + 4 * (w[_COUNT] + 1), 4):
            if w[node] == self._slots[path] + 1:
                return w[node + 3] == 1
        return False

    def _take(self, kind):
        w = self._w
        size = w[_LEN] | w[_LEN + 1] << 8
        value = None
        if kind == _IS_STRING:
            if not w[_OVER]:
                value = self._before[w[_SLOT] - 1]
                # Poll after poll says the same: what was said before is kept, not made again. As long in characters
                # as in bytes, and all ASCII: then it is whole. (Not on CPython, where viper cannot look into a str.)
                if _PLAIN or not isinstance(value, str) or len(value) != size or not _same(value, self._kept, size):
                    value = str(self._kept[:size], "utf-8")
        elif kind == _IS_INT:
            value = int(str(self._kept[:size], "utf-8"))
        elif kind == _IS_FLOAT:
            value = float(str(self._kept[:size], "utf-8"))
            if value - value != 0:  # beyond what a float holds here: an infinity would be a made-up number
                w[_FAULT] = _TOO_LONG
                return
        elif kind != _IS_NULL:
            value = kind == _IS_TRUE
        self._found[w[_SLOT] - 1] = value
