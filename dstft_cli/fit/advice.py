"""What a user should know about learned lengths, each with the option that remedies it.

Advice leads somewhere: an option is named only where following it can help, and what one warning asks
for is not taken back by the next. Where nothing helps, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.n_fft import largest_auto_n_fft
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.tabulate import FEATURELESS
from dstft_cli.fit.told import counted
from dstft_cli.names import LARGEST_FFT
from dstft_cli.parameters import REACH, SHORTEST_WINDOW

Array = NDArray[np.float64]

_BOUND_SHARE = 0.25  # of the criterion in rows on one bound, above which a warning is due
_POOR_OVERLAP = 0.9  # windows a larger share of their length apart meet near zero
_LONGEST_SHARE = 1 / 3  # of the signal: longer windows hardly tell when something happens
_CLOSEST = 1 / 16  # of a window: frames closer than this show the same thing twice
_WORTH_RAISING = 1.2  # ratio of a new bound to the old one
_MARGIN = 0.8  # of the hop that learned windows allow: the rest is room for them to move


def advice(
    plan: Plan,
    row: Array,
    importance: Array,
    *,
    hops: Array,
    last: float,
    length: int,
    overlap: float,
    hop_mode: str,
    learned: bool,
    featureless: bool,
    per_bin: bool,
    given: Mapping[str, float],
) -> list[str]:
    """Warnings, one line each.

    Args:
        plan: of the fit.
        row: learned lengths of the rows (frames, bins or patches), samples, `[R]` or `[1]`.
        importance: share of each row in the criterion, `[R]`.
        hops: distances of neighbouring frame centres, samples, `[T-1]`.
        last: shortest length of the last frame, samples.
        length: of the signal, samples.
        overlap: η.
        hop_mode: `fixed`, `constant` or `time`.
        learned: whether lengths were learned at all.
        featureless: whether all tabulated lengths score alike, so that bounds say nothing.
        per_bin: whether each bin has a length of its own.
        given: the options of lengths that were, e.g. `--n-fft`, samples.
    """
    warnings = unresolved = _unresolved(plan, row, hops, length, given, overlap)
    if not learned and plan.hops is None:
        return warnings + _gaps(plan)
    warnings = warnings + _lost_tail(plan, last)
    if overlap > _POOR_OVERLAP:
        warnings.append(
            f"overlap {overlap:g} is above {_POOR_OVERLAP:g}: the signal may not be recoverable "
            "from the transform; lower --overlap"
        )
    if unresolved:
        return warnings
    if featureless and learned:
        bounds = plan.bounds
        warnings.append(
            f"all window lengths from {bounds.low:g} to {bounds.high:g} samples score alike, within "
            f"{FEATURELESS:g} nats, as they do in noise: what is learned follows chance; keep one with "
            "--window-mode fixed, or choose a part with more structure with --offset and --duration"
        )
        return warnings
    if learned and plan.bounds.low == plan.bounds.high:
        options = dict.fromkeys(
            (f"lower {plan.bounds.low_option}", f"raise {plan.bounds.high_option}")
        )
        warnings.append(
            f"windows of {plan.bounds.low:g} samples are the shortest and the longest allowed, so no "
            f"length is learned: {' or '.join(options)}"
        )
        return warnings
    bound = _bound_to_each_other(plan, row, hops, overlap)
    warnings += bound or _hops_on_bounds(plan, row, hops, overlap, hop_mode, learned=learned)
    on_low = _on_bound(row, importance, plan.bounds.low) if learned and not bound else ""
    if on_low:
        warnings.append(
            f"{on_low} is on its lower bound, {plan.bounds.low:g} samples: "
            f"{_shorter(plan, overlap, hop_mode)}"
        )
    on_high = _on_bound(row, importance, plan.bounds.high) if learned else ""
    if on_high:
        automatic = "--n-fft" not in given
        remedy = _longer(plan, length, automatic=automatic, per_bin=per_bin, one=len(row) == 1)
        warnings.append(f"{on_high} is on its upper bound, {plan.bounds.high:g} samples: {remedy}")
    return warnings


def _unresolved(
    plan: Plan, row: Array, hops: Array, length: int, given: Mapping[str, float], overlap: float
) -> list[str]:
    """A warning of windows so long that time is no longer resolved, where an option made them so."""
    shortest, most = float(row.min()), length * _LONGEST_SHARE
    too_large = "--n-fft" not in given and plan.n_fft > length / 2
    asked = {"--win-length-min": 1.0, "--hop-length-max": 1 / overlap, "--hop-length": 1 / overlap}
    forced = [name for name, ratio in asked.items() if given.get(name, 0.0) * ratio > most]
    allowed = [name for name in ("--win-length-max", "--n-fft", "--win-length") if name in given]
    if plan.bounds.low_option == "--win-length":  # it is fixed
        forced, allowed = [], allowed[::-1]
    if not (shortest > most or too_large) or not forced + allowed:
        return []
    return [
        f"n_fft {plan.n_fft} makes {counted(len(hops) + 1, 'frame')} of this signal of {length} samples, "
        f"with windows of {shortest:.6g} or more: time is {'hardly' if len(hops) else 'not'} resolved; "
        f"lower {(forced + allowed)[0]}"
    ]


def _on_bound(row: Array, importance: Array, limit: float) -> str:
    """What lies on a bound, in words, if enough of it does."""
    on_bound = np.isclose(row, limit, rtol=1e-6, atol=0)
    if on_bound.all():
        return "the learned window length"
    share = float(np.broadcast_to(on_bound, importance.shape) @ importance)
    if share <= _BOUND_SHARE:
        return ""
    return f"the learned window length where {_part(share)} of the criterion's weight lies"


def _shorter(plan: Plan, overlap: float, hop_mode: str) -> str:
    """What allows shorter windows."""
    low, option = plan.bounds.low, plan.bounds.low_option
    if low <= SHORTEST_WINDOW * (1 + 1e-9):
        return "a shorter one holds no sample, so no option helps"
    longest = plan.hop_length
    if plan.hops is not None and hop_mode == "constant":
        longest = plan.hops.high
    options = [option]
    if option == "--win-length-min" and longest / overlap > low / 2:
        options.append("--hop-length")
    if plan.hops is not None and hop_mode == "constant":
        if option != "--hop-length-max" and len(options) > 1:
            options.append("--hop-length-max")
        elif option == "--hop-length-max" and longest < 1.5 * plan.hop_length:
            options.append("--hop-length")
    *others, last = options
    return f"lower {', '.join(others)}{' and ' * bool(others)}{last}"


def _longer(plan: Plan, length: int, *, automatic: bool, per_bin: bool, one: bool) -> str:
    """What allows longer windows."""
    option = plan.bounds.high_option
    of_fft = option == "--n-fft"
    if 2 * plan.bounds.high > length * _LONGEST_SHARE:
        return (
            f"longer ones would hardly tell when something happens in a signal of {length}, so no "
            "option helps"
        )
    if of_fft and plan.n_fft == LARGEST_FFT:
        return "no larger n_fft is possible"
    remedy = f"raise {option}"
    if of_fft and automatic and plan.n_fft >= largest_auto_n_fft(length, per_bin=per_bin):
        remedy = f"n_fft auto stops at {plan.n_fft} here, give a larger --n-fft"
    if not one:
        remedy += f", with --hop-length {plan.hop_length:g} or less, to allow longer ones"
    return remedy


def _bound_to_each_other(plan: Plan, row: Array, hops: Array, overlap: float) -> list[str]:
    """A warning of one learned hop that keeps the windows as long as these keep it short."""
    low = plan.bounds.low
    if plan.bounds.low_option != "--hop-length-max" or low <= SHORTEST_WINDOW:
        return []
    assert plan.hops is not None
    high = plan.hops.high
    if _share_on(hops, high) < 1 or not np.isclose(row.min(), low, rtol=1e-6, atol=0):
        return []
    return [
        f"the learned hop length is on its upper bound, {high:g} samples, and the shortest windows on "
        f"their lower one, {low:g}, which follows from it with overlap {overlap:g}: --hop-length-max "
        "decides between fewer frames and shorter windows"
    ]


def _hops_on_bounds(
    plan: Plan, row: Array, hops: Array, overlap: float, hop_mode: str, *, learned: bool
) -> list[str]:
    """Learned hops that did not move, or of which many lie on one bound."""
    if plan.hops is None or plan.hops.low == plan.hops.high or len(hops) == 0:
        return []
    if np.allclose(hops, plan.hop_length, rtol=1e-9, atol=0):
        sparser = float(row.min()) * overlap * _MARGIN
        remedy = "--hop-mode fixed gives the same"
        if hop_mode == "time" and sparser >= 2 * plan.hop_length:
            remedy = f"sparser frames have more to gain, raise --hop-length, to {_at_most(sparser)}"
        return [
            f"no positions better than those of the start, {plan.hop_length:g} samples apart, were "
            f"found: {remedy}"
        ]
    warnings = []
    if _share_on(hops, plan.hops.low) > _BOUND_SHARE:
        remedy = "lower --hop-length-min"
        if plan.hops.low <= max(1.0, _CLOSEST * float(np.median(row))):
            remedy = "frames closer to each other show nothing new, so no option helps"
        warnings.append(
            f"{_whose(hops, plan.hops.low)} on the lower bound, {plan.hops.low:g} samples: {remedy}"
        )
    high = plan.hops.high
    if _share_on(hops, high) > _BOUND_SHARE:
        allowed = overlap * float(row.min() if hop_mode == "constant" else np.median(row))
        most = allowed * (_MARGIN if learned else 1.0)
        warnings.append(
            f"{_whose(hops, high)} on the upper bound, {high:g} samples{_sparser(plan, most, overlap)}"
        )
    return warnings


def _sparser(plan: Plan, most: float, overlap: float) -> str:
    """What allows hops longer than their upper bound, which windows allow up to `most` samples."""
    assert plan.hops is not None
    if most > plan.hops.high * _WORTH_RAISING:
        return f": raise --hop-length-max, to {_at_most(most)}"
    remedy = "raise --overlap for longer ones" if overlap < _POOR_OVERLAP else "no option helps"
    return f", about all that the windows with overlap {overlap:g} allow: {remedy}"


def _at_most(samples: float) -> str:
    """A limit in words, rounded down."""
    return f"{math.floor(samples) if samples >= 100 else math.floor(100 * samples) / 100:g} at most"


def _share_on(hops: Array, limit: float) -> float:
    """Share of the hops that lie on a bound."""
    return float(np.isclose(hops, limit, rtol=1e-6, atol=0).mean()) if len(hops) else 0.0


def _whose(hops: Array, limit: float) -> str:
    """Subject and verb of what lies on a bound."""
    share = _share_on(hops, limit)
    return "the learned hop length is" if share == 1 else f"{_part(share)} of the learned hops are"


def _part(share: float) -> str:
    """A share of less than all, in percent."""
    return f"{min(share, 0.99):.0%}"


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
        f"{min(last / 2, frame):g}: lower --hop-length to recover them"
    ]
