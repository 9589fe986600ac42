"""Frames on transitions, with and without coverage."""

import numpy as np
import pytest

from dstft_cli.experiments import hops
from dstft_cli.experiments.hops import CASES, Placed

UNIFORM, TIGHT, LOOSE, SPARSE, NONE = (CASES[index] for index in (0, 3, 4, 8, 9))


@pytest.fixture(scope="module")
def found():
    cases = (UNIFORM, TIGHT, LOOSE, NONE)
    return hops.run(0, 1, None, hops.Size(cases=cases, max_steps=120))


def test_frames_step_off_as_far_as_coverage_lets_them(found):
    uniform, tight, loose, none = found.figures.values()
    on = "frames_on_transitions"
    assert uniform[on] > 1.2
    assert loose[on] < uniform[on] / 10
    assert loose[on] < tight[on] < uniform[on]
    assert none[on] < 0.1
    assert loose["entropy"] < uniform["entropy"] - 0.1


def test_without_coverage_a_part_of_the_signal_is_lost(found):
    uniform, tight, loose, none = found.figures.values()
    for covered in (uniform, tight, loose):
        assert covered["reconstruction_error"] < 1e-9
        assert covered["hop_max"] <= 577
    assert tight["hop_max"] <= 577 / 2 + 1e-6
    assert none["reconstruction_error"] > 0.05
    assert none["hop_max"] > 577


def test_the_table_and_its_picture(found):
    assert [row[1] for row in found.table.rows] == ["η = 0.5", "η = 0.5", "η = 1", "none"]
    assert {len(row) for row in found.table.rows} == {len(found.table.columns)}
    assert found.picture.startswith(b"\x89PNG")
    assert any("is not brought back" in note for note in found.notes)


def test_energy_below_is_the_integral_of_the_window():
    v = np.linspace(-0.5, 0.5, 200_001)
    energy = np.cumsum((0.5 + 0.5 * np.cos(2 * np.pi * v)) ** 2)
    for u in (-0.4, -0.1, 0.0, 0.25, 0.49):
        expected = np.interp(u, v, energy / energy[-1])
        assert hops.hann_energy_below(u) == pytest.approx(expected, abs=1e-5)
    assert (hops.hann_energy_below(-3), hops.hann_energy_below(3)) == pytest.approx((0, 1))


@pytest.mark.parametrize(
    ("center", "expected"),
    [(1484.0, 0.5), (1484 + 50.0, 0.0), (1484 - 25.0, 0.25 - 2 / (3 * np.pi))],
)
def test_a_frame_counts_by_its_smaller_part(center, expected):
    placed = Placed(np.array([center]), np.array([100.0]), 1)
    assert hops.frames_on_transitions(placed) == pytest.approx(expected, abs=1e-12)
