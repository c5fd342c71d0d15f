"""What the board runs after boot.py: builds the product, starts it, and stays out of its way."""

import asyncio
import gc
import sys

import machine

from ondemand import drop_modules

_SETTINGS = "settings.json"
_MAINTENANCE_MS = 600000
_COLLECT_EVERY = 16384  # bytes; an uncollected heap would grow into the memory that TLS needs

watchdog_runs = False


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


async def out_of_order(screens, view):
    """Shows what staff should do, for ever; the REPL stays within reach."""
    print("[tillpane] out of order:", view.detail)
    await screens.show(view)
    print("[tillpane] screen out-of-order")
    while True:
        await asyncio.sleep_ms(1000)


async def build():
    """The app; or, for ever, the reason why there is none: wrong settings or pins, a broken file system, no roots."""
    options, problem = read_options()
    drop_modules("kiosk.settings")  # before more is loaded: the heap must not grow into what TLS needs
    gc.collect()
    import wiring

    panel, screens = wiring.build_screens(options)
    await panel.begin(options["panel_brightness"])
    if problem:
        await out_of_order(screens, wiring.out_of_order(problem))
    try:
        return wiring.build_app(options, screens, start_watchdog(options["watchdog_seconds"] * 1000))
    except Exception as error:  # noqa: BLE001, whatever it is, staff must see it
        sys.print_exception(error)
        words = "Start failed: " + type(error).__name__ + " " + str(error)
        await out_of_order(screens, wiring.out_of_order(words))


async def start():
    app = await build()
    drop_modules("wiring")
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
