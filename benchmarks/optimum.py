"""Value reached on short signals, and the time it takes, beside the peer's recipe and plain grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import grids, peer
from benchmarks.measure import Claim, in_turns
from benchmarks.report import Report
from benchmarks.signals import six_tones, speech, swinging_tone, two_tones
from dstft_cli import Result, optimize


@dataclass(frozen=True)
class Case:
    """A signal and a window mode, and what is promised of it.

    Attributes:
        name: of the signal.
        make: gives the signal `[N]` and its rate, Hz.
        n_fft, hop_length: samples; window lengths go from one hop to n_fft (from more
            where the last window would not reach the last sample).
        window_mode: what the lengths vary with.
        limit: of the entropy, nats; None: no claim.
        peer_starts: window lengths that the peer begins with, samples.
        peer_rate: the peer's learning rate.
        faster: how many times the peer's time ours is claimed to fit into; None: no claim.
    """

    name: str
    make: Callable[[], tuple[NDArray[np.float64], float]]
    n_fft: int
    hop_length: int
    window_mode: str
    limit: float | None
    peer_starts: tuple[float, ...]
    peer_rate: float
    faster: float | None = None


# of 0.03, 0.1, 0.3, 1 and 3 these rates serve the peer best: the lowest end from the middle,
# or, for time-frequency, the lowest value after 100 s
CASES = (
    Case("two tones", two_tones, 512, 32, "constant", 7.0718, (64, 256, 511), 0.1),
    Case("two tones", two_tones, 512, 32, "time", 6.7960, (64, 256, 511), 0.1),
    Case("two tones", two_tones, 512, 32, "frequency", 6.3120, (256,), 0.1),
    Case("two tones", two_tones, 512, 32, "time-frequency", 6.3000, (256,), 0.1, faster=100),
    Case("swinging tone", swinging_tone, 1000, 100, "constant", None, (200, 500, 999), 0.3),
    Case("swinging tone", swinging_tone, 1000, 100, "time", None, (200, 500, 999), 0.3),
    Case("swinging tone", swinging_tone, 1000, 100, "frequency", 9.4940, (500,), 0.3, faster=300),
    Case("six tones", six_tones, 1500, 250, "constant", None, (300, 750, 1499), 0.3),
    Case("six tones", six_tones, 1500, 250, "time", None, (300, 750, 1499), 0.3),
    Case("speech.wav", speech, 1024, 64, "constant", None, (128, 512, 1023), 0.3),
    Case("speech.wav", speech, 1024, 64, "time", None, (128, 512, 1023), 0.3),
)


def run(report: Report, rounds: int, peer_seconds: float) -> None:
    """Entropy of |X|, no normalization, no smoothness, float64, one thread.

    Args:
        report: takes what is found.
        rounds: repetitions of our side, half of them after the peer's run; >= 1.
        peer_seconds: no descent of the peer goes on for longer; 0 leaves the peer out.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a signal only waits for a second one
    try:
        _measure(report, rounds, peer_seconds)
    finally:
        torch.set_num_threads(threads)


