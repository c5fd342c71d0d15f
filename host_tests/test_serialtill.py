"""`tillpane sale`, `refund` and `ask` against a scripted box on a pseudo-terminal.

The box reads and writes its lines with lib/till/line.py, the device's own code, so both ends are held to one protocol.
"""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import tty
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from till.line import LineError, LineReader, checksum, encode, understand
from tillpane import cli, serialtill
from tillpane.trouble import Trouble

SUM = "12.34 NZD"


class Box:
    """Answers each understood command with what `script(command)` gives: texts, raw bytes, or (seconds, text)."""

    def __init__(self, script, deaf=0, spoil=0):
        self._script = script
        self._deaf = deaf  # how many lines it does not hear at all
        self._spoil = spoil  # how many lines arrive with a flipped bit
        self.heard = []
        self._later = deque()
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        self.port = os.ttyname(self._theirs)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(5)
        os.close(self._ours)
        os.close(self._theirs)

    def say(self, *things):
        for thing in things:
            os.write(self._ours, thing if isinstance(thing, bytes) else encode(thing, True))

    def _live(self):
        reader = LineReader()
        while not self._stop.is_set():
            if select.select([self._ours], [], [], 0.01)[0]:
                for byte in os.read(self._ours, 256):
                    if reader.push(byte):
                        self._line(reader)
            while self._later and time.monotonic() >= self._later[0][0]:
                self.say(self._later.popleft()[1])

    def _line(self, reader):
        try:
            line = reader.take()
            if self._deaf:
                self._deaf -= 1
                return
            if self._spoil:
                self._spoil -= 1
                line = bytes([line[0] ^ 1]) + line[1:]
            command = understand(line, "NZD")
        except LineError as error:
            self.say(encode(f"ERR {error.code} {error.words}", False))
            return
        assert command.checked, "the client sends a checksum with every line"
        self.heard.append(line.split(b"*")[0].decode())
        wait = 0.0
        for answer in self._script(command):
            if isinstance(answer, tuple):
                wait += answer[0]
                self._later.append((time.monotonic() + wait, answer[1]))
            else:
                self.say(answer)


def paying(result="PAID", reason="-", code="K4RT", before=()):
    """A box whose sale ends at once in `result`; `before` are lines between the OK and that."""

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE {command.ref} {SUM}"
            yield from before
            yield 0.02, f"WAIT {command.ref} PAYABLE 119"
            yield 0.02, f"RESULT {command.ref} {result} {SUM} {code} {reason}"
        elif command.verb == "STATUS":
            yield f"RESULT {command.ref} {result} {SUM} {code} {reason}"
        elif command.verb == "ACK":
            yield f"OK ACK {command.ref}"

    return script


def quick(monkeypatch, answer=0.2, quiet=0.3, truth=0.6):
    monkeypatch.setattr(serialtill, "_ANSWER_S", answer)
    monkeypatch.setattr(serialtill, "_QUIET_S", quiet)
    monkeypatch.setattr(serialtill, "_TRUTH_S", truth)


@pytest.mark.parametrize(
    ("result", "code"), [("PAID", 0), ("CANCELLED", 1), ("EXPIRED", 2), ("FAILED", 3)], ids=lambda value: str(value)
)
def test_each_definite_result_has_its_exit_code_and_is_acknowledged(result, code):
    seen = []
    with Box(paying(result, "SOME_REASON")) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1", report=lambda what, left: seen.append((what, left)))
    assert (outcome.result, outcome.exit_code, outcome.reason) == (result, code, "SOME_REASON")
    assert (outcome.amount, outcome.currency, outcome.short_code) == ("12.34", "NZD", "K4RT")
    assert box.heard == ["SALE S1 12.34", "ACK S1"]
    assert ("PAYABLE", 119) in seen


def test_the_currency_is_sent_where_it_is_given():
    with Box(paying()) as box:
        serialtill.sell(box.port, "12.34", "S1", "NZD")
    assert box.heard[0] == "SALE S1 12.34 NZD"


def test_a_made_up_reference_is_the_protocols_and_new_each_time():
    refs = {serialtill.new_ref() for _ in range(50)}
    assert len(refs) == 50
    assert all(len(ref) <= 24 and understand(b"STATUS " + ref.encode(), "NZD").ref == ref for ref in refs)


