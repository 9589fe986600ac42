"""Where a piece of work stands."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

# name, passes, what is done of the last one, of how much (0: unknown), its start, last news
_STATE = struct.Struct("48s3q2d")
SIZE = _STATE.size  # bytes


class Stage:
    """The stage that work is in, called as `records.Progress`.

    The state is held in `memory`, `SIZE` bytes, which processes of a machine may share without a lock: one
    writes, another reads, and no process that is killed can block the other.
    """

    def __init__(self, memory: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory, self._clock = bytearray(SIZE) if memory is None else memory, clock
        self.begin()

    def begin(self) -> None:
        now = self._clock()
        self._put("starting", 1, 0, 0, now, now)

    def _put(self, stage: str, *numbers: float) -> None:
        _STATE.pack_into(self._memory, 0, stage.encode()[:48], *numbers)

    def __call__(self, stage: str, done: int, total: int) -> None:
        before, passes, done_before, _, since, last = _STATE.unpack_from(self._memory)
        if stage.encode()[:48] != before.rstrip(b"\0"):
            passes, since = 1, last  # the first part of a stage is reported when it is done
        elif done <= done_before:
            passes, since = passes + 1, last
        self._put(stage, passes, done, total, since, self._clock())

    @property
    def share(self) -> tuple[int, int]:
        """What is done, and of how much; (0, 0) if that is not known."""
        _, _, done, total, *_ = _STATE.unpack_from(self._memory)
        return done, total

    def words(self) -> str:
        """The stage, with its pass and share, and the time left if that can be known."""
        name, passes, done, total, since, last = _STATE.unpack_from(self._memory)
        text: str = name.rstrip(b"\0").decode(errors="replace")
        text += f", pass {passes}" if passes > 1 else ""
        if done < total:
            text += f", {done} of {total}" if total < 1000 else f", {100 * done // total} %"
            known = done and since  # a state that is just being written has zeros
            left = (last - since) * total / done - (self._clock() - since) if known else 0.0
            return text + (f", about {clock(left)} left" if left > 0 else "")
        return text + (" done" if total else "")


def clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))
