"""Three ways to the entropy of |X| and its gradient: this package, autograd, the peer's layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import plain
from dstft_cli.criteria import resolve
from dstft_cli.fit.cells import CellEvaluator, FrequencyEvaluator, Patches
from dstft_cli.fit.centers import uniform_centers
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.stft import Transform

Array = NDArray[np.float64]
Signal = NDArray[np.float32]
Side = Callable[[], tuple[float, Array]]

MODES = ("constant", "time", "frequency", "time-frequency")


def shape_of(mode: str, bins: int, frames: int) -> tuple[int, int]:
    """Shape of the lengths of a window mode."""
    return bins if "frequency" in mode else 1, frames if "time" in mode else 1


def ours(signal: Signal, mode: str, n_fft: int, hop_length: int, lengths: Array) -> Side:
    """The evaluator that a fit of this window mode uses, float32, on as many threads as torch.

    Args:
        signal: `[N]`.
        mode: window mode.
        n_fft, hop_length: samples.
        lengths: samples, in the shape of the mode.

    Returns:
        What gives entropy in nats, and its gradient per sample in the shape of `lengths`.
    """
    centers = uniform_centers(len(signal), hop_length)
    kinds: dict[str, type[Evaluator]] = {
        "frequency": FrequencyEvaluator,
        "time-frequency": CellEvaluator,
    }
    options: dict[str, Any] = {}
    if mode in kinds:
        frames = len(centers) if mode == "frequency" else 1
        options["patches"] = Patches((n_fft // 2 + 1, len(centers)), 1, frames)
    evaluator = kinds.get(mode, Evaluator)(
        signal[None, :],
        centers,
        Transform(n_fft, normalization="none"),
        resolve("entropy", None),
        power=1.0,
        peak=float(np.abs(signal).max()),
        compute=Compute(threads=torch.get_num_threads()),
        **options,
    )

    def evaluate() -> tuple[float, Array]:
        rows, slopes = evaluator.rows_and_slopes(lengths)
        value, by_sum = evaluator.criterion.score_gradient(evaluator.sums(rows), evaluator.cells)
        gradient = (slopes * evaluator.weights[:, None]) @ by_sum
        return value, gradient.sum(keepdims=True)[None] if mode == "constant" else (
            gradient.reshape(lengths.shape)
        )

    return evaluate


def autograd(signal: Signal, n_fft: int, hop_length: int, lengths: Array) -> Side:
    """`plain.entropy` and its backward pass, float32; arguments as for `ours`."""
    x = torch.from_numpy(signal)

    def evaluate() -> tuple[float, Array]:
        theta = torch.from_numpy(lengths).float().requires_grad_()
        value = plain.entropy(x, n_fft, hop_length, theta)
        torch.autograd.backward(value)
        assert theta.grad is not None
        return float(value.detach()), theta.grad.double().numpy()

    return evaluate


def peer(
    library: Any, signal: Signal, mode: str, n_fft: int, hop_length: int, lengths: Array
) -> Side:
    """The layer of the peer library, float32; arguments as for `ours`.

    Its lengths are `low + (n_fft − low)·σ(r)` with `low` the hop; the gradient in r is divided by
    `dθ/dr`.
    """
    x = torch.from_numpy(signal)[None, :]
    layer = library.DSTFT(
        n_fft=n_fft,
        hop_length=float(hop_length),
        win_length=float(np.median(lengths)),
        win_length_min=float(hop_length),
        win_length_max=n_fft,
        window_mode=mode,
    )
    layer.initialize(x)
    span = n_fft - hop_length
    share = (lengths - hop_length) / span
    raw = layer._raw_win_length
    raw.data = torch.from_numpy(np.log(share / (1 - share))).to(raw.dtype)

    def evaluate() -> tuple[float, Array]:
        raw.grad = None
        magnitude, _ = layer(x)
        p = magnitude / magnitude.sum()
        value = -(p * p.log()).sum()
        value.backward()
        by_length = raw.grad.double().numpy() / (span * share * (1 - share))
        return float(value.detach()), by_length

    return evaluate


def spread(shape: tuple[int, int], low: float, high: float, distinct: int | None = None) -> Array:
    """Lengths from `low` to `high` samples, another in every place, or so many that differ.

    Neighbours lie apart, as they do where nothing charges for change.
    """
    count = math.prod(shape)
    order = np.random.default_rng(0).permutation(count)
    grid = np.geomspace(low, high, count if distinct is None else min(distinct, count))
    return grid[order % len(grid)].reshape(shape) if count > 1 else np.full(shape, low)
