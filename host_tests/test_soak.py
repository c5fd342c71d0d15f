"""The soak in its short form, and proof that it finds something: faults seeded into the books and into a box."""

import asyncio
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter

import pytest

from tillpane.sim.device import POWER_ON, REPOSITORY, SimError
from tillpane.sim.shop import Shop
from tillpane.soak import soak
from tillpane.soak.book import Auditor, Sale, read_journal
from tillpane.soak.wire import Spoiler, checked, checksum, well_formed
from tillpane.standin import StandIn

TERMINAL = "SIM1"


def run(work, timeout=100):
    return asyncio.run(asyncio.wait_for(work, timeout))


@pytest.mark.timeout(240)
def test_a_short_soak_ends_with_no_disagreement():
    report = run(soak(16, "make test", 16), 200)
    print("\n".join(report.lines()))
    assert report.disagreements == [], "\n".join(report.lines())
    assert report.sales == 16 and report.compared >= 12 and report.paid > 0
    assert sum(report.faults.values()) > 10
    assert report.lines()[-1] == "0 disagreements"


@pytest.mark.timeout(240)
def test_ctrl_c_says_how_far_it_was_and_how_to_run_the_same_again():
    command = [sys.executable, "-m", "tillpane", "soak", "--sales", "9", "--boxes", "1", "--seed", "stop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "9 sales, seed stop\n"
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"stopped after \d of 9 sales: .*\n.*: make soak N=9 BOXES=1 SEED=stop\n", said), said


