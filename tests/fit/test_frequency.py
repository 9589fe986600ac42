"""Window lengths per frequency bin: moments, gradient, search and known answers."""

import numpy as np
import pytest
import torch
from criteria.reference import criterion_value

from dstft_cli.criteria import resolve
from dstft_cli.fit import stages as module
from dstft_cli.fit.cells import FrequencyEvaluator
from dstft_cli.fit.centers import uniform_centers
from dstft_cli.fit.evaluator import Compute
from dstft_cli.records import Result
from dstft_cli.stft import Transform
from fit.cases import PEER, each, optimize, two_tones

SIGNAL = np.random.default_rng(5).standard_normal((2, 700))
LENGTHS = np.linspace(12, 60, 33)[:, None]


def evaluator(criterion, *, hop=16.0, power=2.0, window="hann") -> FrequencyEvaluator:
    return FrequencyEvaluator(
        SIGNAL,
        uniform_centers(700, hop),
        Transform(64, window),
        resolve(criterion),
        power=power,
        peak=float(np.abs(SIGNAL).max()),
        compute=Compute(dtype=torch.float64),
    )


def magnitudes(lengths, hop=16.0) -> np.ndarray:
    """|X| [2, F, T], one plain transform per bin."""
    from dstft_cli.stft import stft

    centers = torch.as_tensor(uniform_centers(700, hop))
    bins = []
    for f, length in enumerate(lengths[:, 0]):
        theta = torch.tensor([[length]], dtype=torch.float64)
        bins.append(stft(torch.as_tensor(SIGNAL), centers, theta, 64)[:, f].abs().numpy())
    return np.stack(bins, axis=1)


@each("hop", [16.0, 20.25])
@each("criterion", ["entropy", "renyi", "concentration", "l1l2", "hoyer", "lp", "gini"])
def test_value_is_that_of_the_plane(criterion, hop):
    engine = evaluator(criterion, hop=hop)
    value = engine.criterion.value(torch.from_numpy(engine.total(LENGTHS)), engine.cells)
    a = magnitudes(LENGTHS, hop) ** 2
    expected = criterion_value(criterion, a, None)
    assert float(value) == pytest.approx(expected, rel=1e-6)


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


def test_a_table_too_large_for_memory_is_coarser(monkeypatch):
    rows, octaves = 257, 4
    sizes = {}
    for per_octave in (20, 12, 5):
        monkeypatch.setattr(module, "_MOST_TABULATED", rows * (per_octave * octaves + 1))
        sizes[per_octave] = fit_two_tones(max_steps=0).trajectory.phase.count("table")
    monkeypatch.setattr(module, "_MOST_TABULATED", 1)
    sizes[1] = fit_two_tones(max_steps=0).trajectory.phase.count("table")
    assert sizes == {20: 81, 12: 49, 5: 21, 1: 21}
