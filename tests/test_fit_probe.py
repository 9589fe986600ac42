"""What `n_fft auto` looks at of a long signal stands for the whole of it."""

from functools import partial

import numpy as np
import pytest
import torch

from dstft_cli.criteria import resolve
from dstft_cli.fit import problem as module
from dstft_cli.fit.band import Band
from dstft_cli.fit.method import Method
from dstft_cli.fit.plan import make_plan
from dstft_cli.fit.problem import Probe, Problem
from dstft_cli.fit.stretches import STRETCHES, spread_centers

LENGTH, MOST = 1 << 18, 1 << 16
SIZES = [512, 1024, 2048, 4096, 8192]


def signal() -> np.ndarray:
    """Knocks at irregular times over tones that last, and noise."""
    rng = np.random.default_rng(3)
    x = 0.01 * rng.standard_normal(LENGTH)
    for at in rng.integers(0, LENGTH - 400, 400):
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
    return Probe(problem, plan_for, 0.5)


@pytest.mark.parametrize(("window_mode", "smoothness"), [("time", 0.4), ("frequency", 0.1)])
def test_scores_of_stretches_compare_as_those_of_the_whole(monkeypatch, window_mode, smoothness):
    x = signal()
    seen = partial(probe, x, window_mode, smoothness=smoothness)
    whole = np.array([seen().score(size) for size in SIZES])
    monkeypatch.setattr(module, "_PROBED_SAMPLES", MOST)
    part = np.array([seen().score(size) for size in SIZES])
    assert np.ptp(part - whole) < 0.1  # the rest is their number, the same for all sizes
    assert part.argmin() == whole.argmin()
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


@pytest.mark.parametrize("hop", [1, 7.5, 256, 4096, 30000, 10**6])
def test_stretches_are_the_same_for_every_hop(hop):
    length = 1_000_003
    centers = spread_centers(length, hop, 1 << 17)
    assert len(centers) > 0
    assert np.allclose(centers / hop % 1, 0)
    if hop > 1024:  # then there are more samples, to hold a few frames
        assert len(centers) * hop >= min(STRETCHES * STRETCHES / 2 * hop, length / 2)
        return
    middles = (np.arange(STRETCHES) + 0.5) * length / STRETCHES
    from_middle = np.abs(centers[:, None] - middles).min(1)
    assert from_middle.max() <= (1 << 17) / STRETCHES / 2
    assert len(centers) == pytest.approx((1 << 17) / hop, abs=STRETCHES)


def test_a_short_signal_is_looked_at_whole():
    assert len(spread_centers(1000, 10, 1000)) == 101
