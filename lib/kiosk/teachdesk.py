"""The desk that finds out what a till sends: the cashier rings up 12.34, it tries speeds and dialects. No I/O.

A till sends in bursts. Each is read by every dialect of customer displays, with what came before it and without. A
dialect is right when nothing was undefined and it reads exactly this amount, twice, from bytes that carry its digits
both times. Where none is, the bytes say which line settings to try next, in doubt the next likeliest, and the cashier
rings up once more:

- a receiver 2, 4, 8 times too fast sees 2.2 to 3.1, 1.2 to 1.9, 1.0 changes of level in what it takes for a byte; one
  at the right speed, or too slow, sees 3.4 and more in text (the tills of tools/tillpane/tills, sampled)
- 7 bits and parity, heard as 8 bits: every byte has the same parity. They are masked and need no second ring
- many bytes with the top bit set, few letters, spaces that became 08: too slow

Not found: a till that moved its AEDEX attention code before the box listened (switch it off and on), 7 bits without
parity, a till whose word for the total is in none of the lists; the glass shows what it wrote. 8 bits with parity are
mostly read, and then stored, as 8 bits without: no receiver here checks it.
"""

import gc
import json
import os

from micropython import const

from kiosk import view
from kiosk.desk import Desk
from ondemand import drop_modules
from till.amount import plain, shown
from till.pole import Pole
from till.reading import read

_ROOM = const(1024)
_SETTINGS = "settings.json"
_READ_MS = const(2500)  # what was stored can be read on the glass
_QUIET_MS = const(400)  # a burst is over
_LONGEST_MS = const(5000)  # and so is one that never pauses: an idle text that scrolls
_AMOUNT = const(1234)
_SURE = const(2)  # right readings of a dialect before it is stored
_LAMP_TOTAL = const(2)
_RIGHT = const(2)

# In this order where several read the same.
_DIALECTS = ("till.escpos", "till.logiccontrols", "till.adm", "till.dsp800", "till.aedex")

# Line settings, the likeliest first: baud / 1200; parity (0 none, 1 even, 2 odd), 4 more for 7 bits.
_SPEEDS = b"\x08\x10\x02\x04\x20\x60\x01\x08\x08"
_FORMS = b"\x00\x00\x00\x00\x00\x00\x00\x01\x02"
_PARITIES = ("none", "even", "odd")
_SEVEN = const(4)

_WEIGHED = const(128)  # bytes of a burst that are looked at for speed
_LEAST = const(4)  # fewer say nothing
_TEXT = const(12)  # as many say something of parity
_MANY = const(20)  # a receiver that is too fast makes more of any message
_DULL = const(12)  # bursts without the amount until the next line settings; one that is no text counts for 6

_MAX_SETTINGS = const(4096)  # as kiosk.settings reads


