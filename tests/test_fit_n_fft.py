"""`n_fft auto`: the FFT size that is found."""

import numpy as np
import pytest
from fit.sweeping import sweep

from dstft_cli import optimize
from dstft_cli.fit.n_fft import choose_n_fft, largest_auto_n_fft


def choose(
    best: float | None,
    *,
    length=1_000_000,
    rate=16000.0,
    anywhere=None,
    score=None,
    apart=True,
    **options,
) -> int:
    """With a best single length that does not depend on the FFT size."""
    at_least, high = options.get("at_least", 0.0), options.get("high")
    report = options.get("report", lambda line: None)
    best_fixed = None if best is None else lambda n_fft: min(best, n_fft)
    return choose_n_fft(
        length,
        rate,
        at_least=at_least,
        high=high,
        best_anywhere=lambda longest: anywhere,
        best_fixed=best_fixed,
        score=score,
        tells_apart=lambda n_fft: apart,
        report=report,
    )


@pytest.mark.parametrize(
    ("best", "expected"),
    [(300, 1024), (500, 1024), (600, 2048), (2000, 4096), (200, 512), (20, 64), (1e9, 65536)],
)
def test_n_fft_holds_the_best_length_and_room(best, expected):
    assert choose(best) == expected


@pytest.mark.parametrize(("rate", "expected"), [(8000, 512), (16000, 1024), (44100, 2048)])
def test_n_fft_starts_at_64_ms(rate, expected):
    assert choose(None, rate=float(rate)) == expected


def test_n_fft_limits():
    assert choose(1e9, length=4000) == 512  # at most a quarter of the signal
    assert choose(None, length=100) == 32
    assert choose(1.0) == 32
    assert choose(20, at_least=300.0) == 512
    assert choose(20, high=700.0) == 1024
    assert choose(20, high=700.0, at_least=3000.0) == 4096
    assert choose(None, length=100, at_least=500.0) == 512


def test_n_fft_follows_the_score_where_lengths_vary():
    scores = {512: 5.1, 1024: 5.0, 2048: 4.9, 4096: 4.8, 8192: 4.8, 256: 9.0}
    assert choose(500, score=scores.__getitem__) == 4096
    falling = {256: 4.8, 512: 4.9, 1024: 5.0, 2048: 5.1, 128: 5.0}
    assert choose(500, score=falling.__getitem__) == 256
    assert choose(500, score=falling.__getitem__, apart=False) == 1024


@pytest.mark.parametrize(
    ("anywhere", "expected"), [(None, 1024), (4000, 8192), (4096, 8192), (1e9, 65536), (40, 128)]
)
def test_n_fft_begins_where_the_best_of_all_lengths_lies(anywhere, expected):
    """Single lengths of every size have a valley of their own, in which each size would be kept."""
    found = choose_n_fft(
        10**6,
        16000.0,
        at_least=0,
        high=None,
        best_anywhere=lambda longest: anywhere,
        best_fixed=lambda n_fft: 0.4 * n_fft,
        score=None,
        tells_apart=lambda n_fft: True,
    )
    assert found == expected


def test_n_fft_finds_the_deeper_of_two_valleys():
    """Knocks over a hum: short windows part the knocks, long ones the partials, and nothing between."""
    rate, rng = 8000, np.random.default_rng(1)
    t = np.arange(10 * rate) / rate
    hum = sum(np.sin(2 * np.pi * 24.7 * k * t + k) / k for k in range(1, 12))
    since = t % 0.28
    knocks = np.exp(-since / 0.004) * np.sin(2 * np.pi * 1900 * since)
    x = 0.3 * hum + 2 * knocks + 0.003 * rng.standard_normal(len(t))
    (curve,) = sweep(x, rate).curves
    near_the_start = curve.losses[np.abs(np.log(curve.lengths / 154)).argmin()]
    assert near_the_start > 0.6  # nats, in the valley of the sizes around 64 ms
    found = optimize(x, rate)
    assert found.n_fft == 16384
    assert found.window_length >= curve.best_length


@pytest.mark.parametrize(
    ("best", "step"), [(600, "more than half: doubled"), (200, "less than a quarter: halved")]
)
def test_steps_of_n_fft_are_told(best, step):
    told: list[str] = []
    choose(best, report=told.append)
    assert told[0] == f"n_fft auto: at 1024 the best single window has {best} samples, {step}"
    assert told[1].endswith(": kept")


def test_n_fft_keeps_lengths_that_are_given_within_its_range():
    rng = np.random.default_rng(2)
    x = np.sin(np.arange(200_000) * 0.3) + 0.001 * rng.standard_normal(200_000)
    assert optimize(x, 48000, win_length=1200).n_fft == 8192
    assert optimize(x, 48000, win_length=1200, hop_length=64).n_fft == 32768
    found = optimize(x, 48000, win_length=1200, win_length_min=500)
    assert (found.n_fft, found.hop_length) == (8192, 225)


def test_largest_auto_n_fft():
    assert largest_auto_n_fft(4000) == 512
    assert [largest_auto_n_fft(length) for length in (4095, 4096)] == [512, 1024]
    assert largest_auto_n_fft(10**9) == 65536


def test_lengths_that_vary_are_told_of_no_bound_beyond_which_n_fft_auto_has_looked():
    """Bursts of unequal length: some want all of n_fft, and twice of it is worse for the others."""
    rng = np.random.default_rng(4)
    x = 0.001 * rng.standard_normal(120_000)
    for at in range(2000, len(x) - 3000, 3000):
        count = int(rng.choice([150, 1500]))
        x[at : at + count] += np.sin(rng.uniform(0.3, 2.5) * np.arange(count))
    found = optimize(x, 8000, window_mode="time")
    assert found.window_length.max() == found.n_fft
    assert found.warnings == ()
    (warning,) = optimize(x, 8000, window_mode="time", n_fft=found.n_fft).warnings
    assert "on its upper bound" in warning


def test_lengths_per_frequency_are_found_at_large_n_fft_too():
    """A chord that only windows of a second resolve, and knocks above it."""
    rate = 8000
    t = np.arange(8 * rate) / rate
    x = sum(np.sin(2 * np.pi * f * t) for f in (200.0, 201.5, 303.0, 304.6))
    since = t % 0.25
    x += 12 * np.exp(-since / 0.003) * np.sin(2 * np.pi * 2800 * since)
    found = optimize(x, rate, window_mode="frequency")
    lengths = found.window_length[:, 0]
    assert found.n_fft > 4096
    assert lengths[: found.n_fft // 16].min() > 4096  # up to 500 Hz
    assert lengths[found.n_fft // 4 :].max() < 2048  # from 2 kHz on
    assert found.criterion.final < found.criterion.best_fixed - 0.1


@pytest.mark.parametrize(
    ("bests", "expected"),
    [((800.0, 300.0), 2048), ((200.0, 300.0), 512)],
    ids=["grown", "halved"],
)
def test_of_two_sizes_that_send_to_each_other_the_second_is_kept(bests, expected):
    """The best single lengths are those at 1024, then at the size that this one asks for."""
    best = iter(bests)
    found = choose_n_fft(
        10**6,
        16000.0,
        at_least=0,
        high=None,
        best_anywhere=lambda longest: None,
        best_fixed=lambda n_fft: next(best),
        score=None,
        tells_apart=lambda n_fft: True,
    )
    assert found == expected


def test_a_length_of_half_of_n_fft_is_kept_whatever_rounding_says():
    assert choose(512 * (1 + 1e-15)) == 1024
    assert choose(256 * (1 - 1e-15)) == 1024
