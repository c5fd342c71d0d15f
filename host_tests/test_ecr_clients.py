"""Other people's tills: pyTeliumManager and Transbank's own SDK, through a pseudo-terminal, against our protocols."""

import contextlib
import os
import select
import threading
import time
import tty

import pytest

from till import telium, transbank
from till.ecr import Outcome

telium_client = pytest.importorskip("telium")
pos_integrado = pytest.importorskip("transbank.POS.POSIntegrado")


class Options:
    terminal = "ABC1234C"
    till_variant = ""

    def __init__(self, currency):
        self.currency = currency


class Box(threading.Thread):
    """The host loop around one protocol: bytes in, bytes out, every request answered by `decide(request)`."""

    def __init__(self, protocol, decide, delay_s=0.05, stages=(), damage=None):
        super().__init__(daemon=True)
        self.protocol, self.decide, self.delay_s, self.stages, self.damage = protocol, decide, delay_s, stages, damage
        self.master, self._slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.requests, self.delivered, self.written = [], 0, []
        self._over = threading.Event()

    def run(self):
        due, stages, request, buffer = None, [], None, bytearray(64)
        while not self._over.is_set():
            ready, _, _ = select.select([self.master], [], [], 0.005)
            now = int(time.monotonic() * 1000)
            if ready:
                data = os.read(self.master, len(buffer))
                buffer[: len(data)] = data
                self.protocol.feed(buffer, len(data), now)
            self.protocol.tick(now)
            taken = self.protocol.take_request()
            if taken is not None:
                self.requests.append(taken)
                request, due, stages = taken, now + self.delay_s * 1000, list(self.stages)
            if request is not None and stages:
                self.protocol.progress(stages.pop(0), 60, now)
                due = now + self.delay_s * 1000
            elif request is not None and now >= due:
                self.protocol.answer(self.decide(request), now)
                request = None
            while (frame := self.protocol.outgoing()) is not None:
                if self.damage is not None:
                    frame = self.damage(frame)
                self.written.append(frame)
                if frame:
                    os.write(self.master, frame)
            self.delivered += self.protocol.take_delivered()
            if stages:
                time.sleep(0.3)  # the SDK looks five times a second, and takes two frames in one look for one

    def close(self):
        self._over.set()
        self.join(5)
        os.close(self.master)
        os.close(self._slave)


@contextlib.contextmanager
def box(protocol, decide, **how):
    thread = Box(protocol, decide, **how)
    thread.start()
    try:
        yield thread
    finally:
        thread.close()


def outcome(word):
    return lambda request: Outcome(word, request.ref, request.amount, request.currency, "CP-C7F-ZS5", 7, 1762785430)


def ask(path, amount=12.34, client=telium_client.Telium, **how):
    till = client(path)
    try:
        question = telium_client.TeliumAsk.new_payment(amount, target_currency="EUR", **how)
        assert till.ask(question)
        return till.verify(question, waiting_timeout=5)
    finally:
        till.close()


@pytest.mark.parametrize("long_answer", [True, False])
def test_telium_paid(long_answer):
    with box(telium.Protocol(Options("EUR")), outcome("PAID")) as thread:
        answer = ask(thread.path, collect_payment_source_info=long_answer)
        assert answer.has_succeeded and answer.amount == 12.34 and answer.currency_numeric == "978"
        assert answer.transaction_id == "QR00000007"
        time.sleep(0.1)
        assert [(r.kind, r.amount, r.currency) for r in thread.requests] == [("SALE", 1234, "EUR")]
        assert thread.delivered == 1


@pytest.mark.parametrize(
    ("word", "result"), [("CANCELLED", 7), ("EXPIRED", 7), ("FAILED", 7), ("UNKNOWN", 9), ("BUSY", 7)]
)
def test_telium_not_paid(word, result):
    with box(telium.Protocol(Options("EUR")), outcome(word)) as thread:
        answer = ask(thread.path, collect_payment_source_info=False)
        assert not answer.has_succeeded and answer.transaction_result == result


def test_telium_amounts():
    with box(telium.Protocol(Options("EUR")), outcome("PAID"), delay_s=0) as thread:
        for amount in (1.0, 1.1, 19.99, 1000.01, 99999.99):
            assert ask(thread.path, amount).amount == amount
        assert [r.amount for r in thread.requests] == [100, 110, 1999, 100001, 9999999]
        time.sleep(0.1)
        assert thread.delivered == 5


def test_telium_is_ok_and_another_currency_is_refused():
    with box(telium.Protocol(Options("NZD")), outcome("PAID")) as thread:
        till = telium_client.Telium(thread.path)
        assert till.is_ok()
        till.close()
        answer = ask(thread.path, collect_payment_source_info=False)
        assert answer.transaction_result == 7 and thread.requests == []


def test_telium_without_an_original_refuses_a_refund():
    with box(telium.Protocol(Options("EUR")), outcome("REFUNDED")) as thread:
        answer = ask(thread.path, collect_payment_source_info=False, payment_mode="refund")
        assert not answer.has_succeeded and thread.requests == []


