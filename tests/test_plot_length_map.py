import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from plot_example import BINS, FRAMES, comparison, pool_of, titled, y_ticks

from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.length_map import map_colours, pool_lengths
from dstft_cli.plot.scale import scale_to_hz

SCALES = ["linear", "log", "mel"]
PATCHES = np.kron(np.geomspace(60, 1024, 20).reshape(5, 4), np.ones((13, 10)))


def grid_of(times: Any, bins: int, **options: Any) -> PixelGrid:
    return PixelGrid(times=times, frequencies=np.arange(bins) * 50.0, **options)


def bar_of(figure: Figure) -> Any:
    """The bar of lengths: the last axes."""
    return figure.axes[-1]


def explicit(grid: PixelGrid, times: Any, lengths: Any) -> Any:
    """The definition, pixel by pixel: mean ln of the cells whose centres lie in it, or nearest."""
    rows, columns = grid.shape
    x = np.linspace(*grid.extent[:2], columns + 1)
    y = scale_to_hz(np.linspace(*grid.extent[2:], rows + 1), grid.freq_scale)
    image = np.empty((rows, columns))
    for c in range(columns):
        frames = np.flatnonzero((times >= x[c]) & (times < x[c + 1]))
        if not frames.size:
            frames = np.array([np.argmin(np.abs(times - (x[c] + x[c + 1]) / 2))])
        for r in range(rows):
            slack = 50e-6
            top = y[r + 1] + (slack if r == rows - 1 else -slack)
            bins = np.flatnonzero((grid.frequencies >= y[r] - slack) & (grid.frequencies < top))
            if not bins.size:
                bins = np.array([np.argmin(np.abs(grid.frequencies - grid.row_frequencies[r]))])
            image[r, c] = np.exp(np.log(lengths[np.ix_(bins, frames)]).mean())
    return image


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("frames", "width"), [(50, 50), (61, 13), (61, 1), (1, 9), (30, 100)])
@pytest.mark.parametrize("even", [True, False])
def test_a_pixel_is_the_geometric_mean_of_its_cells(
    scale: str, frames: int, width: int, even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dstft_cli.plot.length_map.BLOCK_CELLS", 7 * 65)
    gaps = np.full(frames, 0.01) if even else np.random.default_rng(1).uniform(0.01, 0.2, frames)
    times = np.cumsum(gaps)
    grid = grid_of(times, 65, freq_scale=scale, width=width, height=24)
    lengths = np.exp(np.random.default_rng(0).uniform(3, 7, (65, frames)))
    pixels = pool_lengths(grid, lengths)
    assert pixels.shape == grid.shape
    np.testing.assert_allclose(pixels, explicit(grid, times, lengths), rtol=1e-9)


@given(block=st.integers(1, 400))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_blocks_of_any_size_give_one_image(block: int) -> None:
    times = np.cumsum(np.geomspace(0.01, 1.0, 33))
    grid = grid_of(times, 9, width=20)
    lengths = np.exp(np.random.default_rng(0).uniform(3, 7, (9, 33)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dstft_cli.plot.length_map.BLOCK_CELLS", block)
        pixels = pool_lengths(grid, lengths)
    np.testing.assert_allclose(pixels, pool_lengths(grid, lengths), rtol=1e-12)


def test_memory_is_bounded_by_pixels() -> None:
    frames, bins = 80_000, 129
    grid = grid_of(np.arange(frames) * 0.01, bins, width=200, height=50)
    lengths = np.full((bins, frames), 300.0, np.float32)
    tracemalloc.start()
    pixels = pool_lengths(grid, lengths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(pixels, 300.0)
    assert peak < lengths.nbytes  # of which a copy in double precision would be twice


@pytest.mark.parametrize("shape", [(9, 4), (8, 5), (5,)])
def test_lengths_are_one_for_each_cell(shape: tuple[int, ...]) -> None:
    grid = grid_of(np.arange(5.0), 9)
    with pytest.raises(ValueError, match=r"are not \[9, 5\]"):
        pool_lengths(grid, np.ones(shape))


def test_the_map_has_the_axes_of_the_spectrograms() -> None:
    limits = {"freq_scale": "mel", "fmin": 300.0, "fmax": 3000.0}
    figure = comparison(PATCHES, pool=limits)
    axes = titled(figure)
    shown, learned = axes["Window length"], axes["Learned"]
    grid = pool_of(**limits).grid
    (image,) = shown.images
    assert tuple(image.get_extent()) == pytest.approx(grid.extent)
    assert shown.get_ylim() == learned.get_ylim() == pytest.approx(grid.limits)
    assert y_ticks(shown) == y_ticks(learned)
    assert shown.get_ylabel() == "Frequency (Hz)"
    assert shown.get_position().height == pytest.approx(learned.get_position().height)
    columns = image.get_array()[:, ::35]  # 40 frames, each drawn 35 columns wide
    np.testing.assert_allclose(columns, pool_lengths(grid, PATCHES) / 8)


def test_a_wide_range_has_a_logarithmic_bar_in_milliseconds_and_samples() -> None:
    figure = comparison(PATCHES, start_length=2100.0)
    figure.draw_without_rendering()
    (image,) = titled(figure)["Window length"].images
    assert isinstance(image.norm, LogNorm)
    assert image.get_clim() == pytest.approx((7.5, 262.5))  # 60 and 2100 samples at 8 kHz
    bar = bar_of(figure)
    assert bar.get_yscale() == "log"
    assert bar.get_ylabel() == "Length (ms)"
    assert y_ticks(bar) == ["10", "30", "100"]
    (samples,) = bar.child_axes
    assert samples.get_ylabel() == "Length (samples)"
    np.testing.assert_allclose(samples.get_ylim(), np.array(bar.get_ylim()) * 8)
    assert y_ticks(samples) == ["64", "128", "256", "512", "1024", "2048"]
    assert bar.get_tightbbox().x0 > titled(figure)["Window length"].get_window_extent().x1
    place, panel = bar.get_position(), titled(figure)["Window length"].get_position()
    assert (place.y0, place.y1) == pytest.approx((panel.y0, panel.y1))


def test_a_narrow_range_has_a_linear_bar() -> None:
    figure = comparison(np.linspace(400.0, 600.0, BINS * FRAMES).reshape(BINS, FRAMES))
    assert bar_of(figure).get_yscale() == "linear"
    assert y_ticks(bar_of(figure)) == ["50", "60", "70"]


def test_long_windows_are_in_seconds() -> None:
    figure = comparison(PATCHES * 200, start_length=20000.0)
    assert bar_of(figure).get_ylabel() == "Length (s)"
    assert titled(figure)["Window length"].images[0].get_clim()[1] == pytest.approx(25.6)


def test_equal_lengths_have_a_colour() -> None:
    figure = comparison(np.full((BINS, FRAMES), 300.0), start_length=300.0, best_fixed_length=300.0)
    low, high = titled(figure)["Window length"].images[0].get_clim()
    assert low < 37.5 < high


def test_start_and_best_fixed_are_marked_on_the_bar() -> None:
    figure = comparison(PATCHES, start_length=512.0, best_fixed_length=400.0)
    bar = bar_of(figure)
    marks = {str(line.get_label()): line for line in bar.lines}
    for label, length in (("start", 512.0), ("best fixed", 400.0)):
        np.testing.assert_allclose(marks[label].get_ydata(), [length / 8])
        at = marks[label].get_transform().transform((0.5, length / 8))
        np.testing.assert_allclose(bar.transAxes.inverted().transform(at)[0], 0.5)
    assert marks["start"].get_marker() != marks["best fixed"].get_marker()
    legend = titled(figure)["Window length"].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["start", "best fixed"]


@pytest.mark.parametrize(
    ("cmap", "other"),
    [("magma", "viridis"), ("viridis", "cividis"), ("viridis_r", "cividis"), ("gray", "viridis")],
)
def test_the_map_has_colours_of_its_own(cmap: str, other: str) -> None:
    assert map_colours(cmap) == other
    axes = titled(comparison(PATCHES, cmap=cmap))
    assert axes["Window length"].images[0].get_cmap().name == other
    assert axes["Learned"].images[0].get_cmap().name == cmap


def test_frames_that_are_not_uniform_span_from_midway_to_midway() -> None:
    times = np.cumsum(np.geomspace(0.02, 0.3, FRAMES))
    figure = comparison(np.tile(np.geomspace(64, 1024, FRAMES), (BINS, 1)), times=times)
    (image,) = titled(figure)["Window length"].images
    left, right = image.get_extent()[:2]
    row = np.asarray(image.get_array())[0]
    changes = left + (right - left) * (np.flatnonzero(np.diff(row)) + 1) / row.size
    np.testing.assert_allclose(
        changes, (times[1:] + times[:-1]) / 2, atol=(right - left) / row.size
    )
