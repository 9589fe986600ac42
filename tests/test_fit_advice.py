"""Warnings of a fit: each names what helps, and following them goes round in no circle."""

import re

import numpy as np
import pytest

from dstft_cli.fit import optimize
from dstft_cli.fit.advice import advice
from dstft_cli.fit.plan import make_plan

LENGTH = 100_000  # of the signal, samples


def told(row, hops=(), n_fft=1024, *, window_mode="constant", given=None, **options) -> list[str]:
    """The advice on rows that weigh alike, learned under such a plan."""
    fixed = window_mode == "fixed"
    settings = {"hop_mode": "fixed", "overlap": 0.5, "length": LENGTH, **options}
    row = np.array(row, dtype=np.float64)
    return advice(
        make_plan(n_fft, fixed=fixed, **settings),
        row,
        np.full(len(row), 1 / len(row)),
        hops=np.array(hops, dtype=np.float64),
        last=float(row.min()),
        length=settings["length"],
        overlap=settings["overlap"],
        hop_mode=settings["hop_mode"],
        learned=not fixed,
        featureless=False,
        per_bin=window_mode == "frequency",
        given={"--n-fft": n_fft} if given is None else given,
    )


@pytest.mark.parametrize(
    ("row", "options", "remedy"),
    [
        ([128], {}, "lower --hop-length"),
        ([32], {"hop_length": 8}, "lower --win-length-min"),
        (
            [100],
            {"hop_length": 40, "win_length_min": 100},
            "lower --win-length-min and --hop-length",
        ),
        ([2], {"hop_length": 1, "n_fft": 32}, "a shorter one holds no sample, so no option helps"),
        ([256], {"hop_mode": "constant", "hops": [100]}, "lower --hop-length-max"),
        (
            [128],
            {"hop_mode": "constant", "hop_length": 64, "hop_length_max": 64, "hops": [50]},
            "lower --hop-length-max and --hop-length",
        ),
    ],
)
def test_windows_on_their_lower_bound(row, options, remedy):
    (warning,) = told(row, **options)
    assert warning == (
        f"the learned window length is on its lower bound, {row[0]} samples: {remedy}"
    )


@pytest.mark.parametrize(
    ("row", "options", "remedy"),
    [
        ([1024], {}, "raise --n-fft"),
        (
            [1024],
            {"given": {}, "length": 6200},
            "n_fft auto stops at 1024 here, give a larger --n-fft",
        ),
        ([600], {"win_length_max": 600}, "raise --win-length-max"),
        (
            [1024, 1024],
            {},
            "raise --n-fft, with --hop-length 64 or less, to allow longer ones",
        ),
        (
            [1024],
            {"length": 6000},
            "longer ones would hardly tell when something happens in a signal of 6000, so no option "
            "helps",
        ),
        ([1 << 20], {"n_fft": 1 << 20, "length": 10**8}, "no larger n_fft is possible"),
    ],
)
def test_windows_on_their_upper_bound(row, options, remedy):
    (warning,) = told(row, **options)
    assert warning == (
        f"the learned window length is on its upper bound, {row[0]:g} samples: {remedy}"
    )


def test_a_range_of_one_length_is_told_as_such():
    assert told([4], n_fft=32, win_length_max=4) == [
        "windows of 4 samples are the shortest and the longest allowed, so no length is learned: lower "
        "--hop-length or raise --win-length-max"
    ]


@pytest.mark.parametrize(
    ("row", "hops", "options", "message"),
    [
        (
            [700],
            [128] * 9,
            {},
            "on the upper bound, 128 samples: raise --hop-length-max, to 280 at most",
        ),
        (
            [350],
            [128] * 9,
            {},
            "on the upper bound, 128 samples, about all that the windows with overlap 0.5 allow: raise "
            "--overlap for longer ones",
        ),
        (
            [180],
            [128] * 9,
            {"overlap": 0.9},
            "on the upper bound, 128 samples, about all that the windows with overlap 0.9 allow: no "
            "option helps",
        ),
        (
            [300, 256],
            [128] * 9,
            {},
            "on its upper bound, 128 samples, and the shortest windows on their lower one, 256, which "
            "follows from it with overlap 0.5: --hop-length-max decides between fewer frames and "
            "shorter windows",
        ),
        (
            [700],
            [32] * 9,
            {},
            "on the lower bound, 32 samples: frames closer to each other show nothing",
        ),
        ([400], [32] * 9, {}, "on the lower bound, 32 samples: lower --hop-length-min"),
    ],
)
def test_one_learned_hop_on_a_bound(row, hops, options, message):
    warning = told(row, hops, hop_mode="constant", **options)[0]
    assert warning.startswith(f"the learned hop length is {message}")


