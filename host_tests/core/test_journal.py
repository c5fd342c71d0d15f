"""The journal in a real file: torn ends, flipped bits, compaction."""

import os

from kiosk.journal import Journal, JournalError
from kiosk.record import CANCELLED, NEW, PAID, PAYABLE, Sale, pack, unpack

_PATH = "test_journal.tmp"


def fresh():
    for name in (_PATH, _PATH + "~"):
        try:
            os.remove(name)
        except OSError:
            pass
    return opened()


def opened():
    journal = Journal(_PATH)
    journal.open()
    return journal


def add(journal, ref, *states):
    sale = Sale(journal.next_seq(), ref, 1234, "NZD", "T-" + ref, 1800000000)
    for state in states:
        sale.state = state
        if state != NEW:
            sale.id = "id" + ref
            sale.code = "CP-1"
        journal.write(sale)
    return sale


def raw():
    with open(_PATH, "rb") as file:
        return file.read()


def overwrite(data):
    with open(_PATH, "wb") as file:
        file.write(data)


def test_record_round_trip():
    sale = Sale(7, "A.b-9_", 99999999, "NZD", "T-A-1", 1800000000, PAID, "id", "CP-C7F-ZS5", "LATE", True)
    again = unpack(pack(sale))
    for name in ("seq", "ref", "amount", "currency", "external_ref", "at", "state", "id", "code", "reason", "acked"):
        assert getattr(again, name) == getattr(sale, name), name


def test_longest_record_fits():
    sale = Sale(
        99999999,
        "x" * 24,
        99999999,
        "NZD",
        "t" * 16 + "-" + "x" * 24 + "-" + "n" * 6,
        4000000000,
        CANCELLED,
        "i" * 64,
        "CP-C7F-ZS5-015",
        "R" * 40,
        True,
    )
    assert unpack(pack(sale)).id == "i" * 64


def test_any_flipped_bit_is_not_believed():
    record = pack(Sale(1, "1", 1234, "NZD", "T-1", 1800000000))
    for i in range(len(record)):
        for bit in range(8):
            flipped = bytearray(record)
            flipped[i] ^= 1 << bit
            assert unpack(bytes(flipped)) is None, (i, bit)


def test_torn_at_every_byte_the_record_before_stands():
    journal = fresh()
    add(journal, "1", NEW, PAYABLE)
    whole = raw()
    first = whole.find(b"\n") + 1
    for cut in range(first, len(whole)):
        overwrite(whole[:cut])
        journal = opened()
        assert journal.find("1").state == NEW
        add(journal, "2", NEW)
        assert [sale.ref for sale in journal.unresolved()] == ["1", "2"], cut
        assert opened().last().ref == "2"
    fresh()


def test_unresolved_and_last():
    journal = fresh()
    add(journal, "1", NEW, PAYABLE, PAID)
    add(journal, "2", NEW, PAYABLE)
    third = add(journal, "3", NEW, PAYABLE, CANCELLED)
    assert [sale.ref for sale in journal.unresolved()] == ["2"]
    assert journal.last().ref == "3"
    first = journal.find("1")
    first.acked = True
    journal.write(first)
    assert journal.last().ref == "3" and third.seq == 3
    assert opened().next_seq() == 4
    assert opened().find("1").acked and opened().find("9") is None
    fresh()


def test_compaction_keeps_open_and_newest_sales():
    journal = fresh()
    add(journal, "old-open", NEW, PAYABLE)
    for i in range(400):
        add(journal, "R" + str(i), PAYABLE, PAID)
    size = len(raw())
    assert journal.tidy() and len(raw()) < size
    journal = opened()
    assert [sale.ref for sale in journal.unresolved()] == ["old-open"]
    assert journal.find("R399").state == PAID and journal.find("R210") is not None
    assert journal.find("R0") is None
    assert journal.next_seq() == 402
    assert not journal.tidy()
    fresh()


def test_interrupted_compaction_leaves_the_old_file():
    journal = fresh()
    add(journal, "1", NEW, PAYABLE)
    with open(_PATH + "~", "wb") as file:
        file.write(b"half")
    assert opened().find("1").state == PAYABLE
    fresh()


def test_garbage_between_records_is_skipped():
    journal = fresh()
    add(journal, "1", NEW)
    overwrite(raw() + b"\x00\xff" * 700 + b"\n" + b"00000000 not a record\n")
    journal = opened()
    add(journal, "2", NEW)
    assert [sale.ref for sale in opened().unresolved()] == ["1", "2"]
    fresh()


def test_a_write_that_fails_is_a_journal_error():
    journal = Journal("no-such-folder/journal")
    try:
        add(journal, "1", NEW)
    except JournalError:
        return
    raise AssertionError
