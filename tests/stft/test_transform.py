"""The transform and its windows against explicit sums and formulas, torch and SciPy; derivatives."""

from itertools import product

import numpy as np
import pytest
import torch
from fit.cases import each
from scipy.signal import ShortTimeFFT, windows
from torch.autograd.gradcheck import GradcheckError

from dstft_cli.errors import UsageError
from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import differentiable_stft, stft, stft_derivatives, window
from dstft_cli.stft.transform import window_and_slopes
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


def test_equals_scipy_at_integer_parameters():
    x, centers = noise(480), torch.arange(0, 481, 12, dtype=torch.float64)
    expected = ShortTimeFFT(windows.hann(48, sym=False), 12, fs=1.0, phase_shift=None).stft(
        x.numpy(), p0=0, p1=41
    )
    X = stft(x, centers, torch.tensor([[48.0]], dtype=torch.float64), 48, normalization="none")
    np.testing.assert_allclose(X.numpy(), expected, rtol=0, atol=1e-10)


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


@pytest.mark.xfail(strict=True, raises=AssertionError)
def test_no_derivative_of_the_magnitude_where_the_transform_vanishes():
    """|X| has a kink where X passes zero; only powers above 1 are differentiable there."""
    x = torch.zeros(40, dtype=torch.float64)
    x[20], x[22] = -0.5, 1.0  # Hann of 8 samples: w(0) = 1, w(2) = 1/2, so X[0] = 0

    def magnitude(length: float) -> torch.Tensor:
        lengths = torch.tensor([[length]], dtype=torch.float64)
        centers = torch.tensor([20.0], dtype=torch.float64)
        return stft(x, centers, lengths, 16, normalization="none")[0].abs()

    assert float(magnitude(8.0)) < 1e-15
    before = (magnitude(8.0) - magnitude(8 - 1e-5)) / 1e-5
    after = (magnitude(8 + 1e-5) - magnitude(8.0)) / 1e-5
    torch.testing.assert_close(before, after, rtol=0, atol=1e-3)


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


def test_one_at_the_centre_and_nothing_from_the_end_on():
    u = torch.tensor([0.0, 4.0, -4.0, 4.001, -100.0], dtype=torch.float64)
    for name in WINDOWS:
        w, *slopes = window_and_slopes(u, u.new_tensor([8.0]), name, "none", slopes=2)
        assert w.tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-15)
        assert len(slopes) == 2
        assert all(slope.abs().max() < 1e-15 for slope in slopes)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UsageError, match=r"`window` 'han': use hann, blackman, nuttall"):
        window(torch.zeros(1), torch.ones(1), "han")
    with pytest.raises(UsageError, match=r"`normalization` 'rms': use energy, amplitude, none"):
        window(torch.zeros(1), torch.ones(1), "hann", "rms")
