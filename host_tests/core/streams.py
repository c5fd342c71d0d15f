"""Golden streams of host_tests/streams, one a file. Reads them on CPython and MicroPython alike.

# comment: the sender, its version, what it was told to show, or the source that the bytes were composed from
dialect: escpos
1F 43 00 0C 20x14       hex bytes; 20x14 is the byte 20 fourteen times
lamp: 2                 LED8 only
replies: 06             what the till gets
|TOTAL:              |
|               12.34|  the two rows that are then on the glass
"""

import os

FOLDER = __file__.rsplit("/", 2)[0] + "/streams/"


class Stream:
    def __init__(self, name):
        self.name = name[: -len(".stream")]
        self.dialect = ""
        self.rows = []
        self.lamp = 0
        data = bytearray()
        replies = bytearray()
        with open(FOLDER + name) as file:
            for line in file:
                line = line.rstrip("\r\n")
                if line.startswith("|") and line.endswith("|") and len(line) == 22:
                    self.rows.append(line[1:-1])
                elif line.startswith("dialect: "):
                    self.dialect = line[9:]
                elif line.startswith("lamp: "):
                    self.lamp = int(line[6:])
                elif line.startswith("replies: "):
                    _hex(line[9:], replies)
                elif line and not line.startswith("#"):
                    _hex(line, data)
        self.data = bytes(data)
        self.replies = bytes(replies)
        if len(self.rows) != 2 or not self.dialect or not data:
            raise ValueError(name + ": needs a dialect, bytes and two rows of 20 between bars")


def _hex(line, data):
    for word in line.split():
        byte, _, times = word.partition("x")
        for _ in range(int(times or "1")):
            data.append(int(byte, 16))


def streams():
    """Every golden stream, in the order of their names."""
    return [Stream(name) for name in sorted(os.listdir(FOLDER)) if name.endswith(".stream")]


def dialect(name):
    """The Dialect class of lib/till/<name>.py."""
    return __import__("till." + name, None, None, ("Dialect",)).Dialect
