"""The command line. Each command imports what it needs when it runs, so that `--help` is quick."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tillpane import __version__
from tillpane.trouble import Trouble

_USAGE = 64  # EX_USAGE of sysexits.h: `sale` needs 2 for EXPIRED

_EPILOG = """[bold]The box on this computer, and you as its till[/]

- tillpane demo

- tillpane demo --till escpos

- tillpane sale 12.34 --port /dev/pts/7

[bold]A new board[/]

- tillpane flash --port /dev/ttyUSB0

- tillpane deploy --port /dev/ttyUSB0 --settings settings.json

[bold]A till that nobody here has seen[/]

- tillpane capture --port /dev/ttyUSB0 -o corner-shop.capture

[bold]From a script[/]

- tillpane sale 12.34 --port /dev/ttyS0 --ref 4711 --json && open-drawer
"""

# Of what typer raises for a wrong command line; typer has no public name for it.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    help="Tillpane: a countertop box that lets any till take QR payments.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Port = Annotated[str, typer.Option("--port", "-p", help="The serial port, such as /dev/ttyUSB0.", show_default=False)]
Baud = Annotated[int, typer.Option(help="Speed of the till's line; the box's setting till_baud.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end; progress goes to stderr.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"tillpane {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


# ---- without a board ------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="Without a board")
def demo(
    once: Annotated[bool, typer.Option("--once", help="One sale of AMOUNT without a browser, then leave.")] = False,
    out: Annotated[Path, typer.Option(help="With --once: where the pictures and spi.bin go.")] = Path("out"),
    amount: Annotated[
        str, typer.Option(help="With --once: what is sold.", show_default="12.34; 1990 from transbank")
    ] = "",
    till: Annotated[str, typer.Option(help="What stands at the other end of the serial line: see below.")] = "line",
    port: Annotated[int, typer.Option(help="TCP port of the page.")] = 8080,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """The whole box on this computer: real MicroPython, the real files, a modelled panel, a till, a phone.

    With --once it ends with exit code 0 only if the till was told PAID, or where a till cannot be told, it was shown.

    --till names the till; the box is set up for it:

    - line: speaks Tillpane's own line protocol

    - escpos, labau, odoo, unicenta, cd5220, led8: drives a customer display, ESC/POS or its kin

    - logiccontrols, surepos, deltas, utc-enhanced, aedex, aedex-moved, dsp800, adm: drives one of another dialect

    - telium, transbank, ecr17, zvt: knows a card terminal, in whose place the box answers

    Those that drive a customer display know nothing of payments: the box reads the total off their bytes.
    """
    from tillpane import sim
    from tillpane.sim.anytill import NAMES

    if till not in NAMES:
        raise Trouble(f"There is no till {till}.", f"There are: {', '.join(NAMES)}.", _USAGE)
    raise typer.Exit(sim.once(out, amount, till) if once else sim.demo(port, browser, till))


@app.command(rich_help_panel="Without a board")
def api(
    host: Annotated[str, typer.Option(help="Where it listens; 0.0.0.0 lets a board on the network in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port of the API.")] = 8443,
    admin_port: Annotated[int, typer.Option(help="TCP port of the admin API, always on 127.0.0.1.")] = 8444,
    out: Annotated[Path, typer.Option(help="Gets the throwaway root and a settings.json.")] = Path("out/standin"),
    name: Annotated[
        list[str] | None,
        typer.Option(help="Name or address in the certificate; repeat for more.", show_default="localhost"),
    ] = None,
    auto_pay: Annotated[float | None, typer.Option(help="Seconds until each request is paid by itself.")] = None,
    expiry: Annotated[int, typer.Option(help="Seconds a request lives that does not ask for another time.")] = 120,
    rate_limit: Annotated[int, typer.Option(help="Calls a minute; 0 is no limit.")] = 200,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A fault to begin with: delay:seconds=3,op=get", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line a call.")] = False,
) -> None:
    """The Centrapay stand-in: real TLS, the documented answers, faults on request. Runs until Ctrl-C."""
    from tillpane import standin

    try:
        standin.serve_forever(
            host,
            port,
            admin_port,
            out,
            names=name or ("localhost", "127.0.0.1"),
            rate_limit=rate_limit,
            expiry_seconds=expiry,
            auto_pay=auto_pay,
            faults=fault or (),
            log=not quiet,
        )
    except OSError as error:
        raise Trouble(
            f"The stand-in cannot start: {error}.", "Choose other ports with --port and --admin-port."
        ) from error
    except ValueError as error:
        raise Trouble(f"That is not a fault it knows: {error}.", "docs/stand-in.md lists them.") from error


# ---- a board --------------------------------------------------------------------------------------------------------


class _Bar:
    """One progress line on a terminal, one plain line a step elsewhere."""

    def __init__(self, words: dict[str, str]) -> None:
        self._words = words
        self._step = ""
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description:28}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        words = self._words.get(step, step)
        if not self._console.is_terminal:
            if step != self._step:
                self._console.print(words)
            self._step = step
            return
        if step != self._step:
            self._finish()
            self._task = self._progress.add_task(words, total=total or None)
        self._step = step
        if total:
            self._progress.update(self._task, completed=done, total=total)

    def _finish(self) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=1, completed=1)


@app.command(rich_help_panel="A board")
def flash(
    port: Port,
    image: Annotated[Path | None, typer.Option(help="The image, already downloaded.", show_default=False)] = None,
    sha256: Annotated[str, typer.Option(help="SHA-256 of another image than the pinned one.")] = "",
    chip: Annotated[str, typer.Option(help="With --sha256: the chip it is for, as esptool says it (ESP32-S3).")] = "",
    offset: Annotated[str, typer.Option(help="With --sha256: where it goes (ESP32: 0x1000, most others: 0x0).")] = "",
    baud: Annotated[int, typer.Option(help="Speed of the transfer.")] = 460800,
) -> None:
    """Erases a board and writes the pinned MicroPython, after checking the image's SHA-256."""
    from tillpane import flash as work

    try:
        place = int(offset, 0) if offset else None
    except ValueError as error:
        raise Trouble(f"--offset {offset} is not a number.", "Such as 0x1000.") from error
    words = {
        "download": "Downloading the image",
        "connect": "Looking for the chip",
        "erase": "Erasing",
        "write": "Writing",
        "verify": "Reading back its hash",
    }
    with _Bar(words) as bar:
        written, found = work.flash(port, image, sha256, chip, place, baud, report=bar)
    print(f"{written.name} is on the {found} at {port}. Next: tillpane deploy --port {port} --settings settings.json")


