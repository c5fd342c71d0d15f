"""Stands in for the ESP32's `machine` module under MicroPython's unix port.

Signatures, constants and refusals are those of MicroPython 1.26.1 on an ESP32. What a board would put on a wire goes to
the host as frames, in order, on one loopback socket, so that the host's panel model sees what a controller would see;
each UART has a socket of its own. The host's address is in the environment variable TILLPANE_SIM ("127.0.0.1:PORT").
Without it, every output goes nowhere and every input stands still.

Frames to the host, little-endian:
    P pin level            a GPIO output's level
    S id length32 bytes    one SPI write
    B pin duty16           a PWM output's duty
    W ms32 | F             the watchdog was started | fed
    M length8 text         something worth noting: "rtc -3" (seconds ahead), "wlan connecting"
    R | r                  hard | soft reset asked for
Frames from the host, three bytes each:
    I pin level            an input's level
    N state rssi           the air: 0 no access point, 1 there, 2 refuses the key, 3 does not answer, 4 breaks off
    G works 0              whether SPI writes get through
    E 0 0                  that was the state of the world; the program may start
"""

import io
import os
import socket
import struct
import sys
import time

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_MATRIX_HZ = 26666666  # the most the IDF allows through the GPIO matrix
_SPI_PINS = {1: (14, 13, 12), 2: (18, 23, 19)}  # sck, mosi, miso wired straight to the controller
_UART_PINS = {1: (10, 9), 2: (17, 16)}
_UART_FIFO = 128
_SMALL = 64
_EAGAIN = 11
_GET = object()  # a default that costs no heap per call, as a tuple of arguments would


class _Link:
    """The sockets to the host."""

    def __init__(self, address):
        self._address = None
        self._bus = None
        self._control = None
        self._head = bytearray(6)
        self._joined = bytearray(6 + _SMALL)
        self._joined_view = memoryview(self._joined)
        self._news = bytearray(3)
        self._have = 0
        self.inputs = bytearray(b"\x01" * 40)
        self.air = 1
        self.rssi = 50
        self.glass = 1
        if not address:
            return
        host, port = address.split(":")
        self._address = socket.getaddrinfo(host, int(port))[0][-1]
        self._bus = self.open("bus")
        self._control = self.open("control")
        news = self._control.read(3)
        while news[:1] != b"E":  # the host tells the state of the world, then E
            self._take(news)
            news = self._control.read(3)
        self._control.setblocking(False)

    def open(self, name):
        """A new socket to the host, or None where there is no host."""
        if self._address is None:
            return None
        wire = socket.socket()
        wire.connect(self._address)
        wire.setsockopt(6, 1, 1)  # TCP_NODELAY
        wire.write(name + "\n")
        return wire

    def send(self, data):
        if self._bus is None:
            return
        try:
            self._bus.write(data)
        except OSError:
            sys.exit("the simulator's host is gone")

    def send_spi(self, number, data):
        if self._bus is None:
            return
        size = len(data)
        if size <= _SMALL:
            struct.pack_into("<BBI", self._joined, 0, 83, number, size)
            self._joined[6 : 6 + size] = data
            self.send(self._joined_view[: 6 + size])
            return
        struct.pack_into("<BBI", self._head, 0, 83, number, size)
        self.send(self._head)
        self.send(data)

    def note(self, text):
        """Tells the host something in words, in order with the pins and the SPI."""
        data = text.encode()[:255]
        self.send(b"M" + bytes((len(data),)) + data)

    def listen(self):
        """Takes what the host has told since the last call."""
        if self._control is None:
            return
        while True:
            try:
                got = self._control.readinto(self._news, 3 - self._have) if not self._have else self._rest()
            except OSError:
                sys.exit("the simulator's host is gone")
            if not got:
                return
            self._have += got
            if self._have < 3:
                continue
            self._have = 0
            self._take(self._news)

    def _rest(self):
        piece = self._control.read(3 - self._have)
        if not piece:
            return 0
        self._news[self._have : self._have + len(piece)] = piece
        return len(piece)

    def _take(self, news):
        if news[0] == 73:
            self.inputs[news[1]] = news[2]
        elif news[0] == 78:
            self.air = news[1]
            self.rssi = news[2]
        elif news[0] == 71:
            self.glass = news[1]


_link = _Link(os.getenv("TILLPANE_SIM"))