def test_a_lost_line_is_sent_again_word_for_word(monkeypatch):
    quick(monkeypatch)
    with Box(paying(), deaf=2) as box:
        assert serialtill.sell(box.port, "12.34", "S1").result == "PAID"
    assert box.heard == ["SALE S1 12.34", "ACK S1"]


def test_a_spoiled_line_is_sent_again_at_once():
    with Box(paying(), spoil=2) as box:
        started = time.monotonic()
        assert serialtill.sell(box.port, "12.34", "S1").result == "PAID"
    assert time.monotonic() - started < serialtill._ANSWER_S


def test_a_refusal_is_exit_3_with_its_code():
    with Box(lambda command: ["ERR BUSY S0 is still under way"]) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1")
    assert (outcome.result, outcome.code, outcome.exit_code) == ("REFUSED", "BUSY", 3)
    assert outcome.words == "S0 is still under way"
    assert box.heard == ["SALE S1 12.34"]


def test_nothing_there_is_exit_5(monkeypatch):
    quick(monkeypatch, answer=0.05)
    with Box(lambda command: [], deaf=99) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1")
    assert (outcome.result, outcome.exit_code) == ("NO_DEVICE", 5)


def test_no_port_is_exit_5(tmp_path):
    outcome = serialtill.sell(str(tmp_path / "none"), "12.34", "S1")
    assert outcome.exit_code == 5
    assert "no port" in outcome.words


def test_a_port_in_use_is_said():
    with Box(paying()) as box:
        wire = serialtill.Wire(box.port)
        outcome = serialtill.sell(box.port, "12.34", "S1")
        wire.close()
    assert outcome.exit_code == 5
    assert "another program" in outcome.words


def test_results_of_other_sales_and_other_sums_are_not_believed(monkeypatch):
    quick(monkeypatch)
    others = ("RESULT S0 PAID 12.34 NZD AAAA -", "RESULT S1 REFUNDED 12.34 NZD - -")

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE {command.ref} {SUM}"
            yield from others
            yield f"RESULT {command.ref} PAID 99.99 NZD - -"
        elif command.verb == "STATUS":
            yield f"RESULT {command.ref} PAID 99.99 NZD - -"

    with Box(script) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1", timeout=0.3)
    assert (outcome.result, outcome.exit_code) == ("UNKNOWN", 4)
    assert "another sum" in outcome.words
    assert not [line for line in box.heard if line.startswith("ACK")]


def test_a_result_with_a_wrong_checksum_or_none_is_not_believed_until_asked_for():
    flipped = bytearray(encode(f"RESULT S1 PAID {SUM} - -", True))
    flipped[12] ^= 0x02
    bare = encode(f"RESULT S1 CANCELLED {SUM} - -", False)

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE S1 {SUM}"
            yield bytes(flipped)
            yield bare
        elif command.verb == "STATUS":
            yield f"RESULT S1 EXPIRED {SUM} - -"
        elif command.verb == "ACK":
            yield "OK ACK S1"

    with Box(script) as box:
        assert serialtill.sell(box.port, "12.34", "S1").result == "EXPIRED"
    assert box.heard == ["SALE S1 12.34", "STATUS S1", "ACK S1"]


def test_unknown_is_waited_out_and_not_acknowledged():
    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE S1 {SUM}"
            yield f"RESULT S1 UNKNOWN {SUM} - -"
            yield 0.3, f"RESULT S1 UNKNOWN {SUM} - -"
            yield 0.1, f"RESULT S1 PAID {SUM} K4RT -"
        elif command.verb == "ACK":
            yield "OK ACK S1"

    with Box(script) as box:
        assert serialtill.sell(box.port, "12.34", "S1").result == "PAID"
    assert box.heard == ["SALE S1 12.34", "ACK S1"]


def test_unknown_to_the_end_is_exit_4(monkeypatch):
    quick(monkeypatch)
    with Box(paying("UNKNOWN")) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1")
    assert (outcome.result, outcome.exit_code) == ("UNKNOWN", 4)
    assert "ACK S1" not in box.heard


def test_a_silent_box_is_asked_and_the_answer_counts(monkeypatch):
    quick(monkeypatch)

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE S1 {SUM}"
        else:
            yield from paying()(command)

    with Box(script) as box:
        assert serialtill.sell(box.port, "12.34", "S1").result == "PAID"
    assert box.heard == ["SALE S1 12.34", "STATUS S1", "ACK S1"]


