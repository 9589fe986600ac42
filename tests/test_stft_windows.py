"""Windows: ends, smoothness, normalization, and derivatives in closed form."""

import numpy as np
import pytest
import torch
from stft_reference import profile

from dstft_cli.errors import UsageError
from dstft_cli.names import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import window, window_and_slope, window_derivatives
from dstft_cli.stft.windows import FAMILIES

LENGTH = 21.3
every_window = pytest.mark.parametrize("name", WINDOWS)
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)


def offsets(fraction: float = 0.3) -> torch.Tensor:
    return torch.arange(-16, 16, dtype=torch.float64) - fraction


def test_every_name_has_its_family():
    assert tuple(FAMILIES) == WINDOWS


@every_window
def test_peak_end_and_outside(name):
    length = torch.tensor([8.0], dtype=torch.float64)
    u = torch.tensor([0.0, 4.0, -4.0, 4.001, -100.0], dtype=torch.float64)
    w, by_length, by_center = window_derivatives(u, length, name, "none")
    assert w.tolist() == pytest.approx([1, 0, 0, 0, 0], abs=1e-15)
    assert by_length.abs().max() < 1e-15
    assert by_center.abs().max() < 1e-15


@every_window
def test_value_and_slope_vanish_towards_the_end(name):
    """h(1/2 − ε) is of order ε² and h' of order ε: no jump as a sample enters."""
    family = FAMILIES[name]
    end = torch.tensor([0.5], dtype=torch.float64)
    assert family.shape(end).abs() < 1e-12
    assert family.slope(end).abs() < 1e-4  # the Kaiser root is cut at 1e-6
    for epsilon in (1e-2, 1e-3, 1e-4):
        v = torch.tensor([0.5 - epsilon], dtype=torch.float64)
        assert 0 < family.shape(v) < 25 * epsilon**2
        assert -50 * epsilon < family.slope(v) < 0


@every_window
def test_falls_from_centre_to_end(name):
    v = torch.linspace(0, 0.5, 1000, dtype=torch.float64)
    assert (torch.diff(FAMILIES[name].shape(v)) < 0).all()


@every_window
@every_normalization
def test_against_the_formula(name, normalization):
    expected = profile(name, offsets().numpy() / LENGTH)
    if normalization == "amplitude":
        expected = expected / expected.sum()
    if normalization == "energy":
        expected = expected / np.sqrt((expected**2).sum())
    w = window(offsets(), torch.tensor([LENGTH], dtype=torch.float64), name, normalization)
    np.testing.assert_allclose(w.numpy(), expected, rtol=0, atol=1e-14)


@every_window
@every_normalization
def test_derivatives_are_those_of_the_window(name, normalization):
    """Along the closed forms, autograd through the window itself is the witness."""
    u = offsets()
    length = torch.tensor([LENGTH], dtype=torch.float64, requires_grad=True)
    center = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    w, by_length, by_center = window_derivatives(u, length, name, normalization)
    expected_by_length, expected_by_center = torch.autograd.functional.jacobian(
        lambda theta, t: window(u - t, theta, name, normalization), (length, center)
    )
    torch.testing.assert_close(w, window(u, length, name, normalization))
    torch.testing.assert_close(by_length, expected_by_length[:, 0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(by_center, expected_by_center[:, 0], rtol=1e-9, atol=1e-12)
    assert by_length.abs().max() > 1e-4
    assert by_center.abs().max() > 1e-3


@every_window
@every_normalization
@pytest.mark.parametrize("K", [32, 33])
def test_half_a_window_mirrored_is_the_whole(name, normalization, K):
    k = torch.arange(K, dtype=torch.float64) - K // 2
    half = torch.arange(K // 2 + 1, dtype=torch.float64)
    length = torch.tensor([LENGTH], dtype=torch.float64)
    whole = window_derivatives(k, length, name, normalization)
    folded = window_and_slope(half, length, name, normalization, mirror=K)
    torch.testing.assert_close(folded[0], whole[0])
    torch.testing.assert_close(folded[1], whole[1])
    alone = window(half, length, name, normalization, mirror=K)
    torch.testing.assert_close(alone, whole[0])


@every_window
def test_normalized_to_one(name):
    lengths = torch.tensor([[4.0], [13.7], [32.0]], dtype=torch.float64)
    amplitude = window(offsets(), lengths, name, "amplitude")
    energy = window(offsets(), lengths, name, "energy")
    torch.testing.assert_close(amplitude.sum(-1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close((energy**2).sum(-1), torch.ones(3, dtype=torch.float64))


def test_unknown_names_list_the_valid_ones():
    length = torch.ones(1)
    with pytest.raises(
        UsageError,
        match=r"^window 'han' is unknown: use hann, blackman, nuttall, gaussian, kaiser$",
    ):
        window(offsets(), length, "han")
    with pytest.raises(
        UsageError, match=r"^normalization 'rms' is unknown: use energy, amplitude, none$"
    ):
        window(offsets(), length, "hann", "rms")
