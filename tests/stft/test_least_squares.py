"""Least squares where window lengths vary with frequency: adjoints, errors, segments, gaps."""

from unittest import mock

import numpy as np
import pytest
import torch
from fit.cases import each

from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import LeastSquaresInverse, Transform, istft, least_squares, stft
from stft.reference import explicit_stft, noise

BOUND = {torch.float32: 2e-6, torch.float64: 1e-9}


def smooth(n_fft: int, shortest: float) -> np.ndarray:
    """Lengths [F, 1] that all differ, short at high frequencies."""
    return np.geomspace(n_fft, shortest, n_fft // 2 + 1)[:, None]


def few(n_fft: int, shortest: float) -> np.ndarray:
    """Lengths [F, 1] of few values: one FFT each costs less than a matrix."""
    bins = np.arange(n_fft // 2 + 1)
    return np.geomspace(n_fft, shortest, 4)[bins * 4 // len(bins)][:, None]


def patches(n_fft: int, shortest: float, frames: int, seed: int = 0) -> np.ndarray:
    """Lengths [F, T], random over patches of 8 bins and 4 frames."""
    rng = np.random.default_rng(seed)
    shape = (n_fft // 16 + 1, -(-frames // 4))
    values = np.geomspace(shortest, n_fft, 9)[rng.integers(0, 9, shape)]
    return values.repeat(8, axis=0).repeat(4, axis=1)[: n_fft // 2 + 1, :frames]


def uneven(length: int, hop: float, seed: int = 0) -> np.ndarray:
    """Centres as learned hops have them: gaps of 0.3 to 1 hop, the ends within half a hop."""
    rng = np.random.default_rng(seed)
    centers = np.cumsum(hop * rng.uniform(0.3, 1, 4 * length)) - hop / 3
    return centers[: np.searchsorted(centers, length - hop / 2) + 1]


def solved(x, centers, lengths, n_fft, *, threads=1, window="hann", normalization="energy", X=None):
    """Samples [C, N] and the object that found them, for a signal [C, N]."""
    transform = Transform(n_fft, window, normalization)
    inverse = LeastSquaresInverse(
        transform, centers, lengths, x.shape[-1], channels=len(x), dtype=x.dtype, threads=threads
    )
    if X is None:
        names = {"window": window, "normalization": normalization}
        X = stft(x, torch.from_numpy(centers), torch.from_numpy(lengths), n_fft, **names)
    X = X.transpose(-1, -2)
    blocks = (X[:, start : start + inverse.block] for start in inverse.starts())
    return np.concatenate(list(inverse.samples(blocks)), axis=1), inverse


def error(back: np.ndarray, x: torch.Tensor) -> float:
    return float(np.linalg.norm(back - x.numpy()) / np.linalg.norm(x))


@each("kind", [smooth, few, patches])
@each(("hop", "n_fft"), [(8.0, 129), (9.25, 128), ("uneven", 128)])
def test_the_signal_comes_back(hop, kind, n_fft):
    centers = uneven(900, 14) if hop == "uneven" else np.arange(0, 901, hop)
    shortest = 16 / 0.9  # uneven centres are up to 14, the others up to 9.25 samples apart
    lengths = kind(n_fft, shortest, *([len(centers)] if kind is patches else []))
    turn = n_fft + len(kind.__name__)  # another window and normalization each time
    for i, (dtype, bound) in enumerate(BOUND.items()):
        x = noise(2, 900, dtype=dtype)
        window, normalization = WINDOWS[(turn + 2 * i) % 5], NORMALIZATIONS[(turn + i) % 3]
        options = {"window": window, "normalization": normalization}
        back, inverse = solved(x, centers, lengths, n_fft, **options)
        assert error(back, x) <= bound
        assert inverse.converged
        assert 0 < inverse.iterations < 60
        assert inverse.residual < bound
        assert (inverse.uncovered, inverse.weak) == (0, 0)


def test_equal_lengths_take_one_step():
    """Then the preconditioner is the inverse itself: weighted overlap-add."""
    x = noise(1, 1000)
    centers = np.arange(0, 1001, 12.5)
    back, inverse = solved(x, centers, np.full((65, 81), 60.3), 128)
    assert error(back, x) <= 1e-12
    assert inverse.iterations == 1


def test_least_squares_of_what_is_no_transform():
    """The gradient vanishes: against the dense solution, cells weighted as under `energy`."""
    n_fft, length = 16, 60
    centers, lengths = np.arange(0, 61, 3.5), patches(16, 8, 18)
    Y = torch.view_as_complex(noise(9, 18, 2))
    columns = [
        explicit_stft(unit, centers, lengths, n_fft, normalization="none")
        for unit in np.eye(length)
    ]
    energies = Transform(n_fft, normalization="none").windows(
        torch.as_tensor(centers % 1).repeat_interleave(9),
        torch.as_tensor(lengths.T.reshape(-1).copy()),
    ).square().sum(-1).reshape(18, 9).T  # fmt: skip
    count = np.array([1, *[2] * 7, 1])[:, None]
    weight = np.sqrt(count / energies.numpy())
    matrix = np.stack([(weight * column).reshape(-1) for column in columns], axis=1)
    # the phase of the definition turns f = 0 and f = K/2 by nothing: imaginary parts are ignored
    matrix, right = (
        np.concatenate([part.real, part.imag])
        for part in (matrix, (weight * Y.numpy()).reshape(-1))
    )
    real_bins = np.zeros((2, 9, 18), bool)
    real_bins[1, [0, 8]] = True
    right[real_bins.reshape(-1)] = 0
    expected = np.linalg.lstsq(matrix, right, rcond=None)[0]
    nothing = torch.zeros(1, length, dtype=torch.float64)
    back, inverse = solved(nothing, centers, lengths, n_fft, normalization="none", X=Y[None])
    np.testing.assert_allclose(back[0], expected, atol=1e-9 * np.abs(expected).max())
    left = np.concatenate(
        [right - matrix @ expected, (weight * Y.numpy()).imag[[0, 8]].reshape(-1)]
    )
    total = np.linalg.norm(weight * Y.numpy())
    assert inverse.residual == pytest.approx(np.linalg.norm(left) / total, rel=1e-9)


@each("kind", [smooth, patches])
def test_segments_join_to_what_one_segment_gives(kind):
    x = noise(1, 4500)
    centers = np.arange(0, 4501, 12.5)
    lengths = kind(64, 20, *([len(centers)] if kind is patches else []))
    found = []
    for size, count in ((32, 3), (5, 15), (1000, 1)):
        with mock.patch.object(least_squares, "SEGMENT", size):
            back, inverse = solved(x, centers, lengths, 64, threads=2)
            assert len(list(inverse.segments())) == count
        assert error(back, x) <= 1e-9
        found.append(back)
    for back in found[1:]:
        np.testing.assert_allclose(back, found[0], rtol=0, atol=5e-9)


def test_quiet_channels_and_quiet_passages_come_back():
    x = noise(3, 3000, dtype=torch.float32)
    x *= torch.tensor([1.0, 1e-25, 0.0])[:, None]
    back, inverse = solved(x, np.arange(0, 3001, 10.0), few(128, 25), 128)
    assert error(back[:1], x[:1]) <= BOUND[torch.float32]
    assert error(back[1:2] * 1e25, x[1:2] * 1e25) <= BOUND[torch.float32]
    np.testing.assert_array_equal(back[2], 0)
    assert inverse.converged
    silence, nothing = solved(torch.zeros(1, 500), np.arange(0, 501, 10.0), few(128, 25), 128)
    np.testing.assert_array_equal(silence, 0)
    assert (nothing.iterations, nothing.residual) == (0, 0)


def test_samples_without_a_window_are_counted_and_zero():
    x = noise(1, 9000) + 1
    centers = np.array([200.0, 230, 260, 8000, 8030])
    lengths = patches(64, 40, 5)
    lengths[3] = 64  # the longest window on every frame
    back, inverse = solved(x, centers, lengths, 64)
    reached = np.zeros(9000, bool)
    reached[169:292] = reached[7969:8062] = True  # Hann is zero at ±θ/2 itself
    assert inverse.uncovered == np.count_nonzero(~reached)
    np.testing.assert_array_equal(back[0, ~reached], 0)
    assert inverse.weak > 0
    # the ends of both groups are not determined and take all iterations, the middle is
    assert not inverse.converged
    assert inverse.residual < 1e-4
    np.testing.assert_allclose(back[0, 200:261], x[0, 200:261], rtol=0, atol=inverse.residual)
    assert np.abs(back).max() < 10


def test_what_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr(least_squares, "MOST_ITERATIONS", 3)
    x = noise(1, 3000)
    centers = torch.arange(0, 3001, 10.0, dtype=torch.float64)
    lengths = patches(128, 25, 301)
    back, inverse = solved(x, centers.numpy(), lengths, 128)
    assert not inverse.converged
    assert inverse.iterations == 3
    assert inverse.residual == pytest.approx(error(back, x), rel=1)
    assert 1e-4 < inverse.residual < 1e-1
    theta = torch.from_numpy(lengths)
    X = stft(x, centers, theta, 128)
    message = "least squares stopped after 3 iterations with residual"
    with pytest.warns(RuntimeWarning, match=message):
        istft(X, centers, theta, 128, 3000)
