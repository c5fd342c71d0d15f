"""From the text of a 2x20 customer display to the one amount that may be charged, or to why there is none.

A screen is charged only when all of it is understood: one phrase that means the total or what is left to pay, being all
the words of its line but for the currency; one amount with it, in the till's way of writing numbers, with exactly the
currency's decimals; no word anywhere that speaks of change or of money given.

What no reader of a screen can see is an amount that was damaged into another that is just as well formed:
- a digit that became another digit, was doubled or was lost; two digits that changed places
- a first digit that became a space or "$" (one bit from "4"), or ":" (one bit from "2") where it stood next to a word
- a space before the amount that became a digit other than 0; where no style is set, a mark between thousands too
A style that is set gives all lost and doubled digits of larger amounts away but those of the first group. From the rest
only parity on the wire, a second painting that differs, and the amount, large on the glass, protect.
"""

from micropython import const

from till.amount import decimals

# In this order: those up to VETO come between two sales, those from RUNNING on have an amount.
IDLE = const(0)  # blank, greeting, clock
ITEM = const(1)  # an amount that is none of the total
VETO = const(2)  # change, money given, refund, nothing to pay
UNCLEAR = const(3)
RUNNING = const(4)  # a total beside other numbers: it may be the total so far
CHARGE = const(5)

_MAX_MINOR = const(99999999)
_LAMP_PRICE = const(1)
_LAMP_TOTAL = const(2)
_RULE_OR_DIGIT = "-0123456789"  # beside a minus: it draws a line, or is that number's own
_FIRST = const(1)
_LAST = const(2)


def read(top, bottom, lamp, currency, words, style="auto"):
    """(kind, amount, text) of two rows of ASCII text.

    lamp: 0, or which lamp of a numeric display is lit (1 unit price, 2 total, 3 collected, 4 change). words: (due,
    total, veto), see till.words. style: how the till writes 1234.56, as "1,234.56", "1.234,56", "1 234,56", "1'234.56",
    thousands always marked; "auto": marked or not, what reads the same in each of them. amount: minor units, 1 to
    99999999, of CHARGE and RUNNING; else 0. text: of CHARGE the receipt number from the private tag `QR#<receipt no>`
    or ""; of UNCLEAR why, in a few words. Never raises.
    """
    due, total, veto = words
    first = _scan(top, currency, style)
    second = _scan(bottom, currency, style)
    if "QR#" in top or "QR#" in bottom:
        ref = top.strip()[3:]
        if not top.strip().startswith("QR#") or not _is_ref(ref) or lamp or second[0]:
            return UNCLEAR, 0, "tag not valid"
        return _judge(second, 0, ref)
    if lamp > _LAMP_TOTAL:
        return VETO, 0, ""
    if lamp == _LAMP_PRICE:
        return ITEM, 0, ""
    letters = first[0] or second[0]
    numbers = first[1] + second[1]
    if not (top + bottom).strip(" 0.,"):
        return IDLE, 0, ""  # blank, or the zero of a numeric display
    if lamp:
        if letters or numbers != 1:
            return UNCLEAR, 0, "not one amount"
        return _judge(first if first[1] else second, 0, "")
    labels = "|" + first[0] + "|" + second[0] + "|"
    if _holds(labels, veto):
        return VETO, 0, ""
    upper, lower = [2 if "|" + line[0] + "|" in due else "|" + line[0] + "|" in total for line in (first, second)]
    if not upper and not lower:
        if not letters and numbers == 1:
            return UNCLEAR, 0, "no word with it"
        if first[2] < 0 and second[2] < 0:
            return IDLE, 0, ""
        if _holds(labels, total) or _holds(labels, due):
            return UNCLEAR, 0, "words not known"
        return ITEM, 0, ""
    if first[4] & _LAST or second[4] & _FIRST:
        return UNCLEAR, 0, "cannot read"
    if upper and lower:
        whole, rest = (first, second) if upper == 1 else (second, first)
        if upper == lower or _judge(whole, 0, "")[0] == UNCLEAR or whole[2] < rest[2]:
            return UNCLEAR, 0, "two totals"
        return _judge(rest, 0, "")
    if not first[1] and not second[0]:
        return _judge(second, 0, "")  # the word above, its amount below
    return _judge(first, second[1], "") if upper else _judge(second, first[1], "")


def _judge(line, others, ref):
    """The reading of the line that holds the total, beside `others` numbers on the other line."""
    _, count, amount, odd, _ = line
    if count != 1:
        return UNCLEAR, 0, "two amounts" if count else "no amount"
    if odd:
        return UNCLEAR, 0, "cannot read"
    if not amount:
        return VETO, 0, ""
    return RUNNING if others else CHARGE, amount, ref


