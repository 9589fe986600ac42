"""Criteria that wait until they may go on, or print."""

import os
import time
from contextlib import suppress
from pathlib import Path

from dstft_cli.criteria.builtin import Entropy


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
