"""The journal in a real file: torn ends, flipped bits, compaction."""

import os

from fakes import compact, refunds_of

from kiosk.journal import Journal, JournalError
from kiosk.record import (
    CANCELLED,
    EXPIRED,
    HEARD,
    MAX_RECORD,
    NEW,
    PAID,
    PAYABLE,
    REFUNDED,
    REFUNDING,
    Sale,
    pack,
    unpack,
)

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


def test_marks_round_trip():
    for acked, owed, watched in (
        (False, False, True),
        (False, True, True),
        (True, False, True),
        (False, True, False),
        (False, HEARD, False),
        (False, HEARD, True),
    ):
        again = unpack(pack(Sale(7, "1", 100, "NZD", "T-1", 0, EXPIRED, "id", "", "", acked, owed, watched)))
        assert (again.acked, again.owed, again.watched) == (acked, owed, watched)


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
    first = whole.find(b"\n", 1) + 1
    for cut in range(first, len(whole)):
        overwrite(whole[:cut])
        journal = opened()
        assert journal.find("1").state == NEW
        add(journal, "2", NEW)
        assert [sale.ref for sale in journal.unfinished()[0]] == ["1", "2"], cut
        assert opened().last().ref == "2"
    fresh()


def test_unfinished_and_last():
    journal = fresh()
    add(journal, "1", NEW, PAYABLE, PAID)
    add(journal, "2", NEW, PAYABLE)
    third = add(journal, "3", NEW, PAYABLE, CANCELLED)
    assert [sale.ref for sale in journal.unfinished()[0]] == ["2"]
    assert journal.last().ref == "3"
    first = journal.find("1")
    first.acked = True
    journal.write(first)
    assert journal.last().ref == "3" and third.seq == 3
    assert opened().next_seq() == 4
    assert opened().find("1").acked and opened().find("9") is None
    fresh()


def test_compaction_keeps_unresolved_and_newest_sales():
    journal = fresh()
    add(journal, "old-open", NEW, PAYABLE)
    watched = add(journal, "old-watched", NEW, PAYABLE)
    watched.state, watched.watched = EXPIRED, True
    journal.write(watched)
    add(journal, "old-expired", NEW, PAYABLE, EXPIRED)
    owed = add(journal, "old-owed", NEW, PAYABLE)
    owed.state, owed.owed = PAID, True
    journal.write(owed)
    assert [sale.ref for sale in journal.unfinished()[0]] == ["old-open", "old-watched", "old-owed"]
    for i in range(600):
        add(journal, "R" + str(i), PAYABLE, PAID)
    size = os.stat(_PATH)[6]
    assert journal.tidies(True)
    compact(journal)
    assert os.stat(_PATH)[6] < size
    journal = opened()
    assert [sale.ref for sale in journal.unfinished()[0]] == ["old-open", "old-watched"]
    assert journal.find("R599").state == PAID and journal.find("R400") is not None
    assert journal.find("R0") is None and journal.find("old-expired") is None
    assert journal.find("old-owed") is None  # or a till that acknowledges nothing would fill the flash
    assert journal.next_seq() == 605
    assert not journal.tidies(True)
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
    assert [sale.ref for sale in opened().unfinished()[0]] == ["1", "2"]
    fresh()


def test_a_write_that_fails_is_a_journal_error():
    journal = Journal("no-such-folder/journal")
    try:
        add(journal, "1", NEW)
    except JournalError:
        return
    raise AssertionError


def test_longest_refund_fits():
    ref = "x" * 24
    external = "t" * 16 + "-" + ref + "-" + "n" * 6 + "-R" + "r" * 24
    refund = Sale(99999999, ref, 99999999, "NZD", external, 4000000000, "REFUND_FAILED", "i" * 64, "C" * 20)
    refund.reason, refund.acked = "R" * 40, True
    assert len(pack(refund)) <= MAX_RECORD and unpack(pack(refund)).external_ref == external


def test_a_flipped_line_end_costs_no_neighbour():
    journal = fresh()
    add(journal, "1", NEW, PAYABLE)
    add(journal, "2", NEW)
    data = raw()
    for place in range(len(data)):
        if data[place] == 10:
            overwrite(data[:place] + b"\x0b" + data[place + 1 :])
            again = opened()
            whole = [sale.ref + sale.state for sale in again.sales()]
            assert len(whole) >= 2, (place, whole)
    fresh()


def test_what_cannot_be_read_does_not_look_like_nothing():
    os.mkdir("journal.folder")
    try:
        journal = Journal("journal.folder")
        try:
            list(journal.sales())
        except JournalError:
            return
        raise AssertionError("a journal that cannot be read was taken for an empty one")
    finally:
        os.rmdir("journal.folder")


def refund_of(journal, sale, amount, state):
    record = Sale(journal.next_seq(), sale.ref, amount, "NZD", sale.external_ref + "-R1", 0, state, sale.id, sale.code)
    journal.write(record)
    return record


