"""Centrapay calls that most days do not see, loaded while one is made: refund, find, activities.

`api` is the Centrapay whose connection and keys they use. Errors are those of its other calls.
"""

from micropython import const

from centrapay import BASE, CHANGE_MS, GET_MS, Unknown, activity, check_value, is_id, quote
from jsonpick import Picker

_FIND_MS = const(10000)  # and a read after it: together no longer than any other call
_FOUND_MAX = const(4)
_ACTIVITIES_MAX = const(10)


class Found:
    """One hit of a look-up by external reference."""

    def __init__(self, identity, status):
        self.id = identity
        self.status = status


async def refund(api, identity, amount, currency, external_ref):
    """Refunds part or all of a paid request; the same external_ref is the same refund, however often it is sent."""
    body = '{"value":{"amount":"%d","currency":%s},"externalRef":%s}' % (
        amount,
        quote(currency),
        quote(external_ref),
    )
    picked = Picker(("type", "paymentRequestId", "message", "value.amount", "value.currency"))
    await api.call("POST", BASE + "/" + identity + "/refund", api.post_headers, body.encode(), picked, CHANGE_MS)
    activity(picked, identity, ("refund",))
    check_value(picked, amount, currency)


async def find(api, external_ref, amount, currency):
    """Requests with this external reference and amount. -> list of at most 4 Found, first the one to go on with: one
    that was paid, else one that can be. Needs the merchant account.

    The look-up's reduced objects carry no reference. So those that matter are read in full before any is believed: an
    answer that belongs to another question must not make another sale's request ours.
    """
    fields = ("id", "status", "value.amount", "value.currency", "externalRef")
    paths = ["items[%d]%s" % (i, field and "." + field) for i in range(_FOUND_MAX) for field in ("",) + fields]
    picked = Picker(tuple(paths) + ("items", "pageKey", "message"))
    path = BASE + "/external-ref/" + _percent(external_ref) + "?merchantAccountId=" + _percent(api.account)
    await api.call("GET", path, api.headers, None, picked, _FIND_MS)
    found = []
    doubted = []
    for i in range(_FOUND_MAX):
        if not picked.began("items[%d]" % i):
            break
        identity, status, *value, reference = [picked["items[%d].%s" % (i, field)] for field in fields]
        if not is_id(identity) or value != [str(amount), currency] or reference not in (external_ref, None):
            raise Unknown("look-up answered with another sale")
        found.append(Found(identity, status))
        if reference is None:
            doubted.append(identity)
    if not found and (not picked.began("items") or picked["items"] is not None or picked["pageKey"]):
        raise Unknown("look-up answered without a list")
    # One by one: sort() does not keep the order of equals on a board.
    found = [hit for rank in range(3) for hit in found if _rank(hit) == rank]
    doubted = [hit.id for hit in found if hit.id in doubted and (hit is found[0] or hit.status == "new")]
    for identity in doubted:
        await api.call("GET", BASE + "/" + identity, api.poll_headers, None, api.request, GET_MS // len(doubted))
        api.checked(identity, external_ref, amount, currency)
    return found


def _rank(hit):
    return 0 if hit.status == "paid" else 1 if hit.status == "new" else 2


async def activities(api, identity):
    """What happened to a request's money. -> (was paid, was refunded)"""
    paths = ["items[%d].%s" % (i, field) for i in range(_ACTIVITIES_MAX) for field in ("type", "paymentRequestId")]
    picked = Picker(tuple(paths) + ("message",))
    await api.call("GET", BASE + "/" + identity + "/activities", api.headers, None, picked, CHANGE_MS)
    types = []
    for i in range(0, len(paths), 2):
        if picked[paths[i + 1]] not in (identity, None):
            raise Unknown("activities of another request")
        types.append(picked[paths[i]])
    if types[0] is None:
        raise Unknown("no activities")
    return "payment" in types or "paid" in types, "refund" in types


def _percent(text):
    """Percent-encoding for one path segment or query value (RFC 3986, section 2.1)."""
    out = ""
    for byte in text.encode():
        c = chr(byte)
        out += c if c.isalpha() or c.isdigit() or c in "-._~" else "%%%02X" % byte
    return out
