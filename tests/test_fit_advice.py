"""Warnings of a fit: each names what helps, and following them goes round in no circle."""

import re

import numpy as np
import pytest
from dstft_cli.fit.advice import advice
from dstft_cli.fit.method import Method

from dstft_cli.fit import optimize
from dstft_cli.fit.plan import make_plan
from dstft_cli.names import HOP_MODES

LENGTH = 100_000  # of the signal, samples
TONE = np.sin(0.9 * np.arange(8000))
CLICKS = 1.0 * (np.arange(8000) % 700 == 350)
SETTLED = {("fixed", "fixed"), ("fixed", "time")}  # modes in which the start asks for nothing


def told(
    row,
    hops=(),
    n_fft=1024,
    *,
    window_mode="constant",
    automatic=False,
    featureless=False,
    larger_is_worse=False,
    **options,
) -> list[str]:
    """The advice on rows that weigh alike, learned under such a plan."""
    fixed = window_mode == "fixed"
    settings = {"hop_mode": "fixed", "overlap": 0.5, "length": LENGTH, **options}
    row = np.array(row, dtype=np.float64)
    return advice(
        make_plan(n_fft, fixed=fixed, **settings),
        Method(window_mode, settings["hop_mode"], 0.1, True, "auto", None, 200, 1e-6),
        row,
        np.full(len(row), 1 / len(row)),
        hops=np.array(hops, dtype=np.float64),
        last=float(row.min()),
        length=settings["length"],
        overlap=settings["overlap"],
        featureless=featureless,
        larger_is_worse=larger_is_worse,
        given=[
            f"--{name.replace('_', '-')}"
            for name in ([] if automatic else ["n_fft"]) + list(options)
        ],
    )


