"""Criteria that end their process; how often is counted in the folder `DEATHS` names."""

import os
import signal
import time
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


class Slow(Entropy):
    """Takes a minute."""

    def moments(self, a):
        time.sleep(60)
        return Entropy.moments(self, a)


class Loud(Entropy):
    """Writes to both streams, as libraries may."""

    def moments(self, a):
        os.write(1, b"noise on 1\n")
        os.write(2, b"noise on 2\n")
        return Entropy.moments(self, a)
