"""`tillpane deploy` against MicroPython's real raw REPL, with a folder as the board's flash."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replboard import ReplBoard
from tillpane import cli, deploy
from tillpane.interpreters import micropython
from tillpane.trouble import Trouble

ROOT = Path(__file__).resolve().parents[1]


VIPER = b"import micropython\n@micropython.viper\ndef f(n: int) -> int:\n    return n + 1\nB = f(41)\n"
HASH = "import hashlib,binascii;print(binascii.hexlify(hashlib.sha256(open('a.bin','rb').read()).digest()).decode())"


@pytest.fixture
def source(tmp_path):
    """A small checkout: what a deploy reads, and a file that it must not take."""
    root = tmp_path / "checkout"
    files = {
        "boot.py": b"# two seconds\n",
        "main.py": b"import kiosk.app\n",
        "lib/qr.py": b"A = 1\n",
        "lib/kiosk/__init__.py": b"",
        "lib/kiosk/app.py": VIPER,
        "lib/panel/fonts/small.font": bytes(range(256)) * 21 + b"\x04\x01\x00\r\n>",
        "lib/panel/fonts/LICENSE.txt": b"free",
        "firmware/roots/one.der": os.urandom(700),
        "firmware/roots/README.md": b"# roots",
        "settings.json": b'{"wifi_password": "of this laptop"}',
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.fixture
def flash(tmp_path):
    folder = tmp_path / "flash"
    folder.mkdir()
    return folder


def on_board(flash):
    return {path.relative_to(flash).as_posix(): path.read_bytes() for path in flash.rglob("*") if path.is_file()}


def test_every_file_arrives_byte_for_byte_and_runs(source, flash):
    with ReplBoard(flash) as board:
        done = deploy.deploy(board.port, root=source)
    there = on_board(flash)
    assert done.march == "x64"
    assert sorted(done.written) == sorted(there)
    assert there == deploy.staged(source, "x64")
    assert set(there) == {
        "boot.py",
        "main.py",
        "lib/qr.mpy",
        "lib/kiosk/__init__.mpy",
        "lib/kiosk/app.mpy",
        "lib/panel/fonts/small.font",
        "firmware/roots/one.der",
    }
    environment = {**os.environ, "MICROPYPATH": "lib"}
    code = "import kiosk.app; print(kiosk.app.B, kiosk.app.__file__)"
    ran = subprocess.run([micropython(), "-c", code], cwd=flash, env=environment, capture_output=True, text=True)
    assert ran.stdout == "42 lib/kiosk/app.mpy\n"


def test_main_comes_last(source):
    assert list(deploy.staged(source, "xtensawin"))[-1] == "main.py"


def test_a_second_deploy_writes_nothing_and_a_change_only_itself(source, flash):
    with ReplBoard(flash) as board:
        deploy.deploy(board.port, root=source)
        before = {path: path.stat().st_mtime_ns for path in flash.rglob("*") if path.is_file()}
        again = deploy.deploy(board.port, root=source)
        assert (again.written, again.removed, again.bytes_written) == ([], [], 0)
        assert {path: path.stat().st_mtime_ns for path in before} == before
        (source / "lib/qr.py").write_text("A = 2\n")
        changed = deploy.deploy(board.port, root=source)
    assert changed.written == ["lib/qr.mpy"]
    assert len(changed.skipped) == len(before) - 1


def test_a_damaged_file_is_mended_even_at_the_same_size(source, flash):
    with ReplBoard(flash) as board:
        deploy.deploy(board.port, root=source)
        path = flash / "lib/panel/fonts/small.font"
        damaged = bytearray(path.read_bytes())
        damaged[77] ^= 1
        path.write_bytes(damaged)
        assert deploy.deploy(board.port, root=source).written == ["lib/panel/fonts/small.font"]
    assert path.read_bytes() == (source / "lib/panel/fonts/small.font").read_bytes()


def test_what_is_stale_goes_and_what_is_someone_elses_stays(source, flash):
    stale = ["lib/qr.py", "lib/kiosk/gone.mpy", "lib/kiosk/deep/old.py", "firmware/roots/revoked.der"]
    kept = [
        "lib/umqtt/simple.mpy",
        "lib/other.py",
        "journal.log",
        "settings.json",
        "firmware/roots/notes.txt",
        "data/a.der",
    ]
    for name in stale + kept:
        (flash / name).parent.mkdir(parents=True, exist_ok=True)
        (flash / name).write_text(name)
    with ReplBoard(flash) as board:
        done = deploy.deploy(board.port, root=source)
    assert sorted(done.removed) == sorted(stale)
    there = on_board(flash)
    assert not set(stale) & set(there)
    assert all(there[name] == name.encode() for name in kept)


def test_a_file_that_would_hide_ours_is_warned_of_not_removed(source, flash):
    (flash / "qr.py").write_text("mine")
    with ReplBoard(flash) as board:
        done = deploy.deploy(board.port, root=source)
    assert done.warnings == ["qr.py in the board's root hides lib/qr"]
    assert (flash / "qr.py").read_text() == "mine"


def test_settings_go_only_when_given_and_are_never_shown(source, flash, tmp_path, capsys):
    settings = tmp_path / "shop.json"
    settings.write_text('{"// wifi": "a comment", "wifi_ssid": "shop", "wifi_password": "hunter2"}')
    with ReplBoard(flash) as board:
        deploy.deploy(board.port, root=source)
        assert not (flash / "settings.json").exists()
        done = deploy.deploy(board.port, settings=settings, root=source)
    assert done.written == ["settings.json"]
    assert (flash / "settings.json").read_bytes() == settings.read_bytes()
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("text", ['{"api_key": hunter2}', '["hunter2"]', '{"a": {"b": "hunter2"}}', ""])
def test_settings_that_cannot_be_right_are_refused_before_the_port_is_opened(source, tmp_path, text):
    settings = tmp_path / "shop.json"
    settings.write_text(text)
    with pytest.raises(Trouble, match="JSON") as caught:
        deploy.deploy("/dev/never-opened", settings=settings, root=source)
    assert "hunter2" not in str(caught.value) + caught.value.advice


def test_settings_that_the_box_itself_would_refuse_are_refused_here_without_their_values(tmp_path):
    good = {"wifi_ssid": "shop", "api_key": "hunter2", "config_id": "5ee168e8597be5002af7b454", "//": "a comment"}
    settings = tmp_path / "shop.json"
    for spoiled, words in (
        ({"till_baud": "hunter2"}, "till_baud must be a whole number"),
        ({"api_key": None}, "api_key is missing"),
        ({"api_url": "http://hunter2"}, "api_url must begin with https"),
        ({"wifi_pasword": "hunter2"}, "There is no setting wifi_pasword"),
    ):
        settings.write_text(json.dumps({**good, **spoiled}))
        with pytest.raises(Trouble, match=words) as caught:
            deploy.deploy("/dev/never-opened", settings=settings, root=ROOT)
        assert "hunter2" not in str(caught.value) + caught.value.advice
    settings.write_text(json.dumps(good))
    deploy.check_settings(ROOT, settings)


def test_a_board_that_is_full_is_told_before_anything_is_written(source, flash, monkeypatch):
    monkeypatch.setattr(deploy.Board, "room", lambda self: 3 * 4096)
    with ReplBoard(flash) as board, pytest.raises(Trouble, match="full: it has 12 KB free and") as caught:
        deploy.deploy(board.port, root=source)
    assert "make flash" in caught.value.advice
    assert on_board(flash) == {}


def test_a_board_that_fills_up_on_the_way_is_told_too(source, flash):
    (flash / "lib/panel/fonts").mkdir(parents=True)
    (flash / "lib/panel/fonts/small.font").symlink_to("/dev/full")
    with ReplBoard(flash) as board, pytest.raises(Trouble, match=r"full: no room for lib/panel/fonts/small\.font"):
        board_files = deploy.Board.files
        deploy.Board.files = lambda self, names: {}  # reading /dev/full never ends
        try:
            deploy.deploy(board.port, root=source)
        finally:
            deploy.Board.files = board_files


def test_bytes_that_changed_on_their_way_are_noticed(source, flash, monkeypatch):
    honest = deploy.Board.write

    def lossy(self, path, data, wrote):
        honest(self, path, data[:-1] if path.endswith(".der") else data, wrote)

    monkeypatch.setattr(deploy.Board, "write", lossy)
    with ReplBoard(flash) as board, pytest.raises(Trouble, match=r"one\.der is not on the board as it was sent"):
        deploy.deploy(board.port, root=source)


def test_no_port_a_busy_port_and_a_mute_one_each_say_what_to_do(source, flash, monkeypatch):
    with pytest.raises(Trouble, match="There is no port"):
        deploy.deploy("/dev/tty-not-there", root=source)
    with ReplBoard(flash) as board:
        first = deploy.Board(board.port)
        with pytest.raises(Trouble) as caught:
            deploy.deploy(board.port, root=source)
        assert "another program" in caught.value.advice
        first.close()
        board.go_silent()
        monkeypatch.setattr(deploy.Board, "interrupt", lambda self, _s, real=deploy.Board.interrupt: real(self, 1))
        with pytest.raises(Trouble, match="No MicroPython answers") as caught:
            deploy.deploy(board.port, root=source)
        assert "make flash" in caught.value.advice


def test_a_board_that_goes_silent_in_the_middle_is_an_error_not_a_hang(source, flash, monkeypatch):
    monkeypatch.setattr(deploy, "_BOARD_S", 0.5)
    with ReplBoard(flash) as board:
        real = deploy.Board.write

        def cut(self, path, data, wrote):
            if path.endswith(".der"):
                board.go_silent()
            real(self, path, data, wrote)

        monkeypatch.setattr(deploy.Board, "write", cut)
        with pytest.raises(Trouble, match="stopped answering"):
            deploy.deploy(board.port, root=source)


def test_a_running_program_is_reset_and_caught_in_boots_window(source, flash):
    """A board whose program does not heed Ctrl-C for long: only the reset and boot.py's window help."""
    (flash / "boot.py").write_text("import time\nprint('starts in 2 s')\nfor _ in range(100):\n    time.sleep_ms(20)\n")
    (flash / "machine.py").write_text("def reset():\n    raise SystemExit\n")
    (source / "boot.py").write_bytes((flash / "boot.py").read_bytes())
    with ReplBoard(flash, respawn=True) as board:
        done = deploy.deploy(board.port, root=source, reset=True)
        while board.starts < 3:  # at power-up, for the deploy, and afterwards to start what was deployed
            threading.Event().wait(0.05)
    assert "main.py" in done.written
    assert on_board(flash)["main.py"] == (source / "main.py").read_bytes()


