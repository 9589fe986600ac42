"""One window length per bin, by matrix product, against one transform per bin."""

import numpy as np
import pytest
import torch
from stft_reference import explicit_stft

from dstft_cli.names import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import Frames, Transform, bank, frequency_bank, spectra, stft_derivatives

RNG = np.random.default_rng(3)
SIGNAL = RNG.standard_normal((2, 150))


def lengths_of(n_fft: int) -> np.ndarray:
    lengths = RNG.uniform(4, n_fft, n_fft // 2 + 1)
    lengths[0] = lengths[-1] = n_fft  # the longest there is, at both ends
    return lengths


def bank_and_frames(n_fft, fraction, lengths, dtype=torch.float64, **options):
    centers = np.array([0.0, 13, 14, 60, 149]) + fraction
    frames = Frames(torch.as_tensor(SIGNAL), centers, n_fft, dtype=dtype)
    found = frequency_bank(n_fft, torch.as_tensor(lengths).to(dtype), fraction, **options)
    return found, frames.block(0, 5), centers


@pytest.mark.parametrize("n_fft", [32, 33, 8])
@pytest.mark.parametrize("fraction", [0.0, 0.37])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_equals_the_explicit_sum_of_each_bin(n_fft, fraction, window, normalization):
    lengths = lengths_of(n_fft)
    built, frames, centers = bank_and_frames(
        n_fft, fraction, lengths, window_name=window, normalization=normalization
    )
    X = built.spectra(frames).numpy()
    for channel in range(2):
        for f, length in enumerate(lengths):
            row = np.array([[length]])
            expected = explicit_stft(SIGNAL[channel], centers, row, n_fft, window, normalization)
            np.testing.assert_allclose(X[channel, :, f], expected[f], atol=1e-10)


def test_single_precision_is_close():
    lengths = lengths_of(64)
    double, frames, _ = bank_and_frames(64, 0.0, lengths)
    single, frames32, _ = bank_and_frames(64, 0.0, lengths, dtype=torch.float32)
    exact = double.spectra(frames)
    error = (single.spectra(frames32).to(torch.complex128) - exact).abs().max()
    assert error < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("n_fft", [32, 33])
@pytest.mark.parametrize("fraction", [0.0, 0.37])
def test_slopes_are_those_of_each_bin(n_fft, fraction):
    lengths = lengths_of(n_fft)
    built, frames, centers = bank_and_frames(n_fft, fraction, lengths, slopes=True)
    re, im, dre, dim = built.parts(frames)
    inner = (re * dre + im * dim).numpy()
    for f, length in enumerate(lengths):
        X, dX, _ = stft_derivatives(
            torch.as_tensor(SIGNAL),
            torch.as_tensor(centers),
            torch.tensor([[length]], dtype=torch.float64),
            n_fft,
        )
        expected = (X.conj() * dX).real[:, f].numpy()
        np.testing.assert_allclose(inner[:, :, f], expected, atol=1e-11)
    assert np.abs(inner).max() > 1e-3


def test_groups_cover_every_frame_once():
    centers = np.arange(40) * 5.25
    frames = Frames(torch.as_tensor(SIGNAL), centers, 16)
    groups = dict(frames.groups())
    assert sorted(groups) == [0.0, 0.25, 0.5, 0.75]
    assert sorted(np.concatenate(list(groups.values())).tolist()) == list(range(40))
    for fraction, members in groups.items():
        assert np.allclose(centers[members] % 1, fraction)
    torch.testing.assert_close(frames.pick(groups[0.5])[:, 3], frames.block(14, 15)[:, 0])


@pytest.mark.parametrize("hop", [16.0, 10.25])
def test_spectra_in_blocks_equal_the_bank(hop):
    lengths = lengths_of(32)
    frames = Frames(torch.as_tensor(SIGNAL), np.arange(9) * hop, 32, dtype=torch.float64)
    transform = Transform(32)
    parts = list(spectra(frames, transform, lengths[:, None]))
    X = torch.cat([block for _, block in parts], dim=1)
    assert X.shape == (2, 9, 17)
    for i in range(9):
        one = frequency_bank(32, torch.as_tensor(lengths), (i * hop) % 1)
        torch.testing.assert_close(X[:, i : i + 1], one.spectra(frames.block(i, i + 1)))


@pytest.mark.parametrize("fraction", [0.0, 0.37])
def test_few_lengths_by_fft_many_in_parts_all_alike(fraction, monkeypatch):
    lengths = np.repeat([20.0, 64.0], [30, 35])  # n_fft 128: 65 bins
    fft, frames, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    assert isinstance(fft, bank.FFTBank)
    monkeypatch.setattr(bank, "_BINS_PER_FFT", 1000)
    whole, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    monkeypatch.setattr(bank, "_MATRIX_BYTES", 20000)
    parted, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    assert isinstance(whole, bank.MatrixBank)
    assert whole.block == 1
    assert parted.block > 1
    for other in (whole, parted):
        torch.testing.assert_close(other.spectra(frames), fft.spectra(frames))
        expected, found = fft.parts(frames), other.parts(frames)
        for left, right in ((0, 2), (0, 0), (2, 2)):  # what a phase leaves alone
            torch.testing.assert_close(
                found[left] * found[right] + found[left + 1] * found[right + 1],
                expected[left] * expected[right] + expected[left + 1] * expected[right + 1],
            )
