"""The band of frequencies that the criterion looks at: against the definition, and what is refused."""

import math

import numpy as np
import pytest
import torch
from criteria.reference import criterion_value

from dstft_cli.errors import UsageError
from dstft_cli.fit.centers import quadrature_weights
from dstft_cli.fit.request import Band, band_within
from dstft_cli.records import Note
from dstft_cli.stft import stft
from fit.cases import CRITERIA, each, kinds, optimize

RATE = 8000.0  # Hz
K, HOP = 128, 16
BAND = 1500.0, 3010.0  # Hz; the second lies between two bins
SIGNAL = np.random.default_rng(3).standard_normal((2, 700))
MODES = ("constant", "time", "frequency", "time-frequency")
OPTIONS = {"n_fft": K, "hop_length": HOP, "dtype": "float64", "max_steps": 5}
INSIDE = dict(zip(("criterion_fmin", "criterion_fmax"), BAND, strict=True))


def in_band(result, samples) -> np.ndarray:
    """`a = |X|²` of the learned transform within the band, `[C, T, B]`, of the bins by their Hz."""
    given = map(torch.from_numpy, (samples, result.frame_centers, result.window_length))
    X = stft(*given, result.n_fft, normalization="energy")
    hertz = np.arange(result.n_fft // 2 + 1) * RATE / result.n_fft
    inside = (hertz >= BAND[0]) & (hertz <= BAND[1])
    return X.abs().numpy()[:, inside].transpose(0, 2, 1) ** 2


class OnePlus:
    """A criterion whose moments are not zero where the transform is: cells outside must not be there."""

    direction = "minimize"

    def moments(self, a):
        return 1.0 + a, (1.0 + a) ** 2

    def value(self, sums, cells):
        return sums[..., 0] ** 2 / sums[..., 1] / cells


@each("mode", MODES)
@each("criterion", (*CRITERIA, OnePlus()))
def test_the_value_is_that_of_the_bins_within(criterion, mode):
    if criterion == "kurtosis" and "frequency" in mode:
        return  # it has no such mode
    found = optimize(SIGNAL, RATE, window_mode=mode, criterion=criterion, **INSIDE, **OPTIONS)
    a = in_band(found, SIGNAL)
    if isinstance(criterion, str):
        expected = criterion_value(criterion, a)
    else:
        expected = (1 + a).sum() ** 2 / ((1 + a) ** 2).sum() / a.size
    close = 1e-5 if criterion == "gini" else 1e-8
    assert found.criterion.final == pytest.approx(expected, rel=close)


@each("hop_mode", ["constant", "time"])
def test_moved_frames_are_judged_within_the_band(hop_mode):
    x = np.random.default_rng(3).standard_normal((1, 1500))
    options = {**OPTIONS, "n_fft": 256, "hop_length": 64, "window_mode": "fixed", **INSIDE}
    found = optimize(x, RATE, hop_mode=hop_mode, **options)
    assert found.criterion.final < found.criterion.start
    a = in_band(found, x)[0]
    weights = quadrature_weights(found.frame_centers, None, x.shape[1])[:, None]
    total = (weights * a).sum()
    expected = math.log(total) - (weights * a * np.log(a)).sum() / total
    assert found.criterion.final == pytest.approx(expected, rel=1e-8)


def test_lengths_outside_follow_those_within():
    options = {"window_mode": "frequency", "smoothness": 0.0, **INSIDE, **OPTIONS}
    found = optimize(SIGNAL, RATE, **options)
    lengths, seen = found.window_length[:, 0], Band(*BAND).bins(K, RATE)
    assert len(np.unique(lengths[seen])) > 1
    assert (lengths[: seen.start] == lengths[seen.start]).all()
    assert (lengths[seen.stop :] == lengths[seen.stop - 1]).all()


@each("n_fft", [None, 1024])
def test_a_band_finds_the_window_of_what_lies_in_it(n_fft):
    """Quick whistles of 2 to 3 kHz alone, and with a steady hum ten times as loud."""
    t = np.arange(round(RATE)) / RATE
    local = t % 0.25
    whistle = np.sin(2 * np.pi * (2000 * local + 4000 * local**2)) * (local < 0.12)
    noisy = whistle + 10 * np.sin(2 * np.pi * 90 * t)
    options = {"criterion_fmin": 1500.0, "n_fft": n_fft}
    alone = optimize(whistle, RATE, **options)
    everything = optimize(noisy, RATE, n_fft=n_fft)
    banded = optimize(noisy, RATE, **options)
    best = float(alone.window_length[0, 0])
    assert float(banded.window_length[0, 0]) == pytest.approx(best, rel=0.1)
    assert float(everything.window_length[0, 0]) > 3 * best


@each(
    ("low", "high", "said"),
    [
        (-1.0, None, "`criterion_fmin` -1"),
        (None, 4001.0, "`criterion_fmax` 4001"),
        (math.nan, None, "`criterion_fmin` nan"),
        (3000.0, 2000.0, "`criterion_fmin` 3000"),
        (4000.0, None, "`criterion_fmin` 4000"),
        (100.0, 110.0, "n_fft 128"),
    ],
)
def test_what_is_no_band_is_refused(low, high, said):
    with pytest.raises(UsageError, match=said):
        optimize(SIGNAL, RATE, criterion_fmin=low, criterion_fmax=high, n_fft=K)
    with pytest.raises(UsageError, match="`criterion_fmin`"):  # too narrow for any FFT size
        optimize(SIGNAL, RATE, criterion_fmin=1000.0, criterion_fmax=1000.01)


def test_the_ends_belong_to_the_band():
    assert band_within(500.0, 1000.0, 8000.0).bins(16, 8000.0) == slice(1, 3)
    assert band_within(None, None, 8000.0).bins(16, 8000.0) == slice(0, 9)
    assert band_within(0.0, 4000.0, 8000.0).bins(17, 8000.0) == slice(0, 9)


def test_a_band_too_narrow_for_the_signal_is_told_with_how_wide_it_is_to_be():
    """Four bins within 1 Hz are a second of samples each, of a signal of one and a half."""
    samples = np.random.default_rng(1).standard_normal(12_000)
    (note,) = optimize(samples, 8000.0, criterion_fmin=1000.0, criterion_fmax=1001.0).notes
    assert note == Note("band_too_narrow", "criterion_fmin criterion_fmax", 32000.0, 10.7)
    wider = optimize(samples, 8000.0, criterion_fmin=1000.0, criterion_fmax=1010.7)
    assert "band_too_narrow" not in kinds(wider)
    seen = Band(1000.0, 1010.7).bins(wider.n_fft, RATE)
    assert seen.stop - seen.start >= 4


def test_windows_that_spread_soft_calls_beyond_the_band_are_told():
    """One call in four is loud: the others are quieter within the band under windows of 2.5 ms."""
    rng = np.random.default_rng(0)
    x = 0.003 * rng.standard_normal(10_000)
    n = np.arange(1200)
    call = np.hanning(1200) * np.sin(2 * np.pi * (1500 * n + 0.02 * n**2) / RATE)
    for number, at in enumerate(range(800, 8_800, 2000)):
        x[at : at + 1200] += call * (1.0 if number % 4 == 0 else 0.1)
    options = {"window_mode": "time", "n_fft": 512, "hop_length": 10, "win_length_min": 20}
    band = {"criterion_fmin": 1300.0, "criterion_fmax": 1800.0}

    def told(name: str, **limits: float) -> bool:
        return "spread_rewarded" in kinds(optimize(x, RATE, criterion=name, **options, **limits))

    assert told("renyi", **band)
    assert not told("entropy", **band)
    assert not told("renyi")