def _measure(report: Report, rounds: int, peer_seconds: float) -> None:
    library = peer.load() if peer_seconds > 0 else None
    rows: list[list[object]] = []
    claims: list[Claim] = []
    stopped = False
    for case in CASES:
        signal, sample_rate = case.make()
        fit = partial(_fit, case, signal, sample_rate)
        result = fit()  # unmeasured, for the first run loads what later ones find
        before = in_turns({"ours": fit}, rounds - rounds // 2, warm_up=False)["ours"]
        low = result.length_bounds[0]
        descents = _descents(library, case, signal, low, peer_seconds)
        after = in_turns({"ours": fit}, rounds // 2, warm_up=False)["ours"]
        ours = median(before + after)
        found = result.criterion
        title = f"{case.name}, {case.window_mode}"
        bound = "" if found.table_bound is None else f"{found.table_bound:.4f}"
        rows.append([title, "dstft optimize", f"{found.final:.4f}", bound])
        rows[-1] += [result.evaluations, f"{ours:.3f}", "", "1"]
        if case.limit is not None:
            claims.append(Claim(title, found.final, case.limit, "nats"))
        if case.window_mode == "constant":
            rows += _grids(case, title, signal, low, ours)
        for start, descent in descents.items():
            ratio = descent.seconds / ours
            name = f"dstft 3.0.0 layer, Adam {case.peer_rate:g}, from {start:g}"
            rows.append([title, name, f"{descent.value:.4f}", ""])
            rows[-1] += [descent.steps, f"{descent.seconds:.2f}", f"{descent.near_seconds:.2f}"]
            rows[-1].append(f"{ratio:.0f}" if descent.finished else f"≥ {ratio:.0f}")
            stopped = stopped or not descent.finished
            if case.faster is None:
                continue
            claim = Claim(f"{title}, times faster", ratio, case.faster, "×", at_least=True)
            if claim.met or descent.finished:
                claims.append(claim)
            else:
                unshown = f"{title}: whether it is {case.faster:g} × faster than the peer's recipe"
                report.missing(f"{unshown}: raise --peer-seconds")
    report.table(
        f"entropy of |X|, no normalization, smoothness 0, float64, one thread, median of {rounds}, "
        "the others once; the same range of lengths for all",
        [
            "case",
            "by",
            "value, nats",
            "table bound",
            "transforms or steps",
            "s",
            f"s to {peer.NEAR:g} above",
            "× ours",
        ],
        rows,
    )
    if stopped:
        report.text(
            f"≥: {peer_seconds:g} s were up before the peer's learning rate had decayed, so the ratio "
            "is a lower bound, and the value might still fall."
        )
    if library is None:
        why = peer.ABSENT if peer_seconds > 0 else "left out by --peer-seconds 0"
        report.missing(f"optima of the peer's recipe, so how much faster is not shown: {why}")
    report.claims(claims)


def _grids(
    case: Case, title: str, signal: NDArray[np.float64], low: float, ours: float
) -> list[list[object]]:
    """Rows of one `torch.stft` for every whole length, and for every power of two."""
    x, sizes = torch.from_numpy(signal), (case.n_fft, case.hop_length)
    rows: list[list[object]] = []
    for name, lengths in (
        ("every whole length", grids.integers(math.ceil(low), case.n_fft)),
        ("powers of two", grids.powers_of_two(math.ceil(low), case.n_fft)),
    ):
        best = grids.search(x, *sizes, lengths)
        rows.append([title, f"torch.stft, {name}: {best.length}", f"{best.value:.4f}", ""])
        rows[-1] += [best.transforms, f"{best.seconds:.3f}", "", f"{best.seconds / ours:.3g}"]
    return rows


def _fit(case: Case, signal: NDArray[np.float64], sample_rate: float) -> Result:
    return optimize(
        signal,
        sample_rate,
        n_fft=case.n_fft,
        hop_length=case.hop_length,
        window_mode=case.window_mode,
        scope="plane",
        power=1.0,
        normalization="none",
        overlap=1.0,  # lengths from one hop upwards
        smoothness=0.0,
        dtype="float64",
    )


def _descents(
    library: Any | None,
    case: Case,
    signal: NDArray[np.float64],
    low: float,
    most_seconds: float,
) -> dict[float, peer.Descent]:
    """The peer's descent from each start; none without the library."""
    if library is None:
        return {}
    return {
        start: peer.learn(
            library,
            torch.from_numpy(signal),
            window_mode=case.window_mode,
            n_fft=case.n_fft,
            hop_length=float(case.hop_length),
            win_length=float(start),
            win_length_min=low,
            learning_rate=case.peer_rate,
            most_seconds=most_seconds,
        )
        for start in case.peer_starts
    }
