"""libsndfile without the remarks that decoders below it print to standard error by themselves."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_ONE_AT_A_TIME = threading.RLock()  # the descriptor is that of the whole process


@contextmanager
def without_remarks() -> Iterator[None]:
    """Standard error leads nowhere within the block: what is wrong with a file is told by us.

    mpg123, which reads MP3 for libsndfile, writes notes on damaged frames to the descriptor.
    """
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed
            yield
            return
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, _STDERR)
            os.close(nothing)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
