"""A board for the deploy tests: MicroPython's real REPL in a folder of its own, behind a pseudo-terminal.

The unix port writes `\\r\\r\\n` where a board writes `\\r\\n`, so the two terminals are bridged here and that is
folded. When the interpreter ends and `respawn` is set it is started again, as a board is after a reset: boot.py first,
then the REPL.
"""

import os
import pty
import select
import signal
import subprocess
import termios
import threading
import tty
from pathlib import Path

from tillpane.interpreters import micropython


class ReplBoard:
    def __init__(self, folder: Path, respawn: bool = False, heap: str = "192wK") -> None:
        self.folder = folder
        self.starts = 0
        self.heard = bytearray()  # what the host sent
        self.port, self._outer = self._outside()
        self._respawn = respawn
        self._heap = heap
        self._stop = threading.Event()
        self._mute = threading.Event()
        self._started = threading.Event()
        self._child: subprocess.Popen | None = None
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _outside(self) -> tuple[str, int]:
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._kept = theirs  # kept open, so that a client may come and go
        return os.ttyname(theirs), ours

    def __enter__(self):
        self._thread.start()
        # A child that is being forked holds the locks of every port this process has open until it runs its program.
        self._started.wait(10)
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)
        os.close(self._outer)
        os.close(self._kept)

    def go_silent(self):
        """From now on nothing that the board says arrives."""
        self._mute.set()

    def _live(self):
        while not self._stop.is_set():
            self.starts += 1
            self._one_life()
            if not self._respawn:
                return

    def _one_life(self):
        ours, theirs = pty.openpty()
        _echo_off(theirs)
        command = [micropython(), "-X", f"heapsize={self._heap}"]
        if (self.folder / "boot.py").exists() and self._respawn:
            command += ["-i", "boot.py"]
        environment = {**os.environ, "MICROPYPATH": ":.frozen:lib", "TERM": "dumb"}

        def own_terminal():
            os.setsid()
            import fcntl

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=own_terminal,
        ) as child:
            self._started.set()
            os.close(theirs)
            try:
                self._bridge(ours, child)
            finally:
                child.send_signal(signal.SIGKILL)
                os.close(ours)

    def _bridge(self, inner, child):
        held = b""
        awake = False  # until it speaks, what it is sent is lost, as it is while a chip's ROM boots
        while not self._stop.is_set():
            ready, _, _ = select.select([inner, self._outer], [], [], 0.05)
            if self._outer in ready:
                data = os.read(self._outer, 4096)
                self.heard += data
                if awake:
                    os.write(inner, data)
            if inner in ready:
                try:
                    data = os.read(inner, 4096)
                except OSError:
                    return
                awake = True
                data = (held + data).replace(b"\r\r\n", b"\r\n")
                cut = len(data) - (len(data) - len(data.rstrip(b"\r")))
                data, held = data[:cut], data[cut:]
            else:
                data, held = held, b""
            if data and not self._mute.is_set():
                os.write(self._outer, data)
            if child.poll() is not None and inner not in ready:
                return


def _echo_off(terminal):
    state = termios.tcgetattr(terminal)
    state[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, state)
