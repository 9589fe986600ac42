"""`n_fft auto`: the FFT size that is found."""

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.fit.n_fft import choose_n_fft, largest_auto_n_fft
from dstft_cli.fit.problem import Problem
from fit.cases import optimize, request, sweep


def choose(*, length=1_000_000, rate=16000.0, **options) -> int:
    """Of modes that learn no length, so that nothing is computed."""
    asked = request(rate, **{"window_mode": "fixed", **options})
    return choose_n_fft(Problem.of(np.ones(length, np.float32), asked, 1.0, None))


def test_n_fft_starts_at_64_ms_within_its_limits():
    for rate, expected in ((8000, 512), (16000, 1024), (44100, 2048)):
        assert choose(rate=float(rate)) == expected
    assert choose(length=100) == 32
    assert choose(length=100, win_length=500.0) == 512
    assert choose(window_mode="time", win_length_max=700.0) == 1024
    assert choose(window_mode="time", win_length_max=700.0, win_length_min=600.0) == 2048
    assert choose(n_fft=333) == 333


def test_a_hop_that_needs_windows_of_half_the_recording_is_refused():
    assert choose(hop_length=249_000.0) == 1 << 20
    for scope in ("local", "plane"):
        with pytest.raises(UsageError, match="`hop_length`"):
            optimize(np.ones(1000), 8000, hop_length=300, scope=scope)


@pytest.mark.parametrize("depth", [30, 400])
def test_n_fft_is_two_to_four_times_the_best_single_window(depth):
    """A tone whose pitch swings: the further, the shorter its best window."""
    t = np.arange(24_000) / 8000
    x = np.sin(2 * np.pi * 800 * t + depth * np.sin(2 * np.pi * 3 * t) / 3)
    found = optimize(x, 8000)
    (curve,) = sweep(x, 8000).curves
    assert found.n_fft == 2 << int(np.ceil(np.log2(curve.best_length)))
    assert found.n_fft / 4 < found.window_length.item() <= found.n_fft / 2


def test_n_fft_keeps_lengths_that_are_given_within_its_range():
    rng = np.random.default_rng(2)
    x = np.sin(np.arange(40_000) * 0.3) + 0.001 * rng.standard_normal(40_000)
    assert optimize(x, 48000, win_length=1200).n_fft == 8192
    found = optimize(x, 48000, win_length=1200, win_length_min=500)
    assert (found.n_fft, found.hop_length) == (8192, 225)
    sizes = [largest_auto_n_fft(length) for length in (4000, 4095, 4096, 10**9)]
    assert sizes == [512, 512, 1024, 65536]