def _is_ref(text):
    if not 1 <= len(text) <= 24:
        return False
    return all("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "._-" for c in text)


def _holds(labels, words):
    """Whether a phrase of the list stands in labels, "|label|label|", as whole words; "=": as all the words of one."""
    at = 1
    while 0 < at < len(words):
        end = words.find("|", at)
        edges = "| "
        if words[at] == "=":
            edges = "|"
            at += 1
        phrase = words[at:end]
        found = labels.find(phrase)
        while found > 0:
            if labels[found - 1] in edges and labels[found + len(phrase)] in edges:
                return True
            found = labels.find(phrase, found + 1)
        at = end + 1
    return False


def _scan(text, currency, style):
    """(label, count, amount, odd, edge) of one row: its words in capitals without the currency's; how many numbers;
    the last one that is an amount, in minor units, or -1; whether anything on the row is not understood; whether its
    one minus that is no number's own is _FIRST or _LAST on it: the display may have wrapped it off the other row."""
    text = " " + text.upper() + "     "  # each character has neighbours
    groups, points = (",.'", ".,") if style == "auto" else (style[1], style[5])
    places = decimals(currency)
    label = ""
    count = begun = 0  # begun: where a word did
    amount = -1
    odd = False
    minuses = edge = 0
    before = None  # what stood before the minus
    at = 1
    while at < len(text) - 4:
        c = text[at]
        at += 1
        if "A" <= c <= "Z":
            begun = begun or at - 1
            continue
        word = text[begun : at - 1] if begun else ""
        begun = 0
        if word and word != currency and word != currency[:2]:  # NZD, NZ$
            label += " " + word if label else word
        after_word = "A" <= text[at - 2] <= "Z"
        if "0" <= c <= "9":
            end = at
            while text[end].isdigit() or text[end] in ",.'" or groups == " " and _is_group(text, end):
                end += 1
            number = text[at - 1 : end]
            at = end
            while places and text[at] == "?":  # a till's no-break space, or its currency sign
                at += 1
            count += 1
            value = _minor(number, places, groups, points)
            if value < 0 or "?" in number and at == end:
                odd = True  # a lone "?" is a character that was lost
            else:
                amount = value
        elif c == ":":
            odd = odd or not (after_word or text[at - 2] == " " == text[at] and "A" <= text[at - 3] <= "Z")
        elif c == "." or c == "'":
            odd = odd or not after_word
        elif c == "-":
            if not (after_word and "A" <= text[at] <= "Z"):
                odd = True
                if text[at - 2] not in _RULE_OR_DIGIT and text[at] not in _RULE_OR_DIGIT:
                    minuses += 1
                    before = label, count
                    edge = 0 if label or count or text[at:].lstrip()[:1].isdigit() else _FIRST
        elif c != " " and c != "$":
            odd = True
    if before == (label, count):
        edge |= _LAST
    return label, count, amount, odd, edge if minuses == 1 else 0


def _is_group(text, at):
    """Whether a space, or the "?" that tills make of a no-break space, with three digits stands at `at`."""
    return text[at] in " ?" and text[at + 1 : at + 4].isdigit()


def _minor(number, places, groups, points):
    """Minor units, or -1 where number is not exactly one amount, 0 to 99999999."""
    end = len(number) - places - 1 if places else len(number)
    if end < 1 or places and number[end] not in points:
        return -1
    whole = number[:end]
    mark = whole[-4:-3]
    if "0" <= mark <= "9":
        if len(groups) == 1:
            return -1  # a mark that is due and was damaged: "0" is one bit from a space, "7" from an apostrophe
        mark = ""
    if mark:
        parts = whole.split(mark)
        if mark not in groups + "?" or mark == number[end : end + 1]:
            return -1
        if any(len(part) != 3 for part in parts[1:]) or len(parts[0]) > 3:
            return -1
        whole = "".join(parts)
    elif places == 3 and len(groups) > 1 and end < 4:
        return -1  # 1.234 is a thousand and more where the till writes no decimals
    if len(whole) > 1 and whole[0] == "0":
        return -1  # a field overrun or a damaged space, not an amount
    minor = 0
    for c in whole + number[end + 1 :]:
        if not "0" <= c <= "9":
            return -1
        minor = minor * 10 + ord(c) - 48
    return minor if minor <= _MAX_MINOR else -1
