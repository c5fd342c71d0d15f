"""The command line itself: what it teaches, how it fails, and that its words reach the parts behind it."""

import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tillpane import cli, roots

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("demo", "api", "flash", "deploy", "sale", "refund", "ask", "journal", "capture", "bench", "soak", "font")
COMMANDS += ("roots",)


def tillpane(*words):
    plain = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
    command = [sys.executable, "-m", "tillpane", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=plain)


def test_help_names_every_command_and_gives_examples():
    said = tillpane("--help")
    assert said.returncode == 0
    assert all(re.search(rf"│ {name} ", said.stdout) for name in COMMANDS)
    assert "tillpane sale 12.34 --port" in said.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_loads_nothing_heavy(command):
    code = "import sys; from tillpane import cli; c = cli.main(sys.argv[1:]); print(sorted(sys.modules)); sys.exit(c)"
    ran = subprocess.run([sys.executable, "-c", code, command, "--help"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert not {"esptool", "mpremote", "aiohttp", "PIL", "cryptography"} & set(re.findall(r"'(\w+)'", ran.stdout))


def test_the_sales_help_documents_its_exit_codes():
    said = " ".join(tillpane("sale", "--help").stdout.split())
    for words in ("0 PAID", "1 CANCELLED", "2 EXPIRED", "3 FAILED", "4 is UNKNOWN", "5 no device", "64 wrong usage"):
        assert words in said


@pytest.mark.parametrize(
    "words", [[], ["sale"], ["sale", "1.00"], ["nonsense"], ["sale", "1.00", "--port", "p", "--baud", "x"]]
)
def test_wrong_usage_is_64_and_never_the_code_of_an_outcome(words):
    assert tillpane(*words).returncode == 64


@pytest.mark.parametrize("words", [["sale", "12.34", "--ref", "no good"], ["refund", "no good"], ["sale", "x"]])
def test_with_json_wrong_words_are_a_json_object_too(words):
    said = tillpane(*words, "--port", "/dev/null", "--json")
    found = json.loads(said.stdout)
    assert said.returncode == found["exit_code"] == 64
    assert found["result"] == "ERROR" and " is not a" in found["words"] and " is not a" in said.stderr


def test_trouble_is_told_with_what_to_do_and_no_traceback():
    said = tillpane("deploy", "--port", "/dev/not-there")
    assert said.returncode == 70
    assert "\nThere is no port /dev/not-there.\nPlug the cable in." in said.stderr
    said = tillpane("ask", "INFO", "--port", "/dev/not-there")
    assert said.returncode == 5
    assert "Traceback" not in said.stderr


def test_the_version_is_shown():
    assert tillpane("--version").stdout == "tillpane 0.1.0\n"


def test_demo_hands_its_words_to_the_simulator(monkeypatch):
    from tillpane import sim

    calls = []
    monkeypatch.setattr(sim, "once", lambda out, amount, till: calls.append((out, amount, till)) or 3)
    monkeypatch.setattr(sim, "demo", lambda port, browser, till: calls.append((port, browser, till)) or 0)
    assert cli.main(["demo", "--once", "--out", "shots"]) == 3
    assert cli.main(["demo", "--port", "9000", "--no-browser"]) == 0
    assert cli.main(["demo", "--once", "--till", "escpos"]) == 3
    assert calls == [(Path("shots"), "", "line"), (9000, False, "line"), (Path("out"), "", "escpos")]


def test_api_hands_its_words_to_the_stand_in(monkeypatch, capsys):
    from tillpane import standin

    calls = []
    monkeypatch.setattr(standin, "serve_forever", lambda *places, **options: calls.append((places, options)))
    assert cli.main(["api", "--port", "9443", "--name", "box.lan", "--auto-pay", "2", "--fault", "reset:count=1"]) == 0
    places, options = calls[0]
    assert places == ("127.0.0.1", 9443, 8444, Path("out/standin"))
    assert options["names"] == ["box.lan"]
    assert (options["auto_pay"], options["faults"]) == (2.0, ["reset:count=1"])

    def taken(*_places, **_options):
        raise OSError("address already in use")

    monkeypatch.setattr(standin, "serve_forever", taken)
    assert cli.main(["api"]) == 70
    assert "--admin-port" in capsys.readouterr().err


def test_the_stand_in_takes_the_options_that_the_command_line_gives():
    import inspect

    from tillpane import standin

    known = inspect.signature(standin.serve_forever).parameters
    assert list(known)[:4] == ["host", "port", "admin_port", "out_dir"]
    assert {"names", "rate_limit", "expiry_seconds", "auto_pay", "faults", "log"} <= set(known)


# ---- the CA roots ---------------------------------------------------------------------------------------------------


def test_the_roots_that_ship_are_the_chosen_ones_self_signed_and_live():
    files = sorted(file.name for file in roots.FOLDER.glob("*.der"))
    assert files == sorted(root.file for root in roots.CHOSEN)
    assert len(files) <= 8
    for root in roots.CHOSEN:
        der = (roots.FOLDER / root.file).read_bytes()
        assert hashlib.sha256(der).hexdigest() == root.sha256
        assert len(der) <= 2048  # what main.py reads of one
        certificate = x509.load_der_x509_certificate(der)
        assert certificate.issuer == certificate.subject
        certificate.verify_directly_issued_by(certificate)
        assert certificate.not_valid_after_utc.date() > date.today() + timedelta(days=2 * 365)


def test_the_roots_readme_names_each_with_its_fingerprint():
    page = (roots.FOLDER / "README.md").read_text()
    assert all(root.file in page and root.sha256 in page for root in roots.CHOSEN)


def test_roots_are_written_again_as_they_are(tmp_path):
    roots.write(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in roots.FOLDER.iterdir()
    }


def test_a_root_that_mozilla_dropped_stops_it(tmp_path, monkeypatch):
    monkeypatch.setattr(roots, "_bundle", dict)
    assert cli.main(["roots"]) == 70
    with pytest.raises(roots.Trouble, match=r"no longer has amazon-1\.der"):
        roots.write(tmp_path)


# ---- make -----------------------------------------------------------------------------------------------------------


def make(*words):
    """make in an environment of its own: this test may itself be run by make, with words that it hands down."""
    handed = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS", "PORT", "OUT", "ONCE", "SETTINGS", "IMAGE")
    clean = {name: value for name, value in os.environ.items() if name not in handed}
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, env=clean)


def test_make_alone_lists_every_target():
    said = make().stdout
    for target in ("demo", "test", "lint", "format", "deploy", "flash", "clean"):
        assert f"make {target} " in said


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["demo"], "tillpane demo"),
        (["demo", "ONCE=1", "OUT=pictures"], 'tillpane demo --once --out "pictures"'),
        (["demo", "ONCE=1"], 'tillpane demo --once --out "out"'),
        (["deploy", "PORT=/dev/x"], 'tillpane deploy --port "/dev/x"'),
        (["deploy", "PORT=/dev/x", "SETTINGS=a.json"], 'tillpane deploy --port "/dev/x" --settings "a.json"'),
        (["flash", "PORT=/dev/x", "IMAGE=i.bin"], 'tillpane flash --port "/dev/x" --image "i.bin"'),
    ],
)
def test_make_hands_its_words_on(words, command):
    assert command in [line.strip().removeprefix(".venv/bin/") for line in make("-n", *words).stdout.splitlines()]


@pytest.mark.parametrize("target", ["deploy", "flash"])
def test_make_without_a_port_says_so(target):
    said = make("-n", target)
    assert said.returncode != 0
    assert f"make {target} PORT=/dev/ttyUSB0" in said.stderr


def test_an_old_python_is_told_clearly(tmp_path):
    """The check itself, run by a Python that says it is 3.9."""
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "sys.version_info" in line)
    code = re.search(r"-c '(.*)'$", line).group(1).replace("sys.version_info", "(3, 9)").replace("$(PYTHON)", "python3")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "needs Python 3.10 or newer; python3 is 3.9" in ran.stderr
