"""Reasons in words, for the cashier and the patron. Loaded when there is something to say, and dropped."""

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
    "TOO_MANY_UNSETTLED": "Too many sales are still being checked.",
    "TIMED_OUT": "No answer came in time.",
    "LATE": "Paid at the last moment.",
    "HTTP_401": "The API key is not accepted.",
    "HTTP_403": "The API key may not do this.",
    "HTTP_404": "The API address is wrong.",
    "ADVICE_SETUP": "Ask whoever set up this display.",
    "CLOCK": "The clock is not set: no time server answers.",
    "ADVICE_CLOCK": "Check the internet connection. It tries again by itself.",
    "SECURITY": "This display cannot check whom it talks to.",
    "ADVICE_SECURITY": "Do not take payments with it. Call support.",
    "CERTIFICATE": "The server's certificate is not trusted.",
    "ADVICE_CERTIFICATE": "Do not use this network. Call support if it stays.",
    "CENTRAPAY": "Centrapay cannot be reached.",
    "ADVICE_CENTRAPAY": "Check the internet connection. It tries again by itself.",
    # What the ESP32 says ended a Wi-Fi attempt: IEEE 802.11 reason codes, from 200 on its own
    "WIFI_2": "The network does not answer.",
    "WIFI_4": "The network does not answer.",
    "WIFI_5": "The network has no room for one more.",
    "WIFI_15": "The network refused us. Is the password right?",
    "WIFI_200": "The signal is lost.",
    "WIFI_201": "No network of that name in reach.",
    "WIFI_202": "The network refused us. Is the password right?",
    "WIFI_203": "The network refused us.",
    "WIFI_204": "The network does not answer.",
    "WIFI_205": "The network does not answer.",
    "WIFI_210": "The network wants other security. Is the password right?",
    "WIFI_211": "The network wants other security. Is the password right?",
    "WIFI_212": "The signal is too weak.",
    "WIFI_BUSY": "The radio is busy.",
}


def reason_words(reason):
    """A sentence for a reason code; one that is not known is shown as it is, in lower case."""
    if not reason:
        return ""
    words = _WORDS.get(reason)
    if words:
        return words
    if reason.startswith("WIFI_"):
        return "Joining the network failed (reason " + reason[5:] + ")."
    if reason.startswith("ADVICE_"):
        return ""
    text = reason.replace("_", " ").lower()
    return text[0].upper() + text[1:] + "."
