"""What stays fixed during a fit: defaults, contradictions, and the FFT size that is found."""

import re

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.fit.plan import choose_n_fft, largest_auto_n_fft, make_plan


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
    assert len(plan(hop_length=0.5, win_length_min=2.0).tabulated_lengths()) == 32
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


def choose(best: float | None, *, length=1_000_000, rate=16000.0, score=None, **options) -> int:
    """With a best single length that does not depend on the FFT size."""
    at_least, high = options.get("at_least", 0.0), options.get("high")
    best_fixed = None if best is None else lambda n_fft: min(best, n_fft)
    return choose_n_fft(
        length, rate, at_least=at_least, high=high, best_fixed=best_fixed, score=score
    )


@pytest.mark.parametrize(
    ("best", "expected"),
    [(300, 1024), (500, 1024), (600, 2048), (2000, 4096), (200, 512), (20, 64), (1e9, 65536)],
)
def test_n_fft_holds_the_best_length_and_room(best, expected):
    assert choose(best) == expected


@pytest.mark.parametrize(("rate", "expected"), [(8000, 512), (16000, 1024), (44100, 2048)])
def test_n_fft_starts_at_64_ms(rate, expected):
    assert choose(None, rate=float(rate)) == expected


def test_n_fft_limits():
    assert choose(1e9, length=4000) == 512  # a quarter of the signal, rounded up from an eighth
    assert choose(None, length=100) == 32
    assert choose(1.0) == 32
    assert choose(20, at_least=300.0) == 512
    assert choose(20, high=700.0) == 1024
    assert choose(20, high=700.0, at_least=3000.0) == 4096
    assert choose(None, length=100, at_least=500.0) == 512


def test_n_fft_follows_the_score_where_lengths_vary():
    scores = {512: 5.1, 1024: 5.0, 2048: 4.9, 4096: 4.8, 8192: 4.8, 256: 9.0}
    assert choose(500, score=scores.__getitem__) == 4096
    falling = {256: 4.8, 512: 4.9, 1024: 5.0, 2048: 5.1, 128: 5.0}
    assert choose(500, score=falling.__getitem__) == 256


def test_largest_auto_n_fft():
    assert largest_auto_n_fft(4000) == 512
    assert largest_auto_n_fft(10**9) == 65536


def test_n_fft_that_has_grown_does_not_shrink_again():
    """Between two sizes that each ask for the other, the larger one has room for both."""
    best = iter([800.0, 300.0])  # at 1024, then at 2048
    found = choose_n_fft(
        10**6, 16000.0, at_least=0, high=None, best_fixed=lambda n_fft: next(best), score=None
    )
    assert found == 2048
