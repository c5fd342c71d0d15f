"""`tillpane journal`: read out in full or not at all."""

import csv
import io

import pytest

from test_serialtill import Box
from tillpane import cli, serialtill
from tillpane.trouble import Trouble

LINES = (
    "OK JOURNAL",
    "ENTRY 41 20261122T235103Z 1001 12.34 NZD PAID CP-C7F-ZS5",
    "WAIT 1003 PAYABLE 90",
    "ENTRY 42 - 1001 5.00 NZD REFUNDED CP-C7F-ZS5",
    "ENTRY 43 20261122T235209Z 1002 1.00 NZD FAILED -",
    "END JOURNAL 3",
)


def test_a_table_for_people(capsys):
    with Box(lambda command: LINES) as box:
        assert cli.main(["journal", "--port", box.port]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "number  date              ref   amount  currency  state     short_code",
        "41      20261122T235103Z  1001   12.34  NZD       PAID      CP-C7F-ZS5",
        "42                        1001    5.00  NZD       REFUNDED  CP-C7F-ZS5",
        "43      20261122T235209Z  1002    1.00  NZD       FAILED",
    ]


def test_values_for_a_spreadsheet(capsys):
    with Box(lambda command: LINES) as box:
        assert cli.main(["journal", "--port", box.port, "--csv", "--count", "3"]) == 0
        assert box.heard[-1].startswith("JOURNAL 3")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["state"] for row in rows] == ["PAID", "REFUNDED", "FAILED"] and rows[1]["date"] == ""


def test_a_lost_line_is_noticed_and_the_list_asked_for_again():
    tries = []
    with Box(lambda command: LINES[:1] + LINES[2:] if tries.append(1) is None and len(tries) == 1 else LINES) as box:
        assert len(serialtill.journal(box.port)) == 3
    assert len(tries) == 2


def test_a_refusal_is_told():
    with Box(lambda command: ["ERR NOT_READY FLASH_FAULT"]) as box, pytest.raises(Trouble, match="FLASH_FAULT"):
        serialtill.journal(box.port)
