"""Cost of the gradient and of whole fits, in forward passes of `torch.stft` over the same signal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.machine import machine
from benchmarks.measure import Claim, in_turns, median_ratio
from benchmarks.picture import blocks
from benchmarks.report import Report
from benchmarks.signals import music
from dstft_cli import optimize
from dstft_cli.criteria import resolve
from dstft_cli.fit.centers import uniform_centers
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.stft import Transform

SAMPLE_RATE = 44100
N_FFT = 2048
HOP_LENGTH = 512
_HOP_SECONDS = 10.0  # learned positions take hundreds of transforms
_PASS = "torch.stft forward"


@dataclass(frozen=True)
class Fit:
    """A whole `optimize` run.

    Attributes:
        options: of `optimize`, beside those that all share.
        limit: passes that it is claimed to take at most; None: no claim.
    """

    options: Mapping[str, Any]
    limit: float | None = None


_LENGTHS = {
    "fit constant": Fit({"window_mode": "constant"}, 15),
    "fit time, smoothness 0": Fit({"window_mode": "time", "smoothness": 0.0}, 40),
    "fit time": Fit({"window_mode": "time"}, 40),
    "fit frequency": Fit({"window_mode": "frequency"}, 400),
    "fit time-frequency, smoothness 0": Fit({"window_mode": "time-frequency", "smoothness": 0.0}),
    "fit time-frequency": Fit({"window_mode": "time-frequency"}, 1000),
}
_HOPS = {
    "fit constant, hop constant": Fit({"window_mode": "constant", "hop_mode": "constant"}),
    "fit time, hop time": Fit({"window_mode": "time", "hop_mode": "time"}),
}


def run(report: Report, seconds: float, rounds: int) -> None:
    """Measures the gradient and the fits on `seconds` of music at 44.1 kHz.

    Learned hops are measured on no more than its first ten seconds.
    """
    signal = music(seconds, SAMPLE_RATE)
    report.text(f"{seconds:g} s at {SAMPLE_RATE} Hz, n_fft {N_FFT}, hop {HOP_LENGTH}; {machine()}")
    fewer = max(rounds // 2, 1)
    claims = _gradient(report, signal, rounds) + _fits(report, signal, seconds, _LENGTHS, fewer)
    claims += _fits(report, signal, min(seconds, _HOP_SECONDS), _HOPS, fewer)
    claims += _defaults(report, signal, fewer)
    report.claims(claims)


def forward_pass(signal: torch.Tensor) -> Callable[[], object]:
    """One plain transform of the whole signal, the unit of cost."""
    hann = torch.hann_window(N_FFT)

    def transform() -> object:
        with torch.no_grad():
            return torch.stft(
                signal, N_FFT, HOP_LENGTH, window=hann, pad_mode="constant", return_complex=True
            )

    return transform


def _gradient(report: Report, signal: np.ndarray, rounds: int) -> list[Claim]:
    """Criterion with gradient: one length for all frames, and a different one in every frame."""
    centers = uniform_centers(len(signal), HOP_LENGTH)
    one = np.array([[1300.0]])
    all_different = np.geomspace(512.0, 2048.0, len(centers))[None, :]
    evaluator = Evaluator(
        signal[None, :],
        centers,
        Transform(N_FFT),
        resolve("entropy", None),
        peak=float(np.abs(signal).max()),
        compute=Compute(threads=torch.get_num_threads()),
    )
    plain = forward_pass(torch.from_numpy(signal))
    names = ("gradient, one length", "gradient, a length per frame")
    seconds: dict[str, list[float]] = {}
    ratios = []
    for name, lengths in zip(names, (one, all_different), strict=True):

        def gradient(lengths: np.ndarray = lengths) -> object:
            return evaluator.rows_and_slopes(lengths)

        measured = in_turns({_PASS: plain, name: gradient}, rounds)
        seconds.setdefault(_PASS, []).extend(measured[_PASS])
        seconds[name] = measured[name]
        ratios.append(median_ratio(measured[name], measured[_PASS]))
    rows = [[_PASS, f"{median(seconds[_PASS]) * 1e3:.0f}", "1"]]
    for name, ratio in zip(names, ratios, strict=True):
        rows.append([name, f"{median(seconds[name]) * 1e3:.0f}", f"{ratio:.2f}"])
    report.table(f"median of {rounds}", ["work", "ms", "passes"], rows)
    return [Claim(name, r, 2, "passes") for name, r in zip(names, ratios, strict=True)]


def _defaults(report: Report, signal: np.ndarray, rounds: int) -> list[Claim]:
    """`optimize` without options: the search, and the transform with the lengths that it found."""
    threads, found = torch.get_num_threads(), [optimize(signal, SAMPLE_RATE)]

    def search() -> None:
        found[0] = optimize(signal, SAMPLE_RATE, threads=threads)

    def transform() -> None:
        for _ in blocks(signal, found[0], threads):
            pass

    plain = forward_pass(torch.from_numpy(signal))
    measured = in_turns({_PASS: plain, "search": search, "transform": transform}, rounds)
    both = [sum(of) for of in zip(measured["search"], measured["transform"], strict=True)]
    measured["search and transform"] = both
    ratios = {name: median_ratio(of, measured[_PASS]) for name, of in measured.items()}
    report.table(
        f"defaults: a length per cell, n_fft {found[0].n_fft}, hop {found[0].hop_length}, "
        f"{threads} threads, median of {rounds}",
        ["work", "s", "passes"],
        [[name, f"{median(of):.2f}", f"{ratios[name]:.1f}"] for name, of in measured.items()],
    )
    limits = {"search": 40.0, "search and transform": 200.0}
    return [
        Claim(f"defaults, {name}", ratios[name], most, "passes") for name, most in limits.items()
    ]


def _fits(
    report: Report,
    whole: np.ndarray,
    seconds: float,
    fits: Mapping[str, Fit],
    rounds: int,
) -> list[Claim]:
    """Whole fits with window lengths from 512 to 2048 samples, each between two passes.

    Args:
        report: takes what is found.
        whole: signal of the passes, `[N]`; over a short one they take a millisecond, or ten.
        seconds: of it that are fitted; a pass over them is their share of a pass over all.
        fits: name and what is run.
        rounds: >= 1.
    """
    signal = whole[: round(seconds * SAMPLE_RATE)]
    share = len(signal) / len(whole)
    plain = forward_pass(torch.from_numpy(whole))
    finals: dict[str, tuple[float, float, int]] = {}
    rows, claims = [], []
    for name, planned in fits.items():

        def fit(name: str = name, options: Mapping[str, Any] = planned.options) -> None:
            result = optimize(
                signal,
                SAMPLE_RATE,
                n_fft=N_FFT,
                hop_length=HOP_LENGTH,
                scope="plane",
                overlap=1.0,  # lengths from one hop, 512 samples, upwards
                **options,
            )
            found = result.criterion
            finals[name] = (found.best_fixed, found.final, result.evaluations)

        measured = in_turns({_PASS: plain, name: fit, "after": plain}, rounds, warm_up=False)
        both = zip(measured[_PASS], measured["after"], strict=True)
        around = [(a + b) / 2 * share for a, b in both]
        ratio = median_ratio(measured[name], around)
        best_fixed, final, evaluations = finals[name]
        cost = (f"{median(measured[name]):.2f}", f"{ratio:.1f}", evaluations)
        rows.append([name, *cost, f"{best_fixed:.4f}", f"{final:.4f}"])
        if planned.limit is not None:
            claims.append(Claim(name, ratio, planned.limit, "passes"))
    report.table(
        f"whole fits of {len(signal) / SAMPLE_RATE:g} s, lengths {HOP_LENGTH} to {N_FFT}, "
        f"median of {rounds}",
        ["work", "s", "passes", "transforms", "entropy, best fixed", "entropy, final"],
        rows,
    )
    return claims
