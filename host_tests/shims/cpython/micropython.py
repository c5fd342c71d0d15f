"""Stands in for MicroPython's `micropython` module under CPython.

Viper source then runs as plain Python, which makes each viper routine its own plain twin.
"""

import builtins


def const(value):
    return value


def native(function):
    return function


viper = native


def schedule(function, argument):
    function(argument)


def opt_level(level=None):
    return 0


def _same(value):
    return value


for _name in ("ptr", "ptr8", "ptr16", "ptr32"):
    setattr(builtins, _name, _same)
builtins.uint = int
