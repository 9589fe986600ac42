"""Notes about learned parameters, as data.

A note names a parameter only if changing it can help, and following the notes ends after a few runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.plan import LONGEST_SHARE, REACH, SMALLEST_FFT, Plan
from dstft_cli.fit.request import Request
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW, Note, StopReason

Array = NDArray[np.float64]

POOR_OVERLAP = 0.9  # windows a larger share of their length apart meet near zero
_BOUND_SHARE = 0.25  # of rows or hops on one bound, above which a note is due
_MOSTLY = 0.5  # of the window lengths, on their lower bound
_WORTH_RAISING = 1.25  # a bound must be able to grow by this factor
_CLOSEST = 1 / 16  # of a window: frames closer than this show the same thing twice
_LEAST_FFT = 8  # that can be asked for, samples
_ROOM = 0.8  # of the hop that windows allow: the rest lets learned windows become shorter


@dataclass(frozen=True)
class Outcome:
    """The result of a fit, as notes need it."""

    request: Request  # what was to be learned, and how
    plan: Plan  # FFT size, start and ranges
    row: Array  # learned lengths of the rows (frames, bins or patches), samples, `[R]` or `[1]`
    importance: Array  # share of each row in the criterion, `[R]`
    hops: Array  # distances of neighbouring frame centres, samples, `[T-1]`
    last: float  # shortest length of the last frame, samples
    length: int  # of the signal, samples
    featureless: bool = False  # all tabulated lengths are equally good, so bounds mean nothing
    band: float = 0.0  # least FFT size of n_fft auto for a band of the criterion, samples
    rewards_spread: str = ""  # name of a criterion that may reward sound spread out of its band
    stop_reason: StopReason = StopReason.SEARCH  # why the descent ended
    stuck: bool = False  # a descent without a search did not improve on its start

    def given(self, name: str) -> bool:
        return getattr(self.request, name) is not None

    @property
    def most(self) -> int:
        """The longest window that still shows the time of events, samples."""
        return max(math.floor(self.length * LONGEST_SHARE), SMALLEST_FFT)


def notes(fit: Outcome) -> list[Note]:
    """All notes, in order."""
    asked, found = fit.request, [*_too_long(fit)]
    too_long = bool(found)
    if not asked.learns_lengths and not asked.learns_positions:
        hop, start = fit.plan.hop_length, fit.plan.start
        if hop > POOR_OVERLAP * start:  # parts of the signal lie between windows
            return [*found, Note("gaps", "hop_length", hop, _down(POOR_OVERLAP * start))]
        return found + _lost_tail(fit, start)
    found += _lost_tail(fit, fit.last)
    if fit.request.overlap > POOR_OVERLAP:
        found.append(Note("overlap_too_wide", "overlap", fit.request.overlap, POOR_OVERLAP))
    if fit.featureless and asked.learns_lengths:
        bounds = fit.plan.bounds
        found.append(Note("lengths_alike", "window_mode", bounds.low, bounds.high))
    else:
        found += [] if too_long else _on_hop_bounds(fit)
        found += _on_length_bounds(fit, too_long) if asked.learns_lengths else []
    return found + _unreliable(fit)


def _too_long(fit: Outcome) -> list[Note]:
    """Windows, or the n_fft of a band, too long to show the time of events."""
    most, bounds, found = fit.most, fit.plan.bounds, []
    forced = [bounds.low_option, "hop_length"] if bounds.low > most else []
    sizes = ["n_fft"] * (most >= _LEAST_FFT)
    named = [name for name in (*forced, "win_length_max", *sizes) if fit.given(name)]
    shortest = float(fit.row.min())
    if shortest > most and named:
        limit = most * min(fit.request.overlap, REACH) if named[0].startswith("hop") else most
        found.append(Note("windows_too_long", named[0], shortest, _down(limit), str(fit.length)))
    start = fit.request.win_length or 0.0
    if not found and start > most:
        found.append(Note("windows_too_long", "win_length", start, most, str(fit.length)))
    if fit.band > most:
        limit = math.ceil(10 * fit.band / most) / 10
        found.append(Note("band_too_narrow", "criterion_fmin criterion_fmax", fit.band, limit))
    if not found and shortest > fit.length:
        found.append(Note("recording_short", "", shortest, detail=str(fit.length)))
    return found


def _lost_tail(fit: Outcome, last: float) -> list[Note]:
    """Samples after the last frame centre that its window does not reach."""
    tail, frame = fit.plan.tail, (fit.plan.n_fft - 1) // 2  # samples after the centre's own
    if tail <= REACH * last * (1 + 1e-9) and math.ceil(tail) <= frame:
        return []
    return [Note("lost_tail", "hop_length", tail, min(last / 2, frame))]


def _on_hop_bounds(fit: Outcome) -> list[Note]:
    """Learned hops of which many lie on one bound, or that did not move."""
    plan, hops, found = fit.plan, fit.hops, []
    if plan.hops is None or plan.hops.low == plan.hops.high or len(hops) == 0:
        return []
    low, high, typical = plan.hops.low, plan.hops.high, float(np.median(fit.row))
    on_low, on_high = (float(is_at(hops, limit).mean()) for limit in (low, high))
    if on_low > _BOUND_SHARE:
        helps = low > max(1.0, _CLOSEST * typical)
        found.append(_on("hop_on_lower_bound", "hop_length_min" * helps, low, None, on_low))
    if on_high > _BOUND_SHARE:
        shortest = float(fit.row.min()) if fit.request.hop_mode == "constant" else typical
        allowed = fit.request.overlap * shortest
        most, name = allowed * (_ROOM if fit.request.learns_lengths else 1), "hop_length_max"
        if high >= allowed * (1 - 1e-6):  # by the windows, not by `hop_length_max`
            most, name = allowed, "overlap" if fit.request.overlap < POOR_OVERLAP else ""
        elif _WORTH_RAISING * high > most:
            most = allowed
        found.append(_on("hop_on_upper_bound", name, high, _down(most), on_high))
    if not found and np.allclose(hops, plan.hop_length, rtol=1e-9, atol=0):
        sparser = _ROOM * fit.request.overlap * float(fit.row.min())
        worth = fit.request.hop_mode == "time" and sparser >= 2 * plan.hop_length
        name, limit = ("hop_length", _down(sparser)) if worth else ("hop_mode", None)
        found.append(Note("hop_unmoved", name, plan.hop_length, limit))
    return found


def _on_length_bounds(fit: Outcome, too_long: bool) -> list[Note]:
    """Learned lengths of which many lie on one bound."""
    bounds, most, found = fit.plan.bounds, fit.most, []
    if bounds.low == bounds.high:
        names = [bounds.low_option, *[bounds.high_option] * (bounds.high < most)]
        return [Note("nothing_to_learn", " ".join(names), bounds.low)]
    on_bounds = [is_at(fit.row, limit) for limit in (bounds.low, bounds.high)]
    on_low, on_high = (  # shares of the criterion
        1.0 if on.all() else float(np.broadcast_to(on, fit.importance.shape) @ fit.importance)
        for on in on_bounds
    )
    held = False  # windows are kept long by one learned hop that is as long as it may be
    if fit.plan.hops is not None and bounds.low_option == "hop_length_max":
        held = len(fit.hops) > 0 and bool(is_at(fit.hops, fit.plan.hops.high).all())
    if on_low > _BOUND_SHARE and not held and not (too_long and bounds.low > most):
        which, limit = _shorter(fit)
        found.append(_on("length_on_lower_bound", which, bounds.low, limit, on_low))
    if on_high > _BOUND_SHARE and not too_long:
        which, limit = _longer(fit)
        found.append(_on("length_on_upper_bound", which, bounds.high, limit, on_high))
    return found


def _unreliable(fit: Outcome) -> list[Note]:
    """A failed descent, or a criterion that prefers quiet frames or spread sound."""
    asked, bounds, found = fit.request, fit.plan.bounds, []
    if fit.stop_reason is StopReason.NON_FINITE:
        found.append(Note("non_finite", "order power dtype"))
    if fit.stuck:
        found.append(Note("descent_stuck", "lr search"))
    if not asked.varying:
        return found
    if asked.normalization != "energy":
        found.append(Note("quiet_frames_rewarded", "normalization", detail=asked.normalization))
    heard = np.broadcast_to(fit.row, fit.importance.shape)[fit.importance > 0]
    learned = heard.size > 0 and bounds.low < bounds.high
    shortest = float(is_at(heard, bounds.low).mean()) if learned else 0.0
    if fit.rewards_spread and shortest > _MOSTLY and not fit.featureless:
        found.append(Note("spread_rewarded", "criterion", shortest, detail=fit.rewards_spread))
    return found


def _shorter(fit: Outcome) -> tuple[str, float | None]:
    """Parameters that allow shorter windows, if any, and a limit."""
    plan, low = fit.plan, fit.plan.bounds.low
    if low <= SHORTEST_WINDOW * (1 + 1e-9):
        return "", None
    hop, name = plan.hop_length, "hop_length"
    if plan.hops is not None and fit.request.hop_mode == "constant":
        hop, name = plan.hops.high, "hop_length_max"
    names = [plan.bounds.low_option]
    if name not in names and 2 * hop > fit.request.overlap * low:
        names.append(name)
    if "hop_length_max" in names and plan.hop_length > hop / 2:
        names.append("hop_length")
    only_hops = all(name.startswith("hop_length") for name in names)
    return " ".join(names), hop / 2 if only_hops else None


def _longer(fit: Outcome) -> tuple[str, float | None]:
    """Parameters that allow longer windows, if any, and a limit."""
    plan, high = fit.plan, fit.plan.bounds.high
    furthest = min(fit.most, LARGEST_FFT)
    if high >= LARGEST_FFT or _WORTH_RAISING * high > fit.most:
        return "", float(furthest)
    if fit.given("win_length_max"):
        held = fit.given("n_fft") and plan.n_fft < min(2 * high, fit.most)
        return "win_length_max" + " n_fft" * held, float(furthest)
    keep = fit.request.varying and not fit.given("hop_length")  # else short windows grow
    return "n_fft" + " hop_length" * keep, float(furthest)


def _on(kind: str, names: str, value: float, limit: float | None, share: float) -> Note:
    """A note of what lies on a bound, with its share in words where not all does."""
    return Note(kind, names, value, limit, "" if share == 1 else f"{share:.0%}")


def is_at(values: Array, limit: float) -> NDArray[np.bool_]:
    return np.isclose(values, limit, rtol=1e-6, atol=0)


def _down(samples: float) -> float:
    """Rounded down: to whole samples from 100 on, else to hundredths."""
    return float(math.floor(samples)) if samples >= 100 else math.floor(100 * samples) / 100
