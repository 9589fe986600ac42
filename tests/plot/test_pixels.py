from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dstft_cli.plot.axes import scale_to_hz
from dstft_cli.plot.pixels import PixelGrid, PixelPool, pool_curve

from .example import pool_on


def test_extent_and_rows():
    grid = PixelGrid(times=[0.0, 0.5, 1.0], frequencies=np.arange(5) * 100.0)
    assert grid.extent == pytest.approx((-0.25, 1.25, -50.0, 450.0))
    assert grid.freq_range == (0.0, 400.0)
    np.testing.assert_allclose(grid.row_frequencies, np.arange(5) * 100.0)
    limits = {"freq_scale": "log", "fmin": 100.0, "fmax": 10000.0, "height": 20}
    grid = PixelGrid(times=[0.0, 1.0], frequencies=np.arange(1001) * 10.0, **limits)
    assert grid.extent[2:] == pytest.approx((2.0, 4.0))
    assert grid.freq_range == (100.0, 10000.0)
    np.testing.assert_allclose(np.log10(grid.row_frequencies), 2.05 + 0.1 * np.arange(20))


def test_the_outer_frames_reach_to_the_ends_of_the_recording():
    def shown(times: Any, span: tuple[float, float]) -> tuple[Any, list[float]]:
        """The grid, and the number of the frame in each column."""
        pool = pool_on(times=times, frequencies=np.arange(3.0), span=span, width=100)
        numbers = np.repeat(np.arange(len(times), dtype=float)[:, None], 3, axis=1)
        pool.add(0, numbers)
        return pool.grid, pool.image[0].tolist()

    grid, frames = shown([0.1, 0.2, 0.4], (0.0, 1.0))
    assert grid.extent[:2] == grid.time_limits == (0.0, 1.0)
    assert frames == [0.0] * 15 + [1.0] * 15 + [2.0] * 70  # from midway to midway
    grid, frames = shown(np.arange(10) * 0.1 + 0.1, (0.0, 1.12))
    assert frames == [0, *range(10), 9]  # a column for each frame, and one more at either end
    assert grid.extent[:2] == pytest.approx((-0.05, 1.15))
    assert grid.time_limits == (0.0, 1.12)
    assert len(shown(np.arange(10) * 0.1, (0.0, 0.95))[1]) == 10
    alone, frames = shown([0.3], (0.0, 4.0))
    assert (frames, alone.time_limits, alone.extent[1]) == ([0.0], (0.0, 4.0), 4.0)


Array = NDArray[np.float64]
SCALES = ["linear", "log", "mel"]


def filled(pool: PixelPool, magnitude: Array, block: int = 7) -> Array:
    for start in range(0, len(magnitude), block):
        pool.add(start, magnitude[start : start + block].astype(np.float32))
    return pool.image.astype(np.float64)


def noise(frames: int, bins: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.1, 1.0, (frames, bins))


def explicit(
    magnitude: Array, times: Array, frequencies: Array, pool: PixelPool, rows: int, columns: int
) -> Array:
    """The definition, pixel by pixel: mean power over the frames, then maximum over the bins."""
    t0, t1, y0, y1 = pool.grid.extent
    x = np.linspace(t0, t1, columns + 1)
    y = np.linspace(y0, y1, rows + 1)
    spacing = frequencies[1] - frequencies[0]
    image = np.zeros((rows, columns))
    for c in range(columns):
        inside = (times >= x[c]) & (times < x[c + 1])
        if not inside.any():
            inside[np.argmin(np.abs(times - (x[c] + x[c + 1]) / 2))] = True
        power = (magnitude[inside] ** 2).mean(axis=0)
        for r in range(rows):
            low, high = scale_to_hz(y[r : r + 2], pool.grid.freq_scale)
            high += spacing * 1e-6 if r == rows - 1 else -spacing * 1e-6
            bins = (frequencies >= low - spacing * 1e-6) & (frequencies < high)
            centre = scale_to_hz((y[r] + y[r + 1]) / 2, pool.grid.freq_scale)
            value = power[bins].max() if bins.any() else np.interp(centre, frequencies, power)
            image[r, c] = np.sqrt(value)
    return image


@given(
    gaps=st.lists(st.floats(0.01, 3.0), min_size=1, max_size=60),
    width=st.integers(1, 80),
    block=st.integers(1, 70),
    scale=st.sampled_from(SCALES),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_frames_need_not_be_uniform_in_time(gaps, width, block, scale):
    times, frequencies = np.cumsum(gaps), np.arange(9) * 50.0
    pool = pool_on(times=times, frequencies=frequencies, freq_scale=scale, width=width, height=12)
    magnitude = noise(len(times), 9)
    image = filled(pool, magnitude, block)
    rows, columns = image.shape
    assert rows == (9 if scale == "linear" else 12)
    off = np.abs(times - np.linspace(times[0], times[-1], len(times))).max()
    uniform = off <= 1e-3 * (times[-1] - times[0]) / max(len(times) - 1, 1)
    assert columns == (min(width, len(times)) if uniform else width)
    edges = np.linspace(*pool.grid.extent[:2], columns + 1)
    if np.abs(times[:, None] - edges).min() > 1e-9:  # a frame on an edge may fall to either side
        np.testing.assert_allclose(
            image, explicit(magnitude, times, frequencies, pool, rows, columns), rtol=1e-5
        )


def test_one_frame_of_one_bin():
    for scale in SCALES:
        pool = pool_on(times=[2.0], frequencies=[0.0], freq_scale=scale, height=4)
        image = filled(pool, np.array([[3.0]]))
        assert image.shape == ((1 if scale == "linear" else 4), 1)
        np.testing.assert_allclose(image, 3.0)
        assert pool.grid.extent[:2] == (1.5, 2.5)


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=300), st.integers(1, 50))
@settings(deadline=None, derandomize=True)
def test_a_pooled_curve_keeps_its_envelope(values, width):
    times = np.arange(len(values)) * 0.1
    mean_times, low, high, median = pool_curve(times, values, width)
    size = -(-len(values) // width)
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    assert len(mean_times) == len(parts) <= max(width, 1)
    np.testing.assert_allclose(low, [min(p) for p in parts])
    np.testing.assert_allclose(high, [max(p) for p in parts])
    np.testing.assert_allclose(median, [np.median(p) for p in parts])
    means = [np.mean(times[i : i + size]) for i in range(0, len(values), size)]
    np.testing.assert_allclose(mean_times, means, atol=1e-9)