def test_a_syntax_error_is_told_with_file_and_line_and_nothing_is_sent(source, flash):
    (source / "lib/kiosk/app.py").write_text("x = 1\nif x\n    pass\n")
    with ReplBoard(flash) as board, pytest.raises(Trouble) as caught:
        deploy.deploy(board.port, root=source)
    assert "lib/kiosk/app.py" in str(caught.value)
    assert "line 2" in str(caught.value)
    assert on_board(flash) == {}


@pytest.mark.parametrize(
    ("mpy", "march"),
    [
        (6 | 3 << 8 | 10 << 10, "xtensawin"),  # ESP32
        (6 | 3 << 8 | 11 << 10, "rv32imc"),  # ESP32-C3
        (6 | 3 << 8 | 2 << 10, "x64"),
    ],
)
def test_the_board_says_which_machine_code(mpy, march):
    assert deploy.march_of(mpy) == march


@pytest.mark.parametrize("mpy", [0, 5 | 3 << 8 | 10 << 10, 6 | 2 << 8 | 10 << 10, 6 | 3 << 8, 6 | 3 << 8 | 15 << 10])
def test_a_board_that_cannot_run_our_files_is_refused(mpy):
    with pytest.raises(Trouble):
        deploy.march_of(mpy)


def test_the_checkout_itself_can_be_staged_for_both_chips_within_the_boards_flash():
    for march in ("xtensawin", "rv32imc"):
        tree = deploy.staged(ROOT, march)
        assert {"boot.py", "main.py", "lib/tillpane.mpy", "lib/till/escpos.mpy", "firmware/roots/amazon-1.der"} <= set(
            tree
        )
        assert not [name for name in tree if name.startswith("lib/") and name.endswith(".py")]
        assert sum(-(-len(data) // 4096) for data in tree.values()) * 4096 < 1024 * 1024


def test_the_command_line_tells_what_was_done(flash, source, monkeypatch, capsys):
    monkeypatch.setattr(deploy, "ROOT", source)
    monkeypatch.setattr(deploy.deploy, "__defaults__", (None, "", None, source, deploy.silent))
    with ReplBoard(flash) as board:
        assert cli.main(["deploy", "--port", board.port]) == 0
        assert cli.main(["deploy", "--port", board.port]) == 0
    said = capsys.readouterr().out
    assert "7 files written" in said
    assert "0 files written (0 bytes), 7 unchanged, 0 removed" in said


def test_mpremote_itself_reads_the_same_board(flash):
    """The bridge is honest: the real mpremote command works through it, as `mpremote connect PORT resume` does."""
    data = bytes(range(256)) * 3
    (flash / "a.bin").write_bytes(data)
    with ReplBoard(flash) as board:
        command = [sys.executable, "-m", "mpremote", "connect", board.port, "resume", "exec", HASH]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ran.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_the_version_on_the_glass_is_the_packages():
    from kiosk.version import VERSION
    from tillpane import __version__

    assert __version__ == VERSION
    assert json.loads((ROOT / "firmware/image.json").read_text())["offset"] == 0x1000
