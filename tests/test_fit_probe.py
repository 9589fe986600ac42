"""What `n_fft auto` looks at of a long signal stands for the whole of it."""

from functools import partial

import numpy as np
import pytest
import torch
from dstft_cli.fit.method import Method
from fit.sweeping import sweep

from dstft_cli.criteria import resolve
from dstft_cli.fit import problem as module
from dstft_cli.fit.band import Band
from dstft_cli.fit.optimize import optimize
from dstft_cli.fit.plan import make_plan
from dstft_cli.fit.problem import Probe, Problem
from dstft_cli.fit.stretches import Stretches, spread_stretches
from dstft_cli.stft import Frames

LENGTH, MOST = 1 << 18, 1 << 16
SIZES = [512, 1024, 2048, 4096, 8192]


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


def probe(
    x: np.ndarray,
    window_mode: str = "time",
    *,
    smoothness: float = 0.1,
    hop_length: float | None = None,
    most: int = LENGTH,
) -> Probe:
    method = Method(
        window_mode=window_mode,
        hop_mode="fixed",
        smoothness=smoothness,
        search=True,
        optimizer="auto",
        lr=None,
        max_steps=0,
        tolerance=1e-6,
    )
    problem = Problem(
        method=method,
        samples=x[None],
        length=len(x),
        sample_rate=8000.0,
        window="hann",
        normalization="energy",
        power=2.0,
        criterion=resolve("entropy"),
        band=Band(),
        device=torch.device("cpu"),
        dtype=torch.float32,
        threads=2,
        peak=float(np.abs(x).max()),
        progress=None,
    )
    plan_for = partial(make_plan, fixed=False, overlap=0.5, hop_length=hop_length, length=len(x))
    stretches = spread_stretches(x[None], most, longest_hop=hop_length or 512, peak=problem.peak)
    return Probe(problem, plan_for, 0.5, stretches)


@pytest.mark.parametrize(("window_mode", "smoothness"), [("time", 0.4), ("frequency", 0.1)])
def test_scores_of_stretches_compare_as_those_of_the_whole(window_mode, smoothness):
    x = signal()
    seen = partial(probe, x, window_mode, smoothness=smoothness)
    whole = np.array([seen().score(size) for size in SIZES])
    part = np.array([seen(most=MOST).score(size) for size in SIZES])
    assert part == pytest.approx(whole, abs=0.05)
    assert np.ptp(whole) > 0.15


def test_frames_that_are_left_out_leave_no_gaps(monkeypatch):
    monkeypatch.setattr(module, "_PROBED_POINTS", 1 << 20)
    x = signal()
    for size in (1024, 8192):
        dense = probe(x, hop_length=8)
        hop = dense._hop(size)
        shortest = dense._plan_for(size).bounds.low
        assert hop % 8 == 0
        assert hop <= 0.5 * shortest
        assert hop == min(8 * -(-LENGTH // 8 * size // (1 << 20)), size // 64)


@pytest.mark.parametrize("hop", [1, 7.5, 256, 4096])
def test_stretches_are_the_same_for_every_hop(hop):
    length, most = 1_000_003, 1 << 17
    x = np.ones((1, length), np.float32)
    stretches = spread_stretches(x, most, longest_hop=100, peak=1.0)
    centers = stretches.centers(hop)
    assert np.allclose(centers / hop % 1, 0)
    middles = (np.arange(8) + 0.5) * length / 8
    from_middle = np.abs(centers[:, None] - middles).min(1)
    assert from_middle.max() <= most / 16 + 2
    assert len(centers) == pytest.approx(most / hop, abs=8)
    assert stretches.weights(3).tolist() == [1, 1, 1]


def test_stretches_hold_some_frames_of_the_longest_hop():
    x = np.ones((1, 10_000_000), np.float32)
    stretches = spread_stretches(x, 1000, longest_hop=3000, peak=1.0)
    assert len(stretches.centers(3000)) == 64
    assert stretches.size == 24000


def test_a_short_signal_is_looked_at_whole():
    stretches = spread_stretches(np.ones((1, 1000)), 1000, longest_hop=1, peak=1.0)
    assert stretches == Stretches(1000)
    assert len(stretches.centers(10)) == 101
    assert stretches.weights(101) is None


def gated() -> np.ndarray:
    """Sound where eight equal parts meet, and silence in the middle of each."""
    x = np.zeros(1 << 21, np.float32)
    for at in range(0, len(x), len(x) // 8):
        x[at : at + 20_000] = np.sin(0.3 * np.arange(20_000))
    return x


def test_silent_stretches_move_to_where_there_is_sound():
    x = gated()[None]
    stretches = spread_stretches(x, 1 << 16, longest_hop=100, peak=1.0)
    pieces = [x[0, a : a + stretches.size] for a in stretches.starts]
    assert all(np.abs(piece).max() > 0.99 for piece in pieces)
    part = x.shape[1] // 8
    inside = [
        k * part <= a <= (k + 1) * part - stretches.size for k, a in enumerate(stretches.starts)
    ]
    assert all(inside)


@pytest.mark.parametrize("window_mode", ["constant", "time"])
def test_sound_beside_the_stretches_decides_for_n_fft(window_mode):
    x = gated()
    assert sweep(x, 8000.0).curves[0].best_length > 2000
    found = optimize(x, 8000.0, window_mode=window_mode, max_steps=0)
    assert found.n_fft >= 8192


def test_between_stretches_nothing_is_read():
    read = []

    class Watched:
        shape = (1, 10**8)

        def __getitem__(self, index):
            _, wanted = index
            read.append(wanted.stop - wanted.start)
            return np.zeros((1, wanted.stop - wanted.start), np.float32)

    stretches = Stretches(10**8, (1000, 5 * 10**7, 9 * 10**7), 4096)
    frames = Frames(Watched(), stretches.centers(64), 256)
    block = frames.block(0, len(frames))
    assert block.shape == (1, len(frames), 256)
    assert len(frames) == 3 * 64
    assert len(read) == 3
    assert max(read) <= 4096 + 256


def test_frames_of_stretches_are_those_of_the_signal():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 400_000)))
    stretches = Stretches(400_000, (10, 200_000, 399_000), 1000)
    centers = stretches.centers(100.0)
    block = Frames(x, centers, 64, dtype=torch.float64).block(0, len(centers))
    for k, center in enumerate(centers.astype(int)):
        alone = Frames(x, np.array([float(center)]), 64, dtype=torch.float64).block(0, 1)
        assert torch.equal(block[:, k], alone[:, 0])


def test_change_costs_in_stretches_what_it_costs_in_the_signal():
    """Per e-fold and n_fft of what is looked at, so that a part is as calm as the whole."""
    x = signal()
    (of_whole,) = probe(x)._tabulate(1024)[0].neighbours(0.1).prices
    (of_part,) = probe(x, most=MOST)._tabulate(1024)[0].neighbours(0.1).prices
    assert of_part == pytest.approx(of_whole * LENGTH / MOST, rel=1e-3)
