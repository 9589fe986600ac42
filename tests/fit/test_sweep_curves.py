"""What a curve of a sweep says: which lengths are good, and how much the choice matters."""

from pathlib import Path

import numpy as np
import pytest

from dstft_cli.records import GOOD_ENOUGH, LITTLE, MUCH, SOMEWHAT, SweepCurve
from fit.cases import sweep

PAGE = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text(encoding="utf-8")


def curve(losses, best=200.0):
    lengths = 100.0 * 2.0 ** np.arange(len(losses))
    losses = np.array(losses)
    return SweepCurve("entropy", "minimize", True, lengths, losses + 5, losses, best, 5.0)


def test_good_lengths_end_where_the_loss_passes_a_hundredth():
    low, high = curve([0.02, 0.0, 0.005, 0.015]).good_lengths
    assert low == pytest.approx(200 / 2**0.5)
    assert high == pytest.approx(400 * 2**0.5)
    low, high = curve([0.02, 0.001, 0.02], best=250.0).good_lengths
    assert low == pytest.approx(200 * 2 ** (-9 / 19))
    assert high == pytest.approx(250 * (400 / 250) ** 0.5)
    assert curve([0.0, 0.001], best=100.0).good_lengths == (100, 200)
    assert curve([np.inf, 0.0, np.inf]).good_lengths == (200, 200)


def test_how_much_it_matters():
    for loss, matters in (
        (0.029, "not at all"),
        (0.031, "little"),
        (0.09, "little"),
        (0.11, "somewhat"),
        (0.29, "somewhat"),
        (0.31, "a lot"),
    ):
        assert curve([loss, 0.0, np.inf]).matters == matters
        further = "little" if loss < 0.03 else matters
        assert curve([3.0, loss, 0.0, np.inf], best=400.0).matters == further
    # losses that add up over many octaves are those of noise
    assert curve([0.0, 0.02, 0.02, 0.02, 0.04]).matters == "not at all"
    assert curve([0.0, 0.02, 0.02, 0.04]).matters == "little"


def test_the_usual_length_counts_where_it_is_off_by_more_than_two():
    losses = np.array([0.0, 0.01, 0.05, 0.4, 0.7])
    lengths = 256 * 2.0 ** np.arange(5)
    usual = SweepCurve("entropy", "minimize", True, lengths, losses, losses, 256.0, 0.0)
    assert (usual.at(2048), usual.loss_off_by_two, usual.matters) == (3, 0.01, "a lot")
    assert curve(losses, best=100.0).matters == "little"


def test_the_loss_of_half_and_twice_the_best_length():
    assert curve([0.2, 0.1, 0.0, 0.1, 0.6], best=400.0).loss_off_by_two == pytest.approx(0.1)
    # 500 lies between 400 and 800: half of it a third of an octave above 200
    off = curve([0.5, 0.3, 0.0, 0.1, 0.6], best=500.0)
    up = np.log2(1000 / 800)
    assert off.loss_off_by_two == pytest.approx(max(0.3 * (1 - np.log2(250 / 200)), 0.1 + 0.5 * up))
    assert curve([0.5, 0.0], best=200.0).loss_off_by_two == 0.5  # no further than it goes
    assert curve([np.inf, 0.0, 0.2]).loss_off_by_two == 0.2


def test_the_fft_size_to_use():
    for best, n_fft in ((1024.0, 1024), (1024 * (1 + 1e-9), 1024), (1025.0, 2048), (3.5, 4)):
        assert curve([0.0, 0.0], best=best).n_fft == n_fft
    x = np.random.default_rng(0).standard_normal(4000)
    given, free = sweep(x, 8000, n_fft=512), sweep(x, 8000)
    assert given.n_fft_of(given.curves[0]) == 512
    assert free.n_fft_of(free.curves[0]) == free.curves[0].n_fft


def test_the_page_names_the_thresholds():
    for threshold in (GOOD_ENOUGH, LITTLE, SOMEWHAT, MUCH):
        assert f" {threshold:g} " in PAGE
