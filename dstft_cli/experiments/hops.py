"""Six tones one after the other: what moving the frames does, and what coverage costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dstft_cli.experiments.findings import Cell, Findings, Progress, Table
from dstft_cli.experiments.signals import SIX_LENGTHS, FloatArray, six_tones
from dstft_cli.fit import optimize
from dstft_cli.plot.experiments import FramesRow, hops_figure
from dstft_cli.result import Result
from dstft_cli.stft import istft, stft

CHANGES = np.cumsum(SIX_LENGTHS)[:-1]  # first samples of the second to the last tone
CASES = (
    ("uniform, window 577", "fixed", "fixed"),
    ("hop learned, window 577", "fixed", "constant"),
    ("every centre learned, window 577", "fixed", "time"),
    ("centres and lengths learned", "time", "time"),
)


@dataclass(frozen=True)
class Size:
    """How much is tried.

    Attributes:
        n_fft, hop_length, win_length: samples, of the start.
        overlaps: η, the largest gap of neighbouring frames in mean window lengths.
        max_steps: of a descent.
    """

    n_fft: int = 1500
    hop_length: int = 250
    win_length: float = 577.0
    overlaps: tuple[float, ...] = (0.5, 1.0)
    max_steps: int = 200


FULL = Size()


def run(seed: int, threads: int, progress: Progress | None, size: Size = FULL) -> Findings:
    """Learns hop and centres, with windows that must overlap by half and with ones that must meet."""
    signal, sample_rate = six_tones(seed)
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, Any] = {}
    drawn = []
    jobs = [(case, overlap) for case in CASES for overlap in size.overlaps]
    for done, ((name, window_mode, hop_mode), overlap) in enumerate(jobs, start=1):
        if hop_mode == "fixed" and overlap != size.overlaps[0]:
            continue  # where nothing moves, coverage constrains nothing
        began = time.perf_counter()
        result = optimize(
            signal,
            sample_rate,
            n_fft=size.n_fft,
            hop_length=size.hop_length,
            win_length=size.win_length,
            window_mode=window_mode,
            hop_mode=hop_mode,
            overlap=overlap,
            max_steps=size.max_steps,
            dtype="float64",
            threads=threads,
        )
        seconds = time.perf_counter() - began
        found = {
            "frames_on_transitions": frames_on_transitions(result),
            "entropy": result.criterion.final,
            "reconstruction_error": reconstruction_error(result, signal),
            "frames": result.frames,
            "hop_min": float(result.hop_lengths.min()),
            "hop_max": float(result.hop_lengths.max()),
            "transforms": result.evaluations,
            "seconds": seconds,
        }
        eta = None if hop_mode == "fixed" else overlap
        rows.append((name, eta, *found.values()))
        label = name if eta is None else f"{name}, η = {overlap:g}"
        figures[label] = found | {
            "frame_centers": result.frame_centers.tolist(),
            "window_length": result.window_length.tolist(),
        }
        lengths = np.broadcast_to(result.window_length[0], result.frames)
        drawn.append(FramesRow(label, result.frame_centers, lengths))
        if progress is not None:
            progress("hops", done, len(jobs))
    columns = (
        *("frames", "η", "energy on transitions", "entropy, nats", "reconstruction error"),
        *("number", "hop from", "to", "transforms", "s"),
    )
    return Findings(
        title="Six tones: frames that move off the transitions",
        settings={"seed": seed, "sample_rate": sample_rate, "criterion": "entropy"}
        | {"power": 2.0, "normalization": "energy", "dtype": "float64"}
        | asdict(size),
        table=Table(columns, tuple(rows)),
        notes=_notes(figures),
        figures=figures,
        picture=hops_figure(drawn, CHANGES, signal, sample_rate),
    )


def frames_on_transitions(result: Result) -> float:
    """The windows' energy that lies across a transition, summed over frames.

    For a window that a transition cuts in two, the smaller part's share of its energy; 0 where no
    window reaches across one, up to ½ for a frame that stands on one.
    """
    total = 0.0
    lengths = np.broadcast_to(result.window_length[0], result.frames)
    for center, length in zip(result.frame_centers, lengths, strict=True):
        for change in CHANGES:
            share = hann_energy_below((change - center) / length)
            total += min(share, 1 - share)
    return total


def hann_energy_below(u: float) -> float:
    """Share of the energy of a Hann window of length 1 around 0 that lies below `u`, in [0, 1].

    The integral of `(½ + ½ cos 2πv)²` from −½ to `u`, over the whole, which is ⅜.
    """
    v = min(max(u, -0.5), 0.5)
    part = 0.375 * (v + 0.5) + np.sin(2 * np.pi * v) / (4 * np.pi)
    return float((part + np.sin(4 * np.pi * v) / (32 * np.pi)) / 0.375)


def reconstruction_error(result: Result, signal: FloatArray) -> float:
    """`‖x̂ − x‖/‖x‖` of the signal after the transform and back, float64."""
    x = torch.from_numpy(signal)
    centers = torch.from_numpy(np.ascontiguousarray(result.frame_centers))
    lengths = torch.from_numpy(np.ascontiguousarray(result.window_length))
    X = stft(x, centers, lengths, result.n_fft)
    back = istft(X, centers, lengths, result.n_fft, len(x))
    return float((back - x).norm() / x.norm())


def _notes(figures: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    start = next(iter(figures.values()))["frames_on_transitions"]
    lines = []
    for label, found in list(figures.items())[1:]:
        now = found["frames_on_transitions"]
        change = f"{start:.2f} to {now:.2f} frames"
        lines.append(f"{label}: energy on transitions from {change}, in {found['frames']} frames")
    lines.append(
        "a gap of up to half a window leaves little room to move, one of a whole window lets frames "
        "step off; where windows no longer overlap, samples between them are lost to the inverse"
    )
    return tuple(lines)
