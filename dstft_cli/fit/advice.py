"""What a user should know about learned lengths, each with the option that remedies it.

An option is named only where following it can help, and whoever follows comes to an end. Where nothing
helps, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.bounds import REACH
from dstft_cli.fit.hop_advice import POOR_OVERLAP, held_by_hop, hop_advice, is_at
from dstft_cli.fit.method import Method
from dstft_cli.fit.n_fft import LONGEST_SHARE
from dstft_cli.fit.plan import SMALLEST_FFT, Plan
from dstft_cli.fit.tabulate import FEATURELESS
from dstft_cli.fit.told import at_most
from dstft_cli.names import LARGEST_FFT, SHORTEST_WINDOW

Array = NDArray[np.float64]

_BOUND_SHARE = 0.25  # of the criterion in rows on one bound, above which a warning is due
_WORTH_RAISING = 1.25  # the least factor by which advice to raise a bound must allow to raise it
_ON_ITS = "the learned window length is on its"
_AS_IN_NOISE = (
    "as they do in noise: what is learned follows chance; keep one with --window-mode fixed, or "
    "choose a part with more structure with --offset and --duration"
)
_OTHERS_DIFFER = (
    "though those of other sizes that n_fft auto looked at do not: which of these is taken hardly "
    "matters, so no option helps"
)


def advice(
    plan: Plan,
    method: Method,
    row: Array,
    importance: Array,
    *,
    hops: Array,
    last: float,
    length: int,
    overlap: float,
    featureless: bool,
    others_differ: bool = False,
    larger_is_worse: bool = False,
    needed_by_band: float = 0.0,
    given: Collection[str],
) -> list[str]:
    """Warnings, one line each.

    Args:
        plan: of the fit.
        method: of the fit.
        row: learned lengths of the rows (frames, bins or patches), samples, `[R]` or `[1]`.
        importance: share of each row in the criterion, `[R]`.
        hops: distances of neighbouring frame centres, samples, `[T-1]`.
        last: shortest length of the last frame, samples.
        length: of the signal, samples.
        overlap: η.
        featureless: whether all tabulated lengths score alike, so that bounds say nothing.
        others_differ: whether lengths that n_fft auto looked at elsewhere do not.
        larger_is_worse: whether n_fft auto tried twice this size, and found it no better.
        needed_by_band: n_fft that a band of the criterion made n_fft auto take at least, samples; 0
            where there is none.
        given: the options of lengths that were, e.g. `--n-fft`.
    """
    most = max(math.floor(length * LONGEST_SHARE), SMALLEST_FFT)
    too_long = _too_long(plan, row, most, length, overlap, given)
    too_long += _narrow_band(needed_by_band, most, length)
    if not method.learns_lengths and not method.learns_positions:
        return too_long + _gaps(plan)
    warnings = too_long + _lost_tail(plan, last)
    if overlap > POOR_OVERLAP:
        warnings.append(
            f"overlap {overlap:g} is above {POOR_OVERLAP:g}: the signal may not be recoverable "
            "from the transform; lower --overlap"
        )
    bounds = plan.bounds
    if featureless and method.learns_lengths:
        alike = (
            f"all window lengths from {bounds.low:g} to {bounds.high:g} samples score alike, within "
            f"{FEATURELESS:g} nats"
        )
        return [*warnings, f"{alike}, {_OTHERS_DIFFER if others_differ else _AS_IN_NOISE}"]
    if not too_long:
        warnings += hop_advice(plan, method, row, hops, overlap)
    if not method.learns_lengths:
        return warnings
    if bounds.low == bounds.high:
        longer = f" or raise {bounds.high_option}" * (bounds.high < most)
        warnings.append(
            f"windows of {bounds.low:g} samples are the shortest and the longest allowed, so no "
            f"length is learned: lower {bounds.low_option}{longer}"
        )
        return warnings
    on_low, on_high = (_on_bound(row, importance, end) for end in (bounds.low, bounds.high))
    if on_low is not None and not held_by_hop(plan, hops) and not (too_long and bounds.low > most):
        remedy = _shorter(plan, method, overlap)
        warnings.append(f"{_ON_ITS} lower bound, {bounds.low:g} samples{on_low}: {remedy}")
    if on_high is not None and not too_long and not larger_is_worse:
        remedy = _longer(plan, method, most, length, given)
        warnings.append(f"{_ON_ITS} upper bound, {bounds.high:g} samples{on_high}: {remedy}")
    return warnings


def _too_long(
    plan: Plan, row: Array, most: int, length: int, overlap: float, given: Collection[str]
) -> list[str]:
    """A warning of windows that are all longer than `most` samples, where an option made them so."""
    shortest = float(row.min())
    forced = [plan.bounds.low_option] * (plan.bounds.low > most)
    named = [option for option in (*forced, "--win-length-max", "--n-fft") if option in given]
    if shortest <= most or not named:
        return []
    limit = most * min(overlap, REACH) if named[0].startswith("--hop") else most
    return [
        f"windows of {shortest:.6g} samples or more hardly tell when something happens in a signal of "
        f"{length} samples: lower {named[0]}, to {at_most(limit)}"
    ]


def _narrow_band(needed: float, most: int, length: int) -> list[str]:
    """A warning of a criterion's band that takes an n_fft of more than `most` samples."""
    if needed <= most:
        return []
    return [
        f"the criterion's band is so narrow that n_fft {math.ceil(needed)} is needed to see a few bins of "
        f"it, and such windows hardly tell when something happens in a signal of {length} samples: make it "
        f"{math.ceil(10 * needed / most) / 10:g} times as wide with --criterion-fmin and --criterion-fmax"
    ]