def test_a_box_that_falls_silent_for_good_is_unknown(monkeypatch):
    quick(monkeypatch, quiet=0.1)
    with Box(lambda command: [f"OK SALE S1 {SUM}"] if command.verb == "SALE" else []) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1")
    assert outcome.exit_code == 4
    assert "silent" in outcome.words


def test_a_box_that_forgot_the_sale_is_unknown_however_much_it_talks(monkeypatch):
    quick(monkeypatch, quiet=0.1)

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE S1 {SUM}"
        else:
            yield encode("ERR NO_SUCH_SALE S1", True)
            yield "RESULT S0 PAID 1.00 NZD - -"

    with Box(script) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1")
    assert (outcome.result, outcome.exit_code) == ("UNKNOWN", 4)
    assert "STATUS S1" in box.heard


def test_a_flood_of_lines_or_noise_cannot_hold_it(monkeypatch):
    quick(monkeypatch)
    flood = encode("RESULT S0 PAID 1.00 NZD - -", True) * 20 + b"\xff" * 600
    with Box(lambda command: [], deaf=99) as box:
        stop = threading.Event()

        def talk():
            while not stop.is_set():
                if select.select([], [box._ours], [], 0.01)[1]:
                    os.write(box._ours, flood)

        talker = threading.Thread(target=talk, daemon=True)
        talker.start()
        started = time.monotonic()
        outcome = serialtill.sell(box.port, "12.34", "S1")
        stop.set()
        talker.join(2)
    assert outcome.result == "UNKNOWN"
    assert time.monotonic() - started < 10


def cancelling(truth):
    """A box whose sale goes on until it is cancelled, and then ends as `truth`."""

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE {command.ref} {SUM}"
            yield f"WAIT {command.ref} PAYABLE 100"
        elif command.verb == "CANCEL":
            yield f"OK CANCEL {command.ref}"
            yield f"WAIT {command.ref} CANCELLING 99"
            yield 0.1, f"RESULT {command.ref} {truth} {SUM} - CANCELLED_BY_TILL"
        elif command.verb == "ACK":
            yield f"OK ACK {command.ref}"

    return script


@pytest.mark.parametrize(("truth", "code"), [("CANCELLED", 1), ("PAID", 0)])
def test_time_is_up_cancels_and_tells_what_really_happened(truth, code):
    with Box(cancelling(truth)) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1", timeout=0.2)
    assert (outcome.result, outcome.exit_code) == (truth, code)
    assert box.heard == ["SALE S1 12.34", "CANCEL S1", "ACK S1"]


def test_a_lost_cancel_is_sent_again(monkeypatch):
    quick(monkeypatch, truth=3)
    lost = [2]

    def script(command):
        if command.verb == "CANCEL" and lost[0]:
            lost[0] -= 1
            return []
        return list(cancelling("CANCELLED")(command))

    with Box(script) as box:
        assert serialtill.sell(box.port, "12.34", "S1", timeout=0.1).result == "CANCELLED"
    assert box.heard.count("CANCEL S1") == 3


def test_cancelling_a_sale_that_never_began_is_refused_not_cancelled(monkeypatch):
    quick(monkeypatch)

    def script(command):
        if command.verb == "SALE":
            yield f"OK SALE S1 {SUM}"
        elif command.verb == "CANCEL":
            yield encode("ERR NO_SUCH_SALE S1", True)

    with Box(script) as box:
        outcome = serialtill.sell(box.port, "12.34", "S1", timeout=0.1)
    assert (outcome.result, outcome.exit_code) == ("REFUSED", 3)


