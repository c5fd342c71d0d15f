"""The composition root: the one module that knows pins and concrete classes.

`main.py` builds the product with it and then lets go of it, so nothing that lives on may come from here: no function,
no lambda, no class.
"""

import asyncio
import binascii
import sys

import machine
import network
from micropython import const

from centrapay import Centrapay
from https import HTTPS
from kiosk import payload, view
from kiosk.app import App, nonce
from kiosk.button import Button
from kiosk.clock import Clock
from kiosk.journal import Journal
from kiosk.roots import Roots, read_root
from kiosk.screens import FONTS, ScreenError, Screens
from kiosk.supervisor import Supervisor
from kiosk.wifi import Wifi
from ondemand import drop_modules, load_module
from panel import Backlight, Font, Panel
from qr import QR
from resolver import Resolver

_JOURNAL = "journal.log"
_ROOTS = "firmware/roots"
_FONTS = "lib/panel/fonts/"
_WRONG_ROOT = "firmware/selftest.der"
_HEART_MS = 20000  # a call to a server that hangs takes 15 s, and its task is well
_PARITY = {"none": None, "even": 0, "odd": 1}
# UART buffers are taken from the memory that a TLS handshake needs.
_TILL_TX = const(256)  # a line or a frame; write() waits where it is full, and loses nothing
_FORWARD_TX = const(1024)  # what hands bytes on must never wait
_SPI_PINS = {1: (14, 13), 2: (18, 23)}  # sck, mosi
_SPI_MATRIX_HZ = const(26666666)


def _backlight(pin):
    """What sets the brightness, or None for a panel whose light is not wired to a pin."""
    if pin < 0:
        return None
    return Backlight(machine.PWM(machine.Pin(pin, machine.Pin.OUT), freq=1000, duty_u16=0))


def _output(pin, level):
    return machine.Pin(pin, machine.Pin.OUT, value=level) if pin >= 0 else None


def _spi_baud(options):
    """panel_baud, or less: on other pins than a bus's own the IDF refuses more, and the next write would panic."""
    if (options["panel_sck"], options["panel_mosi"]) == _SPI_PINS[options["panel_spi"]]:
        return options["panel_baud"]
    return min(options["panel_baud"], _SPI_MATRIX_HZ)


def build_screens(options):
    """The Screens of these settings."""
    spi = machine.SPI(
        options["panel_spi"],
        baudrate=_spi_baud(options),
        polarity=0,
        phase=0,
        sck=machine.Pin(options["panel_sck"]),
        mosi=machine.Pin(options["panel_mosi"]),
    )
    panel = Panel(
        spi,
        _output(options["panel_dc"], 0),
        _output(options["panel_cs"], 1),
        _output(options["panel_reset"], 1),
        _backlight(options["panel_backlight"]),
        controller=options["panel_controller"],
        width=options["panel_width"],
        height=options["panel_height"],
        rotation=options["panel_rotation"],
        x_offset=options["panel_x_offset"],
        y_offset=options["panel_y_offset"],
        invert=None if options["panel_invert"] == "auto" else options["panel_invert"] == "on",
        bgr=options["panel_bgr"],
    )
    fonts = [Font(_FONTS + name + ".font") for name in FONTS]
    return Screens(panel, QR(), fonts)


def _build_wlan(options):
    network.hostname(options["hostname"])
    wlan = network.WLAN(network.STA_IF)
    wlan.active(True)
    wlan.config(reconnects=0, pm=network.WLAN.PM_NONE)
    return wlan


