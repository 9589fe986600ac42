"""Random signals and options: a fit is refused in one line, or all that is promised of it holds."""

import math
import re
import time
import warnings
from typing import Any

import hypothesis
import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dstft_cli import istft
from dstft_cli.criteria import resolve
from dstft_cli.errors import DstftError
from dstft_cli.records import HOP_MODES, NORMALIZATIONS, OPTIMIZERS, WINDOW_MODES, WINDOWS, Result
from dstft_cli.settings import CRITERIA
from dstft_cli.stft import stft
from tests.criteria.reference import criterion_value, frame_weights
from tests.fit.cases import optimize

Array = NDArray[np.float64]
RATE = 100
SMALLEST_INVERTIBLE = 40  # n_fft from which on `istft` promises its precision
REFUSALS = re.compile(
    r"every sample is zero|at least 2 are needed|is above n_fft|needs windows of (at least|\S+ samples or)"
    "|is below hop length / overlap|ranks all cells|has no value per frequency"
    "|above overlap × window length|lies outside|a shorter window holds no sample|is above the max"
    r"|is below the min|frames of this signal, above|criterion \w+ is \S+ at the start: change `order`"
)
SHAPES = ("noise", "tone", "constant", "click", "two clicks", "alternating", "silence", "steps")
LEVELS = (1.0, 1.0, 1e-3, 32767.0, 1e30, 1e-30, 1e-42, 3e38)


