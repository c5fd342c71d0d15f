"""Any till on the whole running box: other people's senders and terminal clients, and each till on the shelf.

Four boxes run side by side, each MicroPython with the real files, a pseudo-terminal, TLS, and a phone that sees only
the glass. Each test sets them up for its tills and runs four stories at once: most of a sale is waiting.
docs/supported-tills.md says what was seen here.
"""

import asyncio
import os
import random
import re
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path

import pytest

from senders import escpos_receipt, odoo_till, pyposdisplay_till
from tillpane.sim import anytill
from tillpane.sim.device import SimError
from tillpane.sim.phone import asset_for, read_code
from tillpane.sim.server import Demo
from tillpane.sim.shop import Shop
from tillpane.standin import StandIn
from tillpane.tills import TILLS
from tillpane.tills.terminals import CLIENTS

LANES = 4
STABLE_S = 1
QUIET_S = STABLE_S + 1  # after so long a total that were taken for a sale would be one
REAL_BAUD = 115200


class Lane:
    """One box, its shop, and the till at its plug."""

    def __init__(self):
        api = StandIn(rate_limit=0, merchant_name="Corner Café", extra_currencies=("CLP",))
        self.shop = Shop(api=api, boot_window=False, join_ms=50)
        self.seen = 0
        self.forgotten = 0

    @property
    def device(self):
        return self.shop.device

    @property
    def port(self):
        return self.device.port.path

    async def become(self, name, **more):
        """A box fresh from its carton, set up for this till."""
        await self.device.kill()
        for old in self.device.root.glob("journal.log*"):
            old.unlink()
        extra = {"till_stable_seconds": STABLE_S} if anytill.about(name).kind == "display" else {}
        for key in [key for key in self.device.settings if key.startswith(("till_", "button_"))]:
            del self.device.settings[key]
        self.device.settings.update({"terminal_id": "SIM1", "currency": "NZD"} | anytill.settings(name) | extra | more)
        self.device.write_settings()
        self.shop.phone.asset_type = asset_for(self.device.settings["currency"])
        self.shop.api.clear_faults()
        self.forgotten += len(self.requests)
        await self.switch_on()

    async def switch_on(self):
        self.seen = len(self.device.screens)
        await self.device.start()
        await self.device.wait_screen("ready", "pay", "checking", "paid", after=self.seen)
        self.seen = len(self.device.screens)

    @property
    def requests(self):
        """Each payment request since it became what it is: (amount, status)."""
        rows = self.shop.api.ledger()["requests"]
        return [(row["created"], row["status"]) for row in rows][self.forgotten :]

    async def code(self, amount):
        """The request on the glass, which must ask for so much."""
        await self.shows("pay", seconds=15)
        request = await self.shop.scan()
        value = (await self.shop.phone.summary(request))["value"]
        assert int(value["amount"]) == amount
        return request

    async def shows(self, *names, seconds=10):
        """Waits for a screen that came after the last one that was waited for."""
        screen = await self.device.wait_screen(*names, timeout=seconds, after=self.seen)
        self.seen = next(at for at in range(self.seen, len(self.device.screens)) if self.device.screens[at] is screen)
        self.seen += 1
        return screen

    async def paid(self, amount):
        """A code for so much comes up, and a patron pays it."""
        await self.pay(await self.code(amount), amount)

    async def pay(self, request, amount):
        """A patron pays; the glass says so."""
        await self.shop.phone.pay(request)
        assert read_code((await self.shows("paid")).image) is None
        assert self.requests[-1] == (amount, "paid")

    async def quiet(self, seconds=QUIET_S):
        """Nothing that the till shows now starts a sale."""
        before = self.requests
        await asyncio.sleep(seconds)
        assert self.requests == before

    async def status(self, *wanted, seconds=8):
        """Until the statuses of all requests are these."""
        for _ in range(int(seconds / 0.05)):
            if [status for _, status in self.requests] == list(wanted):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.requests} never became {wanted}\n{self.device.report()}")


