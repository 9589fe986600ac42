"""What a user should know about learned lengths, each with the option that remedies it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.plan import Plan
from dstft_cli.fit.tabulate import FEATURELESS
from dstft_cli.parameters import REACH

Array = NDArray[np.float64]

_BOUND_SHARE = 0.25  # of the criterion in rows on one bound, above which a warning is due
_POOR_OVERLAP = 0.9  # windows a larger share of their length apart meet near zero


def advice(
    plan: Plan,
    row: Array,
    importance: Array,
    *,
    hops: Array,
    last: float,
    overlap: float,
    learned: bool,
    featureless: bool,
    growable: bool,
) -> list[str]:
    """Warnings, one line each.

    Args:
        plan: of the fit.
        row: learned lengths of the rows (frames, bins or patches), samples, `[R]` or `[1]`.
        importance: share of each row in the criterion, `[R]`.
        hops: distances of neighbouring frame centres, samples, `[T-1]`.
        last: shortest length of the last frame, samples.
        overlap: η.
        learned: whether lengths were learned at all.
        featureless: whether all tabulated lengths score alike, so that bounds say nothing.
        growable: whether a larger n_fft is the user's to choose: `auto` is not at its limit.
    """
    if not learned and plan.hops is None:
        return _gaps(plan)
    warnings = _lost_tail(plan, last)
    if overlap > _POOR_OVERLAP:
        warnings.append(
            f"overlap {overlap:g} is above {_POOR_OVERLAP:g}: the signal may not be recoverable "
            "from the transform; lower --overlap"
        )
    warnings += _hops_on_bounds(plan, hops)
    if not learned:
        return warnings
    bounds = plan.bounds
    if featureless:
        warnings.append(
            f"all window lengths from {bounds.low:g} to {bounds.high:g} samples score alike, within "
            f"{FEATURELESS:g} nats, as they do in noise: what is learned follows chance; keep one with "
            "--window-mode fixed, or choose a part with more structure with --offset and --duration"
        )
        return warnings
    for side, limit, option, verb in (
        ("lower", bounds.low, bounds.low_option, "lower"),
        ("upper", bounds.high, bounds.high_option, "raise"),
    ):
        on_bound = np.isclose(row, limit, rtol=1e-6, atol=0)
        share = float(np.broadcast_to(on_bound, importance.shape) @ importance)
        if on_bound.all():
            who = "the learned window length"
        elif share > _BOUND_SHARE:
            who = f"the learned window length where {share:.0%} of the criterion's weight lies"
        else:
            continue
        remedy = f"{verb} {option}"
        if option == "--n-fft" and not growable:
            remedy = f"n_fft auto stops at {plan.n_fft} here, give a larger --n-fft"
        elif option == "--n-fft" and len(row) > 1:
            remedy += f" and keep --hop-length {plan.hop_length:g} to allow longer ones"
        warnings.append(f"{who} is on its {side} bound, {limit:g} samples: {remedy}")
    return warnings


def _hops_on_bounds(plan: Plan, hops: Array) -> list[str]:
    """Learned hops that did not move, or of which many lie on one bound."""
    if plan.hops is None or plan.hops.low == plan.hops.high or len(hops) == 0:
        return []
    if np.allclose(hops, plan.hop_length, rtol=1e-9, atol=0):
        return [
            f"no positions better than those of the start were found, every {plan.hop_length:g} samples: "
            "sparser frames have more to gain, raise --hop-length"
        ]
    warnings = []
    for side, limit, verb, option in (
        ("lower", plan.hops.low, "lower", "--hop-length-min"),
        ("upper", plan.hops.high, "raise", "--hop-length-max"),
    ):
        share = float(np.isclose(hops, limit, rtol=1e-6, atol=0).mean())
        if share > _BOUND_SHARE:
            who = "the learned hop length" if share == 1 else f"{share:.0%} of the learned hops"
            lies = "is" if share == 1 else "are"
            warnings.append(f"{who} {lies} on the {side} bound, {limit:g} samples: {verb} {option}")
    return warnings


def _gaps(plan: Plan) -> list[str]:
    if plan.hop_length <= _POOR_OVERLAP * plan.start:
        return _lost_tail(plan, plan.start)
    return [
        f"hop length {plan.hop_length:g} samples leaves gaps between windows of {plan.start:g}: "
        "lower --hop-length to recover the signal from the transform"
    ]


def _lost_tail(plan: Plan, last: float) -> list[str]:
    """Samples after the last frame centre that its window does not reach."""
    frame = (plan.n_fft - 1) // 2  # samples after the one in which the centre lies
    if plan.tail <= REACH * last * (1 + 1e-9) and math.ceil(plan.tail) <= frame:
        return []
    return [
        f"the last {plan.tail:g} samples lie beyond the last frame, whose window reaches "
        f"{min(last / 2, frame):g}: lower --hop-length or raise --win-length-min to recover them"
    ]
