"""The stand-in's payment requests, without any server: every verb is given the time."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillpane.standin.checks import ApiError, Money, PayBody, RefundBody
from tillpane.standin.clock import Clock, RateLimit
from tillpane.standin.codes import luhn_ok, new_id, new_short_code, read_short_code
from tillpane.standin.model import Asset, Book, Merchant, Rules, document, listed

T0 = 1_800_000_000_000
MINUTE = 60_000
DAY = 86_400_000
MERCHANT = Merchant("m1", "Centrapay Café", "a1", "mc_1")


def book(**rules):
    return Book(MERCHANT, Rules(**rules), rng=random.Random(1))


def body(amount="1234", currency="NZD", **more):
    return {"configId": "mc_1", "value": {"amount": amount, "currency": currency}, **more}


def paying(key="k1", asset="centrapay.nzd.test", amount=None):
    return PayBody(asset, key, amount, "asset-1")


def refunding(amount, ref, currency="NZD"):
    return RefundBody(Money(amount, currency), ref)


def refusal(call, *arguments):
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.status, caught.value.message


def kinds(request):
    return [activity["type"] for activity in request.activities]


# ---- create ----


def test_a_new_request_has_every_field_that_is_always_present():
    whole = document(book().create(body(), T0))
    always = (
        "id shortCode url value paymentOptions merchantId merchantName configId status liveness createdAt updatedAt"
    )
    assert set((always + " expiresAt merchantConditions remainingAmount").split()) <= set(whole)
    assert whole["url"] == "https://app.centrapay.com/pay/" + whole["id"]
    assert len(whole["id"]) == 22
    assert whole["value"] == {"amount": "1234", "currency": "NZD"}
    assert whole["createdAt"] == "2027-01-15T08:00:00.000Z"
    assert whole["expiresAt"] == "2027-01-15T08:02:00.000Z"
    amounts = [option["amount"] for option in whole["paymentOptions"]]
    assert amounts[0] != "1234" and "1234" in amounts  # a parser that takes any "amount" is found out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"configId": None}, "configId is required"),
        ({"value": None}, "value is required"),
        ({"value": "12"}, "value must be an object"),
        ({"value": {"currency": "NZD"}}, "amount is required"),
        ({"value": {"amount": 1234, "currency": "NZD"}}, "amount must be a string"),
        ({"value": {"amount": "12.34", "currency": "NZD"}}, "amount must be an integer"),
        ({"value": {"amount": "-5", "currency": "NZD"}}, "amount must be an integer"),
        ({"value": {"amount": "١٢", "currency": "NZD"}}, "amount must be an integer"),
        ({"value": {"amount": "0", "currency": "NZD"}}, "amount must be positive"),
        ({"value": {"amount": "100000000", "currency": "NZD"}}, "amount must be less than 100000000"),
        ({"value": {"amount": "9" * 5000, "currency": "NZD"}}, "amount must be an integer"),
        ({"value": {"amount": "1"}}, "currency is required"),
        ({"value": {"amount": "1", "currency": "nzd"}}, "currency must be an ISO 4217 code"),
        ({"expirySeconds": 0}, "expirySeconds must be between 1 and 86400"),
        ({"expirySeconds": 86401}, "expirySeconds must be between 1 and 86400"),
        ({"expirySeconds": True}, "expirySeconds must be an integer"),
        ({"expirySeconds": 1.5}, "expirySeconds must be an integer"),
        ({"externalRef": 7}, "externalRef must be a string"),
        ({"patronNotPresent": "no"}, "patronNotPresent must be a boolean"),
        ({"partialAllowed": True}, "basketAmount is required"),
        ({"invoiceRef": "x" * 129}, "invoiceRef must be at most 128 characters"),
        ({"lineItems": [{"name": "Tea", "qty": "1", "price": "1233"}]}, "LINE_ITEMS_SUM_CHECK_FAILED"),
        ({"barcode": "9990001234567891"}, "CHECKSUM_FAILED"),
    ],
)
def test_malformed_creates_are_400(change, message):
    assert refusal(book().create, body(**change) if "value" not in change else {**body(), **change}, T0) == (
        400,
        message,
    )


def test_refused_creates_are_403():
    assert refusal(book().create, {**body(), "configId": "mc_2"}, T0) == (403, "Forbidden")
    assert refusal(book().create, body(currency="JPY"), T0) == (403, "NO_AVAILABLE_PAYMENT_OPTIONS")
    assert refusal(book().create, body(preAuth=True), T0) == (403, "NO_AVAILABLE_PAYMENT_OPTIONS")
    assert refusal(book().create, body(barcode="9990001234567890"), T0) == (403, "PATRON_CODE_INVALID")


def test_bounds_and_unknown_fields_pass():
    for amount in ("1", "99999999"):
        assert book().create(body(amount, whatever=[1], terminalId="T07"), T0).amount == int(amount)
    assert book().create(body(expirySeconds="85"), T0).expires_at == T0 + 85_000
    lines = [{"name": "Tea", "qty": "1", "price": "1334"}, {"name": "Off", "qty": "1", "price": "-100"}]
    assert document(book().create(body(lineItems=lines), T0))["lineItems"] == lines


# ---- expiry ----


def test_expiry_flips_at_the_server_clock():
    ledger = book()
    request = ledger.create(body(), T0)
    assert ledger.get(request.id, T0 + 119_999).status == "new"
    assert ledger.get(request.id, T0 + 120_000).status == "expired"
    assert refusal(ledger.void, request.id, T0 + 120_000) == (403, "REQUEST_EXPIRED")
    assert refusal(ledger.pay, request.id, paying(), T0 + 120_000) == (403, "REQUEST_EXPIRED")
    assert kinds(request) == ["request", "expiry"]


def test_lazy_expiry_reads_new_but_takes_no_money():
    ledger = book(expiry_lag_seconds=5)
    request = ledger.create(body(), T0)
    assert ledger.get(request.id, T0 + 124_999).status == "new"
    assert refusal(ledger.pay, request.id, paying(), T0 + 124_000) == (403, "REQUEST_EXPIRED")
    assert ledger.get(request.id, T0 + 125_000).status == "expired"
    late = book(expiry_lag_seconds=5, pay_during_lag=True)
    request = late.create(body(), T0)
    assert late.pay(request.id, paying(), T0 + 124_000)["type"] == "payment"


def test_a_pending_payment_is_invisible_and_loses_against_expiry_and_void():
    ledger = book()
    first, second, third = (ledger.create(body(), T0) for _ in range(3))
    for request in (first, second, third):
        ledger.pay_later(request.id, paying(), T0 + 110_000, T0 + 115_000 if request is first else T0 + 121_000)
    assert ledger.get(first.id, T0 + 114_000).status == "new"
    assert ledger.get(first.id, T0 + 119_000).status == "paid"
    assert ledger.void(third.id, T0 + 119_000)["type"] == "cancellation"
    assert ledger.get(second.id, T0 + 130_000).status == "expired"
    assert [request.paid for request in ledger.all(T0 + DAY)] == [1234, 0, 0]


# ---- pay ----


def test_paying_is_idempotent_by_key_and_final():
    ledger = book()
    request = ledger.create(body(), T0)
    first = ledger.pay(request.id, paying("a"), T0 + 1)
    assert ledger.pay(request.id, paying("a"), T0 + 2) is first
    assert refusal(ledger.pay, request.id, paying("b"), T0 + 3) == (403, "REQUEST_PAID")
    assert request.paid == 1234
    whole = document(request)
    assert whole["status"] == "paid" and whole["remainingAmount"] == "0"
    total = whole["paidBy"]["assetTotals"][0]
    assert total["description"] == "Centrapay NZD" and total["total"] == {"amount": "1234", "currency": "NZD"}


def test_payments_that_do_not_fit_are_refused():
    ledger = book()
    request = ledger.create(body(), T0)
    assert refusal(ledger.pay, request.id, paying(asset="paypal.test"), T0) == (403, "INVALID_ASSET_TYPE")
    assert refusal(ledger.pay, request.id, paying(amount=1235), T0) == (403, "REMAINING_AMOUNT_EXCEEDED")
    assert refusal(ledger.pay, request.id, paying(amount=1233), T0) == (403, "INSUFFICIENT_ASSET_VALUE")
    ledger.cancel(request.id, "CANCELLED_BY_PATRON", T0)
    assert refusal(ledger.pay, request.id, paying(), T0) == (403, "REQUEST_CANCELLED")
    part = ledger.create(body(partialAllowed=True, basketAmount="2000"), T0)
    ledger.pay(part.id, paying(amount=1000), T0)
    assert document(part)["status"] == "paid" and document(part)["remainingAmount"] == "234"


# ---- void ----


def test_void_cancels_what_is_unpaid_and_refunds_what_is_paid():
    ledger = book()
    unpaid, paid = ledger.create(body(), T0), ledger.create(body("500"), T0)
    ledger.pay(paid.id, paying(), T0)
    cancelled = ledger.void(unpaid.id, T0 + 1)
    assert (cancelled["type"], cancelled["cancellationReason"]) == ("cancellation", "CANCELLED_BY_MERCHANT")
    refunded = ledger.void(paid.id, T0 + 1)
    assert (refunded["type"], refunded["value"]["amount"]) == ("refund", "500")
    assert paid.status == "paid"
    assert refusal(ledger.void, paid.id, T0 + 2) == (403, "ALREADY_REFUNDED")
    assert refusal(ledger.void, unpaid.id, T0 + 2) == (403, "REQUEST_CANCELLED")
    assert document(unpaid)["cancellationReason"] == "CANCELLED_BY_MERCHANT"


def test_both_readings_of_what_is_not_documented():
    ledger = book(second_void="repeat", void_paid_status="cancelled")
    unpaid, paid = ledger.create(body(), T0), ledger.create(body(), T0)
    assert ledger.void(unpaid.id, T0) is ledger.void(unpaid.id, T0 + 1)
    ledger.pay(paid.id, paying(), T0)
    ledger.void(paid.id, T0)
    assert paid.status == "cancelled"
    assert refusal(ledger.void, paid.id, T0) == (403, "ALREADY_REFUNDED")
    assert (paid.paid, paid.refunded, paid.voided) == (1234, 1234, 0)


def test_the_void_window_is_24_hours_and_refund_takes_over():
    ledger = book()
    request = ledger.create(body(), T0)
    ledger.pay(request.id, paying(), T0)
    assert refusal(ledger.void, request.id, T0 + DAY + 1) == (403, "VOID_WINDOW_EXCEEDED")
    assert ledger.refund(request.id, refunding(1234, "r1"), T0 + DAY + 1)["type"] == "refund"
    other = ledger.create(body(), T0)
    ledger.pay(other.id, paying(), T0)
    assert ledger.void(other.id, T0 + DAY)["type"] == "refund"


def test_void_after_a_partial_refund_returns_the_rest():
    ledger = book()
    request = ledger.create(body(), T0)
    ledger.pay(request.id, paying(), T0)
    ledger.refund(request.id, refunding(1000, "r1"), T0)
    assert ledger.void(request.id, T0)["value"]["amount"] == "234"
    assert request.refunded == request.paid


# ---- refund ----


def test_refunds_are_idempotent_by_reference():
    ledger = book()
    request = ledger.create(body(), T0)
    assert refusal(ledger.refund, request.id, refunding(1, "r0"), T0) == (403, "NOT_PAID")
    ledger.pay(request.id, paying(), T0)
    first = ledger.refund(request.id, refunding(200, "r1"), T0)
    assert ledger.refund(request.id, refunding(200, "r1"), T0) is first
    assert request.refunded == 200
    assert refusal(ledger.refund, request.id, refunding(201, "r1"), T0) == (403, "REPEAT_REFERENCE")
    assert refusal(ledger.refund, request.id, refunding(200, "r1", "AUD"), T0) == (403, "REPEAT_REFERENCE")
    assert refusal(ledger.refund, request.id, refunding(1035, "r2"), T0) == (403, "INVALID_AMOUNT")
    assert refusal(ledger.refund, request.id, refunding(10, "r2", "AUD"), T0) == (403, "INVALID_AMOUNT")
    ledger.refund(request.id, refunding(1034, "r2"), T0)
    assert refusal(ledger.refund, request.id, refunding(1, "r3"), T0) == (403, "ALREADY_REFUNDED")
    assert ledger.refund(request.id, refunding(200, "r1"), T0 + 90 * DAY) is first


def test_refund_window_and_assets_that_refuse():
    ledger = book()
    old, coin, card = (ledger.create(body(), T0) for _ in range(3))
    ledger.pay(old.id, paying(), T0)
    ledger.pay(coin.id, paying(asset="bitcoin.test"), T0)
    ledger.pay(card.id, paying(asset="centrapay.token.test"), T0)
    assert refusal(ledger.refund, old.id, refunding(1, "r"), T0 + 31 * DAY) == (403, "REFUND_WINDOW_EXCEEDED")
    assert refusal(ledger.refund, coin.id, refunding(1234, "r"), T0) == (403, "REFUND_NOT_SUPPORTED")
    assert refusal(ledger.void, coin.id, T0) == (403, "REFUND_NOT_SUPPORTED")
    assert refusal(ledger.refund, card.id, refunding(1, "r"), T0) == (403, "PARTIAL_REFUNDS_NOT_ALLOWED")


# ---- conditions ----


def test_conditions_cancel_those_who_did_not_opt_in():
    ledger = book()
    plain, asking = ledger.create(body(), T0), ledger.create(body(conditionsEnabled=True), T0)
    assert ledger.raise_condition(plain.id, "photo-id-check", "Please check ID", T0).status == "cancelled"
    ledger.raise_condition(asking.id, "photo-id-check", "Please check ID", T0)
    assert document(asking)["merchantConditions"][0]["status"] == "awaiting-merchant"
    assert refusal(ledger.pay, asking.id, paying(), T0) == (403, "PAYMENT_DECLINED")
    assert ledger.settle_condition(asking.id, "1", True, T0, "me")["type"] == "accept-condition"
    assert refusal(ledger.settle_condition, asking.id, "1", True, T0, "me") == (403, "CONDITION_ALREADY_SET")
    assert ledger.pay(asking.id, paying(), T0)["type"] == "payment"
    third = ledger.create(body(conditionsEnabled=True), T0)
    ledger.raise_condition(third.id, "photo-id-check", "Please check ID", T0)
    ledger.settle_condition(third.id, "1", False, T0, "me")
    assert (third.status, third.cancellation_reason) == ("cancelled", "DECLINED_BY_MERCHANT")


# ---- look-ups ----


def test_look_up_by_reference_is_reduced_newest_first_and_may_lag():
    ledger = book(lookup_lag_seconds=2)
    first = ledger.create(body(externalRef="T1"), T0)
    second = ledger.create(body(externalRef="T1"), T0 + 1000)
    assert ledger.find("T1", T0 + 1999) == []
    assert [request.id for request in ledger.find("T1", T0 + 3000)] == [second.id, first.id]
    assert ledger.find("T", T0 + DAY) == []
    assert "externalRef" not in listed(first) and "shortCode" not in listed(first)


def test_short_codes_have_a_check_digit_that_catches_every_single_slip():
    rng = random.Random(4)
    alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    for _ in range(50):
        code = new_short_code(rng)
        assert read_short_code(code) == code
        assert read_short_code(code.lower()) == code
        assert read_short_code(code.replace("-", "")) == code
        assert read_short_code(code + "-015") == code
        for place in (3, 4, 5, 7, len(code) - 1):
            for character in alphabet:
                wrong = code[:place] + character + code[place + 1 :]
                assert wrong == code or read_short_code(wrong) is None
        assert read_short_code(code.replace("-", "")[2:]) == code
    for text in ("", "CP", "CP-", "----", "CP-O0I-1AA", "é" * 6, "CP-C7F-ZS5-" + "9" * 400):
        assert read_short_code(text) is None or text.startswith("CP-C7F")


def test_short_code_look_up():
    ledger = book()
    request = ledger.create(body(), T0)
    assert ledger.by_short_code(request.short_code, T0) is request
    assert refusal(ledger.by_short_code, request.short_code[:-1] + "é", T0) == (400, "CHECKSUM_FAILED")
    unknown = new_short_code(random.Random(99))
    assert refusal(ledger.by_short_code, unknown, T0) == (403, "Forbidden")


def test_luhn():
    assert luhn_ok("79927398713") and luhn_ok("4539578763621486")
    assert not luhn_ok("79927398710") and not luhn_ok("") and not luhn_ok("x")


def test_ids_are_opaque_and_many():
    rng = random.Random(1)
    ids = {new_id(rng) for _ in range(1000)}
    assert len(ids) == 1000 and all(len(one) == 22 and one.isalnum() for one in ids)


# ---- clock and limit ----


def test_the_clock_only_goes_forward():
    clock = Clock(frozen_at=T0)
    assert clock.now() == T0
    assert clock.advance(1.5) == T0 + 1500
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            clock.advance(seconds)
    assert clock.now() == T0 + 1500


def test_rate_limit_slides_and_is_per_account():
    limit = RateLimit(3)
    assert [limit.wait_ms("a", T0 + n * 1000) for n in range(3)] == [0, 0, 0]
    assert limit.wait_ms("a", T0 + 5000) == 55_000
    assert limit.wait_ms("b", T0 + 5000) == 0
    assert limit.wait_ms("a", T0 + 60_000) == 0  # the first has left the window
    assert limit.wait_ms("a", T0 + 60_500) == 500
    assert all(RateLimit(0).wait_ms("a", T0) == 0 for _ in range(1000))


# ---- ledger ----


def test_ledger_counts_every_cent_and_sees_two_payable_at_once():
    ledger = book()
    paid = ledger.create(body("1000", externalRef="T1"), T0)
    ledger.pay(paid.id, paying(), T0)
    ledger.refund(paid.id, refunding(300, "r"), T0)
    ledger.void(ledger.create(body("200", externalRef="T2"), T0).id, T0)
    ledger.create(body("7", externalRef="T2"), T0)
    ledger.create(body("7", externalRef="T3"), T0)
    ledger.create(body("7", externalRef="T3"), T0)
    read = ledger.ledger(T0)
    assert read["byExternalRef"]["T1"]["net"] == 700
    assert {ref: entry["mostPayableAtOnce"] for ref, entry in read["byExternalRef"].items()} == {
        "T1": 1,
        "T2": 1,
        "T3": 2,
    }
    assert read["totals"]["NZD"] == {"created": 1221, "paid": 1000, "voided": 200, "refunded": 300, "net": 700}


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "pay", "later", "void", "refund", "cancel", "expire", "wait"]),
        st.integers(0, 4),
        st.integers(1, 3000),
    ),
    max_size=40,
)


def _step(ledger, verb, target, now, number, which, size):
    if verb == "pay":
        ledger.pay(target, paying(f"k{number}"), now)
    elif verb == "later":
        ledger.pay_later(target, paying(f"k{number}"), now, now + size * 20)
    elif verb == "void":
        ledger.void(target, now)
    elif verb == "refund":
        ledger.refund(target, refunding(size, f"r{which}"), now)
    elif verb == "cancel":
        ledger.cancel(target, "CANCELLED_BY_PATRON", now)
    else:
        ledger.expire(target, now)


@settings(max_examples=150, deadline=None)
@given(_STEPS, st.sampled_from(["paid", "cancelled"]), st.sampled_from(["refuse", "repeat"]), st.sampled_from([0, 7]))
def test_whatever_happens_money_is_conserved_and_final_is_final(steps, void_paid, second, lag):
    ledger = book(void_paid_status=void_paid, second_void=second, expiry_lag_seconds=lag)
    now, made, final = T0, [], {}
    for number, (verb, which, size) in enumerate(steps):
        now += size * 10
        if verb == "create":
            made.append(ledger.create(body(str(size), externalRef=f"T{which}"), now).id)
        elif verb == "wait":
            now += size * 1000
        elif made:
            try:
                _step(ledger, verb, made[which % len(made)], now, number, which, size)
            except ApiError as error:
                assert error.status == 403
        for request in ledger.all(now):
            before = final.get(request.id)
            assert before is None or before == request.status or (before, request.status) == ("paid", void_paid)
            if request.status != "new":
                final[request.id] = request.status
            assert 0 <= request.refunded <= request.paid <= request.amount
            assert not (request.voided and request.paid)
            assert (request.status == "new") == (request.activities[-1]["type"] == "request")
            numbers = [activity["activityNumber"] for activity in request.activities]
            assert numbers == [str(n + 1) for n in range(len(numbers))]
    activities = ledger.activities(now)
    moved = {
        kind: sum(int(a["value"]["amount"]) for a in activities if a["type"] == kind) for kind in ("payment", "refund")
    }
    totals = ledger.ledger(now)["totals"].get("NZD", {"paid": 0, "refunded": 0})
    assert (moved["payment"], moved["refund"]) == (totals["paid"], totals["refunded"])
    stamps = [activity["createdAt"] for activity in activities]
    assert stamps == sorted(stamps, reverse=True)


def test_assets_can_be_replaced():
    yen = Book(MERCHANT, assets=[Asset("external.test", "External", ("JPY",))], rng=random.Random(1))
    request = yen.create(body("1200", "JPY"), T0)
    assert document(request)["paymentOptions"] == [{"assetType": "external.test", "amount": "1200"}]
