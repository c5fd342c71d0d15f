"""The one composition root: knows pins and concrete classes, builds everything, and starts it."""

import asyncio
import binascii
import gc
import os
import sys

import machine
import network

_SETTINGS = "settings.json"
_JOURNAL = "journal.log"
_ROOTS = "firmware/roots"
_FONTS = "lib/panel/fonts/"
_ROOT_BYTES = 2048
_MAINTENANCE_MS = 600000
_PARITY = {"none": None, "even": 0, "odd": 1}
_UART_BUFFER = 2048  # a TLS handshake blocks for 1.4 s; 9600 baud bring 1350 bytes in that time
_COLLECT_EVERY = 16384  # bytes; an uncollected heap would grow into the memory that TLS needs

watchdog_runs = False


def backlight(pin):
    """A callable that sets the brightness in percent, or None for a panel whose light is not wired to a pin."""
    if pin < 0:
        return None
    pwm = machine.PWM(machine.Pin(pin, machine.Pin.OUT), freq=1000, duty_u16=0)
    return lambda percent: pwm.duty_u16(65535 * percent // 100)


def output(pin, level):
    return machine.Pin(pin, machine.Pin.OUT, value=level) if pin >= 0 else None


def build_screens(options):
    from kiosk.screens import FONTS, Screens
    from panel import Font, Panel
    from qr import QR

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


def read_roots():
    roots = []
    for name in sorted(os.listdir(_ROOTS)):
        if name.endswith(".der"):
            with open(_ROOTS + "/" + name, "rb") as file:
                roots.append(file.read(_ROOT_BYTES))
    if not roots:
        raise OSError("no CA roots in " + _ROOTS)
    return roots


def payload_of(options):
    """The callable that gives a payment's QR payload, as bytes."""
    if options.qr_payload == "service":
        return lambda payment: (
            "https://service.centrapay.com/api/payment-requests/" + payment.sale.id + "/pay"
        ).encode()
    return lambda payment: payment.url.encode()


def nonce():
    return binascii.hexlify(os.urandom(3)).decode()


def start_watchdog(timeout_ms):
    """It cannot be stopped again, only given another time."""
    global watchdog_runs
    watchdog_runs = True
    return machine.WDT(timeout=timeout_ms)


def read_options():
    """(options, what is wrong with them). Unusable settings still light the panel, with its default pins."""
    from kiosk.settings import SettingsError, read, stand_in

    try:
        return read(_SETTINGS), ""
    except SettingsError as error:
        return stand_in(), error.words


def build_app(options, screens):
    from centrapay import Centrapay
    from https import HTTPS
    from kiosk.app import App
    from kiosk.clock import Clock
    from kiosk.desk import Desk
    from kiosk.journal import Journal
    from kiosk.settings import split_host, split_url
    from kiosk.supervisor import Supervisor
    from kiosk.version import VERSION
    from kiosk.wifi import Wifi
    from till.line import LineReader

    chip = binascii.hexlify(machine.unique_id()).decode()
    terminal = options.terminal_id or "TP" + chip[-6:].upper()
    server, port = split_host(options.ntp_server, 123, "ntp_server")
    clock = Clock(machine.RTC().datetime, server, port)
    host, port = split_url(options.api_url)
    https = HTTPS(host, port, read_roots(), clock.is_set)
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
        payload_of(options),
        options.qr_payload == "url",
        options.merchant_name,
        VERSION,
    )
    wifi = Wifi(build_wlan(options), options.wifi_ssid, options.wifi_password)
    till = build_till(options)
    watchdog = start_watchdog(options.watchdog_seconds * 1000)
    supervisor = Supervisor(watchdog.feed, clock.now, options.watchdog_seconds * 1000 // 2)
    return App(till, LineReader(), desk, centrapay, https, screens, wifi, clock, journal, supervisor, options)


async def out_of_order(screens, words):
    """Shows what staff should do, for ever; the REPL stays within reach."""
    from kiosk import view

    print("[tillpane] out of order:", words)
    await screens.show(view.View(view.OUT_OF_ORDER, detail=words, note="Ask whoever set up this display."))
    print("[tillpane] screen", view.NAMES[view.OUT_OF_ORDER])
    while True:
        await asyncio.sleep_ms(1000)


async def built(options, screens):
    """The app, or for ever the reason why it cannot be built: wrong pins, a broken file system, no roots."""
    try:
        return build_app(options, screens)
    except Exception as error:  # noqa: BLE001, whatever it is, staff must see it
        sys.print_exception(error)
        await out_of_order(screens, "Start failed: " + type(error).__name__ + " " + str(error))


async def start():
    options, problem = read_options()
    panel, screens = build_screens(options)
    await panel.begin(options.panel_brightness)
    if problem:
        await out_of_order(screens, problem)
    app = await built(options, screens)
    sys.modules.pop("kiosk.settings", None)  # read once; its table is not needed again
    gc.collect()
    gc.threshold(_COLLECT_EVERY)
    await app.run()


def main():
    try:
        asyncio.run(start())
    except KeyboardInterrupt:
        if watchdog_runs:
            start_watchdog(_MAINTENANCE_MS)  # ten minutes are enough for mpremote
        print("Tillpane stopped. It restarts in 10 minutes; machine.reset() does so at once.")


main()
