"""What once went wrong on odd signals, hops and orders."""

import numpy as np
import pytest
import torch
from fuzz.fits import signal

from dstft_cli import istft
from dstft_cli.errors import UsageError
from dstft_cli.records import Note
from dstft_cli.stft import stft
from fit.cases import each, kinds, optimize

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
    found = [
        optimize(warble(s), RATE, hop_length=64, window_mode=window_mode, max_steps=0).n_fft
        for s in (5, 40)
    ]
    assert found[1] <= found[0]


@each("overlap", [0.5, 0.75, 0.9])
@each("window_mode", ["constant", "time"])
def test_the_end_of_the_signal_is_within_reach(window_mode, overlap):
    x = NOISE[:16999]  # the last sample is 998 after the last centre
    result = optimize(
        x,
        RATE,
        n_fft=4096,
        hop_length=1000,
        overlap=overlap,
        window_mode=window_mode,
        dtype="float64",
    )
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
    with pytest.raises(UsageError, match=r"criterion renyi is .* at the start: lower `order`"):
        optimize(clicks(), RATE, **options)
    result = optimize(clicks(), RATE, **options, dtype="float64")
    assert np.isfinite(result.criterion.final)
    assert result.criterion.final <= result.criterion.best_fixed < np.inf
    assert result.criterion.table_bound is not None


def test_a_descent_that_leads_nowhere_says_so():
    best = float(optimize(warble(1), RATE, n_fft=1024).window_length[0, 0])
    options = {"n_fft": 1024, "optimizer": "sgd", "search": False, "win_length": best}
    result = optimize(warble(1), RATE, **options, lr=1e9)
    assert result.window_length.tolist() == [[best]]
    assert "descent_stuck" in kinds(result)


def test_any_layout_of_the_signal_gives_the_same():
    x = np.round(3000 * NOISE).astype(np.int16)
    x[7] = -32768
    frozen = x.astype(np.float64)
    frozen.setflags(write=False)
    forms = [x, frozen, frozen[::-1].copy()[::-1], frozen.astype(">f8"), x.astype(float).tolist()]
    finals = [optimize(form, RATE, n_fft=512).criterion.final for form in forms]
    assert finals == pytest.approx([finals[0]] * len(finals), rel=1e-9)


def test_a_small_overlap_shortens_the_default_hop():
    result = optimize(NOISE, RATE, n_fft=512, overlap=0.05)
    assert result.hop_length == pytest.approx(6.4)
    assert result.length_bounds[0] == pytest.approx(128)


def test_normalizations_that_reward_quiet_frames_are_told():
    for normalization, told in (("energy", False), ("none", True), ("amplitude", True)):
        found = optimize(
            warble(1), RATE, n_fft=512, normalization=normalization, window_mode="time"
        )
        assert ("quiet_frames_rewarded" in kinds(found)) == told


@each("hop_mode", ["fixed", "constant"])
def test_steps_at_which_no_window_sees_the_sound_are_left_out(hop_mode):
    """A click where windows that just meet, at an overlap of 1, are zero."""
    x = np.zeros(281)
    x[178] = 1.0
    options = {"n_fft": 64, "hop_length": 4, "overlap": 1, "win_length_min": 4}
    result = optimize(x, 100, **options, hop_mode=hop_mode, win_length=64, max_steps=0)
    trajectory = result.trajectory
    unseen = optimize(x, 100, **options, hop_mode=hop_mode, max_steps=0, search=False)
    assert np.isfinite(trajectory.criterion).all()
    assert np.isfinite(unseen.trajectory.criterion).all()
    summary = result.criterion
    assert summary.final <= min(summary.start, summary.best_fixed) + 1e-6
    tabulated = [float(v[0, 0]) for p, v in _steps(trajectory) if p == "table"]
    assert len(tabulated) >= 10
    assert min(tabulated) > 4 or hop_mode == "constant"


def _steps(trajectory):
    return zip(trajectory.phase, trajectory.window_lengths, strict=True)


def test_a_tiny_n_fft_that_cuts_the_end_off_is_told():
    """With n_fft 5 a frame holds two samples after that of its centre, whatever its window is."""
    x = np.random.default_rng(3).standard_normal(64)
    options = {"n_fft": 5, "win_length": 5, "window_mode": "fixed"}
    told = optimize(x, 100, **options, hop_length=3.375).notes
    assert told == (Note("lost_tail", "hop_length", 2.25, 2.0),)
    assert optimize(x, 100, **options, hop_length=3.5).notes == ()


def test_windows_that_see_no_sound_are_searched_quietly():
    """Warnings of NumPy would reach standard error; here they are errors."""
    x = signal("alternating", 25, 1, 3e38, seed=25)  # silent in part
    result = optimize(
        x,
        100,
        overlap=0.9,
        window_mode="time",
        hop_mode="time",
        criterion="renyi",
        window="nuttall",
        normalization="amplitude",
        power=0.5,
        smoothness=1e12,
        dtype="float64",
        max_steps=0,
        hop_length=13.95,
        win_length=31,
    )
    assert result.criterion.final <= min(result.criterion.start, result.criterion.best_fixed)
