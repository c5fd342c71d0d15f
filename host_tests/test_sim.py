"""The whole device: real MicroPython with the real files, a till on a pseudo-terminal, TLS, pixels read by a phone."""

import asyncio
import re

import pytest

from tillpane.panelmodel import PanelModel
from tillpane.sim.device import HARD_RESET, POWER_ON, SimDevice, SimError
from tillpane.sim.phone import read_code
from tillpane.sim.shop import Shop
from tillpane.standin import StandIn

EXPIRY_S = 10


class Rig:
    """One shop for all tests of this file, and the event loop that it lives in."""

    def __init__(self, folder):
        self.loop = asyncio.new_event_loop()
        self.record = folder / "spi.bin"
        self.shop = Shop({"expiry_seconds": EXPIRY_S}, api=StandIn(rate_limit=0), record=self.record)
        self.number = 0

    def run(self, work, timeout=60):
        return self.loop.run_until_complete(asyncio.wait_for(work, timeout))

    def ref(self):
        self.number += 1
        return f"T{self.number}"

    async def heal(self):
        """Whatever the test before has broken works again."""
        self.shop.api.clear_faults()
        self.shop.clock.answering = True
        self.shop.clock.lie_s = 0
        self.shop.wifi(True)
        self.shop.device.port.plugged = True
        await self.shop.device.start()
        await self.shop.device.wait_screen("starting", after=0)
        with self.shop.till() as till:
            await till.wait_ready()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    rig = Rig(tmp_path_factory.mktemp("whole"))
    rig.run(rig.shop.__aenter__())
    yield rig
    rig.run(rig.shop.__aexit__(None, None, None))
    rig.loop.close()


@pytest.fixture
def rig(whole):
    whole.run(whole.heal())
    yield whole
    assert whole.shop.device.panel.faults == []


def money(rig, ref):
    """Where the money of this sale is: the ledger's entry."""
    entries = rig.shop.api.ledger()["byExternalRef"]
    return next(entry for name, entry in entries.items() if name.startswith(f"SIM1-{ref}-"))


def statuses(rig, ref):
    wanted = money(rig, ref)["requests"]
    return [row["status"] for row in rig.shop.api.ledger()["requests"] if row["id"] in wanted]


async def begin(rig, till, ref, amount):
    """Starts a sale; answers the payment request that a phone reads from the glass."""
    seen = len(rig.shop.device.screens)
    answer = await till.ask(f"SALE {ref} {amount}", "OK SALE", "ERR")
    assert answer == f"OK SALE {ref} {amount} NZD"
    await rig.shop.device.wait_screen("pay", after=seen)
    return await rig.shop.scan()


def test_a_sale_is_paid_by_a_phone_that_sees_only_the_glass(rig):
    async def sale():
        ref, seen = rig.ref(), len(rig.shop.device.screens)
        connections = rig.shop.air.connections
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "12.34")
            await rig.shop.phone.pay(request)
            words = await till.result(ref)
            code = rig.shop.api.request(request).short_code
            assert words == ["PAID", "12.34", "NZD", code, "-"]
            paid = await rig.shop.device.wait_screen("paid", after=seen)
        assert read_code(paid.image) is None
        assert [screen.name for screen in rig.shop.device.screens[seen:]][-2:] == ["pay", "paid"]
        assert rig.shop.air.connections == connections, "the warm connection was not used"
        assert (money(rig, ref)["net"], money(rig, ref)["mostPayableAtOnce"]) == (1234, 1)

    rig.run(sale())


def test_printf_and_cat_are_till_enough(rig):
    async def sale():
        ref, path = rig.ref(), rig.shop.device.port.path
        seen = len(rig.shop.device.screens)
        script = f"printf 'SALE {ref} 5.50\\r\\n' > {path}; timeout 5 cat {path}"
        shell = await asyncio.create_subprocess_shell(script, stdout=asyncio.subprocess.PIPE)
        await rig.shop.device.wait_screen("pay", after=seen)
        await rig.shop.phone.pay(await rig.shop.scan())
        heard = (await shell.communicate())[0].decode("ascii")
        assert f"OK SALE {ref} 5.50 NZD\r\n" in heard
        assert f"RESULT {ref} PAID 5.50 NZD" in heard
        assert f"SALE {ref} 5.50\r\n" not in heard.replace(f"OK SALE {ref} 5.50", ""), "the line echoes"
        assert heard.count(f"RESULT {ref} PAID") >= 2, "a result is repeated until it is acknowledged"
        with rig.shop.till() as till:
            await till.ask(f"ACK {ref}", f"OK ACK {ref}")

    rig.run(sale())


