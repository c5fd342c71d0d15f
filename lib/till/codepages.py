"""The upper half of a customer display's code pages, folded to ASCII: what is on the glass becomes comparable.

An accented letter folds to its base letter in the same case; euro, pound, yen and the other currency signs to "$"; a
no-break space to " "; the multiplication sign to "x"; curly quotes and dashes to theirs. No glyph folds to a digit, a
point or a comma, so no amount can come out of one. Everything else is "?".
Numbers are those of ESC t n: Epson DM-D110 specification; 14, 15 and from 21 up as Bixolon's BCD displays count.
"""

# One record a page: number, length of the record, number of the page it builds on (its own: all "?"), then runs of
# offset from 80h, length, glyphs.
_PAGES = (
    b"\x00\x36\x00\x00\x28CueaaaaceeeiiiAAEaAooouuyOU?$$$faiounNao\x2d\x01!\x61\x01s"  # 0: code page 437
    b"\x7f\x01 "
    b"\x02\x36\x00\x1b\x04o$Ox\x35\x03AAA\x3e\x01$\x46\x02aA\x4f\x0a$dDEEEiIII\x5e\x13"  # 2: code page 850
    b"I?OsOOoO?tTUUUyY?'-"
    b"\x03\x1d\x00\x06\x01A\x09\x04EeIO\x11\x02AE\x16\x03UuI\x1d\x03U$O\x29\x01O"  # 3: code page 860
    b"\x04\x27\x00\x04\x03Aa?\x0d\x09?A?EEEoEI\x18\x01$\x1d\x05UUf?'\x24\x05????I"  # 4: code page 863
    b"\x2d\x01?"
    b"\x05\x0b\x00\x1b\x03o$O\x2f\x01$"  # 5: code page 865
    b"\x10\x75\x10\x00\x01$\x03\x01f\x0a\x05S<O?Z\x11\x07''\"\"*--\x1a\x0cs>o?zY !?$$$"  # 16: code page 1252
    b"\x2a\x01a\x2d\x01-\x34\x01'\x3a\x01o\x40\x40"
    b"AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo?ouuuuyty"
    b"\x12\x57\x02\x05\x0euccleOoiZACELl\x15\x04LlSs\x1b\x05TtLxc\x24\x0aAaZzEe?zCs"  # 18: code page 852
    b"\x37\x02ES\x3d\x02Zz\x46\x02Aa\x52\x04DEdN\x58\x01e\x5d\x02TU\x63\x08NnnSsRUr\x6e\x01t\x7b\x03uRr"
    b"\x13\x06\x02\x55\x01$"  # 19: code page 858
    b"\x1f\x1d\x02\x18\x01I\x1e\x02Ss\x26\x02Gg\x50\x02oa\x55\x01?\x67\x02?x\x6c\x02iy"  # 31: code page 857
    b"\x0e\x55\x10\x03\x01?\x0c\x04STZZ\x1c\x0astzz ??L$A\x2a\x01S\x2f\x01Z\x33\x01l"  # 14: code page 1250
    b"\x39\x08as?L?lzR\x45\x04LCCC\x4c\x01E\x4f\x01D\x52\x01N\x58\x01R\x60\x01r\x65\x04lccc\x6c\x01e\x6f\x01d"
    b"\x72\x01n\x78\x01r\x7f\x01?"
    b"\x19\x17\x10\x0e\x01?\x1e\x01?\x50\x01G\x5d\x02IS\x70\x01g\x7d\x02is"  # 25: code page 1254
    b"\x1e\x09\x1e\x00\x01$\x20\x01 "  # 30: 1253, of which nothing is Latin but the euro and the no-break space
    b"\x21\x03\x1e\x28\x03\x1e\x29\x03\x1e\x1a\x03\x1e"  # 33, 40, 41, 26: 1255, 1256, 1258, 1257 likewise
    b"\x0f\x09\x0f\x08\x01$\x20\x01 "  # 15: 1251
    b"\x11\x06\x11\x7f\x01 "  # 17: 866
    b"\x15\x03\x11\x1c\x03\x11\x1d\x03\x11\x24\x03\x11"  # 21, 28, 29, 36: 862, 775, 737, 855
    b"\x01\x03\x01\x1b\x03\x01\xfe\x03\x01\xff\x03\x01"  # 1 katakana, 27: 864, 254 and 255: the user's own
)

# What ESC R n shows at 40h, 5Bh to 5Eh, 60h, 7Bh to 7Eh, ten glyphs a country. 23h and 24h stay "#" and "$".
_PLACES = b"@[\\]^`{|}~"
_COUNTRIES = (
    b"@[\\]^`{|}~"  # 0 USA
    b"a?c?^`eue?"  # 1 France
    b"?AOU^`aous"  # 2 Germany
    b"@[\\]^`{|}~"  # 3 United Kingdom
    b"@AOA^`aoa~"  # 4 Denmark I
    b"EAOAUeaoau"  # 5 Sweden
    b"@?\\e^uaoei"  # 6 Italy
    b"@!N?^`?n}~"  # 7 Spain I
    b"@[$]^`{|}~"  # 8 Japan
    b"EAOAUeaoau"  # 9 Norway
    b"EAOAUeaoau"  # 10 Denmark II
    b"a!N?e`inou"  # 11 Spain II
    b"a!N?euinou"  # 12 Latin America
    b"@[$]^`{|}~"  # 13 Korea
)


def load(number, glyphs):
    """Fills glyphs[128:256] with page `number`, as ESC t counts. False where it is unknown: then all are "?"."""
    at = 0
    while at < len(_PAGES) and _PAGES[at] != number:
        at += _PAGES[at + 1]
    known = at < len(_PAGES)
    if known and _PAGES[at + 2] != number:
        load(_PAGES[at + 2], glyphs)
    else:
        for place in range(128, 256):
            glyphs[place] = 0x3F
    if not known:
        return False
    end = at + _PAGES[at + 1]
    at += 3
    while at < end:
        place = 128 + _PAGES[at]
        for i in range(_PAGES[at + 1]):
            glyphs[place + i] = _PAGES[at + 2 + i]
        at += 2 + _PAGES[at + 1]
    return True


def nation(number, glyphs):
    """Sets the ten places that a country changes, as ESC R counts, 0 to 13. False where unknown: as in the USA."""
    known = number * 10 < len(_COUNTRIES)
    for i in range(10):
        glyphs[_PLACES[i]] = _COUNTRIES[(number * 10 if known else 0) + i]
    return known
