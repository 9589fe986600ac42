"""The range of window lengths."""

import re

import pytest

from dstft_cli.errors import UsageError
from dstft_cli.fit.bounds import length_bounds


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
