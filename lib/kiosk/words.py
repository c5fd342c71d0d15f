"""Reasons in words, for the cashier and the patron."""

_WORDS = {
    "CANCELLED_BY_MERCHANT": "Cancelled at the till.",
    "CANCELLED_BY_PATRON": "Cancelled on the phone.",
    "DECLINED_BY_PATRON": "Declined on the phone.",
    "DECLINED_BY_MERCHANT": "Declined by the merchant.",
    "PAYMENT_DECLINED": "The payment was declined.",
    "PAYMENT_FAILED": "The payment did not go through.",
    "PAYMENT_REQUEST_EXPIRED": "The time to pay ran out.",
    "NO_AVAILABLE_PAYMENT_OPTIONS": "No way to pay fits this sale.",
    "INACTIVE_ASSET": "That way to pay is not active.",
    "PAID_THEN_REFUNDED": "It was paid and has been refunded.",
    "RESTARTED": "The display restarted. Nothing was paid.",
    "NO_CONNECTION": "No connection to Centrapay.",
    "RATE_LIMITED": "Centrapay is busy. Please try again.",
    "NEVER_SHOWN": "The code was never shown.",
    "NOT_CREATED": "No request was made.",
    "NO_QR_CODE": "The code could not be shown.",
    "FLASH_FAULT": "The display cannot store the sale.",
    "TIMED_OUT": "No answer came in time.",
    "LATE": "Paid at the last moment.",
    "HTTP_401": "The API key is not accepted.",
    "HTTP_403": "The API key may not do this.",
    "HTTP_404": "The API address is wrong.",
}


def reason_words(reason):
    """A sentence for a reason code; one that is not known is shown as it is, in lower case."""
    if not reason:
        return ""
    words = _WORDS.get(reason)
    if words:
        return words
    text = reason.replace("_", " ").lower()
    return text[0].upper() + text[1:] + "."
