"""When a result is said on the wire: at once, then again until the till has acknowledged it or moved on."""

from micropython import const

_OFTEN_MS = const(2000)
_SELDOM_MS = const(15000)
_OFTEN = const(15)  # times, before it is told less often


class Telling:
    """said: the word that the till had last, unasked or in an answer; only that can be what it acknowledges."""

    def __init__(self):
        self.said = ""
        self.word = ""
        self.times = 0
        self._next_at = 0
        self._silent = False

    def due(self, word, now):
        """Whether the result `word` should be sent now; a new word starts again from the first time."""
        if word != self.word:
            self.word = word
            self.times = 0
            self._next_at = now
            self._silent = False
        return bool(word) and not self._silent and now >= self._next_at

    def told(self, now):
        self.said = self.word
        self.times += 1
        self._next_at = now + (_OFTEN_MS if self.times < _OFTEN else _SELDOM_MS)

    def stop(self):
        self._silent = True

    def moved_on(self):
        """The till began something new: what it has been told once is not repeated."""
        if self.times:
            self._silent = True

    def is_done(self, word):
        """Whether nothing more is to be said of the result `word`; late news is another word and still has to be."""
        return self._silent and word == self.word
