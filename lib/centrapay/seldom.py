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
    """Requests with this external reference and amount. -> list of at most 4 Found. Needs the merchant account.

    The look-up's reduced objects carry no reference. So the first is read in full before any is believed: an answer
    that belongs to another question must not make another sale's request ours.
    """
    paths = []
    for i in range(_FOUND_MAX):
        paths += [
            field % i
            for field in ("items[%d].id", "items[%d].status", "items[%d].value.amount", "items[%d].value.currency")
        ]
    paths += ["message", "items", "items[0].externalRef"]
    picked = Picker(tuple(paths))
    path = BASE + "/external-ref/" + _percent(external_ref) + "?merchantAccountId=" + _percent(api.account)
    await api.call("GET", path, api.headers, None, picked, _FIND_MS)
    if not picked.began("items"):
        raise Unknown("look-up answered without a list")
    if picked["items[0].externalRef"] not in (external_ref, None):
        raise Unknown("look-up answered with another sale")
    found = []
    for i in range(_FOUND_MAX):
        identity = picked[paths[i * 4]]
        if identity is None:
            break
        if not is_id(identity) or picked[paths[i * 4 + 2]] != str(amount) or picked[paths[i * 4 + 3]] != currency:
            raise Unknown("look-up answered with another sale")
        found.append(Found(identity, picked[paths[i * 4 + 1]]))
    if found and picked["items[0].externalRef"] is None:
        await api.call("GET", BASE + "/" + found[0].id, api.poll_headers, None, api.request, GET_MS)
        api.checked(found[0].id, external_ref, amount, currency)
    return found


async def activities(api, identity):
    """What happened to a request's money. -> (was paid, was refunded)"""
    paths = ["items[%d].type" % i for i in range(_ACTIVITIES_MAX)]
    picked = Picker(tuple(paths) + ("items[0].paymentRequestId", "message"))
    await api.call("GET", BASE + "/" + identity + "/activities", api.headers, None, picked, CHANGE_MS)
    if picked["items[0].paymentRequestId"] not in (identity, None):
        raise Unknown("activities of another request")
    types = [picked[path] for path in paths]
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