def _on_bound(row: Array, importance: Array, limit: float) -> str | None:
    """How much lies on a bound, as words to follow it, empty for all; None where it is too little."""
    on_bound = is_at(row, limit)
    if on_bound.all():
        return ""
    share = float(np.broadcast_to(on_bound, importance.shape) @ importance)
    return f", for {share:.0%} of the criterion's weight" if share > _BOUND_SHARE else None


def _shorter(plan: Plan, method: Method, overlap: float) -> str:
    """What allows shorter windows."""
    if plan.bounds.low <= SHORTEST_WINDOW * (1 + 1e-9):
        return "a shorter one holds no sample, so no option helps"
    hop, hop_option = plan.hop_length, "--hop-length"
    if plan.hops is not None and method.hop_mode == "constant":
        hop, hop_option = plan.hops.high, "--hop-length-max"
    options = [plan.bounds.low_option]
    if hop_option not in options and 2 * hop > overlap * plan.bounds.low:
        options.append(hop_option)
    if "--hop-length-max" in options and plan.hop_length > hop / 2:
        options.append("--hop-length")
    halved = ""  # what is asked of a hop that alone keeps windows long
    if all(option.startswith("--hop-length") for option in options):
        halved = f", to {hop / 2:.6g} or less"
    return f"lower {' and '.join(options)}{halved}"


def _longer(plan: Plan, method: Method, most: int, length: int, given: Collection[str]) -> str:
    """What allows longer windows, of `most` samples at most."""
    high = plan.bounds.high
    if high >= LARGEST_FFT:
        return "no larger n_fft is possible"
    if _WORTH_RAISING * high > most:
        return (
            f"longer ones hardly tell when something happens in a signal of {length} samples, so no "
            "option helps"
        )
    furthest = min(most, LARGEST_FFT)
    # all at once may take hours
    first = f"{2 * high:.0f} first and " if 2 * high < furthest else ""
    limit = f", to {first}{at_most(furthest)}"
    if "--win-length-max" in given:
        held = "--n-fft" in given and plan.n_fft < min(2 * high, most)
        return f"raise --win-length-max{' and --n-fft' * held}{limit}"
    remedy = "raise --n-fft"
    if "--n-fft" not in given:
        remedy = f"n_fft auto takes {plan.n_fft} here, give a larger --n-fft"
    remedy += limit
    if method.varying and "--hop-length" not in given:
        remedy += f", with --hop-length {plan.hop_length:g} or less to keep short ones"
    return remedy


def _gaps(plan: Plan) -> list[str]:
    if plan.hop_length <= POOR_OVERLAP * plan.start:
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
        f"{min(last / 2, frame):g}: lower --hop-length to recover them"
    ]