class Stage:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.lanes = []

    def run(self, work, seconds=60):
        return self.loop.run_until_complete(asyncio.wait_for(work, seconds))

    async def open(self):
        self.lanes = [Lane() for _ in range(LANES)]
        for lane in self.lanes:  # one after the other: the first compiles the program for all
            await lane.shop.__aenter__()

    async def close(self):
        for lane in self.lanes:
            await lane.shop.__aexit__(None, None, None)

    def act(self, *stories):
        """Each story(lane) on a box of its own, all at once; those that bring their own box come last."""

        async def all_at_once():
            results = await asyncio.gather(
                *(story(lane) for story, lane in zip_longest(stories, self.lanes)), return_exceptions=True
            )
            for story, result in zip(stories, results, strict=True):
                if isinstance(result, BaseException):
                    raise AssertionError(f"{story.__name__}: {result!r}") from result

        self.run(all_at_once())
        for lane in self.lanes:
            assert lane.device.panel.faults == []
            assert all(entry["mostPayableAtOnce"] == 1 for entry in lane.shop.api.ledger()["byExternalRef"].values())


@pytest.fixture(scope="module")
def stage():
    made = Stage()
    made.run(made.open())
    yield made
    made.run(made.close())
    made.loop.close()


def sender(send, lane, **options):
    """await say("total", 1234): other people's code writes one message to the box's plug."""

    async def say(*words):
        await asyncio.to_thread(send, lane.port, *words, **options)

    return say


# ---- pyposdisplay 0.0.8, in all of its drivers -----------------------------------------------------------------------


async def bixolon_says_the_same_total_again(lane):
    """An item starts nothing, the total does; the same total again, before and after it is paid, is the same sale;
    change starts nothing; the next patron of the same amount is a new sale.
    """
    await lane.become("escpos")
    say = sender(pyposdisplay_till.send, lane, driver="bixolon")
    await say("start")
    await say("item")
    await lane.quiet()
    assert lane.requests == []
    await say("total")
    request = await lane.code(1234)
    await say("total")
    await lane.quiet()
    assert await lane.shop.scan() == request
    await lane.pay(request, 1234)
    await say("total")
    await lane.quiet()
    await say("change")
    await asyncio.sleep(0.7)
    assert lane.requests == [(1234, "paid")]
    await say("item")
    await say("total")
    await lane.paid(1234)  # the next patron's, of the same amount


async def labau_changes_its_total(lane):
    """A changed total: the old request is void before the new one is made; the new one is paid."""
    await lane.become("labau")
    say = sender(pyposdisplay_till.send, lane, driver="labau")
    await say("start")
    await say("item")
    await say("total")
    first = await lane.code(1234)
    await say("total", 1500)
    await lane.status("cancelled", "new")
    second = await lane.code(1500)
    gone, new = lane.shop.api.request(first), lane.shop.api.request(second)
    assert gone.updated_at <= new.created_at, "the old request could still be paid when the new one was made"
    await lane.pay(second, 1500)
    assert lane.requests == [(1234, "cancelled"), (1500, "paid")]


async def epson_is_paid_in_cash_after_all(lane):
    """Change shown while a code is up: the request is void, the glass says cancelled; the next sale is paid."""
    await lane.become("escpos")
    say = sender(pyposdisplay_till.send, lane, driver="epson")
    await say("start")
    await say("item")
    await say("total")
    await lane.code(1234)
    await say("change")
    await lane.status("cancelled")
    await lane.shows("cancelled")
    await lane.quiet()
    await say("idle")
    await say("item")
    await say("total")
    await lane.paid(1234)


# ---- odoo-driver, python-escpos, and a till that never stops repainting ----------------------------------------------


async def odoo_takes_a_part_in_cash(lane):
    """In cp858, with comma and euro; a part paid in cash: the old request is void, the rest has a new one (To Pay beats
    Total); paid.
    """
    await lane.become("odoo")
    say = sender(odoo_till.send, lane)
    await say("start")
    await say("item")
    await say("total")
    await lane.code(1234)
    await say("part")  # 8.00 paid: Total 12,34 stands there still, To Pay 4,34 below it
    await lane.status("cancelled", "new")
    await lane.paid(434)
    await say("change")
    await say("idle")
    await lane.quiet()
    assert lane.requests == [(1234, "cancelled"), (434, "paid")]