def test_refunds_stand_beside_their_sale():
    journal = fresh()
    sale = add(journal, "1", NEW, PAYABLE, PAID)
    assert not journal.has_refunds("1")
    record = refund_of(journal, sale, 500, REFUNDING)
    again = opened()
    assert again.find("1").state == PAID and again.last().state == PAID and again.unfinished()[2].state == REFUNDING
    assert again.has_refunds("1") and list(refunds_of(again, "1")) == ["T-1-R1"]
    assert [entry.state for entry in again.unfinished()[0]] == [REFUNDING]
    record.state = REFUNDED
    again.write(record)
    assert not opened().unfinished()[0] and refunds_of(opened(), "1")["T-1-R1"].state == REFUNDED
    fresh()


def test_the_last_sale_outlives_any_number_of_refunds():
    journal = fresh()
    sale = add(journal, "1", NEW, PAYABLE, PAID)
    for _ in range(300):
        refund_of(journal, sale, 1, REFUNDED)
    compact(journal)
    again = opened()
    assert again.find("1").state == PAID and again.last().ref == "1"
    fresh()


def test_numbers_used_up_by_writes_that_failed_push_no_sale_out():
    journal = fresh()
    for i in range(40):
        add(journal, "R" + str(i), NEW, PAID)
    path, journal.path = journal.path, "no/such/folder/journal"
    for i in range(235):
        try:
            add(journal, "F" + str(i), NEW)
            raise AssertionError("it was written")
        except JournalError:
            continue
    journal.path = path
    add(journal, "next", NEW, PAID)
    compact(journal)
    again = opened()
    assert again.find("R0").state == again.find("R39").state == again.find("next").state == PAID
    assert len([e for e in again.newest(200) if e is not None]) == 41
    fresh()


def test_an_entry_whose_first_record_was_flipped_has_its_place_all_the_same():
    journal = fresh()
    first = add(journal, "1", NEW)
    add(journal, "2", NEW, PAID)
    first.state = PAID
    journal.write(first)
    with open(_PATH, "rb") as file:
        text = bytearray(file.read())
    text[20] ^= 1
    with open(_PATH, "wb") as file:
        file.write(text)
    journal = opened()
    assert [e.ref for e in journal.newest(9) if e is not None] == ["1", "2"]
    compact(journal)
    assert opened().find("1").state == PAID
    fresh()


def test_everything_unresolved_is_taken_up_and_with_it_the_newest_results_that_are_owed():
    journal = fresh()
    add(journal, "open", NEW, PAYABLE)
    for i in range(40):
        sale = add(journal, "R" + str(i), NEW)
        sale.owed = True
        sale.state = CANCELLED
        journal.write(sale)
    for i in range(9):
        add(journal, "O" + str(i), NEW)
    refs = [sale.ref for sale in journal.unfinished()[0]]
    newest = ["R" + str(i) for i in range(32, 40)]
    assert refs == ["open"] + newest + ["O" + str(i) for i in range(9)], refs
    fresh()


def test_owed_results_are_unfinished_until_acknowledged():
    journal = fresh()
    sale = add(journal, "1", NEW, PAYABLE)
    sale.owed = True
    sale.state = PAID
    journal.write(sale)
    add(journal, "2", NEW, PAID)
    assert [entry.ref for entry in opened().unfinished()[0]] == ["1"]
    sale.acked = True
    journal.write(sale)
    assert not opened().unfinished()[0]
    fresh()


def test_the_newest_entries_are_read_in_small_steps_while_others_write():
    journal = fresh()
    for i in range(230):
        add(journal, "R" + str(i), NEW, PAID if i % 2 else CANCELLED)
    steps = 0
    refs = []
    for entry in journal.newest(200):
        steps += 1
        if steps == 3:
            add(journal, "beside", NEW)
        if entry is not None:
            refs.append(entry.ref + entry.state)
    assert refs[0] == "R31" + PAID and refs[-2:] == ["R229" + PAID, "beside" + NEW] and len(refs) == 200
    assert steps > 250
    assert [e.ref for e in fresh().newest(200) if e is not None] == []
    fresh()


def grown(sales=600):
    journal = fresh()
    for i in range(sales):
        add(journal, "R" + str(i), PAYABLE, PAID)
    return journal


def test_a_record_written_during_compaction_is_never_lost():
    for at in (1, 70, 130, 200, 300, 380):
        journal = grown()
        for step, _ in enumerate(journal.compacting()):
            if step == at:
                add(journal, "live", NEW, PAYABLE)
        assert opened().find("live") is not None and opened().find("live").state == PAYABLE, at
        assert journal.find("live").state == PAYABLE
    fresh()


def test_a_full_disk_during_compaction_gives_its_room_back():
    journal = grown()
    real, step = os.rename, [0]

    class Full:
        def rename(self, *_):
            raise OSError(28)

        def __getattr__(self, name):
            return getattr(os, name)

    from kiosk import archive

    archive.os = Full()
    try:
        compact(journal)
    except JournalError:
        step[0] = 1
    finally:
        archive.os = os
    assert step[0] and os.rename is real and _PATH + "~" not in os.listdir(".")
    assert opened().find("R599").state == PAID
    fresh()


def test_power_cut_at_every_step_of_compaction_loses_nothing():
    journal = grown()
    steps = len(list(journal.compacting()))
    for cut in range(0, steps, 23):
        journal = grown()
        work = journal.compacting()
        for _ in range(cut):
            next(work)
        work.close()
        again = opened()
        assert again.find("R599").state == PAID and again.find("R0") is not None, cut
    fresh()
