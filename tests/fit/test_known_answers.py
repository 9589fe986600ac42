"""The whole fit: signals whose best windows are known."""

import math

import numpy as np
import pytest
import torch

from dstft_cli.records import Note, Result
from dstft_cli.stft import stft
from fit.cases import PEER, each, optimize, two_tones

RATE = 8000


def tone(n: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * 440 * np.arange(n) / RATE)


def clicks(n: int = RATE) -> np.ndarray:
    x = np.zeros(n)
    x[500::1000] = 1.0
    return x


def variation(result: Result) -> float:
    """Sum of all changes, e-folds: unlike their number it hardly moves where two curves tie."""
    return float(np.abs(np.diff(np.log(result.window_length[0]))).sum())


@each("window_mode", ["constant", "time"])
def test_a_steady_tone_wants_the_longest_window(window_mode):
    result = optimize(tone(), RATE, n_fft=512, window_mode=window_mode)
    np.testing.assert_allclose(result.window_length, 512, rtol=1e-12)
    assert result.length_bounds == (64, 512)
    (note,) = result.notes
    assert (note.kind, note.value) == ("length_on_upper_bound", 512)
    assert note.parameter.split()[0] == "n_fft"


@each(
    ("options", "shortest", "names", "limit"),
    [
        ({}, 64, "hop_length", 16.0),
        ({"hop_length": 4}, 16, "win_length_min", None),
        ({"win_length_min": 100}, 100, "win_length_min hop_length", None),
    ],
)
def test_clicks_want_the_shortest_window(options, shortest, names, limit):
    result = optimize(clicks(), RATE, n_fft=512, **options)
    np.testing.assert_allclose(result.window_length, [[shortest]], rtol=1e-12)
    assert result.notes == (Note("length_on_lower_bound", names, shortest, limit),)


def test_clicks_and_tone_get_a_window_each():
    x = np.concatenate([tone(), clicks()])
    result = optimize(x, RATE, n_fft=512, window_mode="time")
    lengths = result.window_length[0]
    at_tone = result.times < 0.9
    assert lengths[at_tone].min() > 400
    for click in np.arange(RATE + 500, 2 * RATE, 1000):
        assert lengths[np.abs(result.frame_centers - click).argmin()] < 100


def test_best_length_for_a_chirp_scales_as_one_over_the_root_of_its_rate():
    n, rate = 32000, 16000
    t = np.arange(n) / rate
    products = []
    for chirp_rate in (500, 1000, 2000, 3500):  # Hz/s
        x = np.cos(2 * np.pi * (300 * t + chirp_rate * t**2 / 2))
        result = optimize(x, rate, n_fft=4096, hop_length=128)
        products.append(float(result.window_length[0, 0]) / rate * np.sqrt(chirp_rate))
        assert result.notes == ()
    np.testing.assert_allclose(products, products[0], rtol=0.03)
    assert products[0] == pytest.approx(2.03, rel=0.03)


def test_two_tones_reach_the_known_values():
    ends = {}
    for mode, shape, most, bound in (
        ("constant", (1, 1), 7.0718, None),
        ("time", (1, 161), 6.7960, None),
        ("frequency", (257, 1), 6.3120, 6.3107),
        ("time-frequency", (257, 161), 6.10, None),
    ):
        found = optimize(two_tones().astype(np.float32), 1024, window_mode=mode, **PEER)
        ends[mode] = found.criterion
        assert found.window_length.shape == shape
        assert found.criterion.final <= most
        assert bound is None or found.criterion.table_bound == pytest.approx(bound, abs=1e-3)
    cells = ends["time-frequency"]
    assert cells.final - 0.05 <= cells.table_bound <= cells.final
    assert ends["time"].best_fixed == pytest.approx(ends["constant"].best_fixed, rel=1e-6)
    # a named optimizer begins in the coarse table, and ends in the valley nearest to it
    options = {**PEER, "window_mode": "frequency", "optimizer": "lbfgs"}
    descended = optimize(two_tones().astype(np.float32), 1024, **options)
    assert "descent" in descended.trajectory.phase
    assert ends["frequency"].final + 0.05 < descended.criterion.final <= 6.3800


@each("options", [{"smoothness": 0, "max_steps": 0}, {}])
@each("criterion", ["entropy", "kurtosis"])
def test_silence_keeps_the_length_before(options, criterion):
    x = np.zeros(2 * RATE)
    x[: RATE // 2] = tone(RATE // 2)
    x[RATE : RATE + 2000] = clicks(2000)
    result = optimize(x, RATE, n_fft=512, window_mode="time", criterion=criterion, **options)
    lengths, centers = result.window_length[0], result.frame_centers
    silent = (centers >= RATE // 2 + 256) & (centers <= RATE + 500 - 256)
    assert silent.sum() > 100
    before = lengths[np.flatnonzero(silent)[0] - 1]
    np.testing.assert_array_equal(lengths[silent], before)
    if criterion == "kurtosis":  # the last frame that can see the tone wants to see it
        assert before > 400


def test_smoothness_depends_neither_on_hop_nor_on_duration():
    """A signal that repeats has the same curve in each period, whatever the hop."""
    period = np.concatenate([tone(4000), 8 * clicks(4000)])
    once = optimize(period, RATE, n_fft=512, window_mode="time")
    thrice = optimize(np.tile(period, 3), RATE, n_fft=512, window_mode="time")
    denser = optimize(period, RATE, n_fft=512, hop_length=16, window_mode="time", overlap=0.25)
    assert variation(thrice) == pytest.approx(3 * variation(once), rel=0.12)
    assert variation(denser) == pytest.approx(variation(once), rel=0.12)
    assert np.count_nonzero(np.diff(once.window_length[0])) > 4


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


@each("mode", ["frequency", "time-frequency"])
def test_lines_keep_their_energy(mode):
    """Of steady lines in noise nothing is to be gained; bins of their own make lines vanish."""
    rng = np.random.default_rng(0)
    n = np.arange(12_000)
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
