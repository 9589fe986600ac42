"""Why a fit may be doubted: its descent failed, or what led its criterion is no merit of the windows."""

from __future__ import annotations

import numpy as np

from dstft_cli.criteria import Ratio
from dstft_cli.fit.band import Band
from dstft_cli.fit.hop_advice import is_at
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.stages import Fitted
from dstft_cli.fit.state import State
from dstft_cli.records import StopReason

_MOSTLY = 0.5  # of the window lengths, on their lower bound


def doubts(state: State, fitted: Fitted, problem: Problem) -> list[str]:
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
    bounds = state.plan.bounds
    heard = np.broadcast_to(fitted.final.row, state.importance.shape)[state.importance > 0]
    shortest = float(is_at(heard, bounds.low).mean()) if bounds.low < bounds.high else 0.0
    in_band = isinstance(problem.criterion, Ratio) and problem.band != Band()
    if in_band and shortest > _MOSTLY and not state.featureless:
        warnings.append(
            f"{shortest:.0%} of the window lengths are the shortest allowed: within a band, "
            f"{problem.criterion.name} may reward windows that spread soft sounds beyond it, where they "
            "do not count: --criterion entropy hardly does"
        )
    return warnings
