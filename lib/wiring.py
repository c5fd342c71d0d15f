"""The composition root: the one module that knows pins and concrete classes.

`main.py` builds the product with it and then lets go of it, so nothing that lives on may come from here: no function,
no lambda, no class.
"""

import binascii
import os

import machine
import network
from micropython import const

from centrapay import Centrapay
from https import HTTPS
from kiosk import payload
from kiosk.app import App, nonce
from kiosk.clock import Clock
from kiosk.desk import Desk
from kiosk.journal import Journal
from kiosk.screens import FONTS, Screens
from kiosk.settings import split_host, split_url
from kiosk.supervisor import Supervisor
from kiosk.version import VERSION
from kiosk.wifi import Wifi
from panel import Backlight, Font, Panel
from qr import QR
from resolver import Resolver
from till.line import LineReader

_JOURNAL = "journal.log"
_ROOTS = "firmware/roots"
_FONTS = "lib/panel/fonts/"
_WRONG_ROOT = "firmware/selftest.der"
_HEART_MS = 20000  # a call to a server that hangs takes 15 s, and its task is well
_ROOT_BYTES = const(2048)
_PARITY = {"none": None, "even": 0, "odd": 1}
_UART_BUFFER = const(2048)  # a TLS handshake blocks for 1.4 s; 9600 baud bring 1350 bytes in that time


def backlight(pin):
    """What sets the brightness, or None for a panel whose light is not wired to a pin."""
    if pin < 0:
        return None
    return Backlight(machine.PWM(machine.Pin(pin, machine.Pin.OUT), freq=1000, duty_u16=0))


def output(pin, level):
    return machine.Pin(pin, machine.Pin.OUT, value=level) if pin >= 0 else None


def build_screens(options):
    """(Panel, Screens) of these settings."""
    spi = machine.SPI(
        options.panel_spi,
        baudrate=options.panel_baud,
        polarity=0,
        phase=0,
        sck=machine.Pin(options.panel_sck),
        mosi=machine.Pin(options.panel_mosi),
    )
    panel = Panel(
        spi,
        output(options.panel_dc, 0),
        output(options.panel_cs, 1),
        output(options.panel_reset, 1),
        backlight(options.panel_backlight),
        controller=options.panel_controller,
        width=options.panel_width,
        height=options.panel_height,
        rotation=options.panel_rotation,
        x_offset=options.panel_x_offset,
        y_offset=options.panel_y_offset,
        invert=None if options.panel_invert == "auto" else options.panel_invert == "on",
        bgr=options.panel_bgr,
    )
    fonts = [Font(_FONTS + name + ".font") for name in FONTS]
    return panel, Screens(panel, QR(), fonts)


def build_wlan(options):
    network.hostname(options.hostname)
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.config(reconnects=0, pm=network.WLAN.PM_NONE)
    return wlan


def build_till(options):
    return machine.UART(
        options.till_uart,
        baudrate=options.till_baud,
        bits=options.till_bits,
        parity=_PARITY[options.till_parity],
        stop=options.till_stop,
        tx=machine.Pin(options.till_tx),
        rx=machine.Pin(options.till_rx),
        rxbuf=_UART_BUFFER,
        txbuf=1024,
        timeout=0,
        invert=machine.UART.INV_TX | machine.UART.INV_RX if options.till_invert else 0,
    )


def read_root(path):
    with open(path, "rb") as file:
        return file.read(_ROOT_BYTES)


def read_roots():
    roots = []
    for name in sorted(os.listdir(_ROOTS)):
        if name.endswith(".der"):
            roots.append(read_root(_ROOTS + "/" + name))
    if not roots:
        raise OSError("no CA roots in " + _ROOTS)
    return roots


def build_app(options, screens, watchdog):
    """The App of these settings. `watchdog` has feed()."""
    chip = binascii.hexlify(machine.unique_id()).decode()
    terminal = options.terminal_id or "TP" + chip[-6:].upper()
    server, port = split_host(options.ntp_server, 123, "ntp_server")
    wlan = build_wlan(options)
    resolve = Resolver(wlan).resolve
    clock = Clock(machine.RTC().datetime, server, port, resolve)
    host, port = split_url(options.api_url)
    https = HTTPS(host, port, read_roots(), clock.is_set, resolve)
    centrapay = Centrapay(
        https,
        options.api_key,
        options.config_id,
        terminal,
        options.device_id or "esp32-" + chip,
        options.merchant_account_id,
        options.jwt,
    )
    journal = Journal(_JOURNAL)
    journal.open()
    desk = Desk(
        journal,
        options.currency,
        options.expiry_seconds,
        terminal,
        centrapay.can_find,
        nonce,
        clock.wall,
        payload.service if options.qr_payload == "service" else payload.url,
        options.qr_payload == "url",
        options.merchant_name,
        VERSION,
    )
    wifi = Wifi(wlan, options.wifi_ssid, options.wifi_password)
    till = build_till(options)
    supervisor = Supervisor(watchdog.feed, clock.now, max(options.watchdog_seconds * 500, _HEART_MS))
    return App(
        till,
        LineReader(),
        desk,
        centrapay,
        https,
        screens,
        wifi,
        clock,
        journal,
        supervisor,
        options,
        read_root(_WRONG_ROOT),
    )