async def receipts_and_noise_start_no_sale(lane):
    """Its receipts, with a total on them, start no sale; nor do 8 KB of random bytes after them, which show the till's
    display to staff; after a press of the button the next total is right.
    """
    await lane.become("escpos")
    say = sender(escpos_receipt.send, lane)
    for word in ("start", "item", "total", "change", "idle", "total"):
        await say(word)
        await asyncio.sleep(0.3)
    await lane.quiet()
    await at_line_speed(lane.port, random.Random(5).randbytes(8192))
    await lane.quiet()
    assert lane.requests == []
    assert lane.device.screen == "mirror"  # undefined bytes: staff see what the box makes of them
    await lane.device.press_button()
    await lane.shows("ready")
    with anytill.DisplayTill("unicenta", lane.port) as till:
        await till.start()
        await till.total(1234)
        await lane.paid(1234)


async def nothing_is_lost_at_115200_baud(lane):
    """20 KB of repaints at 115200 baud while a code is up and polled: every byte moves the cursor by a cell, so a lost
    one would shift the screen; it is the same sale, and the total that ends them is right.
    """
    await lane.become("unicenta", till_baud=REAL_BAUD)
    with anytill.DisplayTill("unicenta", lane.port) as till:
        await till.start()
        await till.total(1234)
        request = await lane.code(1234)
        screen = b"Total:        $12.34" + b" " * 20
        polls = lane.device.painted
        await at_line_speed(lane.port, screen * 512)
        assert lane.device.painted > polls
        assert await lane.shop.scan() == request
        await lane.pay(request, 1234)
        await till.item("Tea", 1, 500)
        await asyncio.sleep(1)
        await till.total(500)
        await lane.code(500)
        await at_line_speed(lane.port, b"\x1b\x3d\x02\x0c\x0b" + screen * 511 + screen.replace(b"12.34", b"56.78"))
        await lane.status("paid", "cancelled", "new")
        await lane.paid(5678)


