"""Frame centres: uniform ones, their shares of time, and learned ones within their constraints."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dstft_cli.fit.centers import (
    FreeHop,
    HopRange,
    centered_centers,
    quadrature_weights,
    uniform_centers,
)
from fit.cases import each

UNIFORM = [(10, 5.0, [0, 5, 10]), (10, 4.0, [0, 4, 8]), (10, 2.5, [0, 2.5, 5, 7.5, 10])]


@each(("length", "hop", "expected"), [*UNIFORM, (10, 11.0, [0]), (1, 1.0, [0, 1])])
def test_uniform_centers(length, hop, expected):
    assert uniform_centers(length, hop).tolist() == expected
    centers = uniform_centers(10_000_000, 12.7)  # no drift
    assert (len(centers), centers[-1]) == (1 + int(10_000_000 // 12.7), 12.7 * (len(centers) - 1))


def test_quadrature_weights():
    assert quadrature_weights(np.array([3.0])).tolist() == [1.0]
    assert quadrature_weights(uniform_centers(100, 7.5)).tolist() == [1.0] * 14
    uneven, shares = np.array([0.0, 10.0, 12.0, 14.0, 50.0]), np.array([10, 6, 2, 19, 36])
    np.testing.assert_allclose(quadrature_weights(uneven), shares / 14.6)
    np.testing.assert_allclose(quadrature_weights(uneven, 2.0), shares / 2)  # in hops
    for centers, shares in (([10.0, 20, 60], [15, 25, 59]), ([0.0, 99], [49.5] * 2), ([40], [99])):
        weights = quadrature_weights(np.array(centers), 3.0, 100)  # learned ones share the signal
        assert weights == pytest.approx(np.array(shares) / 3)
        assert quadrature_weights(np.array(centers), None, 100).mean() == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(length=st.integers(2, 2000), share=st.floats(0.01, 1.5), kept=st.booleans())
def test_one_hop_puts_the_frames_in_the_middle(length, share, kept):
    hop = max(share * (length - 1), 0.5)
    centers = centered_centers(length, hop)
    if kept:
        free = FreeHop(HopRange(length, 0.5, 0.1, 1e9), hop, centers, kept=True)
        np.testing.assert_allclose(
            free.centers(np.log([hop]), centers), centers, atol=1e-9 * length
        )
    assert np.diff(centers) == pytest.approx(np.full(len(centers) - 1, hop))
    assert centers[0] == pytest.approx(length - 1 - centers[-1], abs=1e-9 * length)
    assert -1e-9 <= centers[0] <= hop / 2 + 1e-9


def random_case(frames: int, seed: int) -> tuple[HopRange, np.ndarray, np.ndarray]:
    """Constraints, wishes and window lengths, half of them without room to spare."""
    rng = np.random.default_rng(seed)
    length = int(rng.integers(50, 1000))
    overlap, low = rng.uniform(0.2, 1.0), rng.uniform(0.1, 3.0)
    high = rng.choice([1e9, 1.3 * length / frames])
    lengths = rng.uniform(0.6, 2.0, frames) * length / frames / overlap
    wishes = np.sort(rng.uniform(-20, length + 20, frames)) + rng.normal(0, 5, frames)
    return HopRange(length, overlap, low, high), wishes, lengths


def feasible(hops: HopRange, lengths: np.ndarray) -> bool:
    """Whether windows of these lengths can cover the signal within the constraints."""
    reach = hops.overlap * lengths / 2
    most = reach[0] + np.minimum(reach[:-1] + reach[1:], hops.high).sum() + reach[-1]
    return (len(lengths) - 1) * hops.low <= hops.length - 1 <= most * (1 + 1e-12)


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_constraints_hold_whatever_is_wished(frames, seed):
    at, wishes, lengths = random_case(frames, seed)
    assume(feasible(at, lengths))
    t, tiny = at.place(wishes, lengths)[0], 1e-9 * at.length
    gaps = np.diff(t)
    assert (gaps >= at.low - tiny).all()
    assert (gaps <= np.minimum(at.high, at.overlap * (lengths[1:] + lengths[:-1]) / 2) + tiny).all()
    assert 0 <= t[0] <= at.overlap * lengths[0] / 2 + tiny
    assert -tiny <= at.length - 1 - t[-1] <= at.overlap * lengths[-1] / 2 + tiny
