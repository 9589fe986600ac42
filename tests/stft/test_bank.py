"""Lengths per bin and per cell: banks and operators against the explicit sum, and their adjoints."""

from itertools import product

import numpy as np
import pytest
import torch
from fit.cases import each

from dstft_cli.stft import Frames, Transform, bank, cells, frequency_bank, stft_derivatives
from dstft_cli.stft.bank import BankOperator, FFTBank, MatrixBank
from dstft_cli.stft.cells import CellOperator
from stft.reference import explicit_stft

RNG = np.random.default_rng(3)
SIGNAL = RNG.standard_normal((2, 150))
FRACTIONS = {"whole": [0.0], "half": [0.5] * 7, "several": [0.0, 0.25, 0.25, 0.0, 0.7, 0.7, 0.0]}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def lengths_of(n_fft: int) -> np.ndarray:
    lengths = RNG.uniform(4, n_fft, n_fft // 2 + 1)
    lengths[0] = lengths[-1] = n_fft  # the longest there is, at both ends
    return lengths


def bank_and_frames(n_fft, fraction, lengths, dtype=torch.float64, **options):
    centers = np.array([0.0, 13, 14, 60, 149]) + fraction
    frames = Frames(torch.as_tensor(SIGNAL), centers, n_fft, dtype=dtype)
    found = frequency_bank(
        Transform(n_fft), torch.as_tensor(lengths).to(dtype), fraction, **options
    )
    return found, frames.block(0, 5), centers


def test_a_bank_holds_the_transform_of_each_bin_and_its_slopes():
    for n_fft, fraction in product((32, 33, 8), (0.0, 0.37)):
        lengths = lengths_of(n_fft)
        built, frames, centers = bank_and_frames(n_fft, fraction, lengths, slopes=True)
        assert isinstance(built, MatrixBank)
        X = built.spectra(frames).numpy()
        expected = explicit_stft(SIGNAL[1], centers, lengths[:, None], n_fft)
        np.testing.assert_allclose(X[1].T, expected, atol=1e-11)
        re, im, dre, dim = built.parts(frames)
        theta = torch.from_numpy(lengths[:, None])
        signal = torch.as_tensor(SIGNAL)
        X, dX, _ = stft_derivatives(signal, torch.as_tensor(centers), theta, n_fft)
        inner = (X.conj() * dX).real.transpose(1, 2)
        torch.testing.assert_close(re * dre + im * dim, inner, rtol=1e-9, atol=1e-11)
        assert inner.abs().max() > 1e-3


@each("fraction", [0.0, 0.37])
def test_few_lengths_by_fft_many_in_parts_all_alike(fraction):
    lengths = np.repeat([20.0, 64.0], [30, 35])  # n_fft 128: 65 bins
    fft, frames, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    assert isinstance(fft, FFTBank)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bank, "BINS_PER_FFT", 1000)
        whole, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
        patched.setattr(bank, "_MATRIX_BYTES", 20000)
        parted, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
        parted_again, kept = (
            MatrixBank(Transform(128), torch.as_tensor(lengths), fraction, keep=keep)
            for keep in (False, True)
        )
    assert isinstance(whole, MatrixBank)
    assert whole.block == 1
    assert parted.block > 1
    for other in (whole, parted):
        torch.testing.assert_close(other.spectra(frames), whole.spectra(frames))
        expected, found = fft.parts(frames), other.parts(frames)
        for left, right in ((0, 2), (0, 0), (2, 2)):  # what a phase leaves alone
            torch.testing.assert_close(
                found[left] * found[right] + found[left + 1] * found[right + 1],
                expected[left] * expected[right] + expected[left + 1] * expected[right + 1],
            )
    G = torch.view_as_complex(noise(2, 5, 65, 2))
    assert (parted_again.block > 1, kept.block) == (True, 1)
    torch.testing.assert_close(parted_again.adjoint(G), kept.adjoint(G))


def cell_operator(n_fft, fractions, normalization, keep=True):
    lengths = np.random.default_rng(2).uniform(4, n_fft, (n_fft // 2 + 1, 7))
    lengths[: n_fft // 8] = n_fft
    transform = Transform(n_fft, "hann", normalization)
    part = torch.tensor(fractions, dtype=torch.float64)
    return CellOperator(transform, part, lengths, keep=keep), lengths


def new_cell_operator(n_fft, fractions, normalization):
    return cell_operator(n_fft, fractions, normalization, keep=False)


def bank_operator(n_fft, fractions, normalization):
    lengths = np.random.default_rng(3).uniform(4, n_fft, n_fft // 2 + 1)
    values, places = np.unique(np.broadcast_to(fractions, 7), return_inverse=True)
    transform, theta = Transform(n_fft, "hann", normalization), torch.as_tensor(lengths)
    banks = [MatrixBank(transform, theta, float(value)) for value in values]
    return BankOperator(banks, places), np.broadcast_to(lengths[:, None], (len(lengths), 7))


@pytest.fixture(autouse=True)
def several_batches_of_pairs(monkeypatch):
    monkeypatch.setattr(cells, "_BATCH_SAMPLES", 40 * 32)


MAKERS = [cell_operator, new_cell_operator, bank_operator]


@each("make", MAKERS)
def test_operators_are_the_transform_and_have_its_adjoint(make):
    """`Re Σ Ȳ A x = ⟨x, A* Y⟩`."""
    for n_fft, fractions in product((32, 33), FRACTIONS.values()):
        operator, lengths = make(n_fft, fractions, "amplitude")
        frames = noise(2, 7, n_fft)
        given = frames.clone()
        X = operator.spectra(frames)
        assert torch.equal(frames, given)
        Y = torch.view_as_complex(noise(2, 7, n_fft // 2 + 1, 2, seed=1))
        back = operator.adjoint(Y)
        inner = float((X.conj() * Y).real.sum())
        assert inner == pytest.approx(float((frames * back).sum()), rel=1e-11)
        for i, fraction in enumerate(np.broadcast_to(fractions, 7)):
            center = np.array([n_fft // 2 + fraction])
            expected = explicit_stft(
                frames[1, i].numpy(), center, lengths[:, i : i + 1], n_fft, "hann", "amplitude"
            )
            np.testing.assert_allclose(X[1, i], expected[:, 0], atol=1e-11)


@each("make", MAKERS)
def test_energies_and_squares_are_those_of_the_windows(make):
    operator, lengths = make(32, FRACTIONS["several"], "amplitude")
    w = Transform(32, "hann", "amplitude").windows(
        torch.tensor(FRACTIONS["several"], dtype=torch.float64).repeat_interleave(17),
        torch.as_tensor(lengths.T.reshape(-1).copy()),
    )
    w = w.reshape(7, 17, 32)
    torch.testing.assert_close(operator.energies(), w.square().sum(-1))
    share = np.random.default_rng(4).uniform(size=(17, 3))
    unit = w.square() / w.square().sum(-1, keepdim=True)
    sums, tops = torch.zeros(7, 3, 32, dtype=w.dtype), torch.zeros(7, 3, dtype=w.dtype)
    for rows, values, peaks in operator.squares(share):
        sums[rows], tops[rows] = values, peaks
    torch.testing.assert_close(sums, torch.einsum("fb,nfk->nbk", torch.as_tensor(share), unit))
    torch.testing.assert_close(tops, unit.amax(-1) @ torch.as_tensor(share))