async def at_line_speed(port, data, baud=REAL_BAUD):
    """Writes as a wire of so many baud brings it, in what the ESP32's FIFO hands over at once."""
    handle = os.open(port, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in range(0, len(data), 120):
            os.write(handle, data[at : at + 120])
            await asyncio.sleep(max(0, began + (at + 120) * 10 / baud - loop.time()))
    finally:
        os.close(handle)


# ---- what else happens to a sale that a display's till started -------------------------------------------------------


async def the_patron_declines(lane):
    """Declined: the total that still stands starts nothing by itself; the button asks for it once more."""
    await lane.become("escpos")
    with anytill.DisplayTill("escpos", lane.port) as till:
        await till.start()
        await till.item("Flat white", 2, 617)
        await till.total(1234)
        request = await lane.code(1234)
        lane.shop.api.cancel_by_patron(request, "DECLINED_BY_PATRON")
        await lane.shows("cancelled")
        await lane.quiet()  # the total stands there still
        await lane.device.press_button()  # the result goes from the glass
        await lane.shows("ready")
        await lane.device.press_button()  # and the same total is asked for once more
        await lane.paid(1234)


async def the_cashier_withdraws_it(lane):
    """Policy button: nothing without a press; the button held down makes the request void."""
    await lane.become("escpos", till_start="button")
    with anytill.DisplayTill("escpos", lane.port) as till:
        await till.start()
        await till.total(1234)
        await lane.quiet()
        assert lane.requests == []
        await lane.device.press_button()
        await lane.code(1234)
        await lane.device.press_button(hold=True)
        await lane.status("cancelled")
        await lane.shows("cancelled")


async def the_power_goes_in_mid_sale(lane):
    """Power cut while the code is up, paid meanwhile: after the restart the glass says paid, and the total that stands
    there is no second sale.
    """
    await lane.become("escpos")
    with anytill.DisplayTill("escpos", lane.port) as till:
        await till.start()
        await till.item("Flat white", 2, 617)
        await till.total(1234)
        request = await lane.code(1234)
        await lane.device.kill()
        await lane.shop.phone.pay(request)
        await till.total(1234)  # goes nowhere
        dark = len(lane.device.screens)
        await lane.switch_on()
        await till.total(1234)  # the till paints its screen again
        await lane.quiet()
        assert [screen.name for screen in lane.device.screens[dark:]] == ["starting", "checking", "paid"]
        assert lane.requests == [(1234, "paid")]


# ---- tills that know a card terminal ---------------------------------------------------------------------------------


async def py_telium_manager(lane):
    """Approved with the display's number; refused when the patron declines; asked again after a power cut and a till
    that gave up, it is the same sale, approved.
    """
    telium = pytest.importorskip("telium")
    await lane.become("telium")

    def ask(amount, seconds):
        till = telium.Telium(lane.port)
        try:
            question = telium.TeliumAsk.new_payment(amount, target_currency="EUR", collect_payment_source_info=False)
            assert till.ask(question)
            return till.verify(question, waiting_timeout=seconds)
        finally:
            till.close()

    asked = asyncio.ensure_future(asyncio.to_thread(ask, 12.34, 20))
    await lane.paid(1234)
    answer = await asked
    assert answer.has_succeeded and answer.amount == 12.34 and answer.transaction_id == "QR00000001"

    asked = asyncio.ensure_future(asyncio.to_thread(ask, 5.00, 20))
    lane.shop.api.cancel_by_patron(await lane.code(500), "DECLINED_BY_PATRON")
    answer = await asked
    assert not answer.has_succeeded and answer.transaction_result == 7

    asked = asyncio.ensure_future(asyncio.to_thread(ask, 7.77, 3))
    request = await lane.code(777)
    await lane.device.kill()
    await lane.shop.phone.pay(request)
    assert await asked is None  # the till has given up
    await lane.switch_on()
    answer = await asyncio.to_thread(ask, 7.77, 20)  # and asks the same again
    assert answer.has_succeeded and answer.transaction_id == "QR00000003"
    assert lane.requests == [(1234, "paid"), (500, "cancelled"), (777, "paid")]


async def transbank_sdk(lane):
    """Poll; sale with progress approved; last sale; refused (07) when the patron declines; the same ticket again is
    the same sale; refund.
    """
    sdk = pytest.importorskip("transbank.POS.POSIntegrado")
    await lane.become("transbank")
    news = []

    def ask(work):
        till = sdk.POSIntegrado()
        till.timeout = 100  # looks of 0.2 s
        assert till.open_port(lane.port)
        try:
            return work(till)
        finally:
            till.close_port()

    assert await asyncio.to_thread(ask, lambda till: till.poll())
    asked = asyncio.ensure_future(
        asyncio.to_thread(ask, lambda till: till.sale(1990, "123456", send_status=True, callback=news.append))
    )
    request = await lane.code(1990)
    await asyncio.sleep(0.7)
    await lane.pay(request, 1990)
    answer = await asked
    assert answer["success"] and (answer["ticket"], answer["amount"], answer["operation_number"]) == (
        "123456",
        "1990",
        "1",
    )
    assert "82" in [one["response_code"] for one in news]
    answer = await asyncio.to_thread(ask, lambda till: till.last_sale())
    assert answer["success"] and answer["ticket"] == "123456" and answer["amount"] == "1990"

    asked = asyncio.ensure_future(asyncio.to_thread(ask, lambda till: till.sale(2500, "123457")))
    lane.shop.api.cancel_by_patron(await lane.code(2500), "DECLINED_BY_PATRON")
    answer = await asked
    assert not answer["success"] and answer["response_code"] == "07"

    asked = asyncio.ensure_future(asyncio.to_thread(ask, lambda till: till.sale(1990, "123456")))
    assert (await asked)["success"]  # the same ticket is the same sale
    answer = await asyncio.to_thread(ask, lambda till: till.refund(1))
    assert answer["success"] and answer["function_code"] == 1210
    assert lane.requests == [(1990, "paid"), (2500, "cancelled")]
    assert lane.shop.api.ledger()["requests"][lane.forgotten]["refunded"] == 1990


async def our_own_clients(lane):
    """8 KB of noise first. ZVT: abort, sale, repeat receipt, reversal. ECR17: payment, last result, reversal."""
    await lane.become("zvt")
    await at_line_speed(lane.port, random.Random(5).randbytes(8192))
    await asyncio.sleep(1.2)  # what follows stray bytes within a second may be the tail of something
    with CLIENTS["zvt"](lane.port, "EUR") as till:
        asked = asyncio.ensure_future(till.sale(1234))
        await lane.code(1234)
        till.cancel()
        answer = await asked
        assert not answer.paid and answer.words == "aborted (6C)"
        await lane.status("cancelled")
        asked = asyncio.ensure_future(till.sale(1234))
        await lane.paid(1234)
        answer = await asked
        assert answer.paid and answer.amount == 1234
        assert (await till.last()).words == "completed (00)"
        assert (await till.refund(answer.number, 1234)).paid
    assert lane.shop.api.ledger()["requests"][-1]["refunded"] == 1234
    await lane.become("ecr17")
    with CLIENTS["ecr17"](lane.port, "EUR") as till:
        asked = asyncio.ensure_future(till.sale(1234))
        await lane.paid(1234)
        answer = await asked
        assert answer.paid and answer.number == "000001"
        assert (await till.last()).number == "000001"
        assert (await till.refund("000001", 1234)).paid


# ---- the demo's page -------------------------------------------------------------------------------------------------


async def until(found, seconds=15):
    for _ in range(int(seconds / 0.05)):
        if found():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing came of it within {seconds} s")


async def clicks(name, verbs, words):
    """The keys of this till's page, a phone that pays, and what the till's own panel says at the end."""
    demo = Demo(lambda _: None, name)
    async with demo.shop as shop:
        await shop.device.wait_screen("ready")
        await demo.begin()
        try:
            for verb in verbs:
                await until(lambda: demo._asked is None or demo._asked.done())
                await demo.do({"do": "till", "verb": verb, "amount": "5.00" if verb in ("item", "sale") else ""})
            await until(lambda: demo._phone["state"] == "asked")
            await demo.do({"do": "phone", "how": "pay"})
            await shop.device.wait_screen("paid")
            await until(lambda: demo._asked.done() and demo._till["words"] == words)
            assert demo._everything()["about"]["name"] == name
            assert {line["who"] for line in demo._lines} >= {"till"} and all(line["hex"] for line in demo._lines)
            with pytest.raises(SimError):
                await demo.do({"do": "till", "verb": "no such key"})
        finally:
            await demo.end()


async def demo_of_a_display(_):
    """A box of its own."""
    await clicks("unicenta", ("item", "total"), "On its own customer display")


async def demo_of_a_terminal(_):
    """A box of its own."""
    await clicks("telium", ("sale",), "sale: approved (0), 5.00 EUR")


# ---- the tests -------------------------------------------------------------------------------------------------------


def test_a_sale_from_pyposdisplay(stage):
    stage.act(
        bixolon_says_the_same_total_again,
        labau_changes_its_total,
        epson_is_paid_in_cash_after_all,
        the_patron_declines,
    )


def test_odoo_receipts_and_speed(stage):
    stage.act(
        odoo_takes_a_part_in_cash,
        receipts_and_noise_start_no_sale,
        nothing_is_lost_at_115200_baud,
        the_cashier_withdraws_it,
    )


def test_terminals_a_power_cut_and_the_demo(stage):
    stories = (py_telium_manager, transbank_sdk, our_own_clients, the_power_goes_in_mid_sale)
    stage.act(*stories, demo_of_a_display, demo_of_a_terminal)


STORIES = (
    # what it is of, its package, more of its version, the box's protocol, the story
    ("Odoo (pywebdriver)", "pyposdisplay", "driver bixolon", "escpos", bixolon_says_the_same_total_again),
    ("Odoo (pywebdriver)", "pyposdisplay", "driver labau", "escpos", labau_changes_its_total),
    ("Odoo (pywebdriver)", "pyposdisplay", "driver epson", "escpos", epson_is_paid_in_cash_after_all),
    ("Odoo (GRAP)", "odoo-driver-plugin-display-escpos", "", "escpos", odoo_takes_a_part_in_cash),
    ("a receipt printer's till", "python-escpos", "", "escpos", receipts_and_noise_start_no_sale),
    ("Telium / Concert E+", "pyTeliumManager", "", "telium", py_telium_manager),
    ("Transbank POS Integrado", "transbank-pos-sdk", "", "transbank", transbank_sdk),
)


# ---- each till on the shelf ------------------------------------------------------------------------------------------


# Tills that share a box, one after the other; each begins with what its kind sends at its start.
SHELF = (
    (("escpos", "labau", "odoo"),),
    (("unicenta", "cd5220", "led8"), ("adm",)),
    (("logiccontrols", "surepos", "deltas", "utc-enhanced"),),
    (("aedex", "aedex-moved"), ("dsp800",)),
)


READ_S = 0.55  # a screen is read twice, 250 ms apart


async def one_sale(lane, name):
    """Start, item, total: a code for it, and for nothing before it; paid; change and idle start nothing."""
    before = lane.requests
    with anytill.DisplayTill(name, lane.port) as till:
        await till.start()
        await till.item("Flat white", 2, 617)
        await asyncio.sleep(READ_S)
        assert lane.requests == before
        await till.total(1234)
        await lane.paid(1234)
        await till.change(1234, 2000)
        await asyncio.sleep(READ_S)
        await till.idle()
        assert lane.requests == [*before, (1234, "paid")]


def test_each_till_on_the_shelf(stage):
    assert sorted(name for boxes in SHELF for names in boxes for name in names) == sorted(TILLS)

    def story(boxes):
        async def some(lane):
            for names in boxes:
                await lane.become(names[0])
                for name in names:
                    try:
                        await one_sale(lane, name)
                    except Exception as error:
                        raise AssertionError(f"{name}: {error}") from error

        return some

    stage.act(*(story(boxes) for boxes in SHELF))


# ---- the table of docs/supported-tills.md ----------------------------------------------------------------------------

PAGE = Path(__file__).parent.parent / "docs" / "supported-tills.md"
MARK = re.compile(r"(<!-- (senders|shelf): .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def senders_table():
    rows = ["| sender | stands for | `till_protocol` | seen |", "|---|---|---|---|"]
    for what, package, more, protocol, story in STORIES:
        sender = f"{package} {version(package)}" + (f", {more}" if more else "")
        rows.append(f"| {sender} | {what} | `{protocol}` | {' '.join(story.__doc__.split())} |")
    return "\n".join(rows) + "\n"


def shelf_table():
    rows = ["| `--till` | `till_protocol` | line | whose bytes | known from |", "|---|---|---|---|---|"]
    rows += [f"| `{t.name}` | `{t.dialect}` | {t.line} | {t.sender} | {t.source} |" for t in TILLS.values()]
    return "\n".join(rows) + "\n"


def test_the_page_says_what_is_run_here():
    """With TILLPANE_WRITE_DOCS set it is written."""
    tables = {"senders": senders_table(), "shelf": shelf_table()}
    text = PAGE.read_text(encoding="utf-8")
    wanted = MARK.sub(lambda found: found[1] + tables[found[2]] + found[3], text)
    if os.environ.get("TILLPANE_WRITE_DOCS"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert len(MARK.findall(text)) == len(tables)
    assert PAGE.read_text(encoding="utf-8") == wanted


def test_the_command_line_names_every_till():
    from typer.testing import CliRunner

    from tillpane.cli import app

    said = CliRunner().invoke(app, ["demo", "--help"], terminal_width=200).output
    assert [name for name in anytill.NAMES if name not in said] == []