def test_cancelled_means_that_it_cannot_be_paid_any_more(rig):
    async def sale():
        ref, seen = rig.ref(), len(rig.shop.device.screens)
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "7.00")
            await till.ask(f"CANCEL {ref}", "OK CANCEL")
            assert (await till.result(ref))[0] == "CANCELLED"
        await rig.shop.device.wait_screen("cancelled", after=seen)
        with pytest.raises(SimError, match="REQUEST_CANCELLED"):
            await rig.shop.phone.pay(request)
        assert money(rig, ref)["net"] == 0

    rig.run(sale())


def test_a_patron_declines(rig):
    async def sale():
        ref, seen = rig.ref(), len(rig.shop.device.screens)
        with rig.shop.till() as till:
            rig.shop.api.cancel_by_patron(await begin(rig, till, ref, "7.10"), "DECLINED_BY_PATRON")
            words = await till.result(ref)
        assert (words[0], words[-1]) == ("CANCELLED", "DECLINED_BY_PATRON")
        await rig.shop.device.wait_screen("cancelled", after=seen)

    rig.run(sale())


def test_one_sale_at_a_time_and_the_same_line_is_the_same_sale(rig):
    async def sale():
        ref, other = rig.ref(), rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "3.00")
            assert (await till.ask(f"SALE {other} 4.00", "ERR", "OK SALE")).startswith(f"ERR BUSY {ref}")
            assert await till.ask(f"SALE {ref} 3.00", "ERR", "OK SALE") == f"OK SALE {ref} 3.00 NZD"
            assert (await till.ask(f"SALE {ref} 3.01", "ERR", "OK SALE")).startswith("ERR REF_AMOUNT")
            await rig.shop.phone.pay(request)
            assert (await till.result(ref))[0] == "PAID"
            assert (await till.ask(f"SALE {ref} 3.00", "RESULT", "OK SALE", "ERR")).startswith(
                f"RESULT {ref} PAID 3.00"
            )
        assert len(money(rig, ref)["requests"]) == 1

    rig.run(sale())


def test_what_is_not_a_line_never_becomes_a_sale(rig):
    async def noise():
        before = len(rig.shop.api.requests)
        with rig.shop.till() as till:
            till.send_bytes(bytes(range(128, 256)) + b"SALE N1 9.99\r\n")
            assert (await till.hear("ERR", "OK SALE")).startswith("ERR ")
            till.send_bytes(b"SALE N2 9.99" + b" " * 1500 + b"\r\n")
            assert (await till.hear("ERR", "OK SALE")).startswith("ERR ")
            assert (await till.ask("SALE N3 1234", "ERR", "OK SALE")).startswith("ERR AMOUNT")
            assert (await till.ask("SALE N4 9.99*00", "ERR", "OK SALE")).startswith("ERR CHECKSUM")
            till.send_bytes(b"SALE N5 9.9")
            await asyncio.sleep(0.1)
            rig.shop.device.port.plugged = False
            till.send_bytes(b"9\r\n")
            await asyncio.sleep(0.1)
            rig.shop.device.port.plugged = True
            till.send_bytes(b"\r\n")
            assert (await till.hear("ERR", "OK SALE")).startswith("ERR AMOUNT")
            assert (await till.ask("INFO", "INFO")).endswith("READY")
        assert len(rig.shop.api.requests) == before

    rig.run(noise())


