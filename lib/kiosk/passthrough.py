"""Hands the till's bytes on to the old display or printer at a second UART, unchanged and in order."""

from micropython import const

_ROOM = const(2048)
_MOST = const(512)  # bytes handed over at once: less than a UART's send buffer, so that its write() never waits


class Passthrough:
    """uart: with write(), readinto() and txdone(). lost: bytes that found no room, for its reader stood still."""

    def __init__(self, uart):
        self._uart = uart
        self._ring = memoryview(bytearray(_ROOM))
        self._first = 0
        self._count = 0
        self.lost = 0

    def push(self, data, count):
        """Takes data[:count] for the old device."""
        fits = min(count, _ROOM - self._count)
        if fits < count:
            if not self.lost:
                print("[tillpane] pass-through: the old device does not keep up, bytes are lost")
            self.lost += count - fits
        data = memoryview(data)
        at = (self._first + self._count) % _ROOM
        head = min(fits, _ROOM - at)
        self._ring[at : at + head] = data[:head]
        self._ring[: fits - head] = data[head:fits]
        self._count += fits

    def pump(self):
        """Writes what the UART takes without waiting. To be called often."""
        while self._count and self._uart.txdone():
            size = min(self._count, _ROOM - self._first, _MOST)
            sent = self._uart.write(self._ring[self._first : self._first + size])
            if not sent:
                return
            self._first = (self._first + sent) % _ROOM
            self._count -= sent

    def pull(self, buffer):
        """Fills buffer with what the old device says back. -> how many bytes"""
        return self._uart.readinto(buffer) or 0
