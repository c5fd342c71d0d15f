"""What the board runs after boot.py: builds the product, starts it, and stays out of its way."""

import asyncio
import gc

import machine

from ondemand import drop_modules, load_module

_MAINTENANCE_MS = 600000
_COLLECT_EVERY = 16384  # bytes; an uncollected heap would grow into the memory that TLS needs

watchdog_runs = False


def start_watchdog(timeout_ms):
    """It cannot be stopped again, only given another time."""
    global watchdog_runs
    watchdog_runs = True
    return machine.WDT(timeout=timeout_ms)


async def start():
    options = load_module("kiosk.settings").usable("settings.json")
    drop_modules("kiosk.settings")  # before more is loaded: the heap must not grow into what TLS needs
    gc.collect()
    app = await load_module("wiring").build(options, start_watchdog)
    options = None
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