def test_errors_and_web_pages_while_polling_change_nothing(rig):
    async def sale():
        ref = rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "8.00")
            rig.shop.api.inject("status", op="get", status=500, count=2)
            rig.shop.api.inject("html", op="get", count=2)
            await rig.shop.phone.pay(request)
            assert (await till.result(ref))[0] == "PAID"
        counts = rig.shop.api.fault_counts
        assert counts["status"] >= 2 and counts["html"] >= 2
        assert money(rig, ref)["net"] == 800

    rig.run(sale())


def test_a_lost_answer_to_create_makes_no_second_payable_request(rig):
    async def sale():
        ref, seen = rig.ref(), len(rig.shop.device.screens)
        with rig.shop.till() as till:
            rig.shop.api.inject("drop", op="create", when="after", count=1)
            await till.ask(f"SALE {ref} 6.60", "OK SALE")
            await rig.shop.device.wait_screen("pay", after=seen)
            await rig.shop.phone.pay(await rig.shop.scan())
            assert (await till.result(ref))[0] == "PAID"
        entry = money(rig, ref)
        assert (entry["net"], entry["mostPayableAtOnce"]) == (660, 1)

    rig.run(sale())


def test_paid_while_the_wifi_was_down(rig):
    async def sale():
        ref = rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "15.00")
            rig.shop.wifi(False)
            await rig.shop.phone.pay(request)
            await asyncio.sleep(2.5)
            heard = [text for _, who, text in till.lines if who == "box" and text.startswith("RESULT")]
            assert heard == [], "nothing can be known while the air is dead"
            rig.shop.wifi(True)
            assert (await till.result(ref, timeout=45))[0] == "PAID"
        assert money(rig, ref)["net"] == 1500

    rig.run(sale())


def test_an_expired_sale_is_over_for_the_patron_too(rig):
    async def sale():
        ref, seen = rig.ref(), len(rig.shop.device.screens)
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "2.00")
            words = await till.result(ref, timeout=EXPIRY_S + 15)
        assert words[0] == "EXPIRED"
        await rig.shop.device.wait_screen("expired", after=seen)
        with pytest.raises(SimError, match="REQUEST_EXPIRED"):
            await rig.shop.phone.pay(request)
        assert statuses(rig, ref) == ["expired"]

    rig.run(sale())


def test_paid_during_a_power_cut_is_told_afterwards(rig):
    async def sale():
        ref = rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "21.00")
            await rig.shop.device.kill()
            assert rig.shop.device.panel.image().getextrema() == ((0, 0), (0, 0), (0, 0)), "the glass is dark"
            await rig.shop.phone.pay(request)
            await rig.shop.device.start()
            assert (await till.result(ref, acknowledge=False))[0] == "PAID"
            assert (await till.ask(f"STATUS {ref}", "RESULT", "ERR", "OK")).startswith(f"RESULT {ref} PAID 21.00")
            assert (await till.ask("LAST", "RESULT", "ERR")).startswith(f"RESULT {ref} PAID 21.00")
            await till.ask(f"ACK {ref}", "OK ACK")
        assert money(rig, ref)["net"] == 2100

    rig.run(sale())


def test_unpaid_at_a_power_cut_is_not_payable_afterwards(rig):
    async def sale():
        ref = rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "22.00")
            await rig.shop.device.restart(HARD_RESET)
            words = await till.result(ref)
            assert words[0] == "CANCELLED"
            assert (await till.ask(f"STATUS {ref}", "RESULT", "ERR")).startswith(f"RESULT {ref} CANCELLED")
        with pytest.raises(SimError, match="REQUEST_CANCELLED"):
            await rig.shop.phone.pay(request)
        assert statuses(rig, ref) == ["cancelled"]

    rig.run(sale())


def test_without_a_panel_nothing_is_sold_and_everything_is_settled(rig):
    device = rig.shop.device

    async def withdrawn(till, amount):
        """A sale without a panel, which then works again and shows what became of it."""
        ref = rig.ref()
        await till.ask(f"SALE {ref} {amount}", "OK SALE")
        words = await till.result(ref)
        assert words[0] in ("CANCELLED", "FAILED") and words[-1] == "NO_QR_CODE"
        seen = len(device.screens)
        device.set_glass(True)
        await device.wait_screen(words[0].lower(), after=seen)

    async def sale():
        ref = rig.ref()
        with rig.shop.till() as till:
            request = await begin(rig, till, ref, "23.00")
            device.set_glass(False)
            await device.restart(HARD_RESET)
            assert (await till.result(ref))[0] == "CANCELLED"
            await withdrawn(till, "24.00")
            device.set_glass(False)
            await withdrawn(till, "25.00")
            await rig.shop.phone.pay(await begin(rig, till, rig.ref(), "26.00"))
        with pytest.raises(SimError, match="REQUEST_CANCELLED"):
            await rig.shop.phone.pay(request)

    rig.run(sale(), timeout=90)


