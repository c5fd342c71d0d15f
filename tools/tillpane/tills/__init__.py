"""Tills on a shelf: for each kind of customer display, the bytes that a till which drives it sends, with its pauses.

    from tillpane.tills import TILLS, play
    play(port.write, TILLS["escpos"].total(1234))

The key is what `--till` takes. Where a real sender's bytes are known they are these, and a test holds them to the
packages that can be installed; the others follow the display's manual, and `source` says which.
"""

import time
from collections.abc import Callable

from tillpane.tills import aedex, escpos, logiccontrols, others
from tillpane.tills.till import Stream, Till

TILLS: dict[str, Till] = {
    till.name: till for till in (*escpos.TILLS, *logiccontrols.TILLS, *aedex.TILLS, *others.TILLS)
}


def play(write: Callable[[bytes], object], stream: Stream, sleep: Callable[[float], None] = time.sleep) -> None:
    """Writes a stream with its pauses."""
    for pause_ms, data in stream:
        sleep(pause_ms / 1000)
        write(data)


__all__ = ["TILLS", "Stream", "Till", "play"]
