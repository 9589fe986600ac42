"""One evaluation of the criterion with its gradient, in every window mode: its time and its error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import peer, reference, sides
from benchmarks.measure import in_turns, median_ratio
from benchmarks.report import Report
from benchmarks.signals import music
from benchmarks.speed import HOP_LENGTH, N_FFT, SAMPLE_RATE, forward_pass

LONGEST = 20.0  # s of signal: autograd keeps every windowed frame
_SHORT = 0.1  # s, for sides that hold a window for every cell
_SMALL_N_FFT, _SMALL_HOP, _SMALL_SAMPLES = 256, 64, 3000
_PASS = "pass"


@dataclass(frozen=True)
class Case:
    """Lengths of a window mode, and on how much signal each side is measured.

    Attributes:
        mode: window mode.
        told: what the lengths are.
        ours, plain, peer: s of signal at most.
        distinct: how many lengths differ; None: all.
    """

    mode: str
    told: str
    ours: float = LONGEST
    plain: float = LONGEST
    peer: float = LONGEST
    distinct: int | None = None


CASES = (
    Case("constant", "one"),
    Case("time", "another in every frame"),
    Case("frequency", "another in every bin", peer=_SHORT),
    Case("time-frequency", "of 9, in every cell", ours=2.0, plain=_SHORT, peer=_SHORT, distinct=9),
    Case("time-frequency", "another in every cell", ours=_SHORT, plain=_SHORT, peer=_SHORT),
)


def run(report: Report, seconds: float, rounds: int) -> None:
    """Measures every case on at most `seconds` of music at 44.1 kHz, the sides taking turns."""
    library = peer.load()
    whole = music(min(seconds, LONGEST), SAMPLE_RATE)
    report.text(
        f"Entropy of |X| and its gradient, Hann windows without normalization, float32, n_fft {N_FFT}, "
        f"hop {HOP_LENGTH}, lengths 600 to 2000, {torch.get_num_threads()} threads. A pass is one "
        f"forward `torch.stft` of the same signal, measured over {len(whole) / SAMPLE_RATE:g} s and "
        "taken in proportion. Autograd: frames by `as_strided`, differentiable windows, `rfft` or, "
        "where windows vary with frequency, the sums themselves. Signals are as long as memory "
        "allows each side."
    )
    if library is None:
        report.missing(f"evaluations of the peer's layer: {peer.ABSENT}")
    rows = [row for case in CASES for row in _time(case, whole, library, rounds)]
    header = ["window mode", "lengths", "by", "s of signal", "ms", "passes", "× ours"]
    report.table(f"criterion and gradient, median of {rounds}", header, rows)
    errors = [row for mode in sides.MODES for row in errors_of(mode, library)]
    report.table(
        f"relative error against the explicit sum in float64: {_SMALL_SAMPLES} samples, "
        f"n_fft {_SMALL_N_FFT}, hop {_SMALL_HOP}, another length in every place",
        ["window mode", "by", "value", "gradient"],
        [[mode, by, f"{value:.1e}", f"{gradient:.1e}"] for mode, by, value, gradient in errors],
    )


def _time(case: Case, whole: sides.Signal, library: Any | None, rounds: int) -> list[list[object]]:
    """A row for each side, in turns."""
    F = N_FFT // 2 + 1
    parts = {"dstft": case.ours, "autograd": case.plain, "peer's layer": case.peer}
    tasks: dict[str, Any] = {_PASS: forward_pass(torch.from_numpy(whole))}
    lasted = {}
    for by, seconds in parts.items():
        x = whole[: round(seconds * SAMPLE_RATE)]
        lasted[by] = len(x) / SAMPLE_RATE
        shape = sides.shape_of(case.mode, F, 1 + len(x) // HOP_LENGTH)
        lengths = sides.spread(shape, 600.0, 2000.0, case.distinct)
        if by == "dstft":
            tasks[by] = sides.ours(x, case.mode, N_FFT, HOP_LENGTH, lengths)
        elif by == "autograd":
            tasks[by] = sides.autograd(x, N_FFT, HOP_LENGTH, lengths)
        elif library is not None:
            tasks[by] = sides.peer(library, x, case.mode, N_FFT, HOP_LENGTH, lengths)
    measured = in_turns(tasks, rounds)
    length = len(whole) / SAMPLE_RATE
    passes = {
        by: median_ratio(times, [s * lasted[by] / length for s in measured[_PASS]])
        for by, times in measured.items()
        if by != _PASS
    }
    return [_row(case, by, lasted[by], measured, passes) for by in passes]


def _row(
    case: Case,
    by: str,
    seconds: float,
    measured: Mapping[str, list[float]],
    passes: Mapping[str, float],
) -> list[object]:
    cost = f"{median(measured[by]) * 1e3:.4g}"
    ratio = passes[by] / passes["dstft"]
    return [case.mode, case.told, by, f"{seconds:g}", cost, f"{passes[by]:.3g}", f"{ratio:.3g}"]


def errors_of(mode: str, library: Any | None) -> list[tuple[str, str, float, float]]:
    """Window mode, side, and relative errors of value and gradient against the explicit sum."""
    rng = np.random.default_rng(0)
    t = np.arange(_SMALL_SAMPLES) / _SMALL_SAMPLES
    x = np.sin(2 * np.pi * 150 * (t + 2 * t * t)) + 0.1 * rng.standard_normal(len(t))
    signal = x.astype(np.float32)
    F, T = _SMALL_N_FFT // 2 + 1, 1 + len(signal) // _SMALL_HOP
    lengths = sides.spread(sides.shape_of(mode, F, T), 80.0, 250.0)
    sizes = (_SMALL_N_FFT, _SMALL_HOP, lengths)
    value, gradient = reference.entropy_and_gradient(signal.astype(np.float64), *sizes)
    found = {
        "dstft": sides.ours(signal, mode, *sizes),
        "autograd": sides.autograd(signal, *sizes),
    }
    if library is not None:
        found["peer's layer"] = sides.peer(library, signal, mode, *sizes)
    rows = []
    for by, evaluate in found.items():
        v, g = evaluate()
        error = float(np.linalg.norm(g - gradient) / np.linalg.norm(gradient))
        rows.append((mode, by, abs(v - value) / abs(value), error))
    return rows