def test_the_recording_replays_to_the_same_picture(rig):
    """spi.bin holds every byte: a fresh panel that is fed with it shows what the live one shows."""

    async def settle():
        await rig.shop.device.wait_screen("ready", "paid", "cancelled", "expired", timeout=40)
        await asyncio.sleep(0.3)

    rig.run(settle())
    rig.shop.device._record.flush()
    again = PanelModel("st7789")
    again.replay(rig.record)
    assert again.image().tobytes() == rig.shop.device.panel.image().tobytes()


def test_without_a_clock_there_is_no_sale(rig):
    """Time comes before TLS: after power-up the board's clock stands in 2000, and only the time server can set it."""

    async def clock():
        rig.shop.clock.answering = False
        asked, made = rig.shop.clock.asked, rig.shop.air.connections
        await rig.shop.device.restart(POWER_ON)
        with rig.shop.till() as till:
            await rig.shop.device.wait_screen("out-of-order", after=len(rig.shop.device.screens), timeout=30)
            assert (await till.ask("INFO", "INFO")).endswith("NOT_READY CLOCK")
            assert (await till.ask(f"SALE {rig.ref()} 1.00", "ERR", "OK SALE")).startswith("ERR NOT_READY CLOCK")
            assert rig.shop.clock.asked > asked
            assert rig.shop.air.connections == made, "it spoke to the API without knowing the time"
            rig.shop.clock.answering = True
            await till.wait_ready(timeout=30)

    rig.run(clock(), timeout=90)


def test_the_clock_survives_a_reset(rig):
    """No time server is needed after a reset without power loss."""

    async def reset():
        rig.shop.clock.answering = False
        await rig.shop.device.restart(HARD_RESET)
        with rig.shop.till() as till:
            await till.wait_ready()

    rig.run(reset())


def test_a_certificate_of_nobody_is_refused(rig):
    async def stranger():
        rig.shop.api.inject("tls_wrong_ca", count=0)
        await rig.shop.device.restart()
        await rig.shop.device.wait_screen("out-of-order", after=len(rig.shop.device.screens), timeout=30)
        with rig.shop.till() as till:
            assert (await till.ask("INFO", "INFO")).endswith("NOT_READY CERTIFICATE")
        rig.shop.api.clear_faults()

    rig.run(stranger())


def test_the_api_key_is_on_no_wire_but_the_tls_one(rig):
    key = rig.shop.api.api_key
    assert not any(key in line for line in rig.shop.device.console)
    assert key.encode() not in rig.record.read_bytes()


def test_ctrl_c_and_the_button_lead_to_the_repl():
    async def boot(hand):
        async with SimDevice({"api_key": "k", "config_id": "c"}) as device:
            await device.wait_console("Tillpane starts in 2 s")
            await asyncio.sleep(0.5)  # a pin that is low from the first look is a wired one, and no press
            hand(device)
            for _ in range(300):  # a loaded host is slow; what is asked is that it ends, and without a screen
                if not device.running and "program ended" in device.report():
                    break
                await asyncio.sleep(0.05)
            assert not device.running and device.screens == []
            assert re.search("program ended .code 3", device.report())

    asyncio.run(boot(lambda device: device.interrupt()))
    asyncio.run(boot(lambda device: device.set_input(0, 0)))


def test_unusable_settings_are_shown_on_the_glass():
    async def broken():
        async with SimDevice({"api_key": "k"}) as device:
            screen = await device.wait_screen("out-of-order")
            assert len(screen.image.getcolors(100000)) > 2

    asyncio.run(broken())
