"""Captures: the file, recording and replay through pseudo-terminals, and what a wrong file or port is told."""

import contextlib
import io
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replboard import ReplBoard
from senders.terminal import Terminal
from tillpane import capture, cli, deploy
from tillpane.capture import LineSettings, Recorder, read_capture, read_settings
from tillpane.tills import TILLS, play
from tillpane.trouble import Trouble

HEADER = "# tillpane-capture 1 by=tillpane/0.1.0 date=2026-01-02T03:04:05Z line=9600,8N1\n"


def written(tmp_path, text):
    path = tmp_path / "a.capture"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def joined(bursts):
    return b"".join(data for _, data in bursts)


def listening(out):
    """Until the recorder has its port open: what comes before is lost."""
    until = time.monotonic() + 10
    while not out.exists() and time.monotonic() < until:
        time.sleep(0.01)


def tillpane(*words):
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = cli.main(["capture", *words])
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=errors.getvalue())


# ---- the file


def test_bytes_closer_than_ten_milliseconds_share_a_line_that_carries_the_first_ones_time():
    file = io.StringIO()
    recorder = Recorder(file, LineSettings())
    for now, data in ((5, b"\x0c"), (6, b"A"), (7, b""), (16, b"B"), (27, b"C"), (28, b""), (39, b"")):
        recorder.feed(data, now)
    assert file.getvalue().splitlines()[1:] == ["5 0C4142", "27 43"]
    assert recorder.count == 4


