"""One piece of work in a process of its own, for the memory of no other to be counted with it.

`python -m benchmarks.probe WORK` takes a `Work` as JSON and prints `{"seconds": …, "memory": …}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from benchmarks.process import ROOT

SAMPLE_RATE = 44100
_WARM_UP = 0.5  # s of signal
_LOW, _HIGH = 0.3, 0.98  # lengths of gradients, in n_fft


@dataclass(frozen=True)
class Work:
    """A fit, or one evaluation with gradient.

    Attributes:
        seconds: of music at 44.1 kHz.
        options: of `optimize`; for a gradient `n_fft`, `hop_length` and `window_mode` alone.
        distinct: lengths that differ, of a gradient; 0: a whole fit.
        rounds: repetitions, median taken.
    """

    seconds: float
    options: dict[str, Any] = field(default_factory=dict)
    distinct: int = 0
    rounds: int = 1


def measure(work: Work) -> tuple[float, float]:
    """Runs the work in a process of its own.

    Returns:
        Wall seconds, and MB that memory peaked above what it was before.

    Raises:
        RuntimeError: the process failed; its last line on standard error is quoted.
    """
    command = [sys.executable, "-m", "benchmarks.probe", json.dumps(asdict(work))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["nothing on standard error"])[-1]
        raise RuntimeError(f"{work} exited {done.returncode}: {last}")
    found = json.loads(done.stdout)
    return found["seconds"], found["memory"]


def perform(work: Work) -> dict[str, float]:
    """Does the work here."""
    from benchmarks.signals import music
    from dstft_cli.results import peak_memory_mb

    make = _gradient if work.distinct else _fit
    small = replace(work, options={**work.options, "n_fft": 256, "hop_length": 64})
    make(music(_WARM_UP, SAMPLE_RATE), small)()  # loads what the first run loads
    task = make(music(work.seconds, SAMPLE_RATE), work)
    before = peak_memory_mb() or 0.0
    seconds = []
    for _ in range(work.rounds):
        began = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - began)
    return {"seconds": median(seconds), "memory": max((peak_memory_mb() or 0.0) - before, 0.1)}


def _fit(signal: np.ndarray, work: Work) -> Callable[[], object]:
    from dstft_cli import optimize

    return lambda: optimize(signal, SAMPLE_RATE, scope="plane", **work.options)


def _gradient(signal: np.ndarray, work: Work) -> Callable[[], object]:
    from benchmarks import sides

    n_fft, hop, mode = (work.options[name] for name in ("n_fft", "hop_length", "window_mode"))
    shape = sides.shape_of(mode, n_fft // 2 + 1, 1 + len(signal) // hop)
    lengths = sides.spread(shape, _LOW * n_fft, _HIGH * n_fft, work.distinct)
    return sides.ours(signal, mode, n_fft, hop, lengths)


if __name__ == "__main__":
    print(json.dumps(perform(Work(**json.loads(sys.argv[1])))))
