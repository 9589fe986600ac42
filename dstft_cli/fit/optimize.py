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
from dstft_cli.fit.transfer import unlearned
from dstft_cli.records import Progress, Result
from dstft_cli.stft import Samples


def fit(
    samples: Samples | NDArray[Any] | torch.Tensor,
    request: Request,
    *,
    peak: float | None = None,
    silence: bool = False,
    progress: Progress | None = None,
) -> Result:
    """The best window lengths and frame positions for a signal.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        request: what to learn, and how.
        peak: largest absolute sample, if known.
        silence: whether a silent signal gives the transform at the start; it always does where
            nothing is learned.
        progress: called as `progress(stage, done, total)`.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: two values contradict each other, or one does not suit the signal.
        InputError: the signal is too short, or silent.
    """
    began = time.perf_counter()
    plain = not (request.learns_lengths or request.learns_positions)
    problem = Problem.of(samples, request, peak, progress, silence=silence or plain)
    if problem.peak == 0:
        return unlearned(problem)
    if request.scope == "local":
        return fit_local(problem, began)
    return fit_plane(problem, began)
