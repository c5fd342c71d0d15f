"""The box's own recording of a till: its form, its limits, and flash that fails."""

import os

from kiosk import recorder
from kiosk.recorder import Recorder

try:
    from tillpane.capture import read_capture, read_settings
except ImportError:
    read_capture = None  # MicroPython has no dataclasses

_PATH = "test_recorder.tmp"
_HEAD = "# tillpane-capture 1 by=box/"


def clean():
    try:
        os.remove(_PATH)
    except OSError:
        pass


def start(line="9600,8N1"):
    clean()
    return Recorder(_PATH, line)


def lines():
    """The file's lines, all of them whole."""
    with open(_PATH) as file:
        for line in file:
            assert line.endswith("\n")
            yield line[:-1]


def bursts():
    """(ms, bytes) of the file, in the form that docs/add-a-till.md gives."""
    last = 0
    for number, line in enumerate(lines()):
        if not number:
            assert line.startswith(_HEAD)
            continue
        ms, text = line.split(" ")
        data = bytes([int(text[i : i + 2], 16) for i in range(0, len(text), 2)])
        assert int(ms) >= last and 0 < len(data) <= 64 and len(text) == 2 * len(data)
        last = int(ms)
        yield last, data


def joined():
    return b"".join([data for _, data in bursts()])


class Counting:
    """Stands in for open(): counts, and fails from one write on."""

    def __init__(self, fails_from=1000, error=28):
        self.count = 0
        self.fails_from = fails_from
        self.error = error

    def __call__(self, path, mode):
        self.count += 1
        if self.count >= self.fails_from:
            raise OSError(self.error)
        return open(path, mode)


def test_bytes_less_than_ten_ms_apart_share_a_line_with_the_first_ones_time():
    rec = start("2400,7E1")
    rec.feed(b"", 0, 5000)
    for now, data in ((5005, b"\x0c"), (5006, b"A"), (5016, b"B"), (5027, b"C"), (5028, b""), (5039, b"DE")):
        rec.feed(data, len(data), now)
    rec.close()
    head, *rest = lines()
    assert head.startswith(_HEAD) and head.endswith(" date=- line=2400,7E1")
    assert rest == ["5 0C4142", "27 43", "39 4445"]
    clean()


def test_a_line_has_64_bytes_and_nothing_is_lost():
    data = bytes(range(256)) * 9
    rec = start()
    for size in (1, 3, 128, 64, 65, 256):
        rec.feed(data, size, size * 20)
    rec.feed(data, len(data), 9000)
    rec.close()
    assert joined() == b"".join([data[:size] for size in (1, 3, 128, 64, 65, 256)]) + data
    clean()


def test_only_the_count_of_the_buffer_is_taken_and_time_never_runs_back():
    rec = start()
    chunk = bytearray(b"12345678")
    rec.feed(chunk, 2, 100)
    rec.feed(memoryview(chunk), 3, 50)
    rec.feed(chunk, 1, 300)
    rec.close()
    assert list(bursts()) == [(0, b"12123"), (200, b"1")]
    clean()


def test_flash_is_written_seldom():
    rec = start()
    counting = recorder.open = Counting()
    try:
        for i in range(1000):
            rec.feed(b"12", 2, i * 20)  # each a line of its own
        assert 15 < counting.count < 40
        before = counting.count
        for now in range(20000, 30000, 10):
            rec.feed(b"", 0, now)
        assert counting.count == before + 1  # what was held, once it was quiet
        for now in range(30000, 40000, 10):
            rec.feed(b"", 0, now)
        assert counting.count == before + 1
    finally:
        del recorder.open
    assert sum(1 for _ in bursts()) == 1000  # before close(): a power cut loses seconds only
    rec.close()
    clean()


def test_it_stops_at_48_kb_in_whole_lines():
    for size, step in ((128, 20), (1, 20), (7, 1000)):
        rec = start()
        sent = 0
        data = bytes(range(128))
        while not rec.full and sent < 60000:
            rec.feed(data, size, sent * step)
            sent += size
        rec.feed(data, size, sent * step)
        rec.close()
        assert rec.full and not rec.failed
        assert 48 * 1024 - 300 < os.stat(_PATH)[6] <= 48 * 1024
        assert 0 < sum(len(data) for _, data in bursts()) <= sent
    clean()


def test_flash_that_fails_ends_the_recording_and_nothing_else():
    for error, words in ((28, "flash is full"), (5, "flash fault")):
        rec = start()
        recorder.open = Counting(3, error)
        try:
            for i in range(300):
                rec.feed(b"0123456789", 10, i * 20)
            assert rec.failed == words and not rec.full
            rec.close()
        finally:
            del recorder.open
        assert len(joined()) >= 100  # what was written before
    recorder.open = Counting(1, 5)
    try:
        rec = start()
        assert rec.failed == "flash fault"
        rec.feed(b"1", 1, 0)
        rec.close()
    finally:
        del recorder.open
    assert Recorder("no-such-folder/x", "9600,8N1").failed
    clean()


class Full:
    """Stands in for os: little flash is left, and the journal needs it."""

    def statvfs(self, path):
        return (4096, 4096, 512, 27, 27, 0, 0, 0, 0, 255)


def test_room_is_left_for_the_journal():
    clean()
    real = recorder.os
    recorder.os = Full()
    try:
        rec = Recorder(_PATH, "9600,8N1")
    finally:
        recorder.os = real
    assert rec.failed == "flash is full"
    rec.feed(b"12", 2, 0)
    rec.close()
    try:
        os.stat(_PATH)
        raise AssertionError("a file")
    except OSError:
        pass


def test_close_is_final_and_an_empty_recording_is_one():
    rec = start()
    rec.close()
    rec.feed(b"12", 2, 0)
    rec.close()
    assert len(list(lines())) == 1
    clean()


def test_what_the_tools_read_is_what_was_heard():
    if not read_capture:
        return
    rec = start("2400,7E1")
    for now, data in ((70, b"\x0cTOTAL"), (75, b" 12.34"), (200, bytes(range(130))), (9000, b"x")):
        rec.feed(data, len(data), now)
    rec.close()
    data = bytes(range(130))
    parts = [(130, data[:64]), (130, data[64:128]), (130, data[128:])]
    assert read_capture(_PATH) == [(0, b"\x0cTOTAL 12.34")] + parts + [(8930, b"x")]
    assert str(read_settings(_PATH)) == "2400,7E1"
    clean()
