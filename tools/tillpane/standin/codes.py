"""Ids, short codes and check digits."""

from __future__ import annotations

import random

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Luhn mod N needs an even alphabet. Centrapay's own is not published; this one leaves out 0, 1, I and O.
_SHORT = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_ID_LENGTH = 22
_SHORT_LENGTHS = (6, 6, 6, 5)


def new_id(rng: random.Random) -> str:
    """22 characters of base58, like Centrapay's."""
    return "".join(rng.choice(_BASE58) for _ in range(_ID_LENGTH))


def _short_sum(text: str, factor: int) -> int:
    total = 0
    for character in reversed(text):
        addend = factor * _SHORT.index(character)
        total += addend // len(_SHORT) + addend % len(_SHORT)
        factor = 3 - factor
    return total


def new_short_code(rng: random.Random) -> str:
    """`CP-C7F-ZS5` or, like some of Centrapay's, one shorter; the last character is the check digit."""
    length = rng.choice(_SHORT_LENGTHS)
    text = "".join(rng.choice(_SHORT) for _ in range(length - 1))
    check = _SHORT[-_short_sum(text, 2) % len(_SHORT)]
    return _grouped(text + check)


def _grouped(text: str) -> str:
    return f"CP-{text[:3]}-{text[3:]}"


def read_short_code(text: str) -> str | None:
    """The canonical form of what somebody typed (any case, with or without dashes and activity suffix).

    None when the check digit is wrong or it is no short code at all.
    """
    groups = text.upper().split("-")
    if groups[0] == "CP":
        groups = groups[1:]
    if len(groups) == 3 and groups[2].isdigit():
        groups = groups[:2]
    plain = "".join(groups)
    if plain.startswith("CP") and len(plain) > max(_SHORT_LENGTHS):
        plain = plain[2:]
    if len(plain) not in _SHORT_LENGTHS or any(character not in _SHORT for character in plain):
        return None
    if _short_sum(plain, 1) % len(_SHORT):
        return None
    return _grouped(plain)


def luhn_ok(digits: str) -> bool:
    """The check digit of a patron code (ISO/IEC 7812-1, annex B)."""
    if not (digits.isascii() and digits.isdigit()):
        return False
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character) * (1 + place % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0
