"""Criteria that end their process, or wait until they may go on.

How often processes end is counted in the folder `DEATHS` names.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from dstft_cli.criteria.builtin import Entropy


class Deadly(Entropy):
    """Kills its process, every time."""

    def moments(self, a):
        folder = Path(os.environ["DEATHS"])
        folder.mkdir(exist_ok=True)
        (folder / f"{type(self).__name__}-{os.getpid()}").touch()
        signal.raise_signal(signal.SIGKILL)


class DeadlyOnce(Deadly):
    """Kills the first process that uses it."""

    def moments(self, a):
        if not list(Path(os.environ["DEATHS"]).glob("DeadlyOnce-*")):
            super().moments(a)
        return Entropy.moments(self, a)


class Gated(Entropy):
    """Waits in the folder `GATE` names, where there is one, until it finds `open` or takes a token.

    Each job takes one: the test decides how many jobs end, however slow the machine is.
    """

    passed = False

    def moments(self, a):
        self._wait()
        return super().moments(a)

    def moments_and_slopes(self, a):
        self._wait()
        return super().moments_and_slopes(a)

    def _wait(self):
        if not self.passed and "GATE" in os.environ:
            _pass(Path(os.environ["GATE"]))
            self.passed = True


def _pass(gate):
    while not (gate / "open").exists():
        for token in gate.glob("token*"):
            with suppress(FileNotFoundError):  # another job was faster
                token.unlink()
                return
        time.sleep(0.005)


class Loud(Entropy):
    """Writes to both streams, as libraries may."""

    def moments(self, a):
        os.write(1, b"noise on 1\n")
        os.write(2, b"noise on 2\n")
        return Entropy.moments(self, a)
