"""Calls for workers, which import little."""

import os
import signal
import time

from dstft_cli.batch.pools import report


def told(number, place):
    """Tells where it stands, then waits for a file."""
    if number == 1:
        signal.raise_signal(signal.SIGKILL)
    for done in (1, 2, 2) if number == 0 else ():
        report("a stage of forty-nine characters, ninety-eight bytes: é" * 2, done, 4)
    while not os.path.exists(place):
        time.sleep(0.01)
    return number
