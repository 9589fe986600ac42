"""A window length for every cell, against the explicit sum and difference quotients."""

import numpy as np
import pytest
import torch
from stft_reference import explicit_stft

from dstft_cli.names import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import Frames, Transform, cells, pairs_of, spectra, stft, stft_derivatives

RNG = np.random.default_rng(11)
SIGNAL = RNG.standard_normal((2, 120))
CENTERS = np.array([0.0, 9.3, 14, 60.7, 77.01, 119])


def lengths_of(n_fft: int, frames: int = len(CENTERS)) -> np.ndarray:
    lengths = RNG.uniform(4, n_fft, (n_fft // 2 + 1, frames))
    lengths[: n_fft // 8] = n_fft  # a patch of equal lengths
    return lengths


def test_pairs_are_distinct_and_every_cell_finds_its_own():
    lengths = RNG.choice([8.0, 9.5, 20.0], (17, 5))
    pairs = pairs_of(lengths)
    known = set(zip(pairs.frames.tolist(), pairs.lengths.tolist(), strict=True))
    assert len(known) == len(pairs.frames) == sum(len(set(column)) for column in lengths.T)
    assert (np.diff(pairs.frames) >= 0).all()
    np.testing.assert_array_equal(pairs.lengths[pairs.index], lengths.T)
    np.testing.assert_array_equal(pairs.frames[pairs.index], np.arange(5)[:, None].repeat(17, 1))


@pytest.mark.parametrize("most", [1, 4, 100])
def test_batches_cover_frames_and_pairs_once(most):
    pairs = pairs_of(lengths_of(16))
    batches = list(pairs.batches(most))
    frames = np.concatenate([np.arange(6)[rows] for rows, _ in batches])
    members = np.concatenate([np.arange(len(pairs.frames))[part] for _, part in batches])
    np.testing.assert_array_equal(frames, np.arange(6))
    np.testing.assert_array_equal(members, np.arange(len(pairs.frames)))
    for rows, part in batches:
        assert set(pairs.frames[part].tolist()) == set(range(rows.start, rows.stop))
        assert part.stop - part.start <= most or rows.stop - rows.start == 1


@pytest.mark.parametrize("n_fft", [24, 25])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_equals_the_explicit_sum(n_fft, window, normalization, monkeypatch):
    monkeypatch.setattr(cells, "_BATCH_SAMPLES", 200)
    lengths = lengths_of(n_fft)
    X = stft(
        torch.as_tensor(SIGNAL),
        torch.as_tensor(CENTERS),
        torch.as_tensor(lengths),
        n_fft,
        window=window,
        normalization=normalization,
    )
    for channel in range(2):
        expected = explicit_stft(SIGNAL[channel], CENTERS, lengths, n_fft, window, normalization)
        np.testing.assert_allclose(X[channel], expected, atol=1e-10)


def test_lengths_per_bin_with_frames_anywhere():
    """More places between samples than matrices are made for."""
    centers = np.arange(12) * 9.173
    lengths = lengths_of(24, 1)
    X = stft(
        torch.as_tensor(SIGNAL[0]), torch.as_tensor(centers), torch.as_tensor(lengths), 24
    ).numpy()
    np.testing.assert_allclose(X, explicit_stft(SIGNAL[0], centers, lengths, 24), atol=1e-10)


def test_blocks_and_threads_change_nothing():
    lengths = np.repeat(lengths_of(4096, 60)[::64], 64, axis=0)[:2049].repeat(10, axis=1)
    signal = RNG.standard_normal((1, 5000))
    frames = Frames(signal, np.arange(600) * 8.25, 4096, dtype=torch.float64)
    transform = Transform(4096)
    one = list(spectra(frames, transform, lengths))
    two = list(spectra(frames, transform, lengths, threads=2))
    assert len(one) == len(two) == 3
    for (a, X), (b, Y) in zip(one, two, strict=True):
        assert a == b
        torch.testing.assert_close(X, Y, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (13, 1), (13, 6)])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_derivatives_are_difference_quotients(shape, normalization):
    theta = torch.as_tensor(RNG.uniform(5, 24, shape))
    centers = torch.as_tensor(np.array([3.2, 9.3, 14.6, 60.7, 77.25, 110.5]))
    signal = torch.as_tensor(SIGNAL)

    def transform(centers, theta):
        return stft(signal, centers, theta, 24, normalization=normalization)

    X, by_length, by_center = stft_derivatives(
        signal, centers, theta, 24, normalization=normalization
    )
    torch.testing.assert_close(X, transform(centers, theta))
    step = 1e-5
    for derivative, quotient in (
        (by_length, (transform(centers, theta + step) - transform(centers, theta - step))),
        (by_center, (transform(centers + step, theta) - transform(centers - step, theta))),
    ):
        torch.testing.assert_close(derivative, quotient / (2 * step), rtol=1e-5, atol=1e-7)
        assert derivative.abs().max() > 1e-3