@app.command(rich_help_panel="A board")
def deploy(
    port: Port,
    settings: Annotated[Path | None, typer.Option(help="A settings.json to send too.", show_default=False)] = None,
    march: Annotated[str, typer.Option(help="Machine code to compile for; the board is asked otherwise.")] = "",
    reset: Annotated[
        bool | None,
        typer.Option(
            "--reset/--no-reset", help="Reset the board first and afterwards.", show_default="yes, on a board"
        ),
    ] = None,
) -> None:
    """Puts the program on a board: cross-compiled for its chip, only what changed, checked by hash."""
    from tillpane import deploy as work

    words = {
        "connect": "Looking for MicroPython",
        "reset": "Resetting the board",
        "compile": "Compiling",
        "compare": "Comparing with the board",
        "write": "Writing",
        "verify": "Checking",
    }
    with _Bar(words) as bar:
        done = work.deploy(port, settings, march, reset, report=bar)
    print(
        f"{done.board} ({done.march}): {len(done.written)} files written ({done.bytes_written} bytes), "
        f"{len(done.skipped)} unchanged, {len(done.removed)} removed"
    )
    for warning in done.warnings:
        print(f"warning: {warning}")


# ---- a till ---------------------------------------------------------------------------------------------------------

_DOING = {
    "PREPARING": "asking for the payment",
    "PAYABLE": "waiting for the patron",
    "CHECKING": "checking how it ended",
    "CANCELLING": "cancelling",
    "UNKNOWN": "outcome not known yet, still asking; do not charge again",
}


def _tried(ref: str, as_json: bool, work: Callable[[Callable[[str, int], None]], Any]) -> None:
    """Runs work(report) and tells its outcome; with --json also what went wrong before there was one."""
    from tillpane import serialtill

    try:
        outcome = _watched(as_json, work)
    except Trouble as trouble:
        if as_json:
            error = serialtill.Outcome("ERROR", ref, words=f"{trouble} {trouble.advice}".strip())
            print(json.dumps({**asdict(error), "exit_code": trouble.exit_code}))
        raise
    _tell(outcome, as_json)


