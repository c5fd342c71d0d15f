"""A pseudo-terminal in a display's place: what a sender writes to it, with times."""

import os
import pty
import select
import threading
import time
import tty


class Terminal:
    """`with Terminal() as terminal: send(terminal.port, ...)`, then terminal.bursts: (seconds, bytes)."""

    def __enter__(self):
        self._ours, self._theirs = pty.openpty()  # theirs is kept open: senders come and go
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self.bursts = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        os.close(self._ours)
        os.close(self._theirs)

    def _listen(self):
        while True:
            stopping = self._stop.is_set()
            if select.select([self._ours], [], [], 0 if stopping else 0.02)[0]:
                self.bursts.append((time.monotonic(), os.read(self._ours, 4096)))
            elif stopping:
                return

    def write(self, data):
        os.write(self._ours, data)

    def wait(self, count, seconds=10):
        """Until so many bytes came."""
        until = time.monotonic() + seconds
        while len(self.heard) < count and time.monotonic() < until:
            time.sleep(0.01)

    @property
    def heard(self):
        return b"".join(data for _, data in self.bursts)
