"""Faults that a hurried change might bring; more than one machine must find each. `patch` is pytest's monkeypatch."""

from kiosk.desk import Desk
from kiosk.sale import Payment


def older_word_acknowledged(patch):
    def end_telling(self, telling, _result, sale):
        self._write_ack(sale)
        telling.stop()
        return True

    patch.setattr(Desk, "_end_telling", end_telling)


def result_not_owed_after_a_restart(patch):
    real = Payment._restore

    def restore(self, now):
        real(self, now)
        self.sale.owed = False

    patch.setattr(Payment, "_restore", restore)
