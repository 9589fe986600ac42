"""What the benchmarks compare with is right itself: references, grids, exponents, measured processes."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from fit.cases import each

from benchmarks import grids, reference, sides
from benchmarks.evaluation import errors_of
from benchmarks.growth import Growth, exponent
from benchmarks.plot import draw
from benchmarks.probe import Work, measure
from benchmarks.process import run_measured


@each("mode", sides.MODES)
def test_the_explicit_gradient_is_that_of_finite_differences(mode: str) -> None:
    x = np.random.default_rng(0).standard_normal(100)
    sizes = (32, 16)
    lengths = sides.spread(sides.shape_of(mode, 17, 7), 11.0, 30.0)
    _, gradient = reference.entropy_and_gradient(x, *sizes, lengths)
    assert gradient.shape == lengths.shape
    step = np.random.default_rng(1).standard_normal(lengths.shape) * 1e-6
    after, before = (
        reference.entropy_and_gradient(x, *sizes, lengths + sign * step)[0] for sign in (1, -1)
    )
    assert (after - before) / 2 == pytest.approx((gradient * step).sum(), rel=1e-5)


def test_the_explicit_value_is_that_of_torch_at_whole_lengths() -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    value, _ = reference.entropy_and_gradient(x, 128, 32, np.array([[90.0]]))
    assert value == pytest.approx(grids.entropy(torch.from_numpy(x), 128, 32, 90), rel=1e-12)


@each("mode", sides.MODES)
def test_every_side_agrees_with_the_explicit_sum(mode: str) -> None:
    rows = errors_of(mode, None)
    assert [by for _, by, _, _ in rows] == ["dstft", "autograd"]
    for _, by, value, gradient in rows:
        assert 0 < value < 1e-6, by
        assert 0 < gradient < 3e-4, by


def test_grids_find_the_length_that_is_best() -> None:
    n = np.arange(4000)
    chirp = torch.from_numpy(np.sin(np.pi * n**2 / 10_000))  # best near √10000 = 100 samples
    whole = grids.search(chirp, 256, 32, grids.integers(32, 256))
    powers = grids.search(chirp, 256, 32, grids.powers_of_two(32, 256))
    assert (whole.transforms, powers.transforms) == (225, 4)
    assert 90 < whole.length < 220
    assert powers.length in (128, 256)
    assert whole.value <= powers.value
    assert grids.powers_of_two(33, 200) == [64, 128]


def test_exponents_of_made_up_costs() -> None:
    x = [1.0, 10.0, 100.0, 1000.0]
    assert exponent(x, [3 * v**1.5 for v in x]) == pytest.approx(1.5)
    growth = Growth("frames", "fit", "time, s", x, [5 + v for v in x])
    assert growth.exponent() < 0.85  # the start weighs
    assert growth.last_exponent() == pytest.approx(np.log10(1005 / 105))
    ends, line = Growth("frames", "fit", "time, s", x, [2 * v**2 for v in x]).line()
    assert list(ends) == [1, 1000]
    assert line == pytest.approx([2, 2e6])
    for sizes, costs in (([1.0, 1.0], [2.0, 3.0]), ([1.0, 2.0], [0.0, 3.0]), ([1.0], [1.0])):
        with pytest.raises(ValueError, match=r"above 0|two different"):
            exponent(sizes, costs)


def test_the_plot_has_a_panel_for_each_axis_and_quantity() -> None:
    x, y = [1, 10, 100], [2.0, 20.0, 200.0]
    figure = draw(
        [
            Growth(axis, "fit", quantity, x, y)
            for axis in ("frames", "workers")
            for quantity in ("time, s", "memory, MB")
        ]
    )
    panels = figure.axes
    assert [panel.get_ylabel() for panel in panels] == ["time, s", "", "memory, MB", ""]
    assert [panel.get_xlabel() for panel in panels] == ["", "", "frames", "workers"]
    for panel in panels:
        assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
        points, line = panel.get_lines()
        assert points.get_ydata().tolist() == y
        assert np.asarray(line.get_ydata()) == pytest.approx([2, 200])
        (entry,) = panel.get_legend().get_texts()
        assert entry.get_text() == "fit: $x^{1.00}$"


def test_a_measured_process_counts_its_own_memory_alone() -> None:
    held = np.ones(60_000_000)  # 480 MB here are none of the child's
    code = "import time; x = bytearray(80_000_000); time.sleep(0.3)"
    seconds, peak = run_measured([sys.executable, "-c", code])
    assert held.size * 8 > 4e8
    assert seconds >= 0.3
    assert 80 < peak < 200
    with pytest.raises(RuntimeError, match=r"exited 3: no such thing"):
        run_measured(
            [
                sys.executable,
                "-c",
                "import sys; print('no such thing', file=sys.stderr); sys.exit(3)",
            ]
        )


def test_a_probe_fits_in_a_process_of_its_own() -> None:
    options = {"n_fft": 1024, "hop_length": 256, "window_mode": "frequency"}
    seconds, memory = measure(Work(1.0, options, distinct=513))
    assert seconds > 0
    assert memory > 1024 * 513 * 4 * 2 / 2 / 1e6  # half of the matrix of windows and slopes
    with pytest.raises(RuntimeError, match="n_fft"):
        measure(Work(1.0, {"n_fft": 1, "hop_length": 256}))
