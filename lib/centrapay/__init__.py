"""Centrapay payment requests: create, get, find, void, refund (Centrapay API reference, "Payment Requests").

Every call is one exchange on the HTTPS connection that is passed in. What comes back is either an answer that was
checked against what was asked, or one typed error. Nothing is retried here: the sale knows what a retry may cost.
"""

from micropython import const

from https import HTTPSError
from jsonpick import JSONError, Picker
from ondemand import drop_modules, load_module

_CREATE_MS = const(15000)
GET_MS = const(5000)  # one hung poll must not eat the ten seconds after the expiry
_PATIENT_GET_MS = const(15000)
CHANGE_MS = const(15000)
_DEFAULT_RETRY_S = const(5)
_MAX_RETRY_S = const(120)
_MAX_ID = const(64)
_MAX_SHORT_CODE = const(20)

BASE = "/api/payment-requests"
_METHOD = "paidBy.assetTotals[0].description"


class CentrapayError(Exception):
    """A call that gave no checked answer."""


class Refused(CentrapayError):
    """The API said no for a reason of the payment's own: `code`, such as REQUEST_EXPIRED. Asking again is no help."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class SetupFault(CentrapayError):
    """401, 404, or 403 without a code: key, address or permission is wrong. Staff must act."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class RateLimited(CentrapayError):
    """429: nothing was done; ask again after `retry_after` seconds."""

    def __init__(self, retry_after):
        super().__init__(retry_after)
        self.retry_after = retry_after


class Unknown(CentrapayError):
    """The outcome is not known: reset, timeout, 5xx, redirect, unreadable or contradictory answer.

    `sent` is False only when no byte of the call can have reached the API.
    """

    def __init__(self, words, sent=True):
        super().__init__(words)
        self.words = words
        self.sent = sent


class PaymentRequest:
    """A checked answer. `status` is new, paid, cancelled or expired; text fields are "" where the answer had none."""

    def __init__(self, picked):
        self.id = picked["id"]
        self.status = picked["status"]
        self.code = _short_code(picked["shortCode"])
        self.url = _text(picked["url"])
        self.merchant = _text(picked["merchantName"])
        self.method = _text(picked[_METHOD])
        self.reason = _code(picked["cancellationReason"], "")
        self.test = picked["liveness"] == "test"


