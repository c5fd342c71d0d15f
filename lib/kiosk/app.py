"""The product at work: the tasks that tie till, desk, Centrapay, Wi-Fi, clock and glass together."""

import asyncio
import binascii
import gc
import os

from micropython import const

from centrapay import CentrapayError, Unknown
from https import ClockUnset, HTTPSError, Untrusted
from kiosk import view
from kiosk.button import HOLD, PRESS
from kiosk.clock import ClockError
from kiosk.journal import JournalError
from kiosk.saleview import reason_words
from kiosk.screens import ScreenError
from kiosk.version import VERSION

_UART_CHUNK = const(128)
_PAUSE_MS = const(10)
_LOOK_MS = const(200)
_OPEN_MS = const(15000)
_WARM_LOOK_MS = const(500)
_OPEN_BACK_OFF_MS = const(2000)
_OPEN_BACK_OFF_MAX_MS = const(30000)
_SHORT_LIVED_MS = const(45000)  # a connection that the server ended sooner
_MOST_BLIND = const(3)
_MAX_FAILURES = const(2)  # a server may close an idle connection just when we look
_RESYNC_MS = const(12 * 3600 * 1000)
_TIDY_AFTER_MS = const(60000)


def nonce():
    """Six random characters that make an external reference unique."""
    return binascii.hexlify(os.urandom(3)).decode()


