"""Brightness of the glass."""


class Backlight:
    """Called with a brightness of 0 to 100 percent; `pwm` has duty_u16(0..65535)."""

    def __init__(self, pwm):
        self._pwm = pwm

    def __call__(self, percent):
        self._pwm.duty_u16(65535 * percent // 100)
