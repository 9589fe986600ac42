"""Lengths per bin and per cell: banks and operators against the explicit sum, and their adjoints."""

from functools import partial
from itertools import product
from unittest import mock

import numpy as np
import pytest
import torch
from fit.cases import each

from dstft_cli.stft import Frames, Transform, bank, stft_derivatives
from dstft_cli.stft.bank import BankOperator, CellOperator, MatrixBank
from stft.reference import explicit_stft, noise

RNG = np.random.default_rng(3)
SIGNAL = RNG.standard_normal((2, 150))
FRACTIONS = {"whole": [0.0], "half": [0.5] * 7, "several": [0.0, 0.25, 0.25, 0.0, 0.7, 0.7, 0.0]}


def lengths_of(n_fft: int) -> np.ndarray:
    lengths = RNG.uniform(4, n_fft, n_fft // 2 + 1)
    lengths[0] = lengths[-1] = n_fft  # the longest there is, at both ends
    return lengths


def bank_and_frames(n_fft, fraction, lengths, dtype=torch.float64, **options):
    centers = np.array([0.0, 13, 14, 60, 149]) + fraction
    frames = Frames(torch.as_tensor(SIGNAL), centers, n_fft, dtype=dtype)
    found = MatrixBank(Transform(n_fft), torch.as_tensor(lengths).to(dtype), fraction, **options)
    return found, frames.block(0, 5), centers


def test_a_bank_holds_the_transform_of_each_bin_and_its_slopes():
    for n_fft, fraction in product((32, 33, 8), (0.0, 0.37)):
        lengths = lengths_of(n_fft)
        built, frames, centers = bank_and_frames(n_fft, fraction, lengths, slopes=True)
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
def test_in_parts_or_kept_all_alike(fraction):
    lengths = lengths_of(128)
    whole, frames, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    theta = torch.as_tensor(lengths)
    with mock.patch.object(bank, "_MATRIX_BYTES", 20000):
        parted, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
        kept, _, _ = bank_and_frames(128, fraction, lengths, slopes=True, keep=True)
        plain = [MatrixBank(Transform(128), theta, fraction, keep=keep) for keep in (False, True)]
    assert parted.block > whole.block == kept.block == 1
    G = torch.view_as_complex(noise(2, 5, 65, 2))
    for other in (parted, kept):
        torch.testing.assert_close(other.parts(frames), whole.parts(frames))
        torch.testing.assert_close(other.spectra(frames), whole.spectra(frames))
    torch.testing.assert_close(*(one.adjoint(G) for one in plain))


def cell_operator(n_fft, fractions, normalization, keep=True):
    lengths = np.random.default_rng(2).uniform(4, n_fft, (n_fft // 2 + 1, 7))
    lengths[: n_fft // 8] = n_fft
    transform = Transform(n_fft, "hann", normalization)
    part = torch.tensor(fractions, dtype=torch.float64)
    return CellOperator(transform, part, lengths, keep=keep), lengths


def bank_operator(n_fft, fractions, normalization):
    lengths = np.random.default_rng(3).uniform(4, n_fft, n_fft // 2 + 1)
    values, places = np.unique(np.broadcast_to(fractions, 7), return_inverse=True)
    transform, theta = Transform(n_fft, "hann", normalization), torch.as_tensor(lengths)
    banks = [MatrixBank(transform, theta, float(value)) for value in values]
    return BankOperator(banks, places), np.broadcast_to(lengths[:, None], (len(lengths), 7))


@pytest.fixture(autouse=True)
def several_batches_of_pairs(monkeypatch):
    monkeypatch.setattr(bank, "_BATCH_SAMPLES", 40 * 32)


every_operator = each("make", [cell_operator, partial(cell_operator, keep=False), bank_operator])


@every_operator
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


@every_operator
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