def test_a_fixed_window_allows_hops_up_to_the_overlap():
    options = {"window_mode": "fixed", "hop_mode": "constant"}
    (warning,) = told([512], [128] * 9, **options)
    assert warning.endswith(": raise --hop-length-max, to 256 at most")
    (warning,) = told([512], [256] * 9, **options, hop_length_max=256)
    assert warning.endswith("allow: raise --overlap for longer ones")


def test_positions_that_stay():
    start = "no positions better than those of the start, 64 samples apart, were found: "
    (dense,) = told([700], [64] * 9, hop_mode="time")
    assert dense == f"{start}sparser frames have more to gain, raise --hop-length, to 280 at most"
    for row, mode in (([300], "time"), ([700], "constant")):
        assert told(row, [64] * 9, hop_mode=mode) == [f"{start}--hop-mode fixed gives the same"]


@pytest.mark.parametrize(
    ("options", "option", "frames"),
    [
        ({"win_length_max": 9000}, "--win-length-max", "8 frames"),
        ({"win_length_max": 2e5}, "--win-length-max", "1 frame"),
        ({"n_fft": 65536}, "--n-fft", "2 frames"),
        ({"win_length_min": 4000}, "--win-length-min", "16 frames"),
        ({"hop_length": 2500}, "--hop-length", "4 frames"),
        ({"win_length": 5000, "window_mode": "fixed"}, "--win-length", "16 frames"),
    ],
)
def test_windows_as_long_as_the_signal_are_told(options, option, frames):
    noise = np.random.default_rng(0).standard_normal(8000)
    warnings = optimize(noise, 8000, max_steps=0, **options).warnings
    (warning,) = [text for text in warnings if "resolved" in text]
    assert f"makes {frames} of this signal of 8000 samples" in warning
    assert warning.endswith(
        f"time is {'not' if frames == '1 frame' else 'hardly'} resolved; lower {option}"
    )
    assert not [text for text in warnings if "bound" in text]


def follow(result, warnings, options) -> tuple[dict[str, float], set[tuple[str, str]]]:
    """The options after what is advised: half, twice, or as far as it says; and what was advised."""
    now = {
        "n_fft": result.n_fft,
        "hop_length": result.hop_length,
        "overlap": options.get("overlap", 0.5),
    }
    now |= dict(zip(("win_length_min", "win_length_max"), result.length_bounds, strict=True))
    now |= dict(zip(("hop_length_min", "hop_length_max"), result.hop_bounds or (0, 0), strict=True))
    changed, advised = dict(options), set()
    for text in warnings:
        pattern = r"(lower|raise|larger|with) (--[a-z-]+)(?: and (--[a-z-]+))?( [\d.]+)?"
        for verb, one, other, value in re.findall(pattern, text.rsplit(": ", 1)[-1]):
            for option in filter(None, (one, other)):
                name = option[2:].replace("-", "_")
                if name not in now or verb == "with":
                    changed |= {name: float(value)} if value else {}
                    continue
                up = verb != "lower"
                advised.add((option, "up" if up else "down"))
                most = re.search(r"to ([\d.]+) at most", text)
                factor = (1.2 if name == "overlap" else 2) if up else 0.5
                changed[name] = min(now[name] * factor, float(most[1]) if most and up else np.inf)
    return changed, advised


@pytest.mark.parametrize("hop_mode", ["fixed", "constant", "time"])
@pytest.mark.parametrize("window_mode", ["fixed", "constant", "time", "frequency"])
def test_following_advice_goes_round_in_no_circle(window_mode, hop_mode):
    n = np.arange(3000)
    signal = np.sin(0.9 * n) * (n < 1500) + 3.0 * (n % 700 == 350)
    options, advised = {"n_fft": 128}, set()
    for _ in range(5):
        modes = {"window_mode": window_mode, "hop_mode": hop_mode, "max_steps": 5}
        result = optimize(signal, 8000, **modes, **options)
        options, now = follow(result, result.warnings, options)
        opposite = {(option, {"up": "down", "down": "up"}[way]) for option, way in now}
        assert not opposite & (advised | now), result.warnings
        advised |= now
        if not now:
            break
