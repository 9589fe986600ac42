"""What stays fixed during a fit: defaults and contradictions."""

import re

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.fit.plan import make_plan


def plan(n_fft: int = 512, **options):
    return make_plan(n_fft, **{"fixed": False, "overlap": 0.5, **options})


def test_defaults():
    found = plan()
    assert (found.n_fft, found.hop_length, found.start) == (512, 32, 256)
    assert (found.bounds.low, found.bounds.high) == (64, 512)


def test_start_comes_back_exactly():
    assert plan(win_length=100.12345).start == 100.12345
    assert plan(win_length=64.0).start == 64.0
    assert plan(win_length=512.0).start == 512.0


def test_start_in_the_middle_of_a_range_without_the_default():
    assert plan(win_length_max=100.0).start == pytest.approx(np.sqrt(64 * 100))
    assert plan(win_length_min=400.0).start == pytest.approx(np.sqrt(400 * 512))


def test_the_default_hop_lies_in_the_range_of_learned_hops():
    assert plan(hop_mode="constant", hop_length_max=16.0).hop_length == 16
    assert plan(hop_mode="constant", hop_length_min=40.0).hop_length == 40


def test_fixed_has_no_range():
    found = plan(fixed=True, win_length=3.5, hop_length=300.0)
    assert (found.start, found.hop_length) == (3.5, 300)
    assert (found.bounds.low, found.bounds.high) == (3.5, 3.5)
    assert found.tabulated_lengths().tolist() == [3.5]
    assert plan(fixed=True).start == 256


def test_tabulated_lengths():
    lengths = plan().tabulated_lengths()
    assert len(lengths) == 16
    assert (lengths[0], lengths[-1]) == (64, 512)
    np.testing.assert_allclose(np.diff(np.log2(lengths)), 1 / 5)
    assert len(plan().tabulated_lengths(20)) == 61
    assert len(plan(hop_length=0.5, win_length_min=2.0).tabulated_lengths()) == 32  # of 8 octaves
    assert plan(win_length_min=100.0, win_length_max=101.0).tabulated_lengths().tolist() == [
        100,
        101,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"win_length": 600.0},
            "window length 600 samples is above n_fft 512: lower --win-length or raise --n-fft",
        ),
        (
            {"win_length": 600.0, "fixed": True},
            "window length 600 samples is above n_fft 512: lower --win-length or raise --n-fft",
        ),
        (
            {"win_length": 1.0},
            "window length 1 samples is below 2: a shorter window holds no sample; "
            "raise --win-length",
        ),
        (
            {"win_length": 50.0},
            "window length 50 samples is below the min, 64: change --win-length or --hop-length",
        ),
        (
            {"win_length": 50.0, "win_length_min": 70.0},
            "window length 50 samples is below the min, 70: "
            "change --win-length or --win-length-min",
        ),
        (
            {"win_length": 250.0, "win_length_max": 200.0},
            "window length 250 samples is above the max, 200: "
            "change --win-length or --win-length-max",
        ),
        (
            {"win_length_min": 300.0, "win_length_max": 200.0},
            "window length min 300 samples is above the max, 200: "
            "lower --win-length-min or raise --win-length-max",
        ),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        plan(**options)
