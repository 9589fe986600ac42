"""Frame centres, their shares of time, the range of window lengths, and the descent's variables."""

import re

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.parameters import (
    FreeLengths,
    length_bounds,
    quadrature_weights,
    uniform_centers,
)


@pytest.mark.parametrize(
    ("length", "hop", "expected"),
    [
        (10, 5.0, [0, 5, 10]),
        (10, 4.0, [0, 4, 8]),
        (10, 2.5, [0, 2.5, 5, 7.5, 10]),
        (10, 11.0, [0]),
        (1, 1.0, [0, 1]),
    ],
)
def test_uniform_centers(length, hop, expected):
    assert uniform_centers(length, hop).tolist() == expected


def test_uniform_centers_do_not_drift():
    centers = uniform_centers(10_000_000, 12.7)
    assert centers[-1] == 12.7 * (len(centers) - 1)
    assert len(centers) == 1 + int(10_000_000 // 12.7)


def test_quadrature_weights():
    assert quadrature_weights(np.array([3.0])).tolist() == [1.0]
    assert quadrature_weights(uniform_centers(100, 7.5)).tolist() == [1.0] * 14
    weights = quadrature_weights(np.array([0.0, 10.0, 12.0, 14.0, 50.0]))
    np.testing.assert_allclose(weights, np.array([10, 6, 2, 19, 36]) / 14.6)
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "low", "high", "low_option", "high_option"),
    [
        ((1024, 16.0, 0.5), 32, 1024, "--win-length-min", "--n-fft"),
        ((1024, 64.0, 0.5), 128, 1024, "--hop-length", "--n-fft"),
        ((1024, 64.0, 1.0), 64, 1024, "--hop-length", "--n-fft"),
        ((1024, 64.0, 0.5, 200.5, 800.0), 200.5, 800, "--win-length-min", "--win-length-max"),
        ((1024, 64.0, 0.5, None, 1024.0), 128, 1024, "--hop-length", "--n-fft"),
        ((1024, 64.0, 0.5, 300.0, 300.0), 300, 300, "--win-length-min", "--win-length-max"),
        ((32, 0.5, 0.5), 2, 32, "--hop-length", "--n-fft"),
    ],
)
def test_length_bounds(arguments, low, high, low_option, high_option):
    bounds = length_bounds(*arguments)
    assert (bounds.low, bounds.high) == (low, high)
    assert (bounds.low_option, bounds.high_option) == (low_option, high_option)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (512, 32.0, 0.5, None, 600.0),
            "window length max 600 samples is above n_fft 512: "
            "lower --win-length-max or raise --n-fft",
        ),
        (
            (512, 300.0, 0.5),
            "hop length 300 samples with overlap 0.5 needs windows of at least 600 samples, above "
            "the longest allowed, 512: lower --hop-length or raise --overlap or --win-length-max",
        ),
        (
            (512, 32.0, 0.5, 400.0, 300.0),
            "window length min 400 samples is above the max, 300: "
            "lower --win-length-min or raise --win-length-max",
        ),
        (
            (512, 0.5, 0.5, 1.5),
            "window length min 1.5 samples is below 2: "
            "a shorter window holds no sample; raise --win-length-min",
        ),
        (
            (512, 32.0, 0.5, 63.0),
            "window length min 63 samples is below hop length / overlap = 64: "
            "lower --hop-length, or raise --overlap or --win-length-min",
        ),
    ],
)
def test_contradicting_bounds(arguments, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        length_bounds(*arguments)


def test_one_length_for_all():
    free = FreeLengths.constant()
    z = free.variables(np.array([300.0]))
    assert z.shape == (1,)
    assert free.lengths(z) == pytest.approx(np.array([300.0]))
    # d/dz of Σ_i g_i exp(z) is exp(z) Σ g_i
    assert free.pull_back(z, np.array([1.0, 2.0, 4.0])) == pytest.approx([2100.0])
    assert free.smoothness(z)[0] == 0.0


def test_runs_share_a_variable():
    lengths = np.array([100.0, 100.0, 200.0, 100.0, 100.0, 100.0])
    free = FreeLengths.runs(lengths, 0.5)
    assert free.index.tolist() == [0, 0, 1, 2, 2, 2]
    z = free.variables(lengths)
    assert z == pytest.approx(np.log([100, 200, 100]))
    assert free.lengths(z) == pytest.approx(lengths)
    gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert free.total(gradient) == pytest.approx([3, 3, 15])
    assert free.pull_back(z, gradient) == pytest.approx([300, 600, 1500])


@pytest.mark.parametrize(("penalty", "every_row"), [(0.0, False), (0.5, True)])
def test_every_row_its_own_variable(penalty, every_row):
    free = FreeLengths.runs(np.array([100.0, 100.0, 200.0]), penalty, every_row=every_row)
    assert free.index.tolist() == [0, 1, 2]


def test_start_for_all_frames_spreads():
    free = FreeLengths.runs(np.full(4, 64.0), 0.0)
    assert free.variables(np.array([64.0])) == pytest.approx(np.log([64.0] * 4))


def test_smoothness_and_its_gradient():
    free = FreeLengths(np.arange(5), 0.25)
    z = np.array([1.0, 3.0, 2.5, 2.5, 4.0])
    penalty, gradient = free.smoothness(z)
    assert penalty == pytest.approx(0.25 * (2 + 0.5 + 0 + 1.5))
    assert gradient == pytest.approx(0.25 * np.array([-1, 2, -1, -1, 1]))
    for s in (0, 1, 4):  # where neighbours differ, the gradient is a derivative
        step = np.zeros(5)
        step[s] = 1e-6
        up, down = free.smoothness(z + step)[0], free.smoothness(z - step)[0]
        assert gradient[s] == pytest.approx((up - down) / 2e-6)
