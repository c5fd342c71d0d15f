"""A till on the pseudo-terminal: what any program with a serial port would do, for the simulator and for tests."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from tillpane.sim.device import SimError

FINAL = ("PAID", "CANCELLED", "EXPIRED", "FAILED")


class Till:
    """Opens a serial path and speaks the line protocol. `lines` holds (seconds, "till" or "box", text)."""

    def __init__(self, path: str, on_line: Callable[[str, str], None] | None = None) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._rest = b""
        self._read_to = 0
        self._came = asyncio.Event()
        self.began = time.monotonic()
        self.lines: list[tuple[float, str, str]] = []
        self.on_line = on_line
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except (BlockingIOError, OSError):
            return
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            self._note("box", line.decode("ascii", "backslashreplace"))
        self._came.set()

    def _note(self, who: str, text: str) -> None:
        self.lines.append((time.monotonic() - self.began, who, text))
        if self.on_line:
            self.on_line(who, text)

    def send(self, line: str) -> None:
        """Sends one line. Lines that came before it are no longer waited for."""
        self._read_to = len(self.lines)
        self._note("till", line)
        os.write(self._fd, line.encode() + b"\r\n")

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are: noise, half a line."""
        self._read_to = len(self.lines)
        if os.write(self._fd, data) != len(data):
            raise SimError("the serial port takes at most 4095 bytes at once")

    async def hear(self, *starts: str, timeout: float = 10) -> str:
        """The next line from the device that begins with one of `starts`. Raises SimError when none comes."""
        end = time.monotonic() + timeout
        while True:
            self._came.clear()
            while self._read_to < len(self.lines):
                _, who, text = self.lines[self._read_to]
                self._read_to += 1
                if who == "box" and text.startswith(starts):
                    return text
            left = end - time.monotonic()
            if left <= 0:
                raise SimError(
                    f"the till heard no {' or '.join(starts)} within {timeout:g} s; it heard\n{self.transcript()}"
                )
            try:
                await asyncio.wait_for(self._came.wait(), left)
            except asyncio.TimeoutError:
                continue

    async def ask(self, line: str, *starts: str, timeout: float = 10) -> str:
        """Sends a line and waits for its answer."""
        self.send(line)
        return await self.hear(*starts, timeout=timeout)

    async def wait_ready(self, timeout: float = 20) -> None:
        """Asks until the device says that it can take a sale."""
        end = time.monotonic() + timeout
        while True:
            try:
                if (await self.ask("INFO", "INFO", "ERR", timeout=0.5)).endswith(" READY"):
                    return
            except SimError:
                pass
            if time.monotonic() > end:
                raise SimError(f"the device was not ready within {timeout:g} s; the till heard\n{self.transcript()}")
            await asyncio.sleep(0.1)

    async def result(self, ref: str, timeout: float = 30, acknowledge: bool = True) -> list[str]:
        """The words after `RESULT <ref>` of the final result; UNKNOWN is waited out. Acknowledges, as a till must."""
        end = time.monotonic() + timeout
        while True:
            line = await self.hear(f"RESULT {ref} ", timeout=max(0.01, end - time.monotonic()))
            words = line.split()[2:]
            if words[0] in FINAL:
                break
        if acknowledge:
            await self.ask(f"ACK {ref}", "OK ACK")
        return words

    def transcript(self, lines: int = 40) -> str:
        """What was said last, for people."""
        return "\n".join(f"  {at:7.2f} {who:>4}: {text}" for at, who, text in self.lines[-lines:]) or "  (nothing)"

    def close(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Till:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
