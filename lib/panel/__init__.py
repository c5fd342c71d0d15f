"""Pixels on glass. Knows no payment and imports nothing of its neighbours.

Public:
    Panel(spi, dc, cs, reset, backlight, controller, ...)   panel/glass.py: begin, fill, text, icon, qr, bar, brightness
    Backlight(pwm)                                          panel/backlight.py: the callable that Panel takes
    PanelError                                              what does not fit or does not exist
    Font(path)                                              panel/font.py: measure, wrap; read from its file, never held
    FontError                                               a file that is no font of ours
    rgb(0xRRGGBB)                                           a colour as the panel wants it
    LEFT, CENTRE, RIGHT                                     alignment of text in its box

The glass is drawn once per change, in bands through one reused buffer of at most 8 KB; every drawing verb is a
coroutine that serves the event loop between bands. One task draws at a time.
"""

from panel.backlight import Backlight
from panel.font import Font, FontError
from panel.glass import CENTRE, LEFT, RIGHT, Panel, PanelError, rgb

__all__ = ("Backlight", "CENTRE", "LEFT", "RIGHT", "Font", "FontError", "Panel", "PanelError", "rgb")
