"""What went wrong on the way of a fit, and what its criterion may have been led by."""

from __future__ import annotations

from dstft_cli.criteria import Ratio
from dstft_cli.fit.band import Band
from dstft_cli.fit.hop_advice import is_at
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.stages import Fitted
from dstft_cli.fit.state import State
from dstft_cli.result import StopReason

_MOSTLY = 0.5  # of the window lengths, on their lower bound


def misled(state: State, fitted: Fitted, problem: Problem) -> list[str]:
    """Warnings, one line each, with the option that remedies it."""
    warnings = []
    if state.stop_reason is StopReason.NON_FINITE:
        warnings.append(
            "the criterion became NaN or infinite during the descent, the best step before is kept: "
            "lower --order or --power, or use --dtype float64"
        )
    if fitted.stuck:
        warnings.append(
            "the descent found nothing better than its start: lower --lr, or leave --no-search out"
        )
    if not state.method.varying:
        return warnings
    if problem.normalization != "energy":
        warnings.append(
            f"with normalization {problem.normalization} and varying windows the criterion may reward "
            "lengths that make frames quiet: --normalization energy does not"
        )
    shortest = float(is_at(fitted.final.row, state.plan.bounds.low).mean())
    if isinstance(problem.criterion, Ratio) and problem.band != Band() and shortest > _MOSTLY:
        warnings.append(
            f"{shortest:.0%} of the window lengths are the shortest allowed: within a band, "
            f"{problem.criterion.name} may reward windows that spread soft sounds beyond it, where they "
            "do not count: --criterion entropy hardly does"
        )
    return warnings
