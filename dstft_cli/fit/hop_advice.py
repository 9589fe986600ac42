"""What a user should know about learned frame positions, with the option that remedies it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.method import Method
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.told import at_most

Array = NDArray[np.float64]

POOR_OVERLAP = 0.9  # windows a larger share of their length apart meet near zero
_BOUND_SHARE = 0.25  # of the hops on one bound, above which a warning is due
_CLOSEST = 1 / 16  # of a window: frames closer than this show the same thing twice
_ROOM = 0.8  # of the hop that windows allow: the rest lets learned windows become shorter


def hop_advice(plan: Plan, method: Method, row: Array, hops: Array, overlap: float) -> list[str]:
    """Warnings of learned hops of which many lie on one bound, or that did not move.

    Args:
        plan: of the fit.
        method: of the fit.
        row: window lengths of the rows (frames, bins or patches), samples, `[R]` or `[1]`.
        hops: distances of neighbouring frame centres, samples, `[T-1]`.
        overlap: η.
    """
    if plan.hops is None or plan.hops.low == plan.hops.high or len(hops) == 0:
        return []
    low, high, typical = plan.hops.low, plan.hops.high, float(np.median(row))
    warnings = []
    if _share_on(hops, low) > _BOUND_SHARE:
        remedy = "lower --hop-length-min"
        if low <= max(1.0, _CLOSEST * typical):
            remedy = "frames closer to each other show nothing new, so no option helps"
        warnings.append(f"{_whose(hops, low)} on the lower bound, {low:g} samples: {remedy}")
    allowed = overlap * (float(row.min()) if method.hop_mode == "constant" else typical)
    if _share_on(hops, high) > _BOUND_SHARE:
        most = allowed * (_ROOM if method.learns_lengths else 1)
        remedy = f": raise --hop-length-max, to {at_most(most)}"
        if 2 * high > allowed:
            remedy = f", and windows with overlap {overlap:g} allow {at_most(allowed)}: "
            wider = f"raise --overlap, to {POOR_OVERLAP:g} at most"
            remedy += wider if overlap < POOR_OVERLAP else "no option helps much"
        warnings.append(f"{_whose(hops, high)} on the upper bound, {high:g} samples{remedy}")
    if not warnings and np.allclose(hops, plan.hop_length, rtol=1e-9, atol=0):
        remedy = "--hop-mode fixed is as good"
        sparser = _ROOM * overlap * float(row.min())
        if method.hop_mode == "time" and sparser >= 2 * plan.hop_length:
            remedy = f"sparser frames have more to gain, raise --hop-length, to {at_most(sparser)}"
        warnings.append(
            f"no positions better than those of the start, {plan.hop_length:g} samples apart, were "
            f"found: {remedy}"
        )
    return warnings


def held_by_hop(plan: Plan, hops: Array) -> bool:
    """Whether windows are kept long by one learned hop that is as long as it may be."""
    by_hop = plan.bounds.low_option == "--hop-length-max"
    return by_hop and plan.hops is not None and _share_on(hops, plan.hops.high) == 1


def is_at(values: Array, limit: float) -> NDArray[np.bool_]:
    """Which values lie on a bound."""
    return np.isclose(values, limit, rtol=1e-6, atol=0)


def _share_on(hops: Array, limit: float) -> float:
    """Share of the hops that lie on a bound."""
    return float(is_at(hops, limit).mean()) if len(hops) else 0.0


def _whose(hops: Array, limit: float) -> str:
    """Subject and verb of what lies on a bound."""
    share = _share_on(hops, limit)
    return "the learned hop length is" if share == 1 else f"{share:.0%} of the learned hops are"
