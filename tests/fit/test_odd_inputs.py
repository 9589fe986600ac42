"""Odd signals and options: what once went wrong, and every combination by chance."""

import numpy as np
import pytest
import torch
from fuzz.fits import cases, check
from hypothesis import given, settings

from dstft_cli import istft
from dstft_cli.errors import UsageError
from dstft_cli.fit.n_fft import choose_n_fft
from dstft_cli.fit.problem import Problem
from dstft_cli.records import Note
from dstft_cli.stft import stft
from fit.cases import each, kinds, optimize, request

RATE = 8000
NOISE = np.random.default_rng(0).standard_normal(17000)


def warble(seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (800 * t + 60 * np.sin(2 * np.pi * 3 * t)))


def clicks() -> np.ndarray:
    x = np.zeros(RATE)
    x[100::800] = 1.0
    return x


@each("window_mode", ["time", "frequency"])
def test_auto_n_fft_does_not_grow_with_the_recording_for_a_given_hop(window_mode):
    asked = request(RATE, hop_length=64.0, window_mode=window_mode, threads=1)
    short, long = (choose_n_fft(Problem.of(warble(s), asked, None, None)) for s in (1, 3))
    assert long <= short


@each(("window_mode", "overlap"), [("constant", 0.5), ("time", 0.9)])
def test_the_end_of_the_signal_is_within_reach(window_mode, overlap):
    x = NOISE[:16999]  # the last sample is 998 after the last centre
    options = {"n_fft": 4096, "hop_length": 1000, "overlap": overlap, "dtype": "float64"}
    result = optimize(x, RATE, window_mode=window_mode, **options)
    assert result.length_bounds[0] >= 998 / 0.45
    centers = torch.from_numpy(result.frame_centers)
    lengths = torch.from_numpy(result.window_length)
    X = stft(torch.from_numpy(x), centers, lengths, 4096)
    back = istft(X, centers, lengths, 4096, len(x)).numpy()
    assert np.linalg.norm(back - x) <= 1e-9 * np.linalg.norm(x)


def test_a_window_that_ends_before_the_signal_is_told():
    options = {"n_fft": 2048, "hop_length": 1000, "win_length": 1500, "window_mode": "fixed"}
    result = optimize(NOISE[:16999], RATE, **options)
    assert result.notes == (Note("lost_tail", "hop_length", 998.0, 750.0),)
    assert optimize(NOISE[:16001], RATE, **options).notes == ()


def test_an_order_that_underflows_is_refused_and_float64_helps():
    options = {"criterion": "renyi", "order": 10, "n_fft": 2048, "window_mode": "time"}
    with pytest.raises(UsageError, match=r"criterion renyi is .* at the start: change `order`"):
        optimize(clicks(), RATE, **options)
    result = optimize(clicks(), RATE, **options, dtype="float64")
    assert np.isfinite(result.criterion.final)
    assert result.criterion.final <= result.criterion.best_fixed < np.inf
    assert result.criterion.table_bound is not None


def test_normalizations_that_reward_quiet_frames_are_told():
    for normalization, told in (("energy", False), ("none", True), ("amplitude", True)):
        found = optimize(
            warble(1), RATE, n_fft=512, normalization=normalization, window_mode="time"
        )
        assert ("quiet_frames_rewarded" in kinds(found)) == told


def test_every_combination_is_refused_or_keeps_what_is_promised():
    fitted = []

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(cases())
    def one(case):
        fitted.append(check(*case))

    one()
    assert len(fitted) >= 40
    assert sum(fitted) > len(fitted) / 2
