"""One sale's calls on one connection, and what a poll costs: centrapay.py and https.py, or the frozen `requests`.

CONFIG, or the environment variable TILLPANE_BENCH as JSON:
    who        "ours" or "requests"
    host, port, key, config, root (path of a DER file)      where the API is
    settings   true: all of that from the board's settings.json, after joining its Wi-Fi
    polls      how many
Prints one JSON object: case, handshakes before and after, bytes sent, heap kept and churned, us a poll (median).
"""

import asyncio
import gc
import json
import os
import sys
import time

CONFIG = globals().get("CONFIG") or json.loads(os.getenv("TILLPANE_BENCH"))
_AMOUNT = 1234
_WARM_MS = 15000


def report(case, **more):
    more["case"] = case
    print(json.dumps(more))


def median(times):
    return sorted(times)[len(times) // 2]


def joined():
    """Completes CONFIG from settings.json, joins the Wi-Fi and sets the clock. Runs on a board."""
    import network

    from kiosk.settings import read, split_host, split_url

    options = read("settings.json")
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    if not wlan.isconnected():
        wlan.connect(options["wifi_ssid"], options["wifi_password"])
    until = time.ticks_add(time.ticks_ms(), 20000)
    while not wlan.isconnected():
        if time.ticks_diff(until, time.ticks_ms()) <= 0:
            raise OSError("no Wi-Fi")
        time.sleep_ms(100)
        print(".")
    if sys.platform not in ("linux", "darwin", "win32"):
        import ntptime

        ntptime.host, ntptime.timeout = split_host(options["ntp_server"], 123, "ntp_server")[0], 5
        ntptime.settime()
    host, port = split_url(options["api_url"])
    CONFIG.update(
        host=host, port=port, key=options["api_key"], config=options["config_id"], currency=options["currency"]
    )


class OneRoot:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.der = file.read(2048)

    def current(self):
        return self.der

    def refused(self):
        return False

    def accepted(self):
        pass


def roots():
    from kiosk.roots import Roots

    return OneRoot(CONFIG["root"]) if "root" in CONFIG else Roots("firmware/roots")


async def ours():
    from centrapay import Centrapay
    from https import HTTPS

    https = HTTPS(CONFIG["host"], CONFIG["port"], roots(), lambda: True)
    api = Centrapay(https, CONFIG["key"], CONFIG["config"], "BENCH", "bench")
    currency = CONFIG.get("currency", "NZD")
    start = time.ticks_us()
    await https.open(_WARM_MS)
    open_us = time.ticks_diff(time.ticks_us(), start)
    warm = https.handshakes
    gc.collect()
    start = time.ticks_us()
    request = await api.create("bench-%d" % time.ticks_us(), _AMOUNT, currency, 120)
    create_us = time.ticks_diff(time.ticks_us(), start)
    identity = request.id
    request = None

    for _ in range(3):
        await api.get(identity, _AMOUNT, currency)
    times = [0] * CONFIG["polls"]  # room for them before the heap is looked at
    churns = [0] * 5
    gc.collect()
    kept = gc.mem_alloc()
    sent = https.sent
    for i in range(CONFIG["polls"]):
        start = time.ticks_us()
        await api.get(identity, _AMOUNT, currency)
        times[i] = time.ticks_diff(time.ticks_us(), start)
        print(".")  # a board that says nothing for 10 s is taken for dead
    sent = (https.sent - sent) // CONFIG["polls"]
    gc.collect()
    kept = gc.mem_alloc() - kept
    gc.disable()
    for i in range(len(churns)):
        gc.collect()
        before = gc.mem_alloc()
        await api.get(identity, _AMOUNT, currency)
        churns[i] = gc.mem_alloc() - before
    gc.enable()
    if CONFIG.get("settings"):
        await api.void(identity)
    report(
        "poll",
        who="ours",
        warm=warm,
        handshakes=https.handshakes - warm,
        sent=sent,
        kept=kept,
        churn=max(churns),
        us=median(times),
        open_us=open_us,
        create_us=create_us,
    )


class CountingStream:
    """What `requests` writes into its TLS stream, counted."""

    sent = 0
    handshakes = 0

    def __init__(self, stream):
        self._stream = stream

    def write(self, data):
        CountingStream.sent += len(data)
        return self._stream.write(data)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def count_requests():
    """Puts the counter between requests and its TLS."""
    import tls

    real = tls.SSLContext

    class Context:
        def __init__(self, protocol):
            self._real = real(protocol)

        def __setattr__(self, name, value):
            if name == "_real":
                object.__setattr__(self, name, value)
            else:
                setattr(self._real, name, value)

        def wrap_socket(self, *args, **kwargs):
            CountingStream.handshakes += 1
            return CountingStream(self._real.wrap_socket(*args, **kwargs))

    sys.modules["tls"] = type("tls", (), {})()
    for name in dir(tls):
        if not name.startswith("__"):
            setattr(sys.modules["tls"], name, getattr(tls, name))
    sys.modules["tls"].SSLContext = Context


def alternative():
    count_requests()
    import requests

    base = "https://%s:%d/api/payment-requests" % (CONFIG["host"], CONFIG["port"])
    headers = {"X-Api-Key": CONFIG["key"]}
    body = {
        "configId": CONFIG["config"],
        "value": {"amount": str(_AMOUNT), "currency": CONFIG.get("currency", "NZD")},
        "externalRef": "bench-%d" % time.ticks_us(),
        "expirySeconds": 120,
    }

    def asked(answer):
        found = answer.json()
        answer.close()
        return found

    start = time.ticks_us()
    identity = asked(requests.post(base, json=body, headers=headers))["id"]
    create_us = time.ticks_diff(time.ticks_us(), start)

    def poll():
        found = asked(requests.get(base + "/" + identity, headers=headers))
        assert found["id"] == identity and found["value"]["amount"] == str(_AMOUNT)

    poll()
    times = [0] * CONFIG["polls"]
    sent = CountingStream.sent
    shakes = CountingStream.handshakes
    gc.collect()
    kept = gc.mem_alloc()
    for i in range(CONFIG["polls"]):
        start = time.ticks_us()
        poll()
        times[i] = time.ticks_diff(time.ticks_us(), start)
        print(".")
    sent = (CountingStream.sent - sent) // CONFIG["polls"]
    gc.collect()
    kept = gc.mem_alloc() - kept
    handshakes = CountingStream.handshakes - shakes + 1  # the create call's
    gc.disable()
    before = gc.mem_alloc()
    poll()
    churn = gc.mem_alloc() - before
    gc.enable()
    if CONFIG.get("settings"):
        requests.post(base + "/" + identity + "/void", headers=headers).close()
    report(
        "poll",
        who="requests",
        warm=0,
        handshakes=handshakes,
        sent=sent,
        kept=kept,
        churn=churn,
        us=median(times),
        create_us=create_us,
    )


def main():
    if CONFIG.get("settings"):
        joined()
    if CONFIG["who"] == "ours":
        asyncio.run(ours())
    else:
        alternative()


main()
