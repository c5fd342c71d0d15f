"""Amounts as tills write them, to and from whole minor units. No float ever touches money."""

from micropython import const

_MAX_MINOR = const(99999999)  # Centrapay: value.amount is positive and below 100000000
# ISO 4217 minor units. A code that is in none of these is refused: its decimals would be a guess.
_TWO_DECIMALS = (
    "NZD AUD USD CAD EUR GBP FJD SGD HKD CHF DKK NOK SEK CZK PLN HUF RON ZAR INR THB PHP MYR IDR CNY TWD MXN BRL ILS "
    "AED TRY WST TOP PGK SBD"
)
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"


class AmountError(ValueError):
    """The text is not exactly one amount in this currency; the message says what to do."""


def decimals(currency):
    """Digits after the point for an ISO 4217 code, 0 to 3."""
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def is_currency(text):
    """Whether text is an ISO 4217 code whose decimals are known here."""
    if len(text) != 3 or not text.isalpha():
        return False
    return text in _TWO_DECIMALS or text in _NO_DECIMALS or text in _THREE_DECIMALS


def parse(text, currency):
    """Whole minor units, 1 to 99999999, from text such as "12.34" (NZD) or "1200" (JPY).

    The text must have exactly the currency's decimals, digits only, and no sign, space or grouping:
    "1234" for NZD is refused, because 12.34 and 1234.00 are both plausible. Raises AmountError.
    """
    places = decimals(currency)
    whole = text
    if places:
        point = len(text) - places - 1
        if point < 1 or text[point] != ".":
            raise AmountError(_form(currency))
        whole = text[:point] + text[point + 1 :]
    minor = 0
    for digit in whole:
        if not "0" <= digit <= "9":
            raise AmountError(_form(currency))
        minor = minor * 10 + ord(digit) - 48
        if minor > _MAX_MINOR:
            raise AmountError("more than " + plain(_MAX_MINOR, currency))
    if len(whole) > places + 1 and whole[0] == "0":
        raise AmountError("no zeros in front")  # "012.34" is a field overrun, not an amount
    if not minor:
        raise AmountError("nothing to pay")
    return minor


def _form(currency):
    return "write it like " + plain(1234, currency) + ", with exactly the decimals of " + currency


def plain(minor, currency):
    """The amount as the line protocol writes it: "12.34"."""
    places = decimals(currency)
    if not places:
        return str(minor)
    digits = str(minor)
    while len(digits) <= places:
        digits = "0" + digits
    return digits[:-places] + "." + digits[-places:]


def shown(minor, currency):
    """The amount as people read it: "$1,234.50", "€9.00", "1,200 VND"."""
    text = plain(minor, currency)
    point = text.find(".")
    whole = text if point < 0 else text[:point]
    rest = "" if point < 0 else text[point:]
    cut = len(whole) - 3
    while cut > 0:
        whole = whole[:cut] + "," + whole[cut:]
        cut -= 3
    if currency in "NZD AUD USD CAD":
        return "$" + whole + rest
    if currency == "EUR":
        return "€" + whole + rest
    if currency == "GBP":
        return "£" + whole + rest
    if currency == "JPY":
        return "¥" + whole + rest
    return whole + rest + " " + currency