@pytest.mark.parametrize(
    ("row", "options", "remedy"),
    [
        ([128], {}, "lower --hop-length, to 32 or less"),
        ([32], {"hop_length": 8}, "lower --win-length-min"),
        (
            [100],
            {"hop_length": 40, "win_length_min": 100},
            "lower --win-length-min and --hop-length",
        ),
        ([2], {"hop_length": 1, "n_fft": 32}, "a shorter one holds no sample, so no option helps"),
        ([256], {"hop_mode": "constant", "hops": [100]}, "lower --hop-length-max, to 64 or less"),
        (
            [128],
            {"hop_mode": "constant", "hop_length": 64, "hop_length_max": 64, "hops": [50]},
            "lower --hop-length-max and --hop-length, to 32 or less",
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
        ([1024], {}, "raise --n-fft, to 2048 first and 25000 at most"),
        (
            [1024],
            {"automatic": True, "length": 6200},
            "n_fft auto takes 1024 here, give a larger --n-fft, to 1550 at most",
        ),
        ([500], {"win_length_max": 500}, "raise --win-length-max, to 1000 first and 25000 at most"),
        (
            [600],
            {"win_length_max": 600},
            "raise --win-length-max and --n-fft, to 1200 first and 25000 at most",
        ),
        (
            [1024],
            {"win_length_max": 1024, "automatic": True},
            "raise --win-length-max, to 2048 first and 25000 at most",
        ),
        (
            [1000],
            {"win_length_max": 1000, "length": 6000, "automatic": True},
            "raise --win-length-max, to 1500 at most",
        ),
        (
            [1024, 1024],
            {"window_mode": "time"},
            "raise --n-fft, to 2048 first and 25000 at most, with --hop-length 64 or less to keep "
            "short ones",
        ),
        (
            [1024, 1024],
            {"window_mode": "time", "hop_length": 64},
            "raise --n-fft, to 2048 first and 25000 at most",
        ),
        (
            [1024],
            {"length": 4096},
            "longer ones hardly tell when something happens in a signal of 4096 samples, so no option "
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
    alone = (
        "windows of 4 samples are the shortest and the longest allowed, so no length is learned: lower "
        "--hop-length"
    )
    assert told([4], n_fft=32, win_length_max=4) == [f"{alone} or raise --win-length-max"]
    assert told([4], n_fft=32, win_length_max=4, length=16) == [alone]
    options = {"hop_mode": "constant", "win_length_min": 1024}
    of_the_hop, of_the_length = told([1024], [32] * 9, **options)
    assert of_the_hop.startswith("the learned hop length is on the lower bound")
    assert of_the_length.startswith("windows of 1024 samples are the shortest and the longest")


def test_where_all_lengths_score_alike_bounds_are_not_told():
    for row in ([128], [1024]):
        (warning,) = told(row, [128] * 9, hop_mode="constant", featureless=True)
        assert warning.startswith("all window lengths from 256 to 1024 samples score alike")
    fixed = told([512], [128] * 9, hop_mode="constant", featureless=True, window_mode="fixed")
    assert "on the upper bound" in fixed[0]


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
            [380],
            [128] * 9,
            {},
            "on the upper bound, 128 samples, and windows with overlap 0.5 allow 190 at most: raise "
            "--overlap, to 0.9 at most",
        ),
        (
            [180],
            [128] * 9,
            {"overlap": 0.9},
            "on the upper bound, 128 samples, and windows with overlap 0.9 allow 162 at most: no "
            "option helps much",
        ),
        (
            [300, 256],
            [128] * 9,
            {},
            "on the upper bound, 128 samples, and windows with overlap 0.5 allow 128 at most: raise "
            "--overlap, to 0.9 at most",
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
    (warning,) = told(row, hops, hop_mode="constant", **options)
    assert warning.startswith(f"the learned hop length is {message}")


def test_a_fixed_window_allows_hops_up_to_the_overlap():
    options = {"window_mode": "fixed", "hop_mode": "constant"}
    (warning,) = told([512], [128] * 9, **options)
    assert warning.endswith(": raise --hop-length-max, to 256 at most")
    (warning,) = told([512], [256] * 9, **options, hop_length_max=256)
    assert warning.endswith("allow 256 at most: raise --overlap, to 0.9 at most")


def test_positions_that_stay():
    start = "no positions better than those of the start, 64 samples apart, were found: "
    (dense,) = told([700], [64] * 9, hop_mode="time")
    assert dense == f"{start}sparser frames have more to gain, raise --hop-length, to 280 at most"
    for row, mode in (([300], "time"), ([700], "constant")):
        assert told(row, [64] * 9, hop_mode=mode) == [f"{start}--hop-mode fixed is as good"]
    (bound,) = told([700], [64] * 9, hop_mode="time", hop_length_max=64)
    assert bound == (
        "the learned hop length is on the upper bound, 64 samples: raise --hop-length-max, to 280 at most"
    )


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"win_length_max": 4096}, "--win-length-max, to 2000 at most"),
        ({"win_length_max": 2e5}, "--win-length-max, to 2000 at most"),
        ({"n_fft": 4096}, "--n-fft, to 2000 at most"),
        ({"n_fft": 65536}, "--n-fft, to 2000 at most"),
        ({"win_length_min": 4000}, "--win-length-min, to 2000 at most"),
        ({"hop_length": 2500}, "--hop-length, to 900 at most"),
        ({"win_length": 5000, "window_mode": "fixed"}, "--win-length, to 2000 at most"),
        ({"n_fft": 8192, "window_mode": "fixed"}, "--n-fft, to 2000 at most"),
    ],
)
def test_windows_too_long_for_the_signal_are_told(options, remedy):
    warnings = optimize(TONE, 8000, max_steps=0, **options).warnings
    (warning,) = [text for text in warnings if "hardly" in text]
    assert re.match(
        r"windows of [\d.]+ samples or more hardly tell when something happens", warning
    )
    assert warning.endswith(f" in a signal of 8000 samples: lower {remedy}")
    assert not [text for text in warnings if "upper bound" in text]


def test_bounds_that_follow_from_windows_too_long_are_not_told_beside_them():
    options = {"hop_mode": "constant", "win_length_min": 3000, "length": 8000}
    (warning,) = told([3000], [512] * 9, 4096, **options)
    assert warning.endswith("lower --win-length-min, to 2000 at most")


def test_a_large_n_fft_with_short_windows_is_not_told():
    """Of an FFT size of half the signal no warning is due: what was learned lies below."""
    result = optimize(CLICKS, 8000, win_length=3000)
    assert result.n_fft == 4096
    assert result.warnings == (
        "the learned window length is on its lower bound, 512 samples: lower --hop-length, to 128 or less",
    )


