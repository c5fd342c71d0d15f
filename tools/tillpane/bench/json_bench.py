"""Picks six fields out of Centrapay create answers: jsonpick against the interpreter's own json.load.

Runs on the interpreter that the device has. Prints one JSON object a line: case, unit, ours, alternative, size of the
body in bytes.
"""

import gc
import io
import json
import time

from jsonpick import Picker

PATHS = ("id", "status", "url", "shortCode", "value.amount", "value.currency")
_IDENTITY = "5ee0c486308f590260d9a07f"
_OTHER = "5ee0c486308f590260d9b18e"


def create_answer(items=0):
    """A create answer as Centrapay writes it, bytes: about 600 without line items, 6 KB with 14 of them."""
    value = {"amount": "1234", "currency": "NZD"}
    lines = [
        {
            "name": "Flat white, oat milk %d" % i,
            "sku": "COF-%04d" % i,
            "qty": "1",
            "price": "88",
            "tax": "15.00",
            "discount": "0",
            "classification": {
                "type": "GS1",
                "code": "10000%03d" % i,
                "name": "Coffee",
                "props": {"hot": True, "size": 2},
            },
        }
        for i in range(items)
    ]
    options = [
        {"amount": "1234", "assetType": "centrapay.nzd.test"},
        {"amount": "1234", "assetType": "quartz.nzd.test"},
    ]
    if items:
        options.append(
            {
                "amount": "1234",
                "assetType": "centrapay.token.test",
                "acceptedCollections": [{"id": "c1", "lineItems": lines}],
            }
        )
    answer = {
        "id": _IDENTITY,
        "shortCode": "CP-C7F-ZS5",
        "url": "https://app.centrapay.com/pay/" + _IDENTITY,
        "value": value,
        "paymentOptions": options,
        "merchantId": "5ee0c168308f590260d9a06e",
        "merchantName": "Centrapay Caf\u00e9",
        "configId": "mc_5efbe17d96c083633e2adb9d",
        "status": "new",
        "liveness": "test",
        "createdAt": "2026-06-12T01:17:46.499Z",
        "updatedAt": "2026-06-12T01:17:46.499Z",
        "expiresAt": "2026-06-12T01:19:46.499Z",
        "expirySeconds": 120,
        "merchantConditions": [],
        "remainingAmount": "1234",
    }
    if items:
        answer["lineItems"] = lines
    return json.dumps(answer).encode()


def pick(picker, body, piece):
    """Feeds `body` in pieces of `piece` bytes, as they come off the wire."""
    picker.reset()
    for start in range(0, len(body), piece):
        picker.feed(body, start, min(start + piece, len(body)))
    picker.finish()
    return [picker[path] for path in PATHS]


def load(body):
    """The obvious program."""
    answer = json.load(io.BytesIO(body))
    value = answer["value"]
    return [answer["id"], answer["status"], answer["url"], answer["shortCode"], value["amount"], value["currency"]]


def _best_us(call, rounds):
    # The best of five: what it costs when nothing else had the processor.
    best = None
    for _ in range(5):
        print(".")  # a board that says nothing for 10 s is taken for dead
        gc.collect()
        start = time.ticks_us()
        for _ in range(rounds):
            call()
        spent = time.ticks_diff(time.ticks_us(), start)
        if best is None or spent < best:
            best = spent
    return best / rounds


def _allocated(call):
    # Bytes allocated by one call, results and garbage.
    call()
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        call()
        return gc.mem_alloc() - before
    finally:
        gc.enable()


def say(case, unit, size, ours, alternative):
    print(json.dumps({"case": case, "unit": unit, "size": size, "ours": ours, "alternative": alternative}))


_FILLER = b'{"name": "Flat white", "qty": "1", "tax": 15.0},'


def padded(size):
    """A create answer of about `size` bytes (500 or more): the wanted fields, then line items to fill it."""
    body = (
        b'{"id": "%s", "shortCode": "CP-C7F-ZS5", "url": "https://app.centrapay.com/pay/%s", '
        b'"value": {"amount": "1234", "currency": "NZD"}, "status": "new", "lineItems": [' % (_IDENTITY, _IDENTITY)
    )
    tail = b'{"name": "Tea", "tags": ["hot", null, true]}]}'
    return body + _FILLER * ((size - len(body) - len(tail)) // len(_FILLER)) + tail


def _loaded(body):
    try:
        return _allocated(lambda: load(body))
    except MemoryError:
        return None  # a board has no room for it


def _new_each_time(body, use):
    """A call that uses `body` with another id each time, as every create answer has: nothing of the last one helps."""
    bodies = (body, body.replace(_IDENTITY.encode(), _OTHER.encode()).replace(b"CP-C7F-ZS5", b"CP-M2R-JA9"))
    turn = [0]

    def call():
        turn[0] ^= 1
        return use(bodies[turn[0]])

    return call


def main():
    picker = Picker(PATHS)

    def ours(body):
        return pick(picker, body, 1024)

    for items, rounds in ((0, 100), (14, 15)):
        body = create_answer(items)
        assert ours(body) == load(body)
        spent = _best_us(_new_each_time(body, ours), rounds)
        say("json.time", "us", len(body), spent, _best_us(_new_each_time(body, load), rounds))
    for size in (500, 2000, 8000, 65500):
        gc.collect()
        try:
            body = padded(size)
            spent = _allocated(_new_each_time(body, ours))
        except MemoryError:
            continue
        say("json.heap", "bytes", len(body), spent, _loaded(body))


if __name__ == "__main__":
    main()
