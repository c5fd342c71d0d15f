"""What else happens to the till's bytes: handed on to an old display or printer, and recorded for support.

Stands in for the till's UART; loaded only where one of the two may be wanted.
"""

from micropython import const

from kiosk.recorder import Recorder

_PATH = "capture.txt"
_BACK = const(64)


class Tap:
    """uart: the till's. forward: Passthrough or None. line_words: "9600,8N1". now: callable, monotonic ms."""

    def __init__(self, uart, forward, line_words, now):
        self._uart = uart
        self._forward = forward
        self._line_words = line_words
        self._now = now
        self._recorder = None
        self._back = bytearray(_BACK)

    def readinto(self, buffer):
        """As the UART's. To be called often: it keeps the other wires going too."""
        got = self._uart.readinto(buffer)
        if self._recorder is not None:
            self._recorder.feed(buffer, got or 0, self._now())
        forward = self._forward
        if forward is not None:
            if got:
                forward.push(buffer, got)
            forward.pump()
            said = forward.pull(self._back)
            if said:
                self._uart.write(memoryview(self._back)[:said])
        return got

    def write(self, data):
        return self._uart.write(data)

    def toggle(self):
        """Begins a recording, or ends it. -> what the glass should say of it"""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.close()
            return recorder.failed or "Recorded. Fetch it with: tillpane capture"
        recorder = Recorder(_PATH, self._line_words)
        if recorder.failed:
            return "Not recording: " + recorder.failed
        self._recorder = recorder
        return "Recording what the till sends. Hold the button to end it."
