"""Payment requests as a state machine: no I/O, and every verb is told what time it is.

Times are whole milliseconds since 1970, amounts whole minor units. A request moves `new -> paid | cancelled | expired`
and never leaves a final status; money that goes back is an activity, as Centrapay documents it. Where the documentation
is silent, `Rules` has a switch for each way it could be.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .checks import ApiError, CreateBody, Money, PayBody, RefundBody, create_body, refused
from .codes import new_id, new_short_code, read_short_code

NEW = "new"
PAID = "paid"
CANCELLED = "cancelled"
EXPIRED = "expired"

PAY_URL = "https://app.centrapay.com/pay/"


@dataclass(frozen=True)
class Asset:
    """Something a patron can pay with. `rate`: what one minor unit costs in the asset's own units."""

    type: str
    description: str
    currencies: tuple[str, ...]
    rate: float = 1.0
    refunds: bool = True
    partial_refunds: bool = True


DEFAULT_ASSETS = (
    Asset("centrapay.token.test", "Coffee Card", ("NZD",), rate=0.69, partial_refunds=False),
    Asset("bitcoin.test", "Bitcoin", ("NZD", "AUD"), rate=9.37, refunds=False),
    Asset("centrapay.nzd.test", "Centrapay NZD", ("NZD",)),
    Asset("payap-debit.test", "Payap Debit", ("NZD",)),
    Asset("stadius.test", "Stadius", ("AUD", "USD", "CAD", "EUR"), rate=1.01),
    Asset("paypal.test", "PayPal", ("USD",)),
)


@dataclass(frozen=True)
class Rules:
    """How the service behaves: documented figures first, then what the documentation leaves open."""

    expiry_seconds: int = 120
    max_expiry_seconds: int = 86_400
    void_window_seconds: int = 86_400
    refund_window_seconds: int = 30 * 86_400
    # How long after `expiresAt` a request still reads `new`: 0 flips at once.
    expiry_lag_seconds: float = 0.0
    # Whether a patron can still pay during that lag.
    pay_during_lag: bool = False
    # What the void of a cancelled request answers: "refuse" (403 REQUEST_CANCELLED) or "repeat" (the activity again).
    second_void: str = "refuse"
    # The status of a paid request after its void: "paid" or "cancelled".
    void_paid_status: str = PAID
    # How long a new request stays invisible to the look-up by external reference.
    lookup_lag_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.second_void not in ("refuse", "repeat"):
            raise ValueError("second_void is 'refuse' or 'repeat'")
        if self.void_paid_status not in (PAID, CANCELLED):
            raise ValueError("void_paid_status is 'paid' or 'cancelled'")


@dataclass(frozen=True)
class Merchant:
    id: str
    name: str
    account_id: str
    config_id: str
    liveness: str = "test"
    tax_number: str | None = "123-456-789"


@dataclass
class Pending:
    """A payment the provider has not confirmed yet; the merchant sees `new` meanwhile."""

    settle_at: int
    asset: Asset
    amount: int
    key: str
    asset_id: str


@dataclass
class PaymentRequest:
    """One payment request. `paid`, `voided` and `refunded` are the money that really moved (or was let go)."""

    id: str
    short_code: str
    value: Money
    merchant: Merchant
    created_by: str
    created_by_account: str
    created_at: int
    expires_at: int
    updated_at: int
    options: list[dict[str, Any]]
    echo: dict[str, Any]
    status: str = NEW
    cancellation_reason: str | None = None
    paid: int = 0
    voided: int = 0
    refunded: int = 0
    asset: Asset | None = None
    settled_at: int | None = None
    payer_account: str = ""
    pending: Pending | None = None
    conditions: list[dict[str, str]] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)  # oldest first
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)  # by external reference
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)  # by idempotency key

    @property
    def amount(self) -> int:
        return self.value.amount

    @property
    def currency(self) -> str:
        return self.value.currency

    @property
    def external_ref(self) -> str | None:
        return self.echo.get("externalRef")

    @property
    def url(self) -> str:
        return PAY_URL + self.id

    @property
    def refundable(self) -> int:
        return self.paid - self.refunded