def test_telium_asked_again_after_giving_up_is_the_same_sale():
    with box(telium.Protocol(Options("EUR")), outcome("PAID"), delay_s=1.5) as thread:
        till = telium_client.Telium(thread.path)
        question = telium_client.TeliumAsk.new_payment(12.34, target_currency="EUR", collect_payment_source_info=False)
        assert till.ask(question)
        assert till.verify(question, waiting_timeout=0.3) is None  # the cashier gives up, and rings it up once more
        assert till.ask(question)
        assert till.verify(question, waiting_timeout=5).has_succeeded
        till.close()
        assert len(thread.requests) == 1


def test_telium_an_answer_that_came_damaged_is_given_again():
    left = [1]

    def damage(frame):
        if len(frame) > 1 and left:
            left.pop()
            return frame[:5] + b"9" + frame[6:]
        return frame

    with box(telium.Protocol(Options("EUR")), outcome("PAID"), damage=damage) as thread:
        with pytest.raises(telium_client.LrcChecksumException):
            ask(thread.path, collect_payment_source_info=False)
        assert thread.delivered == 0
        assert ask(thread.path, collect_payment_source_info=False).has_succeeded
        time.sleep(0.1)
        assert len(thread.requests) == 1 and thread.delivered == 1


def shop(path):
    till = pos_integrado.POSIntegrado()
    till.timeout = 30  # looks of 0.2 s
    assert till.open_port(path)
    return till


def test_transbank_poll_and_load_keys():
    with box(transbank.Protocol(Options("CLP")), outcome("PAID")) as thread:
        till = shop(thread.path)
        assert till.poll() and till.set_normal_mode()
        answer = till.load_keys()
        assert answer["success"] and answer["terminal_id"] == "ABC1234C" and answer["function_code"] == 810
        till.close_port()


def test_transbank_paid():
    with box(transbank.Protocol(Options("CLP")), outcome("PAID")) as thread:
        till = shop(thread.path)
        answer = till.sale(1990, "123456")
        assert answer["success"] and answer["response_code"] == "00" and answer["function_code"] == 210
        assert (answer["ticket"], answer["amount"], answer["authorization_code"]) == ("123456", "1990", "C7FZS5")
        assert (answer["operation_number"], answer["real_date"], answer["real_time"]) == ("7", "10112025", "143710")
        till.close_port()
        time.sleep(0.1)
        assert [(r.kind, r.ref, r.amount) for r in thread.requests] == [("SALE", "123456", 1990)]
        assert thread.delivered == 1


@pytest.mark.parametrize(
    ("word", "code"), [("CANCELLED", "07"), ("EXPIRED", "22"), ("FAILED", "01"), ("UNKNOWN", "02"), ("NOT_READY", "03")]
)
def test_transbank_not_paid(word, code):
    with box(transbank.Protocol(Options("CLP")), outcome(word)) as thread:
        till = shop(thread.path)
        answer = till.sale(1990, "A-17")
        till.close_port()
        assert not answer["success"] and answer["response_code"] == code and answer["amount"] == "1990"


def test_transbank_progress():
    heard = []
    stages = ("PREPARING", "PAYABLE", "CHECKING")
    with box(transbank.Protocol(Options("CLP")), outcome("PAID"), stages=stages, delay_s=0.3) as thread:
        till = shop(thread.path)
        answer = till.sale(1990, "123456", send_status=True, callback=heard.append)
        till.close_port()
        assert answer["success"]
        assert [news["response_code"] for news in heard] == ["82", "78", "82"]


def test_transbank_last_sale_and_refund():
    with box(transbank.Protocol(Options("CLP")), lambda r: LATER[r.kind]) as thread:
        till = shop(thread.path)
        answer = till.last_sale()
        assert answer["function_code"] == 260 and answer["success"] and answer["ticket"] == "123456"
        answer = till.refund(7)
        assert answer["function_code"] == 1210 and answer["success"]
        assert (answer["authorization_code"], answer["operation_number"]) == ("C7FZS5", "7")
        till.close_port()
        assert [(r.kind, r.seq) for r in thread.requests] == [("LAST", 0), ("REFUND", 7)]


LATER = {
    "LAST": Outcome("PAID", "123456", 1990, "CLP", "CP-C7F-ZS5", 7),
    "REFUND": Outcome("REFUNDED", "123456", 1990, "CLP", "CP-C7F-ZS5", 7),
}


def test_transbank_no_sale_yet_and_what_is_not_supported():
    with box(transbank.Protocol(Options("CLP")), outcome("NONE")) as thread:
        till = shop(thread.path)
        answer = till.last_sale()
        assert answer["response_code"] == "11" and not answer["success"]
        answer = till.close()
        assert answer["response_code"] == "12"
        till.close_port()


def test_transbank_amounts_of_a_box_with_cents_are_refused():
    with box(transbank.Protocol(Options("NZD")), outcome("PAID")) as thread:
        till = shop(thread.path)
        assert till.sale(1990, "123456")["response_code"] == "72"
        till.close_port()
        assert thread.requests == []
