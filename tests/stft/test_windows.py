"""Windows: ends, smoothness, normalization, and derivatives in closed form."""

from itertools import product

import numpy as np
import pytest
import torch
from fit.cases import each

from dstft_cli.errors import UsageError
from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import Transform, window
from dstft_cli.stft.transform import FAMILIES, window_and_slopes
from stft.reference import profile

LENGTH = 21.3
every_window = each("name", WINDOWS)


def offsets(fraction: float = 0.3) -> torch.Tensor:
    return torch.arange(-16, 16, dtype=torch.float64) - fraction


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_one_at_the_centre_and_nothing_from_the_end_on():
    u = column(0.0, 4.0, -4.0, 4.001, -100.0)
    for name in WINDOWS:
        w, *slopes = window_and_slopes(u, column(8.0), name, "none", slopes=2)
        assert w.tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-15)
        assert len(slopes) == 2
        assert all(slope.abs().max() < 1e-15 for slope in slopes)


@every_window
def test_value_and_slope_vanish_towards_the_end(name):
    """h(1/2 − ε) is of order ε² and h' of order ε: no jump as a sample enters."""
    family = FAMILIES[name]
    assert family.shape(column(0.5)).abs() < 1e-12
    assert family.slope(column(0.5)).abs() < 1e-4  # the Kaiser root is cut at 1e-6
    for epsilon in (1e-2, 1e-3, 1e-4):
        v = column(0.5 - epsilon)
        assert 0 < family.shape(v) < 25 * epsilon**2
        assert -50 * epsilon < family.slope(v) < 0
    falling = family.shape(torch.linspace(0, 0.5, 1000, dtype=torch.float64))
    assert (torch.diff(falling) < 0).all()


@every_window
def test_against_the_formula(name):
    raw = profile(name, offsets().numpy() / LENGTH)
    for normalization, norm in (
        ("none", 1.0),
        ("amplitude", raw.sum()),
        ("energy", np.sqrt((raw**2).sum())),
    ):
        w = window(offsets(), column(LENGTH), name, normalization)
        np.testing.assert_allclose(w.numpy(), raw / norm, rtol=0, atol=1e-14)


@every_window
def test_derivatives_are_those_of_the_window(name):
    """Along the closed forms, autograd through the window itself is the witness."""
    u, length = offsets(), column(LENGTH).requires_grad_()
    center = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for normalization in NORMALIZATIONS:

        def shifted(theta, t, normalization=normalization):
            return window(u - t, theta, name, normalization)

        w, by_length, by_center = window_and_slopes(u, length, name, normalization, slopes=2)
        expected = torch.autograd.functional.jacobian(shifted, (length, center))
        torch.testing.assert_close(w, window(u, length, name, normalization))
        torch.testing.assert_close(by_length, expected[0][:, 0], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(by_center, expected[1][:, 0], rtol=1e-9, atol=1e-12)
        assert by_length.abs().max() > 1e-4
        assert by_center.abs().max() > 1e-3
        alone = window_and_slopes(u, length, name, normalization, slopes=1)
        torch.testing.assert_close(alone[1], by_length)


@every_window
def test_half_a_window_mirrored_is_the_whole(name):
    for normalization, K in product(NORMALIZATIONS, (32, 33)):
        k = torch.arange(K, dtype=torch.float64) - K // 2
        options = {"name": name, "normalization": normalization, "slopes": 1}
        whole = window_and_slopes(k, column(LENGTH), **options)
        half = torch.arange(K // 2 + 1, dtype=torch.float64)
        folded = window_and_slopes(half, column(LENGTH), **options, mirror=K)
        part = window_and_slopes(half, column(LENGTH), **options, mirror=K, whole=False)
        for i in range(2):
            torch.testing.assert_close(folded[i], whole[i])
            torch.testing.assert_close(part[i][: (K + 1) // 2], whole[i][K // 2 :])


def test_equal_windows_cost_one_row_and_come_back_in_order():
    transform = Transform(32, "blackman")
    cases = [
        (column(0.25), column(*[9.0, 30.0] * 8)),
        (column(*[0.25, 0.5] * 8), column(9.0)),
        (column(*[0.25, 0.5] * 8), column(*[9.0, 9.0, 30.0, 30.0] * 4)),
        (column(*np.linspace(0, 0.9, 16)), column(*np.linspace(9, 30, 16))),
        (None, column(*[9.0, 30.0] * 8)),
    ]
    for fractions, lengths in cases:
        at = column(0.0) if fractions is None else fractions
        for slopes in range(3):
            if fractions is None and slopes == 2:
                continue
            found = transform.rows(fractions, lengths, slopes)
            u = transform.offsets(lengths) - at[:, None]
            expected = window_and_slopes(u, lengths[:, None], "blackman", slopes=slopes)
            for one, two in zip(found, expected, strict=True):
                torch.testing.assert_close(one, two)


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UsageError, match=r"`window` 'han': use hann, blackman, nuttall"):
        window(offsets(), torch.ones(1), "han")
    with pytest.raises(UsageError, match=r"`normalization` 'rms': use energy, amplitude, none"):
        window(offsets(), torch.ones(1), "hann", "rms")
