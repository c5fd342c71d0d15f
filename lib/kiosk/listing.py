"""The journal read out to the till, for reconciliation: one line an entry. Loaded when a till asks for it."""

from micropython import const

from kiosk.journal import JournalError
from kiosk.record import CANCELLED, EXPIRED, FAILED, PAID, REFUND_FAILED, REFUNDED, REFUNDING
from till.amount import plain

_STEPS = const(2)  # a turn
_DEFINITE = (PAID, CANCELLED, EXPIRED, FAILED, REFUNDED, REFUND_FAILED)
_DAY_S = const(86400)
_1970_DAYS = const(719468)  # from 0000-03-01 to 1970-01-01


class Listing:
    """The newest `count` entries; next_line() gives one line, None while the next is being looked for."""

    def __init__(self, journal, count):
        self._entries = journal.newest(count)
        self._told = 0
        self.over = False

    def next_line(self):
        try:
            for _ in range(_STEPS):
                sale = next(self._entries)
                if sale is not None:
                    self._told += 1
                    return entry_line(sale)
        except StopIteration:
            self.over = True
            return "END JOURNAL " + str(self._told)
        except (JournalError, MemoryError) as error:
            self.over = True
            return "ERR NOT_READY " + ("MEMORY" if isinstance(error, MemoryError) else "FLASH_FAULT")
        return None


def entry_line(sale):
    """One entry of the journal, for reconciliation."""
    word = sale.state
    if word not in _DEFINITE:
        word = "REFUND_UNKNOWN" if word == REFUNDING else "UNKNOWN"
    amount = plain(sale.amount, sale.currency) + " " + sale.currency
    return " ".join(("ENTRY", str(sale.seq), _date(sale.at), sale.ref, amount, word, sale.code or "-"))


def _date(unix):
    """UTC as ISO 8601 basic format, "-" for a sale that began before the clock was set."""
    if not unix:
        return "-"
    # Days to a civil date with years from March (Howard Hinnant, "chrono-compatible low-level date algorithms").
    days = unix // _DAY_S + _1970_DAYS
    era, day = days // 146097, days % 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    year += era * 400 + (month <= 2)
    seconds = unix % _DAY_S
    return "%04d%02d%02dT%02d%02d%02dZ" % (year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60)
