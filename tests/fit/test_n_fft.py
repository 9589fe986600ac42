"""`n_fft auto`: the FFT size that is found."""

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.fit.n_fft import Choice, choose_n_fft, largest_auto_n_fft
from dstft_cli.fit.problem import Problem
from fit.cases import optimize, request, sweep


def choose(*, length=1_000_000, rate=16000.0, **options) -> Choice:
    """Of modes that learn no length, so that nothing is computed."""
    asked = request(rate, **{"window_mode": "fixed", **options})
    return choose_n_fft(Problem.of(np.ones(length, np.float32), asked, 1.0, None))


def test_n_fft_starts_at_64_ms_within_its_limits():
    for rate, expected in ((8000, 512), (16000, 1024), (44100, 2048)):
        assert choose(rate=float(rate)).n_fft == expected
    assert choose(length=100).n_fft == 32
    assert choose(length=100, win_length=500.0).n_fft == 512
    assert choose(window_mode="time", win_length_max=700.0).n_fft == 1024
    assert choose(window_mode="time", win_length_max=700.0, win_length_min=600.0).n_fft == 2048
    assert choose(n_fft=333) == Choice(333)


def test_a_hop_that_needs_windows_of_half_the_recording_is_refused():
    assert choose(hop_length=249_000.0).n_fft == 1 << 20
    for scope in ("local", "plane"):
        with pytest.raises(UsageError, match="`hop_length`"):
            optimize(np.ones(1000), 8000, hop_length=300, scope=scope)


def test_n_fft_finds_the_deeper_of_two_valleys():
    """Knocks over a hum: short windows part the knocks, long ones the partials, and nothing between."""
    rate, rng = 8000, np.random.default_rng(1)
    t = np.arange(10 * rate) / rate
    hum = sum(np.sin(2 * np.pi * 24.7 * k * t + k) / k for k in range(1, 12))
    since = t % 0.28
    knocks = np.exp(-since / 0.004) * np.sin(2 * np.pi * 1900 * since)
    x = 0.3 * hum + 2 * knocks + 0.003 * rng.standard_normal(len(t))
    found = optimize(x, rate)
    assert found.n_fft == 16384
    assert found.window_length >= sweep(x, rate).curves[0].best_length


def test_n_fft_keeps_lengths_that_are_given_within_its_range():
    rng = np.random.default_rng(2)
    x = np.sin(np.arange(40_000) * 0.3) + 0.001 * rng.standard_normal(40_000)
    assert optimize(x, 48000, win_length=1200).n_fft == 8192
    found = optimize(x, 48000, win_length=1200, win_length_min=500)
    assert (found.n_fft, found.hop_length) == (8192, 225)
    sizes = [largest_auto_n_fft(length) for length in (4000, 4095, 4096, 10**9)]
    assert sizes == [512, 512, 1024, 65536]


def test_a_bound_beyond_which_n_fft_auto_has_looked_is_not_noted():
    """Bursts of unequal length: some want all of n_fft, and twice of it is worse for the others."""
    rng = np.random.default_rng(4)
    x = 0.001 * rng.standard_normal(30_000)
    for at in range(2000, len(x) - 3000, 3000):
        count = int(rng.choice([150, 1500]))
        x[at : at + count] += np.sin(rng.uniform(0.3, 2.5) * np.arange(count))
    found = optimize(x, 8000, window_mode="time")
    assert found.window_length.max() == found.n_fft
    assert found.notes == ()
    (note,) = optimize(x, 8000, window_mode="time", n_fft=found.n_fft).notes
    assert note.kind == "length_on_upper_bound"
