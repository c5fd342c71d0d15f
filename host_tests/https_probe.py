"""Runs under MicroPython: makes the exchanges that a test asks for, and prints what came of each as a JSON line.

echo '{"port": ..., "host": ..., "roots": [files], "steps": [...]}' | micropython https_probe.py
"""

import asyncio
import gc
import json
import sys
import time

from https import HTTPS, HTTPSError

_KEY = b"X-Api-Key: 0123456789012345678901234567890123456789\r\n"


class Sink:
    def __init__(self):
        self.size = 0
        self.body = b""

    def feed(self, buf, start, end):
        self.size += end - start
        if len(self.body) < 600:
            self.body += bytes(buf[start:end])


class Nowhere:
    def feed(self, buf, start, end):
        pass


class Roots:
    """All that were given, tried in turn."""

    def __init__(self, ders):
        self.ders = ders
        self.refusals = 0
        self.accepts = 0

    def current(self):
        return self.ders[0]

    def refused(self):
        self.refusals += 1
        self.ders = self.ders[1:] + self.ders[:1]
        return self.refusals % len(self.ders) != 0

    def accepted(self):
        self.accepts += 1


class Probe:
    def __init__(self, plan):
        self.plan = plan
        self.clock = plan.get("clock", True)
        roots = []
        for name in plan["roots"]:
            with open(name, "rb") as file:
                roots.append(file.read())
        self.roots = Roots(roots)
        self.http = HTTPS(plan["host"], plan["port"], self.roots, lambda: self.clock, self.resolve)

    async def resolve(self, host):
        await asyncio.sleep_ms(self.plan.get("resolve_ms", 0))
        if self.plan.get("resolve_fails"):
            raise OSError(-202)
        return "127.0.0.1"

    async def run(self):
        for step in self.plan["steps"]:
            for _ in range(step.get("times", 1)):
                report = await getattr(self, "do_" + step["do"])(step)
                http = self.http
                report["connected"] = http.connected
                report["handshakes"] = http.handshakes
                report["refusals"] = self.roots.refusals
                report["accepts"] = self.roots.accepts
                report["out"] = http.sent
                report["in"] = http.received
                print(json.dumps(report))

    async def do_sleep(self, step):
        await asyncio.sleep_ms(step["ms"])
        return {}

    async def do_close(self, step):
        self.http.close()
        return {}

    async def do_clock(self, step):
        self.clock = step["set"]
        return {}

    async def do_open(self, step):
        return await self.outcome(self.opened(step), None)

    async def opened(self, step):
        await self.http.open(step.get("timeout", 8000))

    async def do_refuses(self, step):
        """The self-test, with the DER file step["root"] as the only root."""
        with open(step["root"], "rb") as file:
            root = file.read()
        report = {}
        try:
            report["refused"] = await self.http.refuses(root, step.get("timeout", 8000))
        except HTTPSError as error:
            report["error"] = type(error).__name__
        except ValueError:
            report["error"] = "ValueError"
        return report

    async def do_request(self, step):
        sink = Sink()
        report = await self.outcome(self.requested(step, sink), sink)
        report["retry_after"] = self.http.retry_after
        return report

    async def requested(self, step, sink):
        body = step.get("body")
        if isinstance(body, int):
            body = "x" * body
        headers = step.get("headers", "").encode() or _KEY
        method = step.get("method", "GET")
        return await self.http.request(
            method, step.get("path", "/"), headers, body and body.encode(), sink, step.get("timeout", 8000)
        )

    async def outcome(self, work, sink):
        start = time.ticks_ms()
        report = {}
        try:
            report["status"] = await work
        except HTTPSError as error:
            report["error"] = type(error).__name__
            report["sent"] = error.sent
            report["words"] = str(error)
        report["ms"] = time.ticks_diff(time.ticks_ms(), start)
        if sink:
            report["size"] = sink.size
            report["body"] = str(sink.body, "utf-8")
        return report

    async def do_together(self, step):
        """Several requests at once."""
        sinks = [Sink() for _ in step["paths"]]
        work = []
        for i, sink in enumerate(sinks):
            one = dict(step)
            one["path"] = step["paths"][i]
            work.append(self.outcome(self.requested(one, sink), sink))
        return {"reports": await asyncio.gather(*work)}

    async def do_cancel(self, step):
        """A request whose task is cancelled after `after` ms."""
        task = asyncio.create_task(self.requested(step, Sink()))
        await asyncio.sleep_ms(step["after"])
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return {"cancelled": True}
        return {"cancelled": False}

    async def do_close_during(self, step):
        """close() while a request waits for its answer."""
        task = asyncio.create_task(self.outcome(self.requested(step, Sink()), None))
        await asyncio.sleep_ms(step["after"])
        self.http.close()
        return await task

    async def do_alive(self, step):
        """Whether other tasks run while an exchange goes on."""
        self.ticks = 0
        other = asyncio.create_task(self.tick())
        report = await self.do_request(step)
        other.cancel()
        report["ticks"] = self.ticks
        return report

    async def tick(self):
        while True:
            await asyncio.sleep_ms(10)
            self.ticks += 1

    async def do_heap(self, step):
        """Heap of polls: the churn of one, and what `polls` of them leave behind."""
        sink = Nowhere()
        path = "/api/payment-requests/1234567890123456789012"
        for _ in range(3):
            await self.http.request("GET", path, _KEY, None, sink, 8000)
        out = self.http.sent
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        await self.http.request("GET", path, _KEY, None, sink, 8000)
        churn = gc.mem_alloc() - before
        gc.enable()
        out = self.http.sent - out
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(step["polls"]):
            await self.http.request("GET", path, _KEY, None, sink, 8000)
        gc.collect()
        kept = gc.mem_alloc() - before
        return {"churn": churn, "kept": kept, "request": out}


asyncio.run(Probe(json.loads(sys.stdin.read())).run())