def _pin_id(pin):
    if isinstance(pin, Pin):
        return pin._id
    return Pin._known(pin)


class Pin:
    """GPIO of an ESP32. `Pin(4)` twice is the same pin: levels are kept per GPIO, not per object."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    _absent = (24, 28, 29, 30, 31)
    _modes = bytearray(40)
    _levels = bytearray(40)

    @staticmethod
    def _known(number):
        if not isinstance(number, int) or not 0 <= number < 40 or number in Pin._absent:
            raise ValueError("invalid pin")
        return number

    def __init__(self, id, *args, **kwargs):
        self._id = id._id if isinstance(id, Pin) else Pin._known(id)
        if args or kwargs:
            self.init(*args, **kwargs)

    def init(self, mode=None, pull=-1, *, value=None, drive=None, hold=None):
        if value is not None:
            Pin._levels[self._id] = 1 if value else 0
        if mode is not None:
            if mode not in (Pin.IN, Pin.OUT, Pin.OPEN_DRAIN):
                raise ValueError("invalid pin mode")
            if mode != Pin.IN and self._id >= 34:
                raise ValueError("pin can only be input")
            Pin._modes[self._id] = mode
        if Pin._modes[self._id] & 2 and (mode is not None or value is not None):
            _link.send(b"P" + bytes((self._id, Pin._levels[self._id])))

    def __call__(self, value=_GET):
        return self.value(value)

    def value(self, value=_GET):
        if value is _GET:
            if Pin._modes[self._id] & 2:
                return Pin._levels[self._id]
            _link.listen()
            return _link.inputs[self._id]
        level = 1 if value else 0
        if Pin._levels[self._id] != level:
            Pin._levels[self._id] = level
            if Pin._modes[self._id] & 2:
                _link.send(_PIN_FRAMES[level][self._id])

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(not Pin._levels[self._id])

    def __repr__(self):
        return "Pin(%d)" % self._id


_PIN_FRAMES = tuple(tuple(b"P" + bytes((pin, level)) for pin in range(40)) for level in (0, 1))


class SPI:
    """Hardware SPI 1 and 2, writing only: nothing in this product reads from its panel."""

    MSB = 0
    LSB = 1

    def __init__(self, id, baudrate=500000, *, polarity=0, phase=0, bits=8, firstbit=0, sck=None, mosi=None, miso=None):
        if id not in _SPI_PINS:
            raise ValueError("SPI(%d) doesn't exist" % id)
        native = _SPI_PINS[id]
        chosen = tuple(straight if pin is None else _pin_id(pin) for pin, straight in zip((sck, mosi, miso), native))
        for pin in chosen[:2]:
            if pin >= 34:
                raise OSError(-258, "ESP_ERR_INVALID_ARG")
        if baudrate <= 0 or baudrate > 80000000:
            raise OSError(-258, "ESP_ERR_INVALID_ARG")
        if baudrate > _MATRIX_HZ and chosen[:2] != native[:2]:
            # A board accepts this and panics at the first write. Refusing here says the same, earlier.
            raise ValueError("SPI(%d) on these pins: at most 26.67 MHz" % id)
        if polarity not in (0, 1) or phase not in (0, 1) or bits != 8 or firstbit != SPI.MSB:
            raise ValueError("SPI mode not modelled")
        self._id = id
        self._open = True

    def init(self, baudrate=None, **kwargs):
        raise NotImplementedError("SPI.init is not modelled; construct it once")

    def deinit(self):
        self._open = False

    def write(self, buf):
        if not self._open:
            raise OSError("transfer on deinitialized SPI")
        if not _link.glass:
            raise OSError(-1, "ESP_FAIL")
        _link.send_spi(self._id, buf)


class UART(io.IOBase):
    """UART 1 and 2. The receive buffer holds `rxbuf` bytes; what comes while it is full is lost without a word."""

    INV_TX = 32
    INV_RX = 4
    INV_RTS = 64
    INV_CTS = 8
    RTS = 1
    CTS = 2
    IRQ_RX = 0x1000
    IRQ_RXIDLE = 0x2000
    IRQ_BREAK = 0x4000

    def __init__(self, id, *args, **kwargs):
        if id == 0:
            raise ValueError("UART(0) is the REPL's")
        if id not in _UART_PINS:
            raise ValueError("UART(%d) does not exist" % id)
        self._id = id
        self._wire = None
        self._scratch = bytearray(128)
        self._rxbuf = self._txbuf = 256
        self._ring = b""
        self._configure(*args, **kwargs)
        self._wire = _link.open("uart %d" % id)
        if self._wire is not None:
            self._wire.setblocking(False)
        self._open = True

    def _configure(
        self,
        baudrate=0,
        bits=0,
        parity=None,
        stop=0,
        *,
        tx=None,
        rx=None,
        rts=None,
        cts=None,
        txbuf=-1,
        rxbuf=-1,
        timeout=0,
        timeout_char=0,
        invert=0,
        flow=0,
    ):
        if bits not in (0, 5, 6, 7, 8):
            raise ValueError("invalid data bits")
        if parity not in (None, 0, 1):
            raise ValueError("invalid parity")
        if stop not in (0, 1, 2):
            raise ValueError("invalid stop bits")
        if baudrate < 0 or baudrate > 5000000:
            raise ValueError("invalid baudrate")
        if invert & ~(UART.INV_TX | UART.INV_RX | UART.INV_RTS | UART.INV_CTS):
            raise ValueError("invalid inversion mask")
        if flow & ~3:
            raise ValueError("invalid flow control mask")
        for pin, output in ((tx, True), (rx, False), (rts, True), (cts, False)):
            if pin is not None and _pin_id(pin) >= 34 and output:
                raise OSError(-1, "ESP_FAIL")
        if 0 <= rxbuf <= _UART_FIFO or 0 < txbuf <= _UART_FIFO or rxbuf > 65535 or txbuf > 65535:
            raise OSError(-1, "ESP_FAIL")  # the IDF wants more than its FIFO holds
        if rxbuf > 0:
            self._rxbuf = rxbuf
        if txbuf >= 0:
            self._txbuf = txbuf
        if len(self._ring) != self._rxbuf:
            self._ring = bytearray(self._rxbuf)
            self._first = self._held = 0
        self._timeout = timeout
        self.lost = 0

    def init(self, *args, **kwargs):
        self._configure(*args, **kwargs)

    def deinit(self):
        self._open = False
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _pull(self):
        """Takes everything that came in since the last call; the newest bytes are lost where the buffer is full."""
        if self._wire is None:
            return
        ring, scratch, size = self._ring, self._scratch, self._rxbuf
        while True:
            try:
                got = self._wire.readinto(scratch)
            except OSError:
                sys.exit("the simulator's host is gone")
            if not got:
                return
            room = size - self._held
            if got > room:
                self.lost += got - room
                got = room
            place = (self._first + self._held) % size
            for index in range(got):
                ring[place] = scratch[index]
                place += 1
                if place == size:
                    place = 0
            self._held += got

    def any(self):
        self._pull()
        return self._held

    def readinto(self, buf, nbytes=-1):
        size = len(buf) if nbytes < 0 else min(nbytes, len(buf))
        self._wait(size)
        size = min(size, self._held)
        if not size:
            return None
        ring, place, rxbuf = self._ring, self._first, self._rxbuf
        for index in range(size):
            buf[index] = ring[place]
            place += 1
            if place == rxbuf:
                place = 0
        self._first = place
        self._held -= size
        return size

    def _wait(self, size):
        self._pull()
        start = time.ticks_ms()
        while self._timeout and self._held < size and time.ticks_diff(time.ticks_ms(), start) < self._timeout:
            time.sleep_ms(1)
            self._pull()

    def read(self, nbytes=-1):
        self._wait(self._rxbuf if nbytes < 0 else nbytes)
        size = self._held if nbytes < 0 else min(nbytes, self._held)
        if not size:
            return None
        data = bytearray(size)
        self.readinto(data)
        return bytes(data)

    def readline(self):
        self._pull()
        line = bytearray()
        while self._held and not line.endswith(b"\n"):
            line.extend(self.read(1))
        return bytes(line) if line else None

    def write(self, buf):
        if not self._open:
            raise OSError(_EAGAIN)
        if self._wire is None:
            return len(buf)
        try:
            return self._wire.write(buf)  # None: nothing fitted, as a stream that does not block says it
        except OSError:
            sys.exit("the simulator's host is gone")

    def txdone(self):
        return True

    def flush(self):
        pass

    def sendbreak(self):
        pass

    def ioctl(self, request, argument):
        if request != 3:  # MP_STREAM_POLL
            return -1 if request == 10 else 0
        ready = 4 & argument
        if argument & 1 and self.any():
            ready |= 1
        return ready


class PWM:
    """A LEDC output; only its duty is of interest here."""

    def __init__(self, dest, **kwargs):
        self._pin = _pin_id(dest)
        if self._pin >= 34:
            raise ValueError("invalid pin")
        self._freq = 5000
        self._duty = 32768
        self.init(**kwargs)

    def init(self, *, freq=-1, duty=-1, duty_u16=-1, duty_ns=-1, invert=-1):
        if (duty >= 0) + (duty_u16 >= 0) + (duty_ns >= 0) > 1:
            raise ValueError("only one of parameters 'duty', 'duty_u16' or 'duty_ns' is allowed")
        if freq != -1:
            self.freq(freq)
        if duty >= 0:
            self.duty(duty)
        elif duty_ns >= 0:
            self.duty_ns(duty_ns)
        else:
            self.duty_u16(self._duty if duty_u16 < 0 else duty_u16)

    def freq(self, *value):
        if not value:
            return self._freq
        if not 1 <= value[0] <= 40000000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self._freq = value[0]

    def duty_u16(self, *value):
        if not value:
            return self._duty
        if not 0 <= value[0] <= 65535:
            raise ValueError("duty_u16 must be from 0 to 65535")
        self._duty = value[0]
        _link.send(b"B" + struct.pack("<BH", self._pin, self._duty))

    def duty(self, *value):
        if not value:
            return self._duty >> 6
        if not 0 <= value[0] <= 1023:
            raise ValueError("duty must be from 0 to 1023")
        self.duty_u16(value[0] << 6)

    def duty_ns(self, *value):
        period = 1000000000 // self._freq
        if not value:
            return self._duty * period // 65536
        self.duty_u16(min(65535, value[0] * 65536 // period))

    def deinit(self):
        _link.send(b"B" + struct.pack("<BH", self._pin, 0))


class WDT:
    """The task watchdog. The host keeps it: it resets the board when it is not fed, whatever the interpreter does."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT id must be 0")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        _link.send(b"W" + struct.pack("<I", timeout))

    def feed(self):
        _link.send(b"F")