class Centrapay:
    """Calls for one merchant terminal.

    https    connection with request(method, path, headers, body, sink, timeout_ms) -> status, and `retry_after`
    account  merchantAccountId, "" where the look-up by reference is not available
    jwt      sent as Authorization on polls where given, as the QR flow guide of 2023 has it
    """

    def __init__(self, https, key, config, terminal, device, account="", jwt=""):
        self._https = https
        self._config = config
        self._terminal = terminal
        self._device = device
        self.account = account
        headers = "X-Api-Key: " + key + "\r\n"
        self.headers = headers.encode()
        self.post_headers = (headers + "Content-Type: application/json\r\n").encode()
        self.poll_headers = (headers + "Authorization: " + jwt + "\r\n").encode() if jwt else self.headers
        self.request = Picker(
            (
                "id",
                "status",
                "value.amount",
                "value.currency",
                "shortCode",
                "url",
                "externalRef",
                "merchantName",
                _METHOD,
                "cancellationReason",
                "liveness",
                "message",
            )
        )

    @property
    def can_find(self):
        return bool(self.account)

    async def create(self, external_ref, amount, currency, expiry_s):
        """Asks for a payment request. amount in minor units, expiry in whole seconds. -> PaymentRequest"""
        body = (
            '{"configId":%s,"value":{"amount":"%d","currency":%s},"expirySeconds":%d,"externalRef":%s,"terminalId":%s,'
            '"deviceId":%s,"patronNotPresent":false,"conditionsEnabled":false,"partialAllowed":false}'
            % (
                quote(self._config),
                amount,
                quote(currency),
                expiry_s,
                quote(external_ref),
                quote(self._terminal),
                quote(self._device),
            )
        )
        await self.call("POST", BASE, self.post_headers, body.encode(), self.request, _CREATE_MS)
        return self.checked(None, external_ref, amount, currency)

    async def get(self, identity, amount, currency, patient=False):
        """The request as it is now. -> PaymentRequest, checked to be of this id and amount. patient: waits longer."""
        timeout_ms = _PATIENT_GET_MS if patient else GET_MS
        await self.call("GET", BASE + "/" + identity, self.poll_headers, None, self.request, timeout_ms)
        return self.checked(identity, None, amount, currency)

    async def void(self, identity):
        """Cancels an unpaid request, or refunds a paid one. -> "cancellation" or "refund", whichever it was."""
        picked = Picker(("type", "paymentRequestId", "message"))
        await self.call("POST", BASE + "/" + identity + "/void", self.headers, b"", picked, CHANGE_MS)
        return activity(picked, identity, ("cancellation", "refund"))

    async def refund(self, identity, amount, currency, external_ref):
        """Refunds part or all of a paid request; the same external_ref is the same refund, however often it is sent."""
        return await self._seldom("refund", identity, amount, currency, external_ref)

    async def find(self, external_ref, amount, currency):
        """Requests with this external reference and amount. -> list of at most 4 Found. Needs the merchant account."""
        return await self._seldom("find", external_ref, amount, currency)

    async def activities(self, identity):
        """What happened to a request's money. -> (was paid, was refunded)"""
        return await self._seldom("activities", identity)

    async def _seldom(self, verb, *args):
        try:
            return await getattr(load_module("centrapay.seldom"), verb)(self, *args)
        finally:
            drop_modules("centrapay.seldom")

    async def call(self, method, path, headers, body, picker, timeout_ms):
        picker.reset()
        try:
            status = await self._https.request(method, path, headers, body, picker, timeout_ms)
        except HTTPSError as error:
            raise Unknown(type(error).__name__, error.sent)
        if status == 200:
            _finish(picker)
            return
        if status == 429:
            raise RateLimited(_retry_s(self._https.retry_after))
        if status in (400, 401, 403, 404):
            raise _refusal(status, picker)
        raise Unknown("HTTP " + str(status))

    def checked(self, identity, external_ref, amount, currency):
        picked = self.request
        if not is_id(picked["id"]) or (identity and picked["id"] != identity):
            raise Unknown("not ours")
        if picked["status"] not in ("new", "paid", "cancelled", "expired"):
            raise Unknown("malformed")
        if external_ref and picked["externalRef"] not in (external_ref, None):
            raise Unknown("not ours")
        check_value(picked, amount, currency)
        return PaymentRequest(picked)


def is_id(value):
    """Whether value can be a payment request id; it becomes part of a path, so nothing but URL-safe characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_ID:
        return False
    return all("a" <= c <= "z" or "A" <= c <= "Z" or "0" <= c <= "9" or c in "-_" for c in value)


def check_value(picked, amount, currency):
    if picked["value.amount"] != str(amount) or picked["value.currency"] != currency:
        raise Unknown("not ours")


def activity(picked, identity, types):
    if picked["type"] not in types or picked["paymentRequestId"] not in (identity, None):
        raise Unknown("not ours")
    return picked["type"]


def _finish(picker):
    try:
        picker.finish()
    except JSONError:
        raise Unknown("malformed")


def _refusal(status, picker):
    """What a 4xx means. Its body decides only between codes, never whether it was a refusal."""
    try:
        picker.finish()
        message = picker["message"]
    except JSONError:
        message = None
    if status == 400:
        return Refused(_code(message, "BAD_REQUEST"))
    if status == 403 and _code(message, "") and message != "Forbidden":
        return Refused(_code(message, ""))
    return SetupFault("HTTP_" + str(status))


def _retry_s(retry_after):
    if retry_after is None:
        return _DEFAULT_RETRY_S
    return min(max(retry_after, 1), _MAX_RETRY_S)


def _text(value):
    return value if isinstance(value, str) else ""


def _short_code(value):
    """A short code such as CP-C7F-ZS5: it goes on the till's wire and into the journal, so nothing else may pass."""
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_SHORT_CODE:
        return ""
    return value if all("A" <= c <= "Z" or "0" <= c <= "9" or c == "-" for c in value) else ""


def _code(value, default):
    """An error code as it may stand on the till's wire: A-Z 0-9 _, or default for anything else."""
    if not isinstance(value, str) or not 1 <= len(value) <= 40:
        return default
    return value if all("A" <= c <= "Z" or "0" <= c <= "9" or c == "_" for c in value) else default


def quote(text):
    """A JSON string literal of printable ASCII text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