def _watched(quiet: bool, work: Callable[[Callable[[str, int], None]], Any]) -> Any:
    """Runs work(report) with its progress shown: a live line on a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        with console.status("calling the box") as status:
            return work(lambda what, left: status.update(_progress(what, left)))
    last = [""]

    def plain(what: str, left: int) -> None:
        if what != last[0]:
            last[0] = what
            print(_progress(what, left), file=sys.stderr, flush=True)

    return work(plain)


def _progress(what: str, left: int) -> str:
    words = _DOING.get(what, what)
    return f"{words}, {left} s left" if left >= 0 else words


def _tell(outcome: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcome.as_dict()))
    else:
        parts = [outcome.result, outcome.code, outcome.amount, outcome.currency, outcome.short_code, outcome.reason]
        print(" ".join(part for part in (*parts, f"(ref {outcome.ref})") if part))
        if outcome.words and outcome.words != outcome.ref:
            print(outcome.words)
        if outcome.result in ("UNKNOWN", "REFUND_UNKNOWN"):
            print(f"Do not charge again. Ask later: tillpane ask --port PORT STATUS {outcome.ref}")
    raise typer.Exit(outcome.exit_code)


@app.command(rich_help_panel="A till")
def sale(
    amount: Annotated[str, typer.Argument(help="With exactly the currency's decimals: 12.34", show_default=False)],
    port: Port,
    ref: Annotated[str, typer.Option(help="Your reference, 1 to 24 of A-Z a-z 0-9 . _ -", show_default="made up")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.", show_default="the box's own")] = "",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds, then cancel and wait for the truth.", show_default="the box's own")
    ] = None,
    baud: Baud = 9600,
    as_json: Json = False,
) -> None:
    """Takes one payment. Ctrl-C cancels it and waits for what really happened.

    [bold]Exit codes[/]: 0 PAID, 1 CANCELLED, 2 EXPIRED, 3 FAILED or refused, 5 no device, 64 wrong usage, 70 trouble.

    4 is UNKNOWN: do not charge again. The same --ref and amount is the same sale, so asking again is safe.
    """
    from tillpane import serialtill

    _tried(ref, as_json, lambda report: serialtill.sell(port, amount, ref, currency, timeout, baud, report))


@app.command(rich_help_panel="A till")
def refund(
    ref: Annotated[str, typer.Argument(help="The paid sale's reference.", show_default=False)],
    port: Port,
    amount: Annotated[str, typer.Argument(help="How much; all of it otherwise.", show_default=False)] = "",
    refund_ref: Annotated[str, typer.Option(help="Tells several refunds of one sum apart.")] = "",
    baud: Baud = 9600,
    as_json: Json = False,
) -> None:
    """Gives a payment back, or part of it. Exit codes: 0 refunded, 3 refused or failed, 4 not known, 5 no device."""
    from tillpane import serialtill

    _tried(ref, as_json, lambda report: serialtill.refund(port, ref, amount, refund_ref, baud=baud, report=report))


@app.command(rich_help_panel="A till")
def ask(
    line: Annotated[
        list[str], typer.Argument(help="INFO, STATUS [REF], LAST, CANCEL REF, ACK REF", show_default=False)
    ],
    port: Port,
    baud: Baud = 9600,
) -> None:
    """Sends the box one line and prints its answer. Exit codes: 0 answered, 3 refused, 5 no device."""
    from tillpane import serialtill

    code, answers = serialtill.ask(port, " ".join(line), baud)
    for answer in answers:
        print(answer)
    if not answers:
        print(f"Nothing answers at {port}: check cable, port and speed.", file=sys.stderr)
    raise typer.Exit(code)


@app.command(rich_help_panel="A till")
def journal(
    port: Port,
    count: Annotated[int, typer.Option(min=1, max=200, help="How many of the newest.")] = 200,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values instead of a table.")] = False,
    baud: Baud = 9600,
) -> None:
    """The newest sales and refunds of the box, for reconciliation: date, reference, amount, outcome, short code."""
    from tillpane import serialtill

    entries = [tuple(asdict(entry).values()) for entry in serialtill.journal(port, count, baud)]
    names = ("number", "date", "ref", "amount", "currency", "state", "short_code")
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *entries])
        return
    widths = [max(len(row[i]) for row in [names, *entries]) for i in range(len(names))]
    for row in [names, *entries]:
        cells = [cell.rjust(widths[i]) if names[i] == "amount" else cell.ljust(widths[i]) for i, cell in enumerate(row)]
        print("  ".join(cells).rstrip())


class _Parity(str, Enum):
    none = "none"
    even = "even"
    odd = "odd"


@app.command(rich_help_panel="A till")
def capture(
    port: Annotated[
        str, typer.Option("--port", "-p", help="Where the till's cable is, such as /dev/ttyUSB0.", show_default=False)
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="The file that is written.")] = Path("till.capture"),
    baud: Annotated[int | None, typer.Option(help="Speed of the till's line.", show_default="9600")] = None,
    parity: Annotated[_Parity | None, typer.Option(help="Its parity.", show_default="none")] = None,
    bits: Annotated[int | None, typer.Option(min=7, max=8, help="Its data bits.", show_default="8")] = None,
    stop: Annotated[int | None, typer.Option(min=1, max=2, help="Its stop bits.", show_default="1")] = None,
    seconds: Annotated[float | None, typer.Option(help="End by itself after so long.", show_default="Ctrl-C")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Play this file back into --port instead.", show_default=False)
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, help="With --replay: how many times as fast.")] = 1.0,
    device: Annotated[
        str, typer.Option(help="Copy the box's own recording from its USB port instead.", show_default=False)
    ] = "",
    explain: Annotated[
        Path | None, typer.Option(help="Show what each of the box's dialects makes of this file.", show_default=False)
    ] = None,
    currency: Annotated[str, typer.Option(help="With --explain: the box's currency.")] = "NZD",
) -> None:
    """Records what a till sends to its customer display, so that Tillpane can learn it.

    Put the display's cable into this computer (RS-232 to USB, often with a null-modem adapter) and ring up 12.34:

    - tillpane capture --port /dev/ttyUSB0 -o corner-shop.capture

    What arrives is shown as it comes; nothing is ever sent to the till. Ctrl-C ends.

    Type what you did ("total pressed") and press Enter: it becomes a note in the file.

    [bold]Which dialect[/] is it, and what would the box charge?

    - tillpane capture --explain corner-shop.capture

    [bold]Play it[/] into a box, or into the simulator:

    - tillpane capture --replay corner-shop.capture --port /dev/ttyUSB1

    [bold]Fetch[/] what the box itself recorded, over its USB plug; this restarts the box:

    - tillpane capture --device /dev/ttyACM0 -o corner-shop.capture

    docs/add-a-till.md goes on from there. [bold]Exit codes[/]: 0 done, 64 wrong usage, 70 nothing came or trouble.
    """
    from tillpane import capture as work

    if sum(map(bool, (port, device, explain))) != 1 or (replay and not port):
        raise typer.BadParameter("say one of --port, --device and --explain; --replay needs --port")

    def settings(of: work.LineSettings) -> work.LineSettings:
        named = parity.value if parity else of.parity
        return work.LineSettings(baud or of.baud, bits or of.bits, named, stop or of.stop)

    if explain:
        _explain(explain, currency)
        return
    if device:
        print(f"Copying {work.DEVICE_FILE} off the box; it restarts ...", file=sys.stderr)
        size = work.fetch(device, out)
        print(f"{size} bytes are in {out}. Next: tillpane capture --explain {out}")
        return
    if replay:
        try:
            line = settings(work.read_settings(replay))
        except Trouble:
            if not baud:
                raise
            line = settings(work.LineSettings())
        print(f"Playing {replay} into {port} ({line}), {speed:g} times as fast ...", file=sys.stderr)
        sent = work.replay(replay, port, line, speed, _heard)
        print(f"{sent} bytes were sent.")
        return
    line = settings(work.LineSettings())
    print(f"Listening at {port} ({line}). Ring up 12.34; Ctrl-C ends.", file=sys.stderr)
    notes = work.notes_from(sys.stdin) if sys.stdin.isatty() else None
    count = work.record(port, out, line, seconds, _heard, notes)
    print(f"\n{count} bytes are in {out}.")
    if doubt := work.doubt(work.read_capture(out)):
        print(doubt)
    print(f"Next: tillpane capture --explain {out} tells the dialect. docs/add-a-till.md goes on from there.")


def _explain(path: Path, currency: str) -> None:
    from tillpane.capture import read_capture, read_notes
    from tillpane.tills.explain import explain

    readings = explain(read_capture(path), currency)
    for reading in readings:
        print(
            f"{reading.dialect:15}{reading.undefined:6} undefined bytes"
            f"{len(reading.screens):5} screens{reading.charges:5} of them would charge"
        )
    fits = [reading for reading in readings if reading.fits]
    if not fits:
        print("\nNo dialect reads all of it, so nothing would be charged. Nearest:")
    for reading in fits or readings[:1]:
        print(f"\n{reading.dialect}")
        notes = read_notes(path)
        for screen in reading.screens:
            while notes and notes[0][0] < screen.ms:
                print(f"{'':11}# {notes.pop(0)[1]}")
            says = f"CHARGE {screen.amount} {currency}" if screen.charges else screen.says.lower()
            lamp = f", lamp {screen.lamp}" if screen.lamp else ""
            doubt = f", {screen.undefined} undefined so far" if screen.undefined else ""
            moving = ", scrolling" if screen.scrolling else ""
            print(
                f"{screen.ms / 1000:9.3f}  |{screen.rows[0]}|  {f'{says} {screen.text}'.strip()}{lamp}{doubt}{moving}"
            )
            print(f"{'':9}  |{screen.rows[1]}|")
        for _, note in notes:
            print(f"{'':11}# {note}")


def _heard(ms: int, data: bytes) -> None:
    from tillpane.capture import view

    print("\n".join(view(ms, data)), flush=True)


# ---- for developers --------------------------------------------------------------------------------------------------


@app.command(rich_help_panel="For developers")
def bench(
    sales: Annotated[int, typer.Option(min=11, help="How many sales in a row.")] = 1000,
    out: Annotated[
        Path | None, typer.Option(help="The page that is written.", show_default="docs/benchmarks.md")
    ] = None,
    port: Annotated[str, typer.Option("--port", "-p", help="A board's serial port: measure there instead.")] = "",
    network: Annotated[
        bool, typer.Option("--network", help="With --port: also one payment request over the board's Wi-Fi.")
    ] = False,
) -> None:
    """Measures the hot path beside the obvious alternatives and writes docs/benchmarks.md; with --port on a board."""
    from tillpane.bench import bench as work

    if port:
        from tillpane.bench import board

        words = {
            "connect": "Looking for MicroPython",
            "reset": "Resetting the board",
            "compile": "Compiling",
            "compare": "Comparing with the board",
        }
        with _Bar(words) as bar:
            name, text = board.run(port, network, report=bar)
        print(name)
        work.show(text)
        raise typer.Exit
    raise typer.Exit(work.run(sales, out or work.PAGE))


@app.command(rich_help_panel="For developers")
def soak(
    sales: Annotated[int, typer.Option(min=1, help="How many.")] = 5000,
    seed: Annotated[str, typer.Option(help="An earlier run's, to try the same again.", show_default="a new one")] = "",
    boxes: Annotated[int, typer.Option(min=1, help="How many run side by side.")] = 20,
) -> None:
    """Sells in all weathers, then compares ledger, journals and the till's book to the cent.

    Exit code 0 only with 0 disagreements. Ctrl-C ends it without a comparison, and says how to run the same again.
    """
    from tillpane import soak as work

    raise typer.Exit(work.run(sales, seed, boxes))


@app.command(rich_help_panel="For developers")
def font() -> None:
    """Makes the panel's bitmap fonts again, from a free font."""
    from tillpane import fontmaker

    try:
        raise typer.Exit(fontmaker.main())
    except ImportError as error:
        raise Trouble(
            f"{error}.", "The font package is needed only here: pip install fontpkg-inter==4.1.post1"
        ) from error


@app.command(rich_help_panel="For developers")
def roots() -> None:
    """Writes the CA roots that the box trusts into firmware/roots, from Mozilla's list."""
    from tillpane import roots as work

    for root, der in work.write():
        subject, kind, until = work.described(der)
        print(f"{root.file:16} {len(der):5} bytes  {kind:8} until {until}  {subject}")


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and gives its exit code: the command's own, 64 for wrong usage, 70 for trouble."""
    errors = Console(stderr=True)
    try:
        return app(argv, standalone_mode=False) or 0
    except Trouble as trouble:
        errors.print(str(trouble), style="red", highlight=False, markup=False, soft_wrap=True)
        if trouble.advice:
            errors.print(trouble.advice, highlight=False, markup=False, soft_wrap=True)
        return trouble.exit_code
    except _UsageError as error:
        error.show()  # type: ignore[attr-defined]
        return _USAGE
    except (KeyboardInterrupt, typer.Abort):
        return 130


if __name__ == "__main__":
    sys.exit(main())
