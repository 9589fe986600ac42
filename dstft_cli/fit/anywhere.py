"""Where `n_fft auto` begins: the best of all single windows, whatever FFT size they need."""

from __future__ import annotations

from dstft_cli.errors import UsageError
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.sweep import sweep

_POINTS = 1 << 23  # frames × n_fft × channels for each length: half of what a sweep looks at


def best_anywhere(problem: Problem, overlap: float, longest: float) -> float | None:
    """The best single length up to `longest`, samples, on a coarse grid; None where none stands out.

    Args:
        problem: of the fit, with a criterion whose scores compare across FFT sizes.
        overlap: η.
        longest: samples.
    """
    try:
        found = sweep(
            problem.samples,
            problem.sample_rate,
            criteria=[problem.criterion],
            criterion_fmin=problem.band.low,
            criterion_fmax=min(problem.band.high, problem.sample_rate / 2),
            win_length_max=longest,
            overlap=overlap,
            window=problem.window,
            normalization=problem.normalization,
            power=problem.power,
            device=problem.device.type,
            dtype=str(problem.dtype).removeprefix("torch."),
            threads=problem.threads,
            peak=problem.peak,
            most_points=_POINTS,
        )
    except (
        UsageError
    ):  # too short for a range of lengths; or no value is finite, as the fit will tell
        return None
    (curve,) = found.curves
    return None if curve.matters == "not at all" else curve.best_length