def test_a_long_burst_is_cut_so_that_a_line_stays_short():
    file = io.StringIO()
    recorder = Recorder(file, LineSettings())
    recorder.feed(bytes(200), 3)
    recorder.flush()
    lines = file.getvalue().splitlines()[1:]
    assert [len(line.split()[1]) // 2 for line in lines] == [64, 64, 64, 8]


def test_what_was_heard_and_shown_and_noted_is_in_the_file(tmp_path):
    shown = []
    path = tmp_path / "a.capture"
    with path.open("w") as file:
        recorder = Recorder(file, LineSettings(2400, 7, "even", 2), lambda ms, data: shown.append((ms, data)))
        recorder.feed(b"\x0cTOTAL", 1)
        recorder.note("total pr\u00e9ssed\r\n 99 41\n")
        recorder.feed(b"12.34", 2)
        recorder.flush()
    assert read_capture(path) == shown == [(1, b"\x0cTOTAL"), (2, b"12.34")]
    assert read_settings(path) == LineSettings(2400, 7, "even", 2)
    assert "# total pr?ssed?? 99 41\n" in path.read_text()
    assert re.match(
        r"# tillpane-capture 1 by=tillpane/\S+ date=20\d\d-\d\d-\d\dT\S+Z line=2400,7E2\n", path.read_text()
    )


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=150)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_reads_back(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("c") / "a.capture"
    now = 0
    with path.open("w") as file:
        recorder = Recorder(file, LineSettings())
        for gap, data in parts:
            now += gap
            recorder.feed(data, now)
        recorder.flush()
    back = read_capture(path)
    assert joined(back) == b"".join(data for _, data in parts)
    assert [ms for ms, _ in back] == sorted(ms for ms, _ in back)
    assert recorder.count == len(joined(back))


def test_a_person_may_write_notes_and_use_an_editor_of_windows(tmp_path):
    text = "\ufeff" + HEADER + "\n# rang up 12.34 \u20ac\n0 0c41\n  12   42  \n"
    assert read_capture(written(tmp_path, text.replace("\n", "\r\n"))) == [(0, b"\x0cA"), (12, b"B")]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is no capture"),
        ("0 41\n", "is no capture"),
        (HEADER + "5 41\n4 42\n", "line 3 .* backwards"),
        (HEADER + "x 41\n", "line 2"),
        (HEADER + "-1 41\n", "line 2"),
        (HEADER + "1\n", "line 2"),
        (HEADER + "1 4\n2 41\n", "line 2"),
        (HEADER + "1 zz\n2 41\n", "line 2"),
        (HEADER + "1 41 42\n", "line 2"),
        (HEADER + "1 " + "41" * 5000 + "\n", "line 2 .* too long"),
        (HEADER + "#" + "4" * 5000 + " 41\n", "line 2 .* too long"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(tmp_path, text, words):
    with pytest.raises(Trouble, match=words):
        read_capture(written(tmp_path, text))
    with pytest.raises(Trouble, match="cannot be read"):
        read_capture(tmp_path / "not-there")


@pytest.mark.parametrize("said", ["", "line=9600", "line=9600,8N3", "line=9600,8X1", "line=a,8N1"])
def test_a_header_without_line_settings_is_told(tmp_path, said):
    with pytest.raises(Trouble, match=r"line=9600,8N1"):
        read_settings(written(tmp_path, f"# tillpane-capture 1 {said}\n"))


def test_a_file_that_a_power_cut_broke_off_anywhere_gives_what_came_before(tmp_path):
    text = HEADER + "".join(
        f"{100 * i} {part.hex().upper()}\n" for i, part in enumerate((b"\x0cTOTAL", b"12.34", b"Q"))
    )
    for end in range(len(HEADER), len(text) + 1):
        back = joined(read_capture(written(tmp_path, text[:end])))
        assert b"\x0cTOTAL12.34Q".startswith(back)
        whole = [line.split()[1] for line in text[:end].splitlines(True)[1:] if line.endswith("\n")]
        assert back.startswith(bytes.fromhex("".join(whole)))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_capture_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("c")
    for text in (data, HEADER.encode() + data):
        try:
            assert all(isinstance(ms, int) for ms, _ in read_capture(written(folder, text)))
        except Trouble:
            pass


def test_the_view_is_readable():
    assert capture.view(1234, b"\x1fC\x00TOTAL: 12.34 e\xd5!") == [
        "    1.234  1F 43 00 54 4F 54 41 4C 3A 20 31 32 2E 33 34 20  .C.TOTAL: 12.34 ",
        "           65 D5 21" + " " * 39 + "  e.!",
    ]


def test_a_line_set_wrong_is_suspected_and_a_right_one_is_not():
    for till in TILLS.values():
        assert capture.doubt(till.start() + till.item() + till.total(1234)) == "", till.name
    text = b"TOTAL          12.34"
    even = bytes(byte | (byte.bit_count() & 1) << 7 for byte in text)
    assert "--parity even" in capture.doubt([(0, even)])
    assert capture.doubt([]) == ""


# ---- ports


def test_a_till_is_recorded_until_ctrl_c(tmp_path):
    out = tmp_path / "shop.capture"
    till = TILLS["cd5220"]
    stream = till.start() + till.item() + till.total(1234)
    with Terminal() as display:
        command = [
            sys.executable,
            "-m",
            "tillpane",
            "capture",
            "--port",
            display.port,
            "-o",
            str(out),
            "--baud",
            "2400",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr.readline().startswith(f"Listening at {display.port} (2400,8N1)")
            listening(out)
            until = time.monotonic() + 10
            play(display.write, stream)
            while len(joined(read_capture(out))) < len(joined(stream)) and time.monotonic() < until:
                time.sleep(0.05)
            run.send_signal(signal.SIGINT)
            said, _ = run.communicate(timeout=20)
    assert run.returncode == 0
    assert joined(read_capture(out)) == joined(stream)
    times = [ms for ms, data in read_capture(out) if data.startswith(b"\x1bQB")]
    assert times and times[0] >= 90  # SparkyPOS waits 100 ms before the lower row
    assert read_settings(out) == LineSettings(2400)
    assert "12.34" in said and f"{len(joined(stream))} bytes are in {out}." in said and "docs/add-a-till.md" in said
    assert display.heard == b""  # a listener does not speak


def test_a_replay_sounds_as_the_till_did_and_can_be_recorded_again(tmp_path):
    text = HEADER + "0 0C\n50 544F54414C\n250 31322E3334\n"
    path = written(tmp_path, text)
    with Terminal() as display:
        assert capture.replay(path, display.port) == 11
        display.wait(11)
    assert display.heard == b"\x0cTOTAL12.34"
    assert display.bursts[-1][0] - display.bursts[0][0] >= 0.2
    again = tmp_path / "again.capture"
    with Terminal() as cable:
        work = threading.Thread(target=capture.record, args=(cable.port, again, LineSettings(), 1), daemon=True)
        work.start()
        listening(again)
        play(cable.write, [(0, b"\x0c"), (50, b"TOTAL"), (200, b"12.34")])
        work.join(10)
    bursts = read_capture(again)
    assert [data for _, data in bursts] == [b"\x0c", b"TOTAL", b"12.34"]
    assert bursts[2][0] - bursts[0][0] >= 240


def test_speed_makes_a_replay_shorter(tmp_path):
    path = written(tmp_path, HEADER + "0 41\n60000 42\n")
    with Terminal() as display:
        began = time.monotonic()
        said = tillpane("--replay", str(path), "--port", display.port, "--speed", "200")
        assert 0.3 <= time.monotonic() - began < 30
        display.wait(2)
    assert said.returncode == 0 and "2 bytes were sent" in said.stdout and "(9600,8N1)" in said.stderr
    assert display.heard == b"AB"


def test_a_capture_without_line_settings_is_played_with_those_that_are_named(tmp_path):
    path = written(tmp_path, "# tillpane-capture 1\n0 41\n")
    with Terminal() as display:
        assert "line=9600,8N1" in tillpane("--replay", str(path), "--port", display.port).stderr
        said = tillpane("--replay", str(path), "--port", display.port, "--baud", "2400", "--parity", "odd")
        display.wait(1)
    assert "(2400,8O1)" in said.stderr and display.heard == b"A"


def test_notes_typed_while_recording_stand_where_they_were_typed(tmp_path):
    out = tmp_path / "a.capture"
    notes = queue.SimpleQueue()
    with Terminal() as cable:
        run = threading.Thread(target=capture.record, args=(cable.port, out, LineSettings(), 1, None, notes))
        run.start()
        listening(out)
        cable.write(b"A")
        time.sleep(0.2)
        notes.put("total pressed\n")
        time.sleep(0.2)
        cable.write(b"B")
        run.join(10)
    assert re.fullmatch(r"\d+ 41\n# total pressed\n\d+ 42\n", out.read_text().split("\n", 1)[1])
    assert capture.notes_from(io.StringIO("\n  \nhello\n")).get(timeout=5) == "hello\n"


def test_silence_leaves_no_file_and_says_what_to_look_at(tmp_path):
    out = tmp_path / "a.capture"
    with Terminal() as cable:
        said = tillpane("-p", cable.port, "-o", str(out), "--seconds", "0.2")
    assert said.returncode == 70 and not out.exists()
    assert "Nothing came" in said.stderr and "null-modem" in said.stderr


def test_a_file_that_is_there_is_never_written_over(tmp_path):
    out = written(tmp_path, "precious")
    with Terminal() as cable, pytest.raises(Trouble, match="exists already"):
        capture.record(cable.port, out, LineSettings(), 0.1)
    with pytest.raises(Trouble, match="exists already"):
        capture.fetch("/dev/not-there", out)
    assert out.read_text() == "precious"


def test_a_cable_that_is_pulled_leaves_what_came_before(tmp_path):
    out = tmp_path / "a.capture"
    troubles = []

    def run(port):
        try:
            capture.record(port, out, LineSettings(), 10)
        except Trouble as trouble:
            troubles.append(trouble)

    cable = Terminal()
    cable.__enter__()
    work = threading.Thread(target=run, args=(cable.port,))
    work.start()
    listening(out)
    cable.write(b"TOTAL")
    time.sleep(0.3)
    cable.__exit__()
    work.join(10)
    assert "went away" in str(troubles[0]) and "5 bytes" in troubles[0].advice
    assert joined(read_capture(out)) == b"TOTAL"


def test_a_port_that_is_not_there_is_told(tmp_path):
    with pytest.raises(Trouble, match="no port"):
        capture.record("/dev/not-there", tmp_path / "a", LineSettings(), 0.1)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--port", "p", "--device", "q"],
        ["--replay", "f"],
        ["--replay", "f", "--device", "q"],
        ["--port", "p", "--bits", "9"],
        ["--port", "p", "--parity", "mark"],
        ["--port", "p", "--replay", "f", "--speed", "0"],
    ],
)
def test_wrong_usage(words):
    assert tillpane(*words).returncode == 64


def test_the_help_teaches():
    said = " ".join(tillpane("--help").stdout.split())
    for words in ("tillpane capture --port", "--replay", "--device", "docs/add-a-till.md", "null-modem", "12.34"):
        assert words in said


# ---- the box's own recording


@pytest.fixture
def flash(tmp_path, monkeypatch):
    """A folder as the board's flash; its capture has no leading slash, for the folder stands for the root."""
    monkeypatch.setattr(capture, "DEVICE_FILE", "capture.txt")
    folder = tmp_path / "flash"
    folder.mkdir()
    lines = "".join(f"{i} {os.urandom(24).hex().upper()}\n" for i in range(80))
    (folder / "capture.txt").write_text(HEADER.replace("tillpane/", "box/") + lines)
    return folder


def test_the_boxs_recording_is_copied_whole(tmp_path, flash):
    out = tmp_path / "got.capture"
    with ReplBoard(flash) as board:
        assert capture.fetch(board.port, out) == (flash / "capture.txt").stat().st_size
    assert out.read_text() == (flash / "capture.txt").read_text()
    assert len(joined(read_capture(out))) == 80 * 24


def test_a_box_that_never_recorded_is_told(tmp_path, flash):
    (flash / "capture.txt").unlink()
    with ReplBoard(flash) as board, pytest.raises(Trouble, match="has no capture.txt"):
        capture.fetch(board.port, tmp_path / "none.capture")
    assert not (tmp_path / "none.capture").exists()


def test_a_board_is_restarted_before_and_afterwards(tmp_path, flash, monkeypatch):
    monkeypatch.setattr(deploy.Board, "facts", lambda board: ("esp32", "a board", 0))
    (flash / "boot.py").write_text("import time\nfor _ in range(60):\n    time.sleep_ms(20)\n")
    (flash / "machine.py").write_text("def reset():\n    raise SystemExit\n")
    with ReplBoard(flash, respawn=True) as board:
        said = tillpane("--device", board.port, "-o", str(tmp_path / "got.capture"))
        until = time.monotonic() + 10
        while board.starts < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert board.starts == 3
    assert said.returncode == 0 and "restarts" in said.stderr and "--explain" in said.stdout
    assert (tmp_path / "got.capture").read_bytes() == (flash / "capture.txt").read_bytes()


class BareBoard:
    """An ESP32 with no capture on it."""

    did = ()

    def __init__(self, port):
        self.did = BareBoard.did = []

    def interrupt(self, patience_s):
        return True

    def facts(self):
        return "esp32", "a board", 0

    def start_over(self):
        self.did.append("reset")

    def run(self, code):
        raise deploy.BoardError("OSError: [Errno 2] ENOENT")

    def leave(self):
        self.did.append("leave")

    def close(self):
        self.did.append("close")


def test_a_board_is_restarted_where_there_was_nothing_to_fetch_too(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "Board", BareBoard)
    with pytest.raises(Trouble, match="The box has no /capture.txt"):
        capture.fetch("a port", tmp_path / "none")
    assert BareBoard.did == ["reset", "leave", "close"]


# ---- what it means


def test_explain_names_the_dialect_shows_the_screens_and_keeps_the_notes(tmp_path):
    text = HEADER + "# started up\n"
    now = 0
    for note, part in (("item", TILLS["escpos"].item()), ("total pressed", TILLS["escpos"].total(1234))):
        now += 1000
        text += f"# {note}\n"
        for pause, data in part:
            now += pause
            text += f"{now} {data.hex()}\n"
    path = written(tmp_path, text)
    assert capture.read_notes(path) == [(0, "started up"), (0, "item"), (1200, "total pressed")]
    said = tillpane("--explain", str(path))
    assert said.returncode == 0, said.stderr
    assert re.match(r"escpos +0 undefined bytes +2 screens +1 of them would charge\n", said.stdout)
    words = ["started up", "|2 x 6.17       12.34|", "# total pressed", "|TOTAL:              |  CHARGE 12.34 NZD"]
    places = [said.stdout.index(word) for word in words]
    assert places == sorted(places)


def test_explain_says_when_nothing_fits(tmp_path):
    said = tillpane("--explain", str(written(tmp_path, HEADER + "0 FE1B7F04FF0106" + "1B01" * 20 + "\n")))
    assert said.returncode == 0 and "No dialect reads all of it, so nothing would be charged." in said.stdout
    assert "CHARGE" not in said.stdout
