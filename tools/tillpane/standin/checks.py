"""What a request body may say: plain functions that give clean values or raise `ApiError` 400."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .codes import luhn_ok

AMOUNT_LIMIT = 100_000_000  # minor units; an amount is below it
_REF_LIMIT = 128  # invoiceRef; no other text has a documented length
_TEXTS = (
    "externalRef",
    "terminalId",
    "deviceId",
    "operatorId",
    "purchaseOrderRef",
    "barcodeType",
    "collectionId",
    "createdByAccountName",
    "redirectPaidUrl",
    "redirectCancelUrl",
    "connectionId",
    "paymentLinkId",
)
_FLAGS = ("conditionsEnabled", "patronNotPresent", "partialAllowed", "preAuth")
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
}
_REASONS.update({415: "Unsupported Media Type", 429: "Too Many Requests", 500: "Internal Server Error"})
_REASONS.update({502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"})


class ApiError(Exception):
    """An error answer: HTTP status, `message` (a code or free text) and an optional `reason` for people."""

    def __init__(self, status: int, message: str, reason: str | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.reason = reason
        self.headers: dict[str, str] = {}

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "statusCode": self.status,
            "error": _REASONS.get(self.status, "Error"),
            "message": self.message,
        }
        if self.reason:
            document["reason"] = self.reason
        return document


def refused(code: str, reason: str | None = None) -> ApiError:
    return ApiError(403, code, reason)


@dataclass(frozen=True)
class Money:
    amount: int  # minor units
    currency: str

    def document(self) -> dict[str, str]:
        return {"currency": self.currency, "amount": str(self.amount)}


@dataclass(frozen=True)
class CreateBody:
    config_id: str
    value: Money
    expiry_seconds: int
    echo: dict[str, Any] = field(default_factory=dict)  # known fields that come back as they were sent


@dataclass(frozen=True)
class RefundBody:
    value: Money
    external_ref: str
    echo: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PayBody:
    asset_type: str
    idempotency_key: str
    amount: int | None
    asset_id: str


def _bad(message: str) -> ApiError:
    return ApiError(400, message)


def _required(body: dict[str, Any], name: str) -> Any:
    if body.get(name) is None:
        raise _bad(f"{name} is required")
    return body[name]


def _text(body: dict[str, Any], name: str) -> str:
    value = _required(body, name)
    if not isinstance(value, str) or not value:
        raise _bad(f"{name} must be a string")
    return value


def _minor_units(value: Any, name: str) -> int:
    if not isinstance(value, str):
        raise _bad(f"{name} must be a string")
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise _bad(f"{name} must be an integer")
    amount = int(value)
    if amount <= 0:
        raise _bad(f"{name} must be positive")
    if amount >= AMOUNT_LIMIT:
        raise _bad(f"{name} must be less than {AMOUNT_LIMIT}")
    return amount


def money(body: dict[str, Any]) -> Money:
    """The `value` of a body: a string of minor units and an ISO 4217 code."""
    value = _required(body, "value")
    if not isinstance(value, dict):
        raise _bad("value must be an object")
    amount = _minor_units(_required(value, "amount"), "amount")
    currency = _text(value, "currency")
    if len(currency) != 3 or not (currency.isascii() and currency.isupper() and currency.isalpha()):
        raise _bad("currency must be an ISO 4217 code")
    return Money(amount, currency)


def _expiry(body: dict[str, Any], default: int, most: int) -> int:
    value = body.get("expirySeconds")
    if value is None:
        return default
    # Documented as a string until 2026 and as an integer since: both pass.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad("expirySeconds must be an integer")
    if not 0 < value <= most:
        raise _bad(f"expirySeconds must be between 1 and {most}")
    return value


def line_items(body: dict[str, Any], total: int) -> list[dict[str, Any]] | None:
    """The line items, if any, whose prices must add up to `total`."""
    items = body.get("lineItems")
    if items is None:
        return None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _bad("lineItems must be an array of objects")
    prices = 0
    for item in items:
        for name in ("name", "qty", "price"):
            _text(item, name)
        digits = item["price"][1:] if item["price"].startswith("-") else item["price"]
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 12:
            raise _bad("price must be an integer")
        prices += int(item["price"])
    if prices != total:
        raise ApiError(400, "LINE_ITEMS_SUM_CHECK_FAILED", f"Line items add up to {prices}, not {total}")
    return items


def _echo(body: dict[str, Any]) -> dict[str, Any]:
    echo: dict[str, Any] = {}
    for name in _TEXTS:
        if body.get(name) is not None:
            if not isinstance(body[name], str):
                raise _bad(f"{name} must be a string")
            echo[name] = body[name]
    for name in _FLAGS:
        if body.get(name) is not None:
            if not isinstance(body[name], bool):
                raise _bad(f"{name} must be a boolean")
            echo[name] = body[name]
    return echo


def _invoice(body: dict[str, Any], echo: dict[str, Any]) -> None:
    if body.get("invoiceRef") is None:
        return
    text = _text(body, "invoiceRef")
    if len(text) > _REF_LIMIT:
        raise _bad(f"invoiceRef must be at most {_REF_LIMIT} characters")
    echo["invoiceRef"] = text


def create_body(body: dict[str, Any], expiry_default: int, expiry_most: int) -> CreateBody:
    """Checks the body of a create call. Fields nobody knows are ignored."""
    config_id = _text(body, "configId")
    value = money(body)
    seconds = _expiry(body, expiry_default, expiry_most)
    echo = _echo(body)
    _invoice(body, echo)
    basket = value.amount
    if body.get("basketAmount") is not None:
        basket = _minor_units(body["basketAmount"], "basketAmount")
        echo["basketAmount"] = body["basketAmount"]
    elif echo.get("partialAllowed"):
        raise _bad("basketAmount is required")
    items = line_items(body, basket if echo.get("partialAllowed") else value.amount)
    if items is not None:
        echo["lineItems"] = items
    if body.get("barcode") is not None:
        barcode = _text(body, "barcode")
        if "barcodeType" not in body and not luhn_ok(barcode):
            raise ApiError(400, "CHECKSUM_FAILED")
        echo["barcode"] = barcode
    if body.get("expirySeconds") is not None:
        echo["expirySeconds"] = body["expirySeconds"]
    return CreateBody(config_id, value, seconds, echo)


def refund_body(body: dict[str, Any]) -> RefundBody:
    value = money(body)
    ref = _text(body, "externalRef")
    echo: dict[str, Any] = {}
    _invoice(body, echo)
    items = line_items(body, value.amount)
    if items is not None:
        echo["lineItems"] = items
    return RefundBody(value, ref, echo)


def pay_body(body: dict[str, Any]) -> PayBody:
    asset_type = _text(body, "assetType")
    key = _text(body, "idempotencyKey")
    proofs = [name for name in ("assetId", "transactionId", "authorization") if body.get(name) is not None]
    if not proofs:
        raise _bad("assetId is required")
    amount = None
    if body.get("amount") is not None:
        amount = _minor_units(body["amount"], "amount")
    return PayBody(asset_type, key, amount, _text(body, proofs[0]))
