"""`n_fft auto`: the FFT size that is found, and the segments that are looked at for it."""

from unittest import mock

import numpy as np
import pytest
import torch

from dstft_cli.fit import n_fft as module
from dstft_cli.fit.centers import Segments
from dstft_cli.fit.n_fft import (
    Choice,
    Probe,
    choose_n_fft,
    largest_auto_n_fft,
    of_best_score,
    with_room,
)
from dstft_cli.fit.problem import Problem
from dstft_cli.stft import Frames
from fit.cases import each, optimize, request, sweep

LENGTH, MOST = 1 << 18, 1 << 16
SIZES = [512, 1024, 2048, 4096, 8192]


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


@each(
    ("best", "expected"),
    [(300, 1024), (500, 1024), (600, 2048), (2000, 4096), (200, 512), (20, 64), (1e9, 65536)],
)
def test_n_fft_holds_the_best_length_and_room(best, expected):
    assert with_room(1024, 32, 65536, lambda n_fft: min(best, n_fft)) == expected


def test_of_two_sizes_that_send_to_each_other_the_second_is_kept():
    for bests, expected in (((800.0, 300.0), 2048), ((200.0, 300.0), 512)):
        best = iter(bests)
        assert with_room(1024, 32, 65536, lambda n_fft, best=best: next(best)) == expected
    for best in (512 * (1 + 1e-15), 256 * (1 - 1e-15)):
        assert with_room(1024, 32, 65536, lambda n_fft, best=best: best) == 1024


def test_n_fft_follows_the_score_where_lengths_vary():
    scores = {512: 5.1, 1024: 5.0, 2048: 4.9, 4096: 4.8, 8192: 4.8, 256: 9.0}
    assert of_best_score(512, 2048, 32, 65536, scores.__getitem__)[0] == 4096
    falling = {256: 4.8, 512: 4.9, 1024: 5.0, 2048: 5.1, 128: 5.0}
    assert of_best_score(512, 2048, 32, 65536, falling.__getitem__)[0] == 256


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
    x = np.sin(np.arange(200_000) * 0.3) + 0.001 * rng.standard_normal(200_000)
    assert optimize(x, 48000, win_length=1200).n_fft == 8192
    found = optimize(x, 48000, win_length=1200, win_length_min=500)
    assert (found.n_fft, found.hop_length) == (8192, 225)
    sizes = [largest_auto_n_fft(length) for length in (4000, 4095, 4096, 10**9)]
    assert sizes == [512, 512, 1024, 65536]


def test_a_bound_beyond_which_n_fft_auto_has_looked_is_not_noted():
    """Bursts of unequal length: some want all of n_fft, and twice of it is worse for the others."""
    rng = np.random.default_rng(4)
    x = 0.001 * rng.standard_normal(120_000)
    for at in range(2000, len(x) - 3000, 3000):
        count = int(rng.choice([150, 1500]))
        x[at : at + count] += np.sin(rng.uniform(0.3, 2.5) * np.arange(count))
    found = optimize(x, 8000, window_mode="time")
    assert found.window_length.max() == found.n_fft
    assert found.notes == ()
    (note,) = optimize(x, 8000, window_mode="time", n_fft=found.n_fft).notes
    assert note.kind == "length_on_upper_bound"


def signal() -> np.ndarray:
    """Knocks at irregular times over tones that last, and noise."""
    rng = np.random.default_rng(3)
    x = 0.01 * rng.standard_normal(LENGTH)
    for at in rng.integers(0, LENGTH - 400, 1600):
        t = np.arange(400)
        x[at : at + 400] += np.exp(-t / 60) * np.sin(rng.uniform(0.5, 2.5) * t)
    for at in range(0, LENGTH, 1 << 13):
        x[at : at + (1 << 12)] += 0.2 * np.sin(rng.uniform(0.2, 2) * np.arange(1 << 12))
    return x


def probe(x: np.ndarray, most: int = LENGTH, **options) -> Probe:
    asked = request(8000.0, threads=2, **{"window_mode": "time", **options})
    largest = mock.patch.object(module, "largest_auto_n_fft", return_value=8192)
    with mock.patch.object(module, "PROBED_SAMPLES", most), largest:
        return Probe(Problem.of(x, asked, None, None))


def test_scores_of_segments_compare_as_those_of_the_whole():
    x = signal()
    for mode, smoothness in (("time", 0.4), ("frequency", 0.1)):
        scores = [
            np.array([probe(x, most, window_mode=mode, smoothness=smoothness).score(size)
                      for size in SIZES])
            for most in (LENGTH, MOST)
        ]  # fmt: skip
        assert scores[1] == pytest.approx(scores[0], abs=0.05)
        assert np.ptp(scores[0]) > 0.15


def test_frames_of_segments_are_those_of_the_signal():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 400_000)))
    centers = Segments(400_000, (10, 200_000, 399_000), 1000).centers(100.0)
    block = Frames(x, centers, 64, dtype=torch.float64).block(0, len(centers))
    for k, center in enumerate(centers.astype(int)):
        alone = Frames(x, np.array([float(center)]), 64, dtype=torch.float64).block(0, 1)
        assert torch.equal(block[:, k], alone[:, 0])