def _build_uart(options, number, tx, rx, txbuf):
    """A UART with the till's line settings; it holds what comes in 1.75 s, as a TLS handshake blocks for 1.4 s."""
    return machine.UART(
        number,
        baudrate=options["till_baud"],
        bits=options["till_bits"],
        parity=_PARITY[options["till_parity"]],
        stop=options["till_stop"],
        tx=machine.Pin(tx),
        rx=machine.Pin(rx),
        rxbuf=min(max(options["till_baud"] * 7 // 40, 512), 2048),
        txbuf=txbuf,
        timeout=0,
        invert=machine.UART.INV_TX | machine.UART.INV_RX if options["till_invert"] else 0,
    )


def _build_desk(options, till, terminal, *desk):
    """The desk for this kind of till; only its protocol is loaded."""
    if options["till_kind"] == "teach":
        return _build_teach_desk(options, till, *desk)
    if options["till_kind"] == "line":
        from kiosk.linedesk import LineDesk

        return LineDesk(*desk, checksum=options["till_checksum"] == "required")
    protocol = load_module("till." + options["till_protocol"])
    if options["till_kind"] == "terminal":
        from kiosk.terminaldesk import TerminalDesk

        number = "".join([c for c in terminal if c.isdigit()])  # what a card terminal's identity is made of
        link = load_module("till.ecr").Options(options["currency"], options["till_variant"], ("00000000" + number)[-8:])
        return TerminalDesk(protocol.Protocol(link), *desk)
    return _build_display_desk(options, protocol.Dialect, *desk)


def _build_display_desk(options, dialect, *desk):
    from kiosk.displaydesk import DisplayDesk

    start, stable_ms = options["till_start"], options["till_stable_seconds"] * 1000
    if start == "auto":
        start = "button" if options["button_pin"] >= 0 else "stable"
    return DisplayDesk(dialect, _till_words(options), options["till_numbers"], start, stable_ms, *desk)


def _build_teach_desk(options, till, *desk):
    from kiosk.teachdesk import TeachDesk, keep

    button = options["button_pin"] >= 0
    words, style = _till_words(options), options["till_numbers"]
    return TeachDesk(load_module, till.init, keep, machine.reset, words, style, button, *desk)


def _till_words(options):
    """(due, total, veto) as till.reading takes them."""
    own = options["till_due_words"], options["till_total_words"], options["till_veto_words"]
    words = load_module("till.words").lists(*own)
    drop_modules("till.words")
    return words


def _build_tap(options, uart, now):
    """The till's UART, with what else its bytes are wanted for."""
    forward = None
    if options["forward_uart"]:
        wire = _build_uart(options, options["forward_uart"], options["forward_tx"], options["forward_rx"], _FORWARD_TX)
        forward = load_module("kiosk.passthrough").Passthrough(wire)
    if forward is None and options["button_pin"] < 0 and not options["till_record"]:
        return uart
    tap = load_module("kiosk.tap").Tap(uart, forward, _line_words(options), now)
    if options["till_record"]:
        tap.toggle()
    return tap


def _line_words(options):
    parity = options["till_parity"][0].upper()
    return "%d,%d%s%d" % (options["till_baud"], options["till_bits"], parity, options["till_stop"])


def _build_button(options):
    if options["button_pin"] < 0:
        return None
    return Button(machine.Pin(options["button_pin"], machine.Pin.IN, machine.Pin.PULL_UP).value)


async def build(options, start_watchdog):
    """The App of these settings; or, for ever, the reason why there is none: wrong settings or pins, a broken file
    system, no roots. start_watchdog(ms) gives what has feed()."""
    screens = build_screens(options)
    await screens.begin(options["panel_brightness"])
    if options["problem"]:
        await _out_of_order(screens, options["problem"])
    try:
        return build_app(options, screens, start_watchdog(options["watchdog_seconds"] * 1000))
    except Exception as error:  # noqa: BLE001, whatever it is, staff must see it
        sys.print_exception(error)
        await _out_of_order(screens, "Start failed: " + type(error).__name__ + " " + str(error))


async def _out_of_order(screens, words):
    """Shows what staff should do, for ever; the REPL stays within reach."""
    print("[tillpane] out of order:", words)
    try:
        await screens.show(view.View(view.OUT_OF_ORDER, detail=words, note="Ask whoever set up this display."))
        print("[tillpane] screen out-of-order")
    except ScreenError as error:
        print("[tillpane] glass:", error)
    while True:
        await asyncio.sleep_ms(1000)


def build_app(options, screens, watchdog):
    """The App of these settings. `watchdog` has feed()."""
    chip = binascii.hexlify(machine.unique_id()).decode()
    terminal = options["terminal_id"] or "TP" + chip[-6:].upper()
    wlan = _build_wlan(options)
    resolve = Resolver(wlan).resolve
    clock = Clock(machine.RTC().datetime, options["ntp_host"], options["ntp_port"], resolve)
    https = HTTPS(options["api_host"], options["api_port"], Roots(_ROOTS), clock.is_set, resolve)
    centrapay = Centrapay(
        https,
        options["api_key"],
        options["config_id"],
        terminal,
        options["device_id"] or "esp32-" + chip,
        options["merchant_account_id"],
        options["jwt"],
    )
    journal = Journal(_JOURNAL)
    journal.open()
    till = _build_uart(options, options["till_uart"], options["till_tx"], options["till_rx"], _TILL_TX)
    desk = _build_desk(
        options,
        till,
        terminal,
        journal,
        options["currency"],
        options["expiry_seconds"],
        terminal,
        centrapay.can_find,
        nonce,
        clock.wall,
        payload.service if options["qr_payload"] == "service" else payload.url,
        options["qr_payload"] == "url",
        options["merchant_name"],
    )
    wifi = Wifi(wlan, options["wifi_ssid"], options["wifi_password"])
    till = _build_tap(options, till, clock.now)
    supervisor = Supervisor(watchdog.feed, clock.now, max(options["watchdog_seconds"] * 500, _HEART_MS))
    return App(
        till,
        desk,
        centrapay,
        https,
        screens,
        wifi,
        clock,
        journal,
        supervisor,
        options["till_baud"],
        options["expiry_seconds"],
        read_root(_WRONG_ROOT),
        _build_button(options),
    )