class App:
    """Everything it needs is passed in; `main.py` builds it.

    till      UART with readinto(buffer) and write(bytes)
    till_baud  bits a second of the till's wire
    expiry_s  seconds a patron has
    wrong_root  DER of a root that no server has: before the first call a server must be refused for it
    """

    def __init__(
        self,
        till,
        desk,
        centrapay,
        https,
        screens,
        wifi,
        clock,
        journal,
        supervisor,
        till_baud,
        expiry_s,
        wrong_root,
        button=None,
    ):
        self._till = till
        self._desk = desk
        self._centrapay = centrapay
        self._https = https
        self._screens = screens
        self._wifi = wifi
        self._clock = clock
        self._journal = journal
        self._supervisor = supervisor
        self._till_baud = till_baud
        self._expiry_s = expiry_s
        self._button = button  # Button, or None
        self._wrong_root = wrong_root  # None once verification is proven to work
        self._wire_free_at = 0
        self._why = ""  # the Wi-Fi is down
        self._synced_at = None
        self._failures = 0  # attempts in a row to open the connection
        self._quiet_since = 0
        self._blind = 0  # starts of the glass's task since something was painted

    async def run(self):
        """Never returns."""
        now = self._clock.now()
        await self._paint(view.View(view.STARTING, detail="Tillpane " + VERSION), None)
        self._desk.restore(now)
        keep = self._supervisor.keep
        await asyncio.gather(
            keep("till", self._serve_till),
            keep("api", self._serve_api),
            keep("glass", self._serve_glass),
            keep("wifi", self._wifi.run),
            keep("link", self._keep_link),
            self._supervisor.run(),
        )

    # The till ---------------------------------------------------------------------------------------------------

    async def _serve_till(self, beat):
        chunk = bytearray(_UART_CHUNK)
        desk = self._desk
        tick_at = self._clock.now()
        while True:
            beat()
            now = self._clock.now()
            if now >= tick_at:  # here, so that what is overdue is said also while a call to a hung server is out
                tick_at = now + _LOOK_MS
                desk.tick(now)
            got = self._till.readinto(chunk) or 0
            if desk.feed(chunk, got, now):
                self._quiet_since = now
            if self._button is not None:
                self._feel(self._button.look(now), now)
            data = desk.answer()
            while data:
                self._till.write(data)
                data = desk.answer()
            data = desk.outgoing(now) if now >= self._wire_free_at else None
            if data:
                self._till.write(data)
                self._wire_free_at = now + len(data) * 12000 // self._till_baud  # write() blocks when full
            await asyncio.sleep_ms(0 if got else _PAUSE_MS)

    def _feel(self, event, now):
        if event == PRESS:
            self._desk.press(now)
        elif event == HOLD and not self._desk.hold(now):
            self._desk.notice = self._till.toggle()

    # Centrapay --------------------------------------------------------------------------------------------------

    async def _serve_api(self, beat):
        self._desk.recover(self._clock.now())
        while True:
            beat()
            now = self._clock.now()
            call = self._desk.next_call(now)
            if call is None:
                await self._wait_for_work(now)
            else:
                await self._perform(call[0], call[1], call[2])

    async def _wait_for_work(self, now):
        """Until a call is due or the till spoke; a fifth of a second at most."""
        revision = self._desk.revision
        due = self._desk.due_in(now)
        wait = _LOOK_MS if due is None else min(due, _LOOK_MS)
        while True:
            await asyncio.sleep_ms(_PAUSE_MS)
            wait -= _PAUSE_MS
            if wait <= 0 or self._desk.revision != revision:
                return

    async def _perform(self, owner, verb, identity):
        try:
            answer = await self._ask(owner, verb, identity)
        except CentrapayError as error:
            print("[tillpane]", verb, type(error).__name__, error.args[0])
            self._desk.failed(owner, verb, error, self._clock.now())
        except Exception:  # a fault of ours must not leave the call in flight for ever; the supervisor tells it
            gc.collect()
            self._desk.failed(owner, verb, Unknown("fault"), self._clock.now())
            raise
        else:
            self._desk.answered(owner, verb, answer, self._clock.now())

    async def _ask(self, owner, verb, identity):
        """The answer to one call. Raises CentrapayError."""
        api = self._centrapay
        sale = owner.sale
        if not self._wifi.up:
            raise Unknown("Wi-Fi is down", False)
        if self._wrong_root is not None:
            raise Unknown("verification not proven", False)
        if verb == "get":
            return await api.get(identity, sale.amount, sale.currency, owner.patient)
        if verb == "create":
            return await api.create(sale.external_ref, sale.amount, sale.currency, self._expiry_s)
        if verb == "void":
            return await api.void(identity)
        if verb == "find":
            return await api.find(sale.external_ref, sale.amount, sale.currency)
        if verb == "activities":
            return await api.activities(identity)
        return await api.refund(identity, owner.amount, sale.currency, owner.external_ref)

    # Wi-Fi, clock and the warm connection -------------------------------------------------------------------------

    async def _keep_link(self, beat):
        self._synced_at = None
        back_off = _OPEN_BACK_OFF_MS
        handshakes = opened_at = 0
        while True:
            beat()
            now = self._clock.now()
            wait = _WARM_LOOK_MS
            if not self._wifi.up:
                self._block("WIFI", self._wifi.why)
                self._https.close()
            elif self._synced_at is None or now - self._synced_at > _RESYNC_MS or not self._clock.is_set():
                if await self._set_clock():
                    self._synced_at = now
                    continue
                wait = _OPEN_BACK_OFF_MS
            elif self._wrong_root is not None:
                if await self._prove(beat):
                    continue
                wait = back_off
                back_off = min(back_off * 2, _OPEN_BACK_OFF_MAX_MS)
            else:
                warm = await self._warm()
                if not warm or self._https.handshakes != handshakes:
                    # Not open, or anew: a server that soon lets go of it again is called on ever more seldom.
                    handshakes = self._https.handshakes
                    opened_at = now
                    wait = back_off
                    back_off = min(back_off * 2, _OPEN_BACK_OFF_MAX_MS)
                elif now - opened_at >= _SHORT_LIVED_MS:
                    back_off = _OPEN_BACK_OFF_MS
                if warm:
                    await self._tidy(now, beat)
            await self._pause(wait, beat)

    async def _pause(self, ms, beat):
        """Waits, but not on when the link went away meanwhile."""
        was_up = self._wifi.up
        while ms > 0 and self._wifi.up == was_up:
            beat()
            await asyncio.sleep_ms(100)
            ms -= 100

    async def _set_clock(self):
        """Whether the clock can be believed after asking the time server."""
        try:
            await self._clock.sync()
        except ClockError as error:
            print("[tillpane] clock:", error.args[0])
            if not self._clock.is_set():
                self._block("CLOCK")
                return False
        return self._clock.is_set()

    async def _prove(self, beat):
        """Whether verification is proven to work: the server, whoever it is, is refused under a root it cannot have.

        Where it is not refused, nothing that this box hears can be believed: it stays out of order, without a call.
        """
        try:
            if await self._https.refuses(self._wrong_root, _OPEN_MS):
                print("[tillpane] verification works")
                self._wrong_root = None
                return True
        except HTTPSError as error:
            print("[tillpane] link:", error.args[0] if error.args else type(error).__name__)
            self._block("CENTRAPAY")
            return False
        except ValueError as error:
            print("[tillpane] self-test:", error.args[0])
        self._block("SECURITY")
        while True:
            await self._pause(_OPEN_BACK_OFF_MAX_MS, beat)

    async def _warm(self):
        """Opens the verified connection before the till asks, and again whenever the server let it go."""
        try:
            await self._https.open(_OPEN_MS)
        except Untrusted:
            self._block("CERTIFICATE")
            self._synced_at = None  # a wrong clock looks the same
            return False
        except ClockUnset:
            self._block("CLOCK")
            return False
        except HTTPSError as error:
            print("[tillpane] link:", error.args[0] if error.args else type(error).__name__)
            self._failures += 1
            if self._desk.blocked or self._failures >= _MAX_FAILURES:
                self._block("CENTRAPAY")
            return False
        self._failures = 0
        self._block("")
        return True

    def _block(self, code, why=""):
        if code == self._desk.blocked and why == self._why:
            return
        if code != self._desk.blocked:
            print("[tillpane]", "not ready: " + code if code else "ready")
        self._desk.blocked = code
        self._desk.revision += 1
        self._why = why

    async def _tidy(self, now, beat):
        """Compacts the journal in a quiet minute, or when it has grown far, in small steps beside everything else."""
        quiet = not self._desk.selling and now - self._quiet_since >= _TIDY_AFTER_MS
        if self._desk.listing or not self._journal.tidies(quiet):
            return
        self._quiet_since = now
        gc.collect()
        work = self._journal.compacting()
        try:
            for _ in work:
                beat()
                await asyncio.sleep_ms(0)
                if self._desk.listing:
                    break
        except JournalError as error:
            print("[tillpane] journal:", error.args[0])
        finally:
            work.close()

    # The glass --------------------------------------------------------------------------------------------------

    async def _serve_glass(self, beat):
        self._blind += 1
        kind = view.STARTING
        while True:
            beat()
            revision = self._desk.revision
            if self._blind > _MOST_BLIND:  # a fault of ours in each of them: nobody sees the code
                self._desk.could_not_draw(self._desk.busy_with, self._clock.now())
            kind = await self._paint(self._view(self._clock.now()), kind)
            self._blind = 0
            await self._wait_for_change(revision)

    async def _paint(self, shows, kind):
        """-> the kind of view that is on the glass, `kind` before, None where nothing is.

        A sale whose view cannot be shown is withdrawn, and the till hears of it: the box works on without a glass.
        """
        ref = self._desk.busy_with
        try:
            await self._screens.show(shows)
        except ScreenError as error:
            print("[tillpane] glass:", error.args[0])
            self._desk.could_not_draw(ref, self._clock.now())
            return None
        if shows.kind != kind:
            print("[tillpane] screen", view.NAMES[shows.kind])
        return shows.kind

    async def _wait_for_change(self, revision):
        """Until something may have changed the glass; the countdown is looked at five times a second."""
        for _ in range(_LOOK_MS // _PAUSE_MS):
            await asyncio.sleep_ms(_PAUSE_MS)
            if self._desk.revision != revision:
                return

    def _view(self, now):
        """What matters most now: a sale, then what keeps the box from working, then ready."""
        desk = self._desk
        if desk.shows_sale(now):
            return desk.view(now)
        if desk.blocked in ("WIFI", "STARTING"):
            return view.View(view.JOINING, detail=self._wifi.ssid, note=reason_words(self._why))
        if desk.blocked:
            return view.View(
                view.OUT_OF_ORDER, detail=reason_words(desk.blocked), note=reason_words("ADVICE_" + desk.blocked)
            )
        if desk.setup_fault:
            return view.View(
                view.OUT_OF_ORDER, detail=reason_words(desk.setup_fault), note=reason_words("ADVICE_SETUP")
            )
        return desk.view(now)