def run(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "tillpane", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(("truth", "code"), [("CANCELLED", 1), ("PAID", 0)])
def test_ctrl_c_cancels_and_waits_for_the_truth(truth, code):
    with Box(cancelling(truth)) as box:
        till = run("sale", "12.34", "--port", box.port, "--ref", "S1")
        while "SALE S1 12.34" not in box.heard:
            time.sleep(0.02)
        time.sleep(0.1)
        till.send_signal(signal.SIGINT)
        out, err = till.communicate(timeout=20)
    assert (till.returncode, out) == (code, f"{truth} 12.34 NZD CANCELLED_BY_TILL (ref S1)\n")
    assert "waiting for the patron, 100 s left" in err
    assert "CANCEL S1" in box.heard


def test_json_is_one_object_on_stdout():
    with Box(paying()) as box:
        till = run("sale", "12.34", "--port", box.port, "--ref", "S1", "--json")
        out, _ = till.communicate(timeout=20)
    said = json.loads(out)
    assert (till.returncode, said["result"], said["exit_code"], said["ref"]) == (0, "PAID", 0, "S1")
    assert said["lines"][0] == "> SALE S1 12.34"


@pytest.mark.parametrize("amount", ["12.34\r\nSALE X 9.99", "12.34*00", "", "12 34", "-1.00", "1" * 17, "１２.34"])
def test_words_that_could_be_more_than_an_amount_never_reach_the_wire(amount):
    with Box(paying()) as box, pytest.raises(Trouble) as caught:
        serialtill.sell(box.port, amount, "S1")
    assert caught.value.exit_code == 64
    assert box.heard == []


@pytest.mark.parametrize("ref", ["a b", "x" * 25, "S1\r\nACK S0", "S*1", "é"])
def test_a_wrong_reference_never_reaches_the_wire(ref):
    with Box(paying()) as box, pytest.raises(Trouble):
        serialtill.sell(box.port, "12.34", ref)
    assert box.heard == []


def refunding(result="REFUNDED"):
    def script(command):
        if command.verb == "REFUND":
            yield f"OK REFUND {command.ref} 5.00 NZD"
            yield 0.05, f"RESULT {command.ref} {result} 5.00 NZD K4RT -"
        elif command.verb == "ACK":
            yield f"OK ACK {command.ref}"

    return script


@pytest.mark.parametrize(("result", "code"), [("REFUNDED", 0), ("REFUND_FAILED", 3)])
def test_a_refund_ends_as_the_box_says(result, code):
    with Box(refunding(result)) as box:
        outcome = serialtill.refund(box.port, "S1", "5.00", "R1")
    assert (outcome.result, outcome.exit_code, outcome.amount) == (result, code, "5.00")
    assert box.heard == ["REFUND S1 5.00 R1", "ACK S1"]


def test_a_refund_whose_ok_was_lost_goes_on(monkeypatch):
    quick(monkeypatch, quiet=2)
    first = [True]

    def script(command):
        if command.verb == "REFUND" and first:
            first.clear()
            return []
        if command.verb == "REFUND":
            return ["ERR BUSY S1 is still under way", (0.1, "RESULT S1 REFUNDED 5.00 NZD - -")]
        return ["OK ACK S1"]

    with Box(script) as box:
        assert serialtill.refund(box.port, "S1", "5.00").result == "REFUNDED"


def test_ask_gives_the_answer_and_not_what_is_said_unasked():
    def script(command):
        yield "RESULT S0 PAID 1.00 NZD - -"
        yield "INFO tillpane 0.1.0 TP1 NZD READY"

    with Box(script) as box:
        assert serialtill.ask(box.port, "info") == (0, ["INFO tillpane 0.1.0 TP1 NZD READY"])


def test_ask_exits_3_when_refused_and_5_when_nothing_answers(monkeypatch):
    quick(monkeypatch, answer=0.05)
    with Box(lambda command: ["ERR NO_SUCH_SALE S9"]) as box:
        assert serialtill.ask(box.port, "STATUS S9") == (3, ["ERR NO_SUCH_SALE S9"])
    with Box(lambda command: [], deaf=99) as box:
        assert serialtill.ask(box.port, "LAST") == (5, [])
    with pytest.raises(Trouble) as caught:
        serialtill.ask("/dev/none", "LAST")
    assert caught.value.exit_code == 5


def test_the_port_that_goes_away_in_a_sale_leaves_it_unknown(monkeypatch, capsys):
    def torn(*_):
        raise serialtill.serial.SerialException("gone")

    with Box(lambda command: [f"OK SALE S1 {SUM}"]) as box:
        monkeypatch.setattr(serialtill._Conversation, "_listen", torn)
        assert cli.main(["sale", "12.34", "--port", box.port, "--ref", "S1"]) == 4
    assert "Do not charge again" in capsys.readouterr().out


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_our_checksum_is_the_devices(text):
    assert serialtill.checksum(text) == f"{checksum(text.encode()):02X}"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_or_believe_a_wrong_sum(raw):
    line = serialtill.understood(raw)
    if line is not None and line.checked:
        body, _, digits = raw.strip(b"\r\n\0 ").rpartition(b"*")
        assert int(digits, 16) == checksum(body)
