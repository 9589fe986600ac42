"""`fit`: the global search and the descent, joined; the package's main function."""

from __future__ import annotations

import time
from typing import Any

import torch
from numpy.typing import NDArray

from dstft_cli.fit.local_fit import fit_local
from dstft_cli.fit.plane_fit import fit_plane
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Request
from dstft_cli.names import Progress
from dstft_cli.records import Result
from dstft_cli.stft import Samples


def fit(
    samples: Samples | NDArray[Any] | torch.Tensor,
    request: Request,
    *,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """The window lengths and the frame positions that suit a signal best.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        request: what to learn, and how.
        peak: largest absolute sample, if known.
        progress: called as `progress(stage, done, total)`.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: two values contradict each other, or one does not suit the signal.
        InputError: the signal is too short or silent.
    """
    began = time.perf_counter()
    problem = Problem.of(samples, request, peak, progress)
    if request.scope == "local":
        return fit_local(problem, began)
    return fit_plane(problem, began)


_LEFT_OPEN = (
    *("n_fft", "win_length", "win_length_min", "win_length_max", "hop_length", "hop_length_min"),
    *("hop_length_max", "smoothness", "order", "criterion_fmin", "criterion_fmax", "lr", "threads"),
)
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_LEFT_OPEN),
    "window": "hann",
    "normalization": "energy",
    "power": 2.0,
    "window_mode": "constant",
    "hop_mode": "fixed",
    "overlap": 0.5,
    "criterion": "entropy",
    "scope": "plane",
    "optimizer": "auto",
    "search": True,
    "max_steps": 200,
    "tolerance": 1e-6,
    "device": "cpu",
    "dtype": "float32",
}


def optimize(
    samples: Samples | NDArray[Any] | torch.Tensor,
    sample_rate: float,
    *,
    peak: float | None = None,
    progress: Progress | None = None,
    **values: Any,
) -> Result:
    """`fit` with defaults: `values` are those of `Request`, lengths in samples.

    It stands in until the public function reads its defaults from the settings.
    """
    unknown = set(values) - set(_DEFAULTS)
    if unknown:
        raise TypeError(f"optimize() got an unexpected keyword argument {min(unknown)!r}")
    request = Request(sample_rate=sample_rate, **{**_DEFAULTS, **values})
    return fit(samples, request, peak=peak, progress=progress)