def iso(ms: int) -> str:
    """`2026-06-25T01:02:03.004Z`"""
    moment = datetime.fromtimestamp(ms // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def document(request: PaymentRequest) -> dict[str, Any]:
    """The payment request as create and get answer it."""
    merchant = request.merchant
    answer: dict[str, Any] = {
        "id": request.id,
        "shortCode": request.short_code,
        "url": request.url,
        "paymentOptions": request.options,
        "value": request.value.document(),
        "merchantId": merchant.id,
        "merchantName": merchant.name,
        "configId": merchant.config_id,
        "status": request.status,
        "liveness": merchant.liveness,
        "createdAt": iso(request.created_at),
        "updatedAt": iso(request.updated_at),
        "expiresAt": iso(request.expires_at),
        "merchantConditions": request.conditions,
        "remainingAmount": str(request.amount - request.paid),
        "createdByAccountId": request.created_by_account,
    }
    answer.update(request.echo)
    if merchant.tax_number:
        answer["taxNumber"] = {"value": merchant.tax_number, "type": "nz-gst"}
    if request.cancellation_reason:
        answer["cancellationReason"] = request.cancellation_reason
    if request.paid:
        answer["paidBy"] = _paid_by(request)
    return answer


def _paid_by(request: PaymentRequest) -> dict[str, Any]:
    assert request.asset is not None and request.settled_at is not None
    return {
        "assetTotals": [
            {
                "type": request.asset.type,
                "description": request.asset.description,
                "settlementDate": iso(request.settled_at),
                "total": Money(request.paid, request.currency).document(),
                "payerAccountId": request.payer_account,
            }
        ]
    }


def listed(request: PaymentRequest) -> dict[str, Any]:
    """The reduced object of the look-up by external reference: no short code, no reference, no times of change."""
    whole = document(request)
    names = ("id", "url", "merchantName", "value", "createdAt", "expiresAt", "paymentOptions", "status", "liveness")
    return {name: whole[name] for name in names}


def summary(request: PaymentRequest) -> dict[str, Any]:
    whole = document(request)
    names = "id url merchantId merchantName value createdAt expiresAt paymentOptions "
    names += "partialAllowed basketAmount remainingAmount status lineItems liveness"
    return {name: whole[name] for name in names.split() if name in whole}


class Book:
    """Every payment request of one merchant config."""

    def __init__(
        self,
        merchant: Merchant,
        rules: Rules | None = None,
        assets: Iterable[Asset] = DEFAULT_ASSETS,
        rng: random.Random | None = None,
    ) -> None:
        self.merchant = merchant
        self.rules = rules or Rules()
        self.assets = tuple(assets)
        self._rng = rng or random.Random()
        self._requests: dict[str, PaymentRequest] = {}
        self._short_codes: dict[str, PaymentRequest] = {}
        self._by_ref: dict[str, list[PaymentRequest]] = {}
        self._most_payable: dict[str, int] = {}

    # ---- merchant ----

    def create(self, body: dict[str, Any], now: int, by: str = "crn::test", account: str = "") -> PaymentRequest:
        wanted = create_body(body, self.rules.expiry_seconds, self.rules.max_expiry_seconds)
        if wanted.config_id != self.merchant.config_id:
            raise refused("Forbidden")
        if "barcode" in wanted.echo:
            raise refused("PATRON_CODE_INVALID")
        options = self._options(wanted)
        if not options:
            raise refused("NO_AVAILABLE_PAYMENT_OPTIONS", f"No payment option takes {wanted.value.currency}")
        request = PaymentRequest(
            id=new_id(self._rng),
            short_code=self._fresh_short_code(),
            value=wanted.value,
            merchant=self.merchant,
            created_by=by,
            created_by_account=account or self.merchant.account_id,
            created_at=now,
            expires_at=now + wanted.expiry_seconds * 1000,
            updated_at=now,
            options=options,
            echo=wanted.echo,
        )
        self._requests[request.id] = request
        self._short_codes[request.short_code] = request
        if request.external_ref is not None:
            self._by_ref.setdefault(request.external_ref, []).append(request)
        self._note(request, "request", request.amount, now, by)
        self._count_payable(request, now)
        return request

    def get(self, request_id: str, now: int) -> PaymentRequest:
        """The request as it is now. An unknown id is a 403, as documented."""
        request = self._requests.get(request_id)
        if request is None:
            raise refused("Forbidden")
        self._settle(request, now)
        return request

    def all(self, now: int) -> list[PaymentRequest]:
        """All requests, oldest first."""
        for request in self._requests.values():
            self._settle(request, now)
        return list(self._requests.values())

    def find(self, external_ref: str, now: int) -> list[PaymentRequest]:
        """Requests with that external reference, newest first."""
        seen_until = now - round(self.rules.lookup_lag_seconds * 1000)
        found = [r for r in self._by_ref.get(external_ref, []) if r.created_at <= seen_until]
        for request in found:
            self._settle(request, now)
        return found[::-1]

    def by_short_code(self, text: str, now: int) -> PaymentRequest:
        code = read_short_code(text)
        if code is None:
            raise ApiError(400, "CHECKSUM_FAILED")
        request = self._short_codes.get(code)
        if request is None:
            raise refused("Forbidden")
        return self.get(request.id, now)

    def void(self, request_id: str, now: int, by: str = "crn::test") -> dict[str, Any]:
        """Cancels an unpaid request, refunds a paid one; answers the activity."""
        request = self.get(request_id, now)
        if request.paid:
            return self._void_paid(request, now, by)
        if request.status == EXPIRED:
            raise refused("REQUEST_EXPIRED", "The payment request has expired")
        if request.status == CANCELLED:
            return self._void_again(request)
        return self._cancel(request, "CANCELLED_BY_MERCHANT", now, by)

    def _void_paid(self, request: PaymentRequest, now: int, by: str) -> dict[str, Any]:
        if now - request.created_at > self.rules.void_window_seconds * 1000:
            raise refused("VOID_WINDOW_EXCEEDED", "More than 24 hours have passed since createdAt")
        if not request.refundable:
            raise refused("ALREADY_REFUNDED")
        assert request.asset is not None
        if not request.asset.refunds:
            raise refused("REFUND_NOT_SUPPORTED")
        activity = self._refund(request, request.refundable, now, by)
        if self.rules.void_paid_status == CANCELLED:
            request.status = CANCELLED
            request.cancellation_reason = "CANCELLED_BY_MERCHANT"
        return activity

    def _void_again(self, request: PaymentRequest) -> dict[str, Any]:
        if self.rules.second_void == "refuse":
            raise refused("REQUEST_CANCELLED", "The payment request has already been cancelled")
        return next(activity for activity in reversed(request.activities) if activity["type"] == "cancellation")

    def refund(self, request_id: str, wanted: RefundBody, now: int, by: str = "crn::test") -> dict[str, Any]:
        """Refunds part or all; the external reference makes it idempotent."""
        request = self.get(request_id, now)
        earlier = request.refunds.get(wanted.external_ref)
        if earlier is not None:
            if earlier["value"] != wanted.value.document():
                raise refused("REPEAT_REFERENCE", "That externalRef was used for a refund of another amount")
            return earlier
        if not request.paid:
            raise refused("NOT_PAID")
        assert request.asset is not None
        if not request.asset.refunds:
            raise refused("REFUND_NOT_SUPPORTED")
        if now - request.created_at > self.rules.refund_window_seconds * 1000:
            raise refused("REFUND_WINDOW_EXCEEDED")
        if not request.refundable:
            raise refused("ALREADY_REFUNDED")
        if wanted.value.currency != request.currency or wanted.value.amount > request.refundable:
            raise refused("INVALID_AMOUNT", f"At most {request.refundable} {request.currency} can be refunded")
        if wanted.value.amount < request.paid and not request.asset.partial_refunds:
            raise refused("PARTIAL_REFUNDS_NOT_ALLOWED")
        extra = {"externalRef": wanted.external_ref, **wanted.echo}
        activity = self._refund(request, wanted.value.amount, now, by, **extra)
        request.refunds[wanted.external_ref] = activity
        return activity

    def settle_condition(self, request_id: str, condition_id: str, accept: bool, now: int, by: str) -> dict[str, Any]:
        """Accepts or declines a merchant condition; a declined one cancels the request."""
        request = self.get(request_id, now)
        condition = next((one for one in request.conditions if one["id"] == condition_id), None)
        if condition is None:
            raise refused("Forbidden")
        if condition["status"] != "awaiting-merchant":
            raise refused("CONDITION_ALREADY_SET")
        condition["status"] = "accepted" if accept else "declined"
        kind = "accept-condition" if accept else "decline-condition"
        activity = self._note(request, kind, request.amount, now, by, conditionId=condition_id)
        if not accept:
            self._cancel(request, "DECLINED_BY_MERCHANT", now, by)
        return activity

    # ---- patron and the world outside ----

    def pay(self, request_id: str, wanted: PayBody, now: int, by: str = "crn::user:patron") -> dict[str, Any]:
        """A patron pays. A key that succeeded before gets the same answer again."""
        request = self.get(request_id, now)
        earlier = request.payments.get(wanted.idempotency_key)
        if earlier is not None:
            return earlier
        self._must_be_payable(request, now)
        asset, amount = self._priced(request, wanted)
        self._pay(request, Pending(now, asset, amount, wanted.idempotency_key, wanted.asset_id), by)
        return request.payments[wanted.idempotency_key]

    def pay_later(self, request_id: str, wanted: PayBody, now: int, settle_at: int) -> None:
        """A patron pays with a provider that confirms at `settle_at`, if the request is still payable then."""
        request = self.get(request_id, now)
        self._must_be_payable(request, now)
        if request.pending:
            raise refused("PAYMENT_DECLINED", "Another payment is in progress")
        asset, amount = self._priced(request, wanted)
        request.pending = Pending(settle_at, asset, amount, wanted.idempotency_key, wanted.asset_id)

    def force_paid(self, request_id: str, wanted: PayBody, now: int) -> dict[str, Any]:
        """Money that arrives although the request was over: what must never happen, for those who prepare for it."""
        request = self.get(request_id, now)
        if request.paid:
            raise refused("REQUEST_PAID")
        asset, amount = self._priced(request, wanted)
        request.cancellation_reason = None
        request.voided = 0
        self._pay(request, Pending(now, asset, amount, wanted.idempotency_key, wanted.asset_id), "crn::user:patron")
        return request.payments[wanted.idempotency_key]

    def cancel(self, request_id: str, reason: str, now: int, by: str = "crn::user:patron") -> dict[str, Any]:
        """Cancelled by somebody else than the merchant; `reason` is any of Centrapay's cancellation reasons."""
        request = self.get(request_id, now)
        self._must_be_open(request)
        return self._cancel(request, reason, now, by)

    def expire(self, request_id: str, now: int) -> PaymentRequest:
        """Expires a request now, whatever time it had left."""
        request = self.get(request_id, now)
        self._must_be_open(request)
        request.expires_at = min(now, request.expires_at)
        self._expire(request, now)
        return request

    def raise_condition(self, request_id: str, name: str, message: str, now: int) -> PaymentRequest:
        """A condition arises. Without `conditionsEnabled` that cancels the request."""
        request = self.get(request_id, now)
        self._must_be_open(request)
        if not request.echo.get("conditionsEnabled"):
            self._cancel(request, "PAYMENT_FAILED", now, "crn::system")
            return request
        number = str(len(request.conditions) + 1)
        request.conditions.append({"id": number, "name": name, "message": message, "status": "awaiting-merchant"})
        request.updated_at = now
        return request

    # ---- reading out ----

    def activities(self, now: int) -> list[dict[str, Any]]:
        """Every activity of the merchant, newest first."""
        everything = [(a["createdAt"], n, a) for r in self.all(now) for n, a in enumerate(r.activities)]
        order = {r.id: place for place, r in enumerate(self._requests.values())}
        everything.sort(key=lambda one: (one[0], order[one[2]["paymentRequestId"]], one[1]), reverse=True)
        return [activity for _, _, activity in everything]

    def ledger(self, now: int) -> dict[str, Any]:
        """Where every cent is: per request, per external reference and in total, in minor units."""
        rows = [_ledger_row(request) for request in self.all(now)]
        totals: dict[str, dict[str, int]] = {}
        by_ref: dict[str, dict[str, Any]] = {}
        for row in rows:
            _add(totals.setdefault(row["currency"], _zero()), row)
            if row["externalRef"] is None:
                continue
            entry = by_ref.setdefault(row["externalRef"], {"requests": [], "currency": row["currency"], **_zero()})
            entry["requests"].append(row["id"])
            _add(entry, row)
        for ref, entry in by_ref.items():
            entry["mostPayableAtOnce"] = self._most_payable.get(ref, 0)
        return {"requests": rows, "byExternalRef": by_ref, "totals": totals}

    # ---- inside ----

    def _options(self, wanted: CreateBody) -> list[dict[str, Any]]:
        if wanted.echo.get("preAuth"):
            return []
        options: list[dict[str, Any]] = []
        for asset in self.assets:
            if wanted.value.currency not in asset.currencies:
                continue
            option: dict[str, Any] = {"assetType": asset.type, "amount": str(_price(asset, wanted.value.amount))}
            if asset.type.startswith("bitcoin"):
                option["bitcoinAddress"] = "tb1q" + new_id(self._rng).lower()
            if asset.type.startswith("centrapay.token"):
                items = wanted.echo.get("lineItems", [])[:1]
                option["acceptedCollections"] = [{"id": new_id(self._rng), "lineItems": items}]
            options.append(option)
        return options

    def _fresh_short_code(self) -> str:
        while True:
            code = new_short_code(self._rng)
            if code not in self._short_codes:
                return code

    def _count_payable(self, request: PaymentRequest, now: int) -> None:
        if request.external_ref is None:
            return
        same = self._by_ref[request.external_ref]
        for other in same:
            self._settle(other, now)
        count = sum(1 for other in same if other.status == NEW)
        self._most_payable[request.external_ref] = max(count, self._most_payable.get(request.external_ref, 0))

    def _settle(self, request: PaymentRequest, now: int) -> None:
        """Lets everything happen that was due by `now`, in its order."""
        if request.status != NEW:
            return
        deadline = request.expires_at + round(self.rules.expiry_lag_seconds * 1000)
        last_payment = deadline if self.rules.pay_during_lag else request.expires_at
        if request.pending and request.pending.settle_at <= now and request.pending.settle_at < last_payment:
            self._pay(request, request.pending, "crn::user:patron")
        elif now >= deadline:
            self._expire(request, deadline)

    def _must_be_open(self, request: PaymentRequest) -> None:
        if request.status == EXPIRED:
            raise refused("REQUEST_EXPIRED")
        if request.status == CANCELLED:
            raise refused("REQUEST_CANCELLED")
        if request.status == PAID:
            raise refused("REQUEST_PAID")

    def _must_be_payable(self, request: PaymentRequest, now: int) -> None:
        self._must_be_open(request)
        if now >= request.expires_at and not self.rules.pay_during_lag:
            raise refused("REQUEST_EXPIRED")
        if any(condition["status"].startswith("awaiting") for condition in request.conditions):
            raise refused("PAYMENT_DECLINED", "A merchant condition is open")

    def _priced(self, request: PaymentRequest, wanted: PayBody) -> tuple[Asset, int]:
        asset = next((one for one in self.assets if one.type == wanted.asset_type), None)
        if asset is None or request.currency not in asset.currencies:
            raise refused("INVALID_ASSET_TYPE")
        amount = request.amount if wanted.amount is None else wanted.amount
        if amount > request.amount:
            raise refused("REMAINING_AMOUNT_EXCEEDED")
        if amount < request.amount and not request.echo.get("partialAllowed"):
            raise refused("INSUFFICIENT_ASSET_VALUE")
        return asset, amount

    def _pay(self, request: PaymentRequest, payment: Pending, by: str) -> None:
        when = payment.settle_at
        request.status = PAID
        request.paid = payment.amount
        request.asset = payment.asset
        request.settled_at = when
        request.pending = None
        request.payer_account = new_id(self._rng)
        extra = {"assetType": payment.asset.type, "idempotencyKey": payment.key}
        activity = self._note(request, "payment", payment.amount, when, by, **extra)
        request.payments[payment.key] = activity
        self._note(request, "paid", payment.amount, when, by, paidBy=_paid_by(request))

    def _refund(self, request: PaymentRequest, amount: int, now: int, by: str, **extra: Any) -> dict[str, Any]:
        assert request.asset is not None
        request.refunded += amount
        return self._note(request, "refund", amount, now, by, assetType=request.asset.type, **extra)

    def _cancel(self, request: PaymentRequest, reason: str, now: int, by: str) -> dict[str, Any]:
        request.status = CANCELLED
        request.cancellation_reason = reason
        request.voided = request.amount
        self._close(request)
        return self._note(request, "cancellation", request.amount, now, by, cancellationReason=reason)

    def _expire(self, request: PaymentRequest, now: int) -> None:
        request.status = EXPIRED
        self._close(request)
        self._note(request, "expiry", request.amount, now, "crn::system")

    def _close(self, request: PaymentRequest) -> None:
        request.pending = None
        for condition in request.conditions:
            if condition["status"].startswith("awaiting"):
                condition["status"] = "void"

    def _note(self, request: PaymentRequest, kind: str, amount: int, now: int, by: str, **extra: Any) -> dict[str, Any]:
        request.updated_at = max(request.updated_at, now)
        number = len(request.activities) + 1
        activity: dict[str, Any] = {
            "id": new_id(self._rng),
            "type": kind,
            "value": Money(amount, request.currency).document(),
            "paymentRequestId": request.id,
            "shortCode": f"{request.short_code}-{number:03d}",
            "merchantId": request.merchant.id,
            "merchantConfigId": request.merchant.config_id,
            "merchantAccountId": request.merchant.account_id,
            "merchantName": request.merchant.name,
            "createdAt": iso(now),
            "createdBy": by,
            "paymentRequestCreatedBy": request.created_by,
            "activityNumber": str(number),
            **extra,
        }
        request.activities.append(activity)
        return activity


def _price(asset: Asset, amount: int) -> int:
    return max(1, round(amount * asset.rate))


def _zero() -> dict[str, int]:
    return {"created": 0, "paid": 0, "voided": 0, "refunded": 0, "net": 0}


def _add(total: dict[str, Any], row: dict[str, Any]) -> None:
    for name in _zero():
        total[name] += row[name]


def _ledger_row(request: PaymentRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "shortCode": request.short_code,
        "externalRef": request.external_ref,
        "currency": request.currency,
        "status": request.status,
        "created": request.amount,
        "paid": request.paid,
        "voided": request.voided,
        "refunded": request.refunded,
        "net": request.paid - request.refunded,
    }