class TeachDesk(Desk):
    """A till that is not known yet. Nothing is asked of Centrapay, and what is open in the journal waits.

    load    callable(name) -> a dialect's module, which is dropped again after each use: ondemand.load_module
    tune    callable(baud, bits, parity, stop) that sets the UART; parity None, 0 even, 1 odd. First called by restore()
    keep    callable(settings as a dict) that stores them; raises OSError, ValueError
    restart callable without arguments; called a moment after done
    words, style  see till.reading
    button  whether there is one, to confirm with press(); without it what was read right twice is stored at once

    The other arguments are Desk's. done: it is stored, and the box is to restart.
    """

    def __init__(self, load, tune, keep, restart, words, style, button, *desk):
        super().__init__(*desk)
        self._load = load
        self._tune = tune
        self._keep = keep
        self._restart = restart
        self._kept_at = 0
        self._words = words
        self._style = style
        self._button = button
        self._heard = bytearray(_ROOM)
        self._count = self._begun = self._last_at = 0
        self._open = self._sure = False  # a burst is under way; a dialect read it twice
        self._ack = None
        self._line = self._tried = self._rounds = 0  # index into _SPEEDS; a bit for each; how often all of them
        self.done = False

    def restore(self, now):
        """Begins to listen. The journal stays closed, so that nothing is resolved or told."""
        self._next(0)

    def shows_sale(self, now):
        """True: this screen comes before all others. It needs no network."""
        return True

    # ---- bytes --------------------------------------------------------------------------------------------------

    def feed(self, data, count, now):
        """Takes the first `count` bytes of data from the till's wire. -> whether it said anything"""
        if self.done:
            if now - self._kept_at >= _READ_MS:
                self._restart()
            return False
        if count:
            if not self._open:
                self._open = True
                self._begun = self._count
                self._begun_at = now
            self._last_at = now
            first = max(0, count - _ROOM // 2)
            size = count - first
            if self._count + size > _ROOM:
                self._drop(_ROOM // 2)
            start = self._count
            self._count = end = start + size
            heard = self._heard
            heard[start:end] = memoryview(data)[first:count]
            if heard[end - 1] == 0x17 and heard.rfind(b"\x04\x01", max(0, end - 100), end) >= 0:
                self._ack = b"\x06"  # a DSP-800's till waits for it and sends nothing more without
        if self._open and (now - self._last_at >= _QUIET_MS or now - self._begun_at >= _LONGEST_MS):
            self._judge()
        return count > 0

    def _drop(self, count):
        """Forgets the oldest bytes."""
        count = min(count, self._count)
        heard = memoryview(self._heard)
        heard[: self._count - count] = heard[count : self._count]
        self._count -= count
        self._begun = max(0, self._begun - count)

    def answer(self):
        """What a display would say back, or None."""
        said, self._ack = self._ack, None
        return said

    def outgoing(self, now):
        """Nothing is due unasked."""

    # ---- what they mean -----------------------------------------------------------------------------------------

    def _judge(self):
        """A burst has ended."""
        self._open = False
        if self._sure:
            return  # until it is kept
        self.revision += 1
        seen = self._examine(0)
        if seen < _RIGHT and self._begun:
            alone = self._examine(self._begun)
            if alone == _RIGHT or not seen:
                self._drop(self._begun)  # noise, or a message whose beginning was not heard
                seen = alone
        if seen < _RIGHT and self._fold():
            seen = self._examine(0)
        if seen == _RIGHT:
            if not self._button:
                self.press(self._last_at)
        elif not max(self._hits):
            self._names = []
            self._doubt(seen)

    def _examine(self, start):
        """Every dialect over what was heard from `start` on. -> _RIGHT: one reads the amount; 1: one understood all; 0

        _names: the dialects that read the amount, the best first; _sure: that one did so before; _text: what it reads.
        """
        heard = memoryview(self._heard)
        begun = self._begun
        count = self._count
        fresh = True  # the digits are in this burst: it is not the reading of the one before
        for digit in b"1234":
            fresh = fresh and self._heard.find(bytes((digit,)), begun, count) >= 0
        found = []
        seen = 0
        self._text = ""
        for i, name in enumerate(_DIALECTS):
            pole = Pole()
            dialect = self._load(name).Dialect(pole)
            drop_modules(name)
            dialect.feed(heard[start:begun], begun - start)
            before = pole.foreign
            dialect.feed(heard[begun:count], count - begun)
            if pole.undefined:
                self._hits[i] = 0
            elif pole.foreign * 2 <= count - start:  # or most of it is for a printer
                seen = 1
                top, bottom = pole.row(0), pole.row(1)
                text = " ".join((top + " " + bottom).split())
                self._text = self._text or text
                _, amount, why = read(top, bottom, pole.lamp, self._currency, self._words, self._style)
                if why == "no word with it":  # a till that shows the figure alone
                    amount = read(top, bottom, _LAMP_TOTAL, self._currency, self._words, self._style)[1]
                if amount == _AMOUNT and not pole.scrolling:
                    mine = (pole.foreign - before) * 5 <= (count - begun) * 2  # nor are they for a printer
                    self._hits[i] += fresh and mine and self._hits[i] < _SURE
                    found.append((_SURE - self._hits[i], pole.foreign, i, text))
        if not found:
            return seen
        found.sort()
        self._names = [_DIALECTS[entry[2]][5:] for entry in found]
        self._sure = not found[0][0]
        self._note = "Right. "
        self._text = found[0][3]
        return _RIGHT

    def _fold(self):
        """Whether these were 7 bits and parity, heard as 8 bits: then each byte has the same one. Listens so."""
        heard = self._heard
        count = self._count
        odd = high = 0
        for i in range(count):
            byte = heard[i]
            high += byte >> 7
            byte ^= byte >> 4
            byte ^= byte >> 2
            odd += (byte ^ byte >> 1) & 1
        if self._form or count < _TEXT or not high or 0 < odd < count:
            return False
        for i in range(count):
            heard[i] &= 0x7F
        self._set(_SEVEN + (2 if odd else 1))
        return True

    def _doubt(self, clean):
        """No dialect read the amount: other line settings where these look wrong, or have been tried long enough."""
        start = self._begun
        count = min(self._count - start, _WEIGHED)
        turns = high = letters = run = 0
        byte = last = -1
        strange = False
        for i in range(start, start + count):
            last = byte
            byte = self._heard[i]
            run = run + 1 if byte == last and byte != 0x20 and byte != 0x30 else 1
            strange = strange or run == 4  # blanks, at another speed
            high += byte >> 7 or byte == 0x08  # a blank, of a till twice as fast
            letters += 0x20 <= byte < 0x7F
            frame = byte << 1 | 0x200  # with its start and stop bit
            frame = (frame ^ frame >> 1) & 0x1FF
            while frame:
                frame &= frame - 1
                turns += 1
        strange = strange or letters * 20 < count * 9
        self._dull += 3 if count < _LEAST else 6 if strange or not clean else 1
        speed = _SPEEDS[self._line]
        least = most = speed  # what is ruled out
        wanted = 0
        if count >= _MANY and turns * 10 < count * 33:
            most = 255
            wanted = speed // (8 if turns * 10 < count * 11 else 4 if turns * 100 < count * 205 else 2)
        else:
            slow = count >= _LEAST and high * 4 >= count or not clean and strange and count > _TEXT
            if not slow and self._dull < _DULL:
                return
            if slow or strange:
                least = 0
                wanted = 0x60 if count < 8 else 0
        for i, other in enumerate(_SPEEDS):
            if i == self._line or not _FORMS[i] and least <= other <= most:
                self._tried |= 1 << i
        self._next(wanted)

    def _next(self, wanted):
        """Goes on to line settings of the wanted speed, or to the likeliest, that were not tried."""
        if self._tried == (1 << len(_SPEEDS)) - 1:
            self._tried = 0
            self._rounds += 1
        line = -1
        for i, speed in enumerate(_SPEEDS):
            if not self._tried >> i & 1 and (line < 0 or speed == wanted != _SPEEDS[line]):
                line = i
        self._line = line
        self._count = self._begun = 0
        self._names = []
        self._text = ""
        self._set(_FORMS[line])

    def _set(self, form):
        """Sets the UART to the speed of this line and these bits, and counts from nothing."""
        self._form = form
        self._dull = 0
        self._hits = bytearray(len(_DIALECTS))  # right readings of each dialect
        self._sure = False
        self._tune(_SPEEDS[self._line] * 1200, 8 - form // _SEVEN, form % _SEVEN - 1 if form else None, 1)

    # ---- the choice ---------------------------------------------------------------------------------------------

    def press(self, now):
        """The cashier's button: keeps what was read right twice."""
        if self.done or not self._sure:
            return
        choice = {
            "till_protocol": self._names[0],
            "till_baud": _SPEEDS[self._line] * 1200,
            "till_bits": 8 - self._form // _SEVEN,
            "till_parity": _PARITIES[self._form % _SEVEN],
            "till_stop": 1,
        }
        gc.collect()
        try:
            self._keep(choice)
            self.done = True
            self._kept_at = now
        except (OSError, ValueError, MemoryError) as error:
            print("[tillpane] settings:", error)
            self._sure = False
            self._note = "Not stored. "
        self.revision += 1

    def view(self, now):
        """The View for this moment. Never a sale."""
        form = self._form
        line = str(_SPEEDS[self._line] * 1200) + " " + str(8 - form // _SEVEN) + "NEO"[form % _SEVEN] + "1"
        note = "Ring it up once more."
        if self.done:
            note = "Stored. Restarting."
        elif self._sure:
            note = "Right. Press the button to keep it."
        elif self._names:
            note = self._note + note
        elif plain(_AMOUNT, self._currency) in self._text.replace(",", "."):
            note = "Its word for the total is not known."
        elif self._rounds:
            note = "Not found. Switch the till off and on."
        elif not self._tried:
            note = "Ring it up and press total."
        if self._names:
            line = self._names[0] + " " + line
            if len(self._names) > 1 and not self.done:
                note += " Also " + self._names[1] + "."
        if self._text:
            line += ": " + self._text
        return view.View(view.READY, shown(_AMOUNT, self._currency), detail=line, note=note)


def store(path, choice):
    """Changes these settings (a dict of str and int) in the JSON file at path, and nothing else in it.

    Comments and the order of keys stay: values are changed in the text, and what comes of it is read once more. The
    file is replaced whole, so a power cut leaves the old one or the new one. Raises OSError; ValueError where the file
    is no JSON object of at most 4096 bytes, or not one in which this can be done.
    """
    with open(path, "rb") as file:
        text = file.read(_MAX_SETTINGS + 1)
    wanted = json.loads(text)
    if not isinstance(wanted, dict):
        raise ValueError("no settings")
    for name in choice:
        key = json.dumps(name).encode()
        value = json.dumps(choice[name]).encode()
        start = text.find(key)
        if start < 0:
            start = end = text.rfind(b"}")
            value = (b"," if wanted else b"") + b"\n  " + key + b": " + value + b"\n"
            while start > 1 and text[start - 1] in b" \t\r\n":
                start -= 1
        else:
            start += len(key)
            while text[start] in b" \t\r\n:":
                start += 1
            end = start
            while text[end] not in b",}\r\n":
                end += 1
        text = text[:start] + value + text[end:]
        wanted[name] = choice[name]
    if len(text) > _MAX_SETTINGS or json.loads(text) != wanted:
        raise ValueError("cannot change settings")
    with open(path + "~", "wb") as file:
        file.write(text)
    os.rename(path + "~", path)


def keep(choice):
    """Stores the choice among the box's settings. Raises OSError, ValueError."""
    store(_SETTINGS, choice)
