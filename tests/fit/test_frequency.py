"""Fits of a length per bin and per cell: search and known answers."""

import math

import numpy as np
import pytest
import torch

from dstft_cli.records import Result
from dstft_cli.stft import stft
from fit.cases import PEER, each, optimize, two_tones


def fit_two_tones(**options) -> Result:
    return optimize(
        two_tones().astype(np.float32), 1024, **PEER, window_mode="frequency", **options
    )


def test_two_tones_reach_the_known_optimum():
    result = fit_two_tones()
    assert result.window_length.shape == (257, 1)
    assert result.criterion.final <= 6.3120
    assert result.criterion.final < result.criterion.best_fixed - 0.5
    assert result.criterion.table_bound == pytest.approx(6.3107, abs=1e-3)


def test_a_fine_table_finds_what_a_descent_from_a_coarse_one_does_not():
    """A named optimizer begins in the coarse table, and ends in the valley nearest to it."""
    searched, descended = fit_two_tones(), fit_two_tones(optimizer="lbfgs")
    assert "descent" not in searched.trajectory.phase
    assert "descent" in descended.trajectory.phase
    assert descended.criterion.final <= 6.3800
    assert searched.criterion.final < descended.criterion.final - 0.05


def test_a_low_tone_and_high_clicks_want_long_and_short_windows():
    """Each half of the spectrum gets the window of what sounds in it."""
    sr, rng = 8000, np.random.default_rng(0)
    t = np.arange(2 * sr) / sr
    x = 0.3 * np.sin(2 * np.pi * 500 * t) + 1e-4 * rng.standard_normal(len(t))
    for start in range(800, len(x) - 40, 1600):
        burst = np.exp(-np.arange(40) / 6) * np.cos(2 * np.pi * 3000 * np.arange(40) / sr)
        x[start : start + 40] += burst
    options = {"n_fft": 512, "hop_length": 16, "window_mode": "frequency"}
    result = optimize(x, sr, **options)
    lengths = result.window_length[:, 0]
    tone, click = 500 * 512 // sr, 3000 * 512 // sr
    assert lengths[tone] == pytest.approx(512, rel=0.01)
    assert lengths[click] < 64
    assert result.criterion.final < result.criterion.best_fixed
    restless = optimize(x, sr, **options, smoothness=0).window_length[:, 0]
    assert np.abs(np.diff(np.log(lengths))).sum() < 0.7 * np.abs(np.diff(np.log(restless))).sum()


def test_a_criterion_without_an_exact_search_still_descends():
    rng = np.random.default_rng(0)
    x = np.sin(0.9 * np.arange(6000)) + 3.0 * (np.arange(6000) % 700 == 350)
    x += 0.05 * rng.standard_normal(len(x))
    options = {"n_fft": 256, "window_mode": "frequency", "criterion": "gini", "max_steps": 20}
    usual, named = (optimize(x, 8000, **options, optimizer=o) for o in ("auto", "lbfgs"))
    assert "descent" in usual.trajectory.phase
    assert usual.criterion.final == named.criterion.final


@each("mode", ["frequency", "time-frequency"])
def test_lines_keep_their_energy(mode):
    """Of steady lines in noise nothing is to be gained; bins of their own make lines vanish."""
    rng = np.random.default_rng(0)
    n = np.arange(20_000)
    x = sum(np.sin(0.05 * np.pi * k * n + k) for k in range(1, 12))
    x += 0.5 * rng.standard_normal(len(n))

    def fit(**options) -> tuple[float, float]:
        """Gain over the best single window, nats, and change of the energy of the plane, dB."""
        found = optimize(x, 8000, n_fft=1024, window_mode=mode, **options)
        gain = found.criterion.best_fixed - found.criterion.final
        single = np.full((1, 1), found.criterion.best_fixed_win_length)
        spectra = (
            stft(*map(torch.from_numpy, (x, found.frame_centers, lengths)), 1024)
            for lengths in (np.ascontiguousarray(found.window_length), single)
        )
        energies = [X.abs().square().sum() for X in spectra]
        return gain, 10 * math.log10(energies[0] / energies[1])

    gain, change = fit()
    assert gain < 0.005
    assert abs(change) < 0.02
    gain, change = fit(smoothness=0)
    assert gain > 0.1
    assert change < -0.4
