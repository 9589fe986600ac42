"""Six tones in sequence: the gain of moved frames, and the cost of coverage."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from dstft_cli.experiments.signals import SIX_LENGTHS, FloatArray, six_tones
from dstft_cli.experiments.training import Cell, Findings, Table
from dstft_cli.fit.centers import quadrature_weights
from dstft_cli.layer import DSTFT
from dstft_cli.plot.sweep import hops_figure
from dstft_cli.records import Progress, tell
from dstft_cli.run.optimize import optimize
from dstft_cli.stft import istft, stft

CHANGES = np.cumsum(SIX_LENGTHS)[:-1]  # first samples of the second to the last tone
UNIT = 250.0  # samples: entropies count cells as long as this, whatever the hop


@dataclass(frozen=True)
class Case:
    """The learned parameters and the coverage of a case; lengths in samples."""

    name: str
    hop_length: int  # of the start
    window_mode: str
    hop_mode: str
    overlap: float | None  # η; None: no constraint, by Adam on the layer, and frames count alike


CASES = (
    Case("uniform", 250, "fixed", "fixed", 0.5),
    Case("hop learned", 250, "fixed", "constant", 0.5),
    Case("hop learned", 250, "fixed", "constant", 1.0),
    Case("centres learned", 250, "fixed", "time", 0.5),
    Case("centres learned", 250, "fixed", "time", 1.0),
    Case("centres, lengths learned", 250, "time", "time", 0.5),
    Case("centres, lengths learned", 250, "time", "time", 1.0),
    Case("uniform, sparse", 500, "fixed", "fixed", 1.0),
    Case("centres learned, sparse", 500, "fixed", "time", 1.0),
    Case("centres learned, sparse", 500, "fixed", "time", None),
)


@dataclass(frozen=True)
class Size:
    """Size of the experiment; lengths in samples."""

    cases: tuple[Case, ...] = CASES  # one row each; the first is what the others are compared with
    n_fft: int = 1500
    win_length: float = 577.0  # of the start
    max_steps: int = 200


FULL = Size()


class Placed(NamedTuple):
    """Frames: centres `[T]` and window lengths `[T]`, samples, and what it took to find them."""

    centers: FloatArray
    lengths: FloatArray
    transforms: int


def run(seed: int, threads: int, progress: Progress | None, size: Size = FULL) -> Findings:
    """Learns hop and centres, with windows that must overlap by half, must meet, or need not."""
    signal, sample_rate = six_tones(seed)
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, Any] = {}
    drawn = {}
    for done, case in enumerate(size.cases, start=1):
        began = time.perf_counter()
        if case.overlap is None:
            placed = without_coverage(signal, case, size)
        else:  # by `optimize`, whose constraints hold at every step
            result = optimize(
                signal,
                sample_rate,
                n_fft=size.n_fft,
                hop_length=case.hop_length,
                win_length=size.win_length,
                window_mode=case.window_mode,
                hop_mode=case.hop_mode,
                overlap=case.overlap,
                max_steps=size.max_steps,
                scope="plane",
                dtype="float64",
                threads=threads,
            )
            lengths = np.broadcast_to(result.window_length[0], result.frames)
            placed = Placed(np.asarray(result.frame_centers), np.array(lengths), result.evaluations)
        seconds = time.perf_counter() - began
        hops = np.diff(placed.centers)
        entropy, error = entropy_and_error(placed, signal, size.n_fft)
        found = {
            "frames_on_transitions": frames_on_transitions(placed),
            "entropy": entropy,
            "reconstruction_error": error,
            "frames": len(placed.centers),
            "hop_min": float(hops.min()),
            "hop_max": float(hops.max()),
            "transforms": placed.transforms,
            "seconds": seconds,
        }
        coverage = "none" if case.overlap is None else f"η = {case.overlap:g}"
        rows.append((case.name, coverage, *found.values()))
        label = f"{case.name}, {'no coverage' if case.overlap is None else coverage}"
        arrays = {"frame_centers": placed.centers, "window_length": placed.lengths}
        figures[label] = found | {key: values.tolist() for key, values in arrays.items()}
        drawn[label] = placed.centers, placed.lengths
        tell(progress, "hops", done, len(size.cases))
    columns = (
        *("learned", "coverage", "frames on transitions", "entropy, nats", "reconstruction error"),
        *("frames", "hop from", "to", "transforms", "s"),
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


def without_coverage(signal: FloatArray, case: Case, size: Size) -> Placed:
    """By Adam on the entropy of the layer's power: gaps between frames cost nothing."""
    x = torch.from_numpy(signal)
    layer = DSTFT(
        size.n_fft,
        case.hop_length,
        size.win_length,
        window_mode="fixed",
        hop_mode="time",
        signal_length=len(x),
        center_reach=0.49,
        dtype=torch.float64,
    )
    moved = [value for value in layer.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(moved, lr=0.02)
    steps = size.max_steps // 2
    for _ in range(steps):
        power = layer(x).abs().square()
        share = power / power.sum()
        optimizer.zero_grad()
        loss: torch.Tensor = torch.special.entr(share).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    centers = layer.frame_centers.detach().numpy()
    return Placed(centers, np.full(len(centers), size.win_length), steps)


def frames_on_transitions(placed: Placed) -> float:
    """The windows' energy across a transition, its smaller part, summed: up to ½ for each frame."""
    share = hann_energy_below((CHANGES[:, None] - placed.centers) / placed.lengths)
    return float(np.minimum(share, 1 - share).sum())


def hann_energy_below(u: FloatArray) -> FloatArray:
    """Share of a Hann window's energy below `u`, in [0, 1]: ∫(½ + ½ cos 2πv)² from −½, over ⅜."""
    v = np.clip(u, -0.5, 0.5)
    part = 0.375 * (v + 0.5) + np.sin(2 * np.pi * v) / (4 * np.pi)
    share: FloatArray = (part + np.sin(4 * np.pi * v) / (32 * np.pi)) / 0.375
    return share


def entropy_and_error(placed: Placed, signal: FloatArray, n_fft: int) -> tuple[float, float]:
    """The entropy of |X|², and the relative error of the reconstruction.

    Frames are weighted by their share of the signal, so that any frames compare.
    """
    x, t = torch.from_numpy(signal), placed.centers
    weights = torch.from_numpy(quadrature_weights(t, UNIT, len(signal)))
    centers, lengths = torch.from_numpy(t), torch.from_numpy(placed.lengths)[None]
    X = stft(x, centers, lengths, n_fft)
    a = X.abs().square()
    entropy = (weights * torch.special.entr(a / (a * weights).sum())).sum()
    back = istft(X, centers, lengths, n_fft, len(x))
    return float(entropy), float((back - x).norm() / x.norm())


def _notes(figures: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    start, *_ = figures
    least = min(figures, key=lambda label: float(figures[label]["frames_on_transitions"]))
    before, after = (figures[label]["frames_on_transitions"] for label in (start, least))
    lost = (
        f"{label}: {100 * found['reconstruction_error']:.1f} % of the signal is lost"
        for label, found in figures.items()
        if found["reconstruction_error"] > 1e-5
    )
    return f"frames on transitions: {before:.2f} with {start}, {after:.2f} with {least}", *lost
