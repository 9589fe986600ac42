"""Lengths per bin and per cell: banks and operators against the explicit sum, and their adjoints."""

from itertools import product

import numpy as np
import pytest
import torch
from stft_reference import explicit_stft

from dstft_cli.stft import Frames, Transform, bank, cells, frequency_bank, stft_derivatives
from dstft_cli.stft.bank import BankOperator, FFTBank, MatrixBank
from dstft_cli.stft.cells import BandKernel, CellOperator, pairs_of
from dstft_cli.stft.frames import Given

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


def test_single_precision_is_close():
    lengths = lengths_of(64)
    double, frames, _ = bank_and_frames(64, 0.0, lengths)
    single, frames32, _ = bank_and_frames(64, 0.0, lengths, dtype=torch.float32)
    exact = double.spectra(frames)
    error = (single.spectra(frames32).to(torch.complex128) - exact).abs().max()
    assert error < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("fraction", [0.0, 0.37])
def test_few_lengths_by_fft_many_in_parts_all_alike(fraction, monkeypatch):
    lengths = np.repeat([20.0, 64.0], [30, 35])  # n_fft 128: 65 bins
    fft, frames, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    assert isinstance(fft, FFTBank)
    monkeypatch.setattr(bank, "BINS_PER_FFT", 1000)
    whole, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    monkeypatch.setattr(bank, "_MATRIX_BYTES", 20000)
    parted, _, _ = bank_and_frames(128, fraction, lengths, slopes=True)
    assert isinstance(whole, MatrixBank)
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
    G = torch.view_as_complex(noise(2, 5, 65, 2))
    parted, kept = (
        MatrixBank(Transform(128), torch.as_tensor(lengths), fraction, keep=keep)
        for keep in (False, True)
    )
    assert (parted.block > 1, kept.block) == (True, 1)
    torch.testing.assert_close(parted.adjoint(G), kept.adjoint(G))


def test_pairs_are_distinct_and_every_cell_finds_its_own():
    lengths = RNG.choice([8.0, 9.5, 20.0], (17, 5))
    pairs = pairs_of(lengths)
    known = set(zip(pairs.frames.tolist(), pairs.lengths.tolist(), strict=True))
    assert len(known) == len(pairs.frames) == sum(len(set(column)) for column in lengths.T)
    assert (np.diff(pairs.frames) >= 0).all()
    np.testing.assert_array_equal(pairs.lengths[pairs.index], lengths.T)
    np.testing.assert_array_equal(pairs.frames[pairs.index], np.arange(5)[:, None].repeat(17, 1))
    for most in (1, 4, 100):
        batches = list(pairs.batches(most))
        frames = np.concatenate([np.arange(5)[rows] for rows, _ in batches])
        np.testing.assert_array_equal(frames, np.arange(5))
        members = np.concatenate([np.arange(len(pairs.frames))[part] for _, part in batches])
        np.testing.assert_array_equal(members, np.arange(len(pairs.frames)))
        for rows, part in batches:
            assert set(pairs.frames[part].tolist()) == set(range(rows.start, rows.stop))
            assert part.stop - part.start <= most or rows.stop - rows.start == 1


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


MAKERS = [cell_operator, new_cell_operator, bank_operator]


@pytest.mark.parametrize("make", MAKERS)
def test_operators_are_the_transform_and_have_its_adjoint(make, monkeypatch):
    """`Re Σ Ȳ A x = ⟨x, A* Y⟩`."""
    for n_fft, fractions in product((32, 33), FRACTIONS.values()):
        monkeypatch.setattr(cells, "_BATCH_SAMPLES", 40 * n_fft)  # several batches of pairs
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


@pytest.mark.parametrize("make", MAKERS)
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


def test_bands_of_bins_join_to_the_whole_transform():
    for n_fft, fractions in product((24, 25), (None, torch.tensor([0.2, 0.0, 0.9]).double())):
        F, frames = n_fft // 2 + 1, noise(2, 3, n_fft)
        theta = torch.from_numpy(RNG.uniform(4, n_fft, (F, 3)))
        transform, parts = Transform(n_fft), []
        for bins in (slice(0, 5), slice(5, F)):
            kernel = BandKernel(transform, bins, theta, whole=fractions is None)
            parts.append(kernel.spectra(Given(frames, fractions, theta)))
        at = torch.zeros(3, dtype=torch.float64) if fractions is None else fractions
        expected = CellOperator(transform, at, theta.numpy()).spectra(frames)
        torch.testing.assert_close(torch.cat(parts, -1), expected)