ADVISED = re.compile(
    r"(lower|raise|larger|with) (--[a-z-]+(?: and --[a-z-]+)*)"
    r"(?:,? (?:to )?(?:\d+ first and )?([\d.]+) (?:at most|or less))?"
)
NO_OPTION_OF_LENGTHS = ("no option helps", "--hop-mode fixed is as good", "score alike")


def follow(result, options) -> tuple[dict[str, float], set[tuple[str, str]]]:
    """The options after what is advised: half, twice, or as far as it says; and what was advised."""
    now = {"n_fft": result.n_fft, "hop_length": result.hop_length, "overlap": 0.5, **options}
    now["win_length"] = result.start_window_length.item()
    now |= dict(zip(("win_length_min", "win_length_max"), result.length_bounds, strict=True))
    now |= dict(zip(("hop_length_min", "hop_length_max"), result.hop_bounds or (0, 0), strict=True))
    changed, advised = dict(options), set()
    for text in result.warnings:
        asked = [
            (verb, option, float(limit) if limit else np.inf)
            for verb, group, limit in ADVISED.findall(text)
            for option in group.split(" and ")
        ]
        no_option = any(words in text for words in NO_OPTION_OF_LENGTHS)
        named = [] if no_option else re.findall(r"--[a-z-]+", text)
        assert [option for _, option, _ in asked] == named, text
        assert no_option or named, text
        for verb, option, limit in asked:
            name = option[2:].replace("-", "_")
            factor = {"lower": 0.5, "with": 1.0}.get(verb, 2.0)
            changed[name] = min(now[name] * factor, limit)
            if verb != "with":
                advised.add((option, "down" if verb == "lower" else "up"))
    if "n_fft" in changed:
        changed["n_fft"] = int(changed["n_fft"])
    return changed, advised


@pytest.mark.parametrize("hop_mode", HOP_MODES)
@pytest.mark.parametrize("window_mode", ["fixed", "constant", "time", "frequency"])
def test_following_advice_comes_to_an_end(window_mode, hop_mode):
    n = np.arange(3000)
    signal = np.sin(0.9 * n) * (n < 1500) + 3.0 * (n % 700 == 350)
    modes = {"window_mode": window_mode, "hop_mode": hop_mode, "max_steps": 3}
    options, rounds = {"n_fft": 128}, []
    while len(rounds) < 8:
        result = optimize(signal, 8000, **modes, **options)
        options, now = follow(result, options)
        opposite = {(option, {"up": "down", "down": "up"}[way]) for option, way in now}
        assert not opposite & now, result.warnings
        if not now:
            break
        rounds.append(options)
    assert len(rounds) < 8, rounds
    assert rounds or (window_mode, hop_mode) in SETTLED


def test_how_much_lies_on_a_bound_is_told():
    (warning,) = told([1024, 1024, 500, 500, 500], window_mode="time")
    assert warning.startswith(
        "the learned window length is on its upper bound, 1024 samples, for 40% of the criterion's weight: "
    )
    assert told([1024, 500, 500, 500], window_mode="time") == []


def test_a_bound_that_n_fft_auto_has_looked_beyond_is_not_told():
    assert told([1024, 1024], window_mode="time", automatic=True, larger_is_worse=True) == []
    both_ends = [128, 1024]
    (warning,) = told(both_ends, window_mode="time", automatic=True, larger_is_worse=True)
    assert "lower bound, 128 samples" in warning


@pytest.mark.parametrize("window_mode", ["constant", "frequency"])
def test_a_tiny_signal_is_told_of_no_band_where_none_is_given(window_mode):
    noise = np.random.default_rng(0).standard_normal(20)
    assert not [
        text for text in optimize(noise, 8000, window_mode=window_mode).warnings if "band" in text
    ]


def test_a_bound_that_can_hardly_be_raised_is_not_advised_on():
    (warning,) = told([1024], length=4 * 1200)
    assert warning.endswith("so no option helps")
    (warning,) = told([1024], length=4 * 1300)
    assert warning.endswith("raise --n-fft, to 1300 at most")


def test_limits_are_whole_numbers_that_can_be_typed():
    (warning,) = told([1024], length=5_000_000)
    assert warning.endswith("raise --n-fft, to 2048 first and 1048576 at most")
    (warning,) = told([2**20], n_fft=2**20, win_length_max=2**20, length=10**8)
    assert warning.endswith("no larger n_fft is possible")