def signal(shape: str, length: int, channels: int, level: float, seed: int) -> Array:
    """`[C, N]` with peak `level`, silent for some part at its beginning, middle or end."""
    rng, n = np.random.default_rng(seed), np.arange(length)
    x = np.zeros((channels, length))
    for row in x:
        match shape:
            case "noise":
                row += rng.standard_normal(length)
            case "tone":
                row += np.cos(rng.uniform(0.02, 3.1) * n)
            case "constant":
                row += 1.0
            case "alternating":
                row += 1.0 - 2.0 * (n % 2)
            case "click" | "two clicks":
                row[rng.integers(0, length, 1 + (shape == "two clicks"))] = rng.choice([-1, 1])
            case "steps":
                row += rng.integers(-2, 3, length // 7 + 1).repeat(7)[:length]
    if rng.random() < 0.3:
        a, b = np.sort(rng.integers(0, length + 1, 2))
        x[:, a:b] = 0.0
    peak = np.abs(x).max()
    return x * (level / peak) if peak else x


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of `signal`, and options that mostly hold together."""
    length = draw(st.one_of(st.integers(1, 40), st.integers(40, 300)))
    sound = {
        "shape": draw(st.sampled_from((*SHAPES, "noise", "tone", "steps"))),
        "length": length,
        "channels": draw(st.sampled_from([1, 1, 2])) if length > 1 else 1,
        "level": draw(st.sampled_from(LEVELS)),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }
    n_fft = draw(st.sampled_from([4, 5, 9, 16, 31, 32, 63, 64, 64, 64, 127]))
    overlap = draw(st.sampled_from([0.1, 0.5, 0.5, 0.75, 0.9, 1.0]))
    criterion = draw(st.sampled_from(("entropy", *CRITERIA)))
    options: dict[str, Any] = {
        "n_fft": draw(st.sampled_from([n_fft, n_fft, n_fft, None])),
        "overlap": overlap,
        "window_mode": draw(st.sampled_from(WINDOW_MODES)),
        "hop_mode": draw(st.sampled_from(HOP_MODES)),
        "criterion": criterion,
        "window": draw(st.sampled_from(("hann", *WINDOWS))),
        "normalization": draw(st.sampled_from(("energy", *NORMALIZATIONS))),
        "power": draw(st.sampled_from([2.0, 2.0, 1.0, 0.5, 3.7])),
        "smoothness": draw(st.sampled_from([None, 0.0, 1e-9, 0.1, 5.0, 1e12])),
        "optimizer": draw(st.sampled_from(("auto", "auto", *OPTIMIZERS))),
        "search": draw(st.sampled_from([True, True, False])),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "max_steps": draw(st.sampled_from([0, 1, 4])),
    }
    if criterion in ("renyi", "lp"):
        orders = [0.5, 2.0, 3.0, 8.0] if criterion == "renyi" else [0.1, 0.5, 1.0]
        options["order"] = draw(st.sampled_from([None, *orders]))
    if draw(st.booleans()):
        share = draw(st.sampled_from([0.05, 0.11, 0.25, 0.25, 0.5, 0.9, 1.0, 1.5]))
        options["hop_length"] = max(share * overlap * n_fft, 0.6)
        if draw(st.integers(0, 9)) == 0:
            options["hop_length"] = length * draw(st.sampled_from([1.0, 1.5]))
    match draw(st.sampled_from(["free", "free", "start", "one length", "range", "upper"])):
        case "start":
            options["win_length"] = n_fft * draw(st.sampled_from([0.5, 0.77, 1.0]))
        case "one length":
            options["win_length_min"] = options["win_length_max"] = max(0.8 * n_fft, 2.0)
        case "range":
            options["win_length_min"] = max(0.4 * n_fft, 2.0)
            options["win_length_max"] = 0.9 * n_fft
        case "upper":
            options["win_length"] = options["win_length_max"] = n_fft
    if options["window_mode"] == "fixed":
        options.pop("win_length_min", None)
        options.pop("win_length_max", None)
    if options["hop_mode"] != "fixed" and "hop_length" in options and draw(st.booleans()):
        options["hop_length_min"] = options["hop_length"] * draw(st.sampled_from([0.3, 0.8, 1.0]))
        options["hop_length_max"] = options["hop_length"] * draw(st.sampled_from([1.0, 1.1]))
    return sound, options


def check(sound: dict[str, Any], options: dict[str, Any]) -> bool:
    """Fits; asserts all that is promised of a result, or of a refusal. Whether it was a result."""
    x = signal(**sound)
    began = time.monotonic()
    try:
        result = optimize(x, RATE, threads=1, **options)
    except DstftError as error:
        refusal = str(error)
    else:
        refusal = ""
    assert time.monotonic() - began < 20
    if refusal:
        assert "\n" not in refusal
        assert REFUSALS.search(refusal), refusal
        return False
    if not x.any():  # nothing can be learned from silence, but a fixed window can be drawn
        assert (options["window_mode"], options["hop_mode"]) == ("fixed", "fixed")
        assert "silent" in {note.kind for note in result.notes}
        return True
    check_values(result, x, options)
    check_constraints(result, options["overlap"], options["hop_mode"])
    check_inverse(result, x, options)
    return True


def check_values(result: Result, x: Array, options: dict[str, Any]) -> None:
    """All are finite; the last is that of the definition, and none of those before is better."""
    summary, trajectory = result.criterion, result.trajectory
    values = np.array([summary.start, summary.best_fixed, summary.final])
    values = values[~np.isnan(values) | (np.arange(3) != 1)]  # none is the best without a search
    assert np.isfinite(values).all(), values
    assert np.isfinite(trajectory.criterion).all()
    for lengths, hops in zip(trajectory.window_lengths, trajectory.hop_lengths, strict=True):
        assert np.isfinite(lengths).all()
        assert np.isfinite(hops).all()
    single = options["dtype"] == "float32"
    criterion = resolve(options["criterion"], options.get("order"))
    sign = 1 if criterion.direction == "minimize" else -1
    slack = (1e-4 if single or options["criterion"] == "gini" else 1e-8) * max(1, abs(values).max())
    assert sign * summary.final <= min(sign * values) + slack, values
    phases, steps = np.array(trajectory.phase), sign * trajectory.criterion
    tabulated = steps[phases == "table"]
    if summary.table_bound is not None:
        # the bound is of the tabulated lengths: a simpler mode may have found others between them
        lengths = trajectory.window_lengths
        known = [length for i in np.flatnonzero(phases == "table") for length in lengths[i].flat]
        of_table = [bool(np.isin(found, known).all()) for found in lengths]
        searched = steps[of_table & ((phases == "table") | (phases == "search"))]
        assert sign * summary.table_bound <= searched.min(initial=math.inf) + slack
    mu = options["smoothness"]
    mu = (0.5 if "frequency" in options["window_mode"] else 0.1) if mu is None else mu
    if mu == 0 or result.window_length.size == 1:
        assert sign * summary.final <= tabulated.min(initial=math.inf) + slack
    order = options.get("order") or (0.5 if options["criterion"] == "lp" else 1.0)
    rounded = options["power"] * min(order, 1.0) < 1  # there the noise of rounding has a say
    if single and rounded:
        return
    value = defined(result, x, options)
    near = 1e-4 if single or rounded or options["criterion"] == "gini" else 1e-7
    assert abs(value - summary.final) <= near * max(1, abs(value)), (value, summary.final)


def defined(result: Result, x: Array, options: dict[str, Any]) -> float:
    """The criterion by its formula, in float64, from the parameters alone."""
    t = result.frame_centers
    arrays = map(torch.from_numpy, (x / np.abs(x).max(), t, result.window_length.copy()))
    how = {"window": result.window, "normalization": result.normalization}
    X = stft(*arrays, result.n_fft, **how)
    a = X.abs().numpy().swapaxes(1, 2) ** result.power  # [C, T, F]
    weights = None if result.hop_bounds is None else frame_weights(t, result.length)
    return criterion_value(options["criterion"], a / (a.max() or 1), options.get("order"), weights)


def check_constraints(result: Result, overlap: float, hop_mode: str) -> None:
    """Frames in order, within the signal and overlapping; lengths within their range."""
    t, N, lengths = result.frame_centers, result.length, result.window_length
    low, high = result.length_bounds
    tiny = 1e-9 * max(N, 1)
    F, T = result.n_fft // 2 + 1, len(t)
    assert np.isfinite(t).all()
    assert (np.diff(t) > 0).all()
    assert t[0] >= 0
    assert t[-1] <= N
    assert lengths.shape in [(1, 1), (1, T), (F, 1), (F, T)]
    assert (lengths >= low * (1 - 1e-12)).all()
    assert (lengths <= min(high, result.n_fft) * (1 + 1e-12)).all()
    if hop_mode == "fixed":
        np.testing.assert_allclose(t, np.arange(T) * result.hop_length, rtol=1e-12)
        assert len(t) == 1 + int(N // result.hop_length)
        return
    shortest = np.broadcast_to(lengths.min(0), T)
    assert (np.diff(t) <= overlap * (shortest[1:] + shortest[:-1]) / 2 + tiny).all()
    assert t[0] <= overlap * shortest[0] / 2 + tiny
    assert N - 1 - t[-1] <= overlap * shortest[-1] / 2 + tiny
    assert result.hop_bounds is not None
    least, most = result.hop_bounds
    assert (np.diff(t) >= least - tiny).all()
    assert (np.diff(t) <= most + tiny).all()
    if hop_mode == "constant" and T > 1:
        assert np.ptp(np.diff(t)) <= tiny


def check_inverse(result: Result, x: Array, options: dict[str, Any]) -> None:
    """The signal comes back, unless a warning says that it may not."""
    told = {note.kind for note in result.notes} & {"gaps", "lost_tail", "overlap_too_wide"}
    if told or options["overlap"] > 0.9 or result.n_fft < SMALLEST_INVERTIBLE:
        return
    single = options["dtype"] == "float32"
    dtype = torch.float32 if single else torch.float64
    centers = torch.from_numpy(result.frame_centers)
    lengths = torch.from_numpy(np.ascontiguousarray(result.window_length)).to(dtype)
    how = {"window": result.window, "normalization": result.normalization}
    y = torch.from_numpy(x / np.abs(x).max()).to(dtype)
    X = stft(y, centers, lengths, result.n_fft, **how)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "least squares stopped", RuntimeWarning)
        back = istft(X, centers, lengths, result.n_fft, x.shape[1], **how)
    assert torch.isfinite(back).all()
    error = float((back - y).norm() / y.norm())
    assert error <= (1e-4 if len(lengths) > 1 else 1e-5 if single else 1e-9), error


def run_fits(seconds: float, *, seed: int) -> list[str]:
    """The campaign; prints counts and returns a line for each kind of failure found."""
    failures: list[str] = []
    counts = [0, 0]
    end = time.monotonic() + seconds

    def one(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
        if time.monotonic() < end:
            counts[check(*case)] += 1

    warnings.simplefilter("error")
    while time.monotonic() < end:
        seed += 1
        free = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
        strict = settings(max_examples=300, phases=(Phase.generate,), **free)
        try:
            strict(hypothesis.seed(seed)(given(cases())(one)))()
        except Exception as error:
            failures.append(f"seed {seed}: {type(error).__name__}: {error}"[:3000])
            failures += [note[:4000] for note in getattr(error, "__notes__", ())]
    print(f"{sum(counts)} cases: {counts[1]} results, {counts[0]} refusals; {len(failures)} lines")
    return failures