class RTC:
    """The clock: this computer's, and `ahead_s` seconds. It keeps its value over a reset, as the board's does.

    TILLPANE_SIM_RTC is `ahead_s` at the start. The simulator's start script makes the `time` module follow it, with the
    board's epoch of 2000. Certificates are still checked against this computer's clock: mbedTLS asks the C library.
    """

    ahead_s = int(os.getenv("TILLPANE_SIM_RTC") or 0)

    def __init__(self, id=0):
        if id != 0:
            raise ValueError("RTC id must be 0")

    def datetime(self, *value):
        if not value:
            now = time.gmtime(time.time_ns() // 1000000000 + RTC.ahead_s)
            return now[:3] + (now[6],) + now[3:6] + (time.time_ns() // 1000 % 1000000,)
        if len(value[0]) != 8:
            raise ValueError("requested length 8 but object has length %d" % len(value[0]))
        year, month, day, _, hour, minute, second, _ = value[0]
        unix = int(time.mktime((year, month, day, hour, minute, second, 0, 0)))  # the host sets TZ to UTC
        RTC.ahead_s = unix - time.time_ns() // 1000000000
        _link.note("rtc %d" % RTC.ahead_s)

    def memory(self, *value):
        raise NotImplementedError("RTC.memory is not modelled")


def reset():
    _link.send(b"R")
    while _link._bus is not None:  # the host pulls the plug
        time.sleep_ms(50)
        _link.listen()
    sys.exit("machine.reset() without a host")


def soft_reset():
    _link.send(b"r")
    raise SystemExit


def reset_cause():
    return int(os.getenv("TILLPANE_SIM_CAUSE") or PWRON_RESET)


def unique_id():
    text = os.getenv("TILLPANE_SIM_ID") or "240ac4112233"
    return bytes(int(text[index : index + 2], 16) for index in range(0, 12, 2))


def freq(*value):
    if not value:
        return 160000000
    if value[0] not in (20000000, 40000000, 80000000, 160000000, 240000000):
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")


def idle():
    time.sleep_ms(0)


def disable_irq():
    return 0


def enable_irq(state=0):
    pass
