"""The transform and its windows against explicit sums and formulas, torch and SciPy; derivatives."""

from itertools import product

import numpy as np
import pytest
import torch
from fit.cases import each
from torch.autograd.gradcheck import GradcheckError

from dstft_cli import DSTFT
from dstft_cli.errors import UsageError
from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import differentiable_stft, istft, stft, stft_derivatives, window
from stft.reference import explicit_stft, noise

CENTERS = torch.tensor([0.0, 2.25, 9.5, 16.9, 30.001, 39.5], dtype=torch.float64)
LENGTHS = torch.tensor([[11.3, 5.0, 14.9, 3.7, 12.0, 8.25]], dtype=torch.float64)


def shapes(n_fft: int) -> list[torch.Tensor]:
    """Lengths of every shape, and some that few bins or frames share."""
    rng, F, T = np.random.default_rng(1), n_fft // 2 + 1, len(CENTERS)
    few = np.where(np.arange(F) < 3, 6.5, n_fft)[:, None]
    patches = rng.choice([5.0, 9.25, n_fft], (F, T))
    made = [rng.uniform(4, n_fft, shape) for shape in ((1, 1), (1, T), (F, 1), (F, T))]
    return [torch.from_numpy(lengths.astype(np.float64)) for lengths in (*made, few, patches)]


@each("window", WINDOWS)
def test_against_the_explicit_sum(window):
    """Every shape of lengths, at whole and at other centres, batches of pairs cut small."""
    x = noise(2, 40)
    whole = torch.arange(0, 42, 7, dtype=torch.float64)
    halves = whole + 0.5 * (torch.arange(6) % 2)
    for n_fft, normalization in zip((16, 15, 16), NORMALIZATIONS, strict=True):
        options = {"window": window, "normalization": normalization}
        for centers, lengths in product((CENTERS, whole, halves), shapes(n_fft)):
            X = stft(x, centers, lengths, n_fft, **options)
            assert X.shape == (2, n_fft // 2 + 1, 6)
            expected = explicit_stft(
                x[1].numpy(), centers.numpy(), lengths.numpy(), n_fft, window, normalization
            )
            np.testing.assert_allclose(X[1].numpy(), expected, rtol=0, atol=1e-12)


@each("window", WINDOWS)
def test_derivatives_are_difference_quotients(window):
    x, step = noise(2, 40), 1e-5
    centers = CENTERS[1:] + 0.01
    for normalization, lengths in product(NORMALIZATIONS, shapes(16)):
        lengths = lengths[:, :5] * 0.9 + 0.007  # no sample on the end of a window
        names = {"window": window, "normalization": normalization}

        def at(t, theta, names=names):
            return stft(x, t, theta, 16, **names)

        X, by_length, by_center = stft_derivatives(x, centers, lengths, 16, **names)
        torch.testing.assert_close(X, at(centers, lengths))
        for found, difference in (
            (by_length, at(centers, lengths + step) - at(centers, lengths - step)),
            (by_center, at(centers + step, lengths) - at(centers - step, lengths)),
        ):
            torch.testing.assert_close(found, difference / (2 * step), rtol=1e-5, atol=1e-7)
            assert found.abs().max() > 1e-3


@pytest.mark.xfail(strict=True, raises=GradcheckError)
def test_no_derivative_of_the_phase_where_the_centre_is_whole():
    """X is counted from ⌊t⌋, so its phase jumps by exp(2πj f/K) as the centre crosses an integer.

    The power is not: it moves on smoothly.
    """
    x, lengths = noise(40), torch.tensor([[9.3]], dtype=torch.float64)
    whole, step = torch.tensor([20.0], dtype=torch.float64), 1e-5
    X, _, by_center = stft_derivatives(x, whole, lengths, 16)
    up, down = (stft(x, whole + s * step, lengths, 16).abs() ** 2 for s in (1, -1))
    found = 2 * (X.conj() * by_center).real
    np.testing.assert_allclose(found, (up - down) / (2 * step), rtol=1e-6, atol=1e-8)
    centers = torch.tensor([20.0], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda t: differentiable_stft(x, lengths, 16, centers=t), centers)


def test_refused_arguments():
    for signal, lengths, message in (
        (torch.zeros(1, 2, 3), LENGTHS, r"signal of shape \(1, 2, 3\): give a real \[N\]"),
        (torch.zeros(8, dtype=torch.complex64), LENGTHS, r"signal of shape \(8,\): give a real"),
        (noise(40), LENGTHS[:, :3], r"centres \(6,\) with lengths \(1, 3\) and `n_fft` 16"),
        (noise(40), 2 * LENGTHS, r"window lengths 7.4…29.8 samples .* `n_fft` 16"),
        (noise(40), 0 * LENGTHS, r"window lengths 0…0 samples .* above 0"),
    ):
        for transform in (stft, stft_derivatives):
            with pytest.raises(UsageError, match=message):
                transform(signal, CENTERS, lengths, 16)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UsageError, match=r"`window` 'han': use hann, blackman, nuttall"):
        window(torch.zeros(1), torch.ones(1), "han")
    with pytest.raises(UsageError, match=r"`normalization` 'rms': use energy, amplitude, none"):
        window(torch.zeros(1), torch.ones(1), "hann", "rms")


def test_what_is_empty_or_not_finite_is_refused():
    at, lengths = torch.arange(4.0) * 16, torch.tensor([[50.0]])
    with pytest.raises(UsageError):
        stft(torch.zeros(0), at, lengths, 64)
    with pytest.raises(UsageError):
        stft(torch.zeros(90), at * torch.nan, lengths, 64)
    with pytest.raises(UsageError):
        istft(torch.zeros(0, 33, 4, dtype=torch.complex64), at, lengths, 64, 64)
    with pytest.raises(UsageError):
        DSTFT(64.5)
    assert DSTFT(2).hop_length_start == 1