def test_the_soak_names_what_a_faulty_box_does(tmp_path):
    """A box that gives up with CANCELLED at once, before Centrapay confirmed it."""
    faulty = tmp_path / "box"
    for name in ("lib", "firmware"):
        shutil.copytree(REPOSITORY / name, faulty / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("boot.py", "main.py"):
        shutil.copy(REPOSITORY / name, faulty / name)
    source = faulty / "lib" / "kiosk" / "sale.py"
    text = source.read_text()
    hasty = re.sub(
        r"(    def _start_void\(self, now[^)]*\):\n)",
        r"\1        self._finish(CANCELLED, 'CANCELLED_BY_MERCHANT', now)\n        return\n"
        r"\n    def _never(self, now):\n",
        text,
    )
    assert hasty != text
    source.write_text(hasty)
    report = run(soak(12, "a faulty box", 12, app=faulty), 200)
    assert report.disagreements
    found = {one.words for one in report.disagreements}
    assert any("can still be paid" in words or "taken and kept" in words for words in found), found
    assert re.fullmatch(r"[1-9]\d* disagreements?", report.lines()[-1])
    assert "till: SALE" in report.disagreements[0].excerpt


# ---- power cuts of the whole device, at random moments ---------------------------------------------------------------


@pytest.mark.timeout(200)
def test_power_cuts_at_random_moments_of_sales():
    async def one(shop, till, rng, ref):
        shop.api.clear_faults()
        paid = rng.random() < 0.5
        till.send(f"SALE {ref} 12.34")
        moment = rng.uniform(0.0, 1.2)
        deed = asyncio.create_task(patron(shop, paid, rng.uniform(0.1, 0.8)))
        await asyncio.sleep(moment)
        await shop.device.kill()
        await shop.device.start(POWER_ON)
        await till.wait_ready(30)
        await deed
        answer = await till.ask(f"SALE {ref} 12.34", "OK SALE", "WAIT", "RESULT")  # as a till does that heard nothing
        if answer.startswith("OK SALE"):
            await till.ask(f"CANCEL {ref}", "OK CANCEL", "RESULT")
        word = (await till.result(ref, 60))[0]
        last = await till.ask("LAST", "RESULT")
        status = await till.ask(f"STATUS {ref}", "RESULT")
        assert last == status and last.split()[1:3] == [ref, word], (moment, last, status, word)
        records = [r for r in read_journal((shop.device.root / "journal.log").read_bytes()) if r.ref == ref]
        assert (records[-1].state, records[-1].amount) == (word, 1234)
        entries = [e for name, e in shop.api.ledger()["byExternalRef"].items() if name.startswith(f"{TERMINAL}-{ref}-")]
        assert sum(entry["net"] for entry in entries) == (1234 if word == "PAID" else 0), (
            moment,
            word,
            till.transcript(),
        )
        return word

    async def patron(shop, pays, wait):
        seen = len(shop.device.screens)
        if not pays:
            return
        try:
            screen = await shop.device.wait_screen("pay", timeout=2, after=seen)
        except SimError:
            return
        await asyncio.sleep(wait)
        try:
            await shop.phone.pay(shop.phone.look(screen.image))
        except SimError:
            return  # the box was quicker

    async def box(number, words):
        rng = random.Random(f"power {number}")
        settings = {"expiry_seconds": 10, "terminal_id": TERMINAL}
        async with Shop(settings, api=StandIn(rate_limit=0, admin_port=None), boot_window=False) as shop:
            with shop.till() as till:
                await till.wait_ready()
                for index in range(2):
                    words[await one(shop, till, rng, f"{number}.{index}")] += 1

    async def boxes():
        words = Counter()
        await asyncio.gather(*(box(number, words) for number in range(6)))
        return words

    words = run(boxes(), 180)
    assert sum(words.values()) == 12 and len(words) > 1, words


# ---- the auditor and the cable, on their own -------------------------------------------------------------------------


def audited(story):
    """What the auditor finds after `story(api, auditor, sale, request)` with one sale of 12.34."""

    async def work():
        async with StandIn(admin_port=None) as api:
            sale = Sale("7", 1234, accepted=True)
            auditor = Auditor(api, "B1", {"7": sale})
            body = {"configId": api.config_id, "value": {"amount": "1234", "currency": "NZD"}, "externalRef": "B1-7-n"}
            request = api.book.create(body, api.clock.now())
            auditor.drawn(request.id)
            story(api, auditor, sale, request)
            return [words for _, words in auditor.found]

    return run(work())


def result(word, amount="12.34", reason="-"):
    return f"RESULT 7 {word} {amount} NZD CP-1 {reason}"


def test_a_true_story_is_agreed_to():
    def story(api, auditor, sale, request):
        api.pay(request.id)
        auditor.said(result("UNKNOWN"))
        auditor.said(result("PAID"))
        auditor.close(sale)

    assert audited(story) == []


def test_paid_without_money_is_found():
    assert "PAID, but the ledger has another sum" in audited(lambda api, auditor, sale, r: auditor.said(result("PAID")))


def test_cancelled_while_it_can_be_paid_is_found():
    found = audited(lambda api, auditor, sale, r: auditor.said(result("CANCELLED")))
    assert found == ["CANCELLED, but the code can still be paid"]


def test_kept_money_and_a_second_result_are_found():
    def story(api, auditor, sale, request):
        api.pay(request.id)
        auditor.said(result("PAID"))
        auditor.said(result("EXPIRED"))

    assert audited(story) == [
        "PAID was followed by EXPIRED",
        "EXPIRED, but 12.34 was taken and kept",
        "EXPIRED -, but it was paid and refunded",
    ]


def test_a_hidden_refund_is_found():
    def story(api, auditor, sale, request):
        api.pay(request.id)
        api.book.void(request.id, api.clock.now())
        auditor.said(result("CANCELLED", reason="CANCELLED_BY_MERCHANT"))

    assert audited(story) == ["CANCELLED CANCELLED_BY_MERCHANT, but it was paid and refunded"]


def test_another_amount_and_an_unresolved_sale_are_found():
    found = audited(lambda api, auditor, sale, r: auditor.said(result("UNKNOWN", "12.35")))
    assert found == ["UNKNOWN of 12.35 NZD, but the till sold 12.34"]
    assert audited(lambda api, auditor, sale, r: auditor.close(sale)) == ["never resolved: no result at all"]


def test_the_journal_is_compared():
    def line(state, amount=1234, mark="-"):
        body = f"1 7 {amount} NZD B1-7-n 0 {state} id CP-1 - {mark}".encode()
        return b"%08x %s\n" % (zlib.crc32(body), body)

    def story(api, auditor, sale, request):
        sale.words, sale.acked = ["CANCELLED"], True
        auditor.compare_journal(read_journal(line("CANCELLED", mark="A")))
        assert auditor.found == []
        torn = line("PAID")[:-9]
        auditor.compare_journal(read_journal(line("CANCELLED", mark="A") + torn + b"\n"))
        assert auditor.found == []
        auditor.compare_journal(read_journal(line("PAID", 1235)))

    found = audited(story)
    assert "the journal has 1235 NZD" in found and "the journal has PAID, the till heard CANCELLED" in found
    assert "the journal lost the acknowledgement" in found


def test_what_the_cable_spoils_is_never_another_good_line():
    spoiler = Spoiler(random.Random(1), 1.0, counts := Counter())
    text = b"SALE 1001 12.34"
    line = text + b"*%02X\r\n" % checksum(text)
    rest = b""
    for _ in range(5000):
        rest += spoiler.pass_on(line)[1]
    heard = {checked(one) for one in rest.replace(b"\r", b"\n").split(b"\n")}
    # cut lines that ran together may cancel each other out in an XOR; with too many words they are no line either
    assert not well_formed(["OK", "SALE", "6_x", "999999.99WAIT", "6_x", "PREPARING", "10"])
    assert well_formed(["OK", "SALE", "6_x", "999999.99", "NZD"]) and well_formed(
        ["ERR", "NOT_READY", "it", "is", "starting"]
    )
    good = {one for one in heard if one is not None and len(one.split()) < 5}
    assert good == {text} and None in heard
    assert len(counts) == 8
