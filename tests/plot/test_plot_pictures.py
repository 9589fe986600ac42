from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from results.example import a_result

from dstft_cli.plot import pictures as module
from dstft_cli.plot.pictures import Frames, Pictures
from dstft_cli.plot.spectrogram import REMARK
from dstft_cli.records import CriterionSummary, LengthMap, Result
from dstft_cli.settings import Settings

from .example import RATE, check_layout, labelled, titled

N_FFT, HOP, LENGTH = 128, 400.0, 16000
EVEN = np.arange(0, LENGTH + 1, HOP)
UNEVEN = np.cumsum(np.geomspace(100.0, 1500.0, 25))


def result_of(
    window_length: Any,
    centers: Any = EVEN,
    *,
    hops_learned: bool = False,
    best: float = 64.0,
    tables: int = 1,
) -> Result:
    """From a start of 100 samples, over `tables` fixed windows of `best` samples."""
    start, lengths = np.array([[100.0]]), np.asarray(window_length)
    hops = *[np.array([HOP])] * (1 + tables), np.diff(centers)
    steps = start, *[np.array([[best]])] * tables, lengths
    return replace(
        a_result(lengths, centers=centers, steps=steps, hops=hops),
        length=LENGTH,
        n_fft=N_FFT,
        start_window_length=start,
        hop_length=HOP,
        length_bounds=(16.0, 128.0),
        criterion=CriterionSummary("entropy", "minimize", 9.5, best, 9.2, 8.0, None),
        notes=(),
        hop_bounds=(100.0, 1500.0) if hops_learned else None,
        start_centers=EVEN if hops_learned else None,
    )


def fill(frames: Frames, seed: int = 0) -> Frames:
    """Noise as loud at all frequencies."""
    shape = frames.pool.grid.frames, frames.n_fft // 2 + 1
    frames.pool.add(0, np.random.default_rng(seed).uniform(0.5, 1.0, size=shape))
    return frames


def pictures_of(result: Result, offset: float = 0.0, title: str = "", **look: Any) -> Pictures:
    return Pictures(result, Settings(**look), title=title, offset=offset)


def drawn(pictures: Pictures) -> bytes:
    """The comparison of noise."""
    fill(pictures.learned)
    plain = [fill(frames) for frames in pictures.plain()]
    return pictures.comparison(plain, [fill(frames) for frames in pictures.zoomed()])


@pytest.fixture
def figures(monkeypatch):
    """The figures that would be rendered while the test runs."""
    kept: list[Figure] = []
    monkeypatch.setattr(module, "render", lambda figure, look: kept.append(figure) or b"")
    return kept


def test_panels_have_as_many_columns_and_frames_enough_for_them():
    for lengths, centers, learned, columns in (
        ([[80.0]], EVEN, False, 697),  # known at every time: one each 23 samples
        (np.full((1, 41), 80.0), EVEN, False, 41),
        ([[80.0]], UNEVEN, True, 1400),
    ):
        pictures = pictures_of(result_of(lengths, centers, hops_learned=learned))
        own = pictures.learned
        assert np.array_equal(own.centers, centers) == (columns == 41 or learned)
        assert pictures.plain_lengths == (512.0, 64.0)  # 46 ms at 8 kHz, and the best
        for frames, hop in zip(pictures.plain(), (11, 8), strict=True):
            assert set(np.diff(frames.centers)) == {hop}
            assert frames.n_fft == 1024
            grid = frames.pool.grid
            assert grid.shape[1] == own.pool.grid.shape[1] == columns
            assert grid.time_limits == own.pool.grid.time_limits == (0.0, 2.0)
            assert grid.freq_range == own.pool.grid.freq_range


def test_the_usual_window_is_a_power_of_two_near_46_ms():
    lengths = {8000: 512, 22050: 1024, 44100: 2048, 48000: 2048, 96000: 4096, 1000: 256}
    for rate, length in lengths.items():
        result = replace(result_of([[80.0]]), sample_rate=float(rate))
        assert pictures_of(result).plain_lengths[0] == length
    short = replace(result_of([[80.0]]), sample_rate=20.0, length=100)
    assert pictures_of(short).plain_lengths[0] == 64


@pytest.mark.parametrize(("lengths", "columns"), [([[80.0]], 668), (np.full((1, 41), 80.0), 24)])
def test_the_zoomed_second_lies_around_the_strongest_onset(lengths, columns, figures):
    pictures = pictures_of(result_of(lengths), offset=100.0)
    magnitude = np.full((pictures.learned.centers.size, 65), 1e-3)
    magnitude[pictures.learned.centers >= 1.05 * RATE] = 1.0
    pictures.learned.pool.add(0, magnitude)
    plain, learned = pictures.zoomed()
    begin, end = learned.pool.grid.time_limits
    assert (begin, end) == pytest.approx((100.75, 101.75), abs=0.06)
    assert plain.pool.grid.time_limits == (begin, end)
    assert plain.pool.grid.shape[1] == learned.pool.grid.shape[1] == columns
    assert plain.length == 512.0
    pictures.comparison([fill(f) for f in pictures.plain()], [fill(plain), fill(learned)])
    check_layout(figures[0])
    panels = titled(figures[0])
    zoom = panels["Plain, between the white lines"], panels["Learned, between the white lines"]
    assert {axes.get_xlim() for axes in zoom} == {(begin, end)}
    marks = [
        line for line in panels["Plain: 512 samples (64 ms)"].lines if line.get_gid() == "zoom"
    ]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([begin, end])


def test_all_times_count_from_the_offset(figures):
    lengths = np.linspace(20, 100, UNEVEN.size)[None]
    drawn(pictures_of(result_of(lengths, UNEVEN, hops_learned=True), offset=60.0))
    *panels, zoomed, _ = titled(figures[0]).values()
    assert {axes.get_xlim() for axes in panels} == {(60.0, 62.0)}
    curve, hops = labelled(panels[-2])["learned"], labelled(panels[-1])["learned"]
    np.testing.assert_allclose(curve.get_xdata(), [60, *(60 + UNEVEN / RATE), 62])
    np.testing.assert_allclose(hops.get_xdata(), 60 + UNEVEN / RATE)
    assert 60 <= zoomed.get_xlim()[0] <= 61
    figures.clear()
    pictures = pictures_of(result_of([[80.0]]), offset=60.0)
    fill(pictures.learned)
    pictures.spectrogram()
    assert figures[0].axes[0].get_xlim() == (60.0, 62.0)


@pytest.mark.parametrize(
    ("options", "low", "high", "said"),
    [
        ({"freq_scale": "linear"}, 0.0, 1622.0, True),
        ({}, 124.0, 1655.0, True),
        ({"fmax": "none"}, 124.0, 4000.0, True),
        ({"fmin": 70.0}, 70.0, 1655.0, True),
        ({"fmin": 70.0, "fmax": 4000.0}, 70.0, 4000.0, False),
        ({"freq_scale": "linear", "fmax": "none"}, 0.0, 4000.0, False),
        ({"criterion_fmin": 100.0, "criterion_fmax": 3500.0}, 100.0 / 1.05, 4000.0, True),
        ({"criterion_fmin": 80.0, "criterion_fmax": 2000.0}, 62.5, 2100.0, True),
    ],
)
def test_pictures_show_where_sound_is(options, low, high, said, figures):
    pictures = pictures_of(result_of([[80.0]]), title="a.wav", **options)
    at, rng = pictures.learned.centers, np.random.default_rng(0)
    magnitude = np.sqrt(rng.exponential(1e-7, (at.size, 65)))
    magnitude[::3, 8] = 1.0  # 500 Hz
    magnitude[(at > 2000) & (at < 3600), 3] = 1e-2  # 187.5 Hz: soft, and seldom
    magnitude[(at > 2000) & (at < 3600), 24] = 1e-2  # 1500 Hz
    pictures.learned.pool.add(0, magnitude)
    pictures.spectrogram()
    axes = figures[0].axes[0]
    assert axes.get_ylim() == pytest.approx((low, high), abs=35)
    assert axes.get_ylim()[0] == pytest.approx(low, abs=6)
    assert (REMARK in [text.get_text() for text in figures[0].texts]) == said
    assert axes.get_yscale() == options.get("freq_scale", "log")


def test_a_map_of_lengths_is_drawn_at_the_pixels(figures):
    tiles = np.array([[100.0, 100.0], [20.0, 40.0]], np.float32)
    length_map = LengthMap(np.array([0.0, 4000.0]), np.array([0.0, 16000.0]), tiles, 8)
    result = replace(result_of(tiles), length_map=length_map, scope="local")
    drawn(pictures_of(result, freq_scale="linear"))
    (image,) = titled(figures[0])["Window length"].images
    pixels = np.asarray(image.get_array())
    assert pixels[0, 0] * 8 == pytest.approx(100.0, rel=0.05)
    assert pixels[-1, [0, -1]] * 8 == pytest.approx([20.0, 40.0], rel=0.05)


LATE = HOP / 3 + np.arange(30) * 500.0
SHOWN = [((1, 41), EVEN, False), ((65, 25), UNEVEN, True)]


@pytest.mark.parametrize(("shape", "centers", "learned"), [*SHOWN, ((1, 1), LATE, True)])
def test_a_comparison_shows_what_was_learned(shape, centers, learned, figures):
    lengths = np.geomspace(20.0, 125.0, shape[0] * shape[1]).reshape(shape)
    pictures = pictures_of(result_of(lengths, centers, hops_learned=learned), title="a.wav")
    assert pictures.plain_lengths == (512.0, 64.0)
    drawn(pictures)
    axes = titled(figures[0])
    ends = np.diff(centers)[[0, -1]] * 1000 / RATE
    ends = sorted(ends)
    hops = "" if not learned else f", hop {ends[0]:.3g}"
    hops += "" if not learned else " ms" if ends[0] == ends[1] else f" ms to {ends[1]:.3g} ms"
    one, several = "20 samples (2.5 ms)", "20 to 125 samples (2.5 ms to 15.6 ms)"
    assert list(axes)[:3] == [
        "Plain: 512 samples (64 ms)",
        "Best single window: 64 samples (8 ms)",
        f"Learned: {one if lengths.size == 1 else several}{hops}",
    ]
    assert bool(axes["Window length"].images) == (min(shape) > 1)
    assert ("Hop length" in axes) == learned
    if learned:
        start = labelled(axes["Hop length"])["start"]
        np.testing.assert_allclose(start.get_ydata(), HOP / 8)


@pytest.mark.parametrize(
    ("learned", "best", "tables", "names"),
    [
        (80.0, 100.0, 0, ["Plain", "Learned", "Window length"]),  # --no-search
        (80.0, 512.0, 9, ["Plain, best single window", "Learned", "Window length"]),
        (64.0, 64.0, 9, ["Plain", "Best single window, learned", "Window length"]),
        (512.0, 512.0, 9, ["Plain, best single window, learned", "Window length"]),
        (100.0, 100.0, 1, ["Fixed window"]),
    ],
)
def test_what_is_the_same_is_drawn_once(learned, best, tables, names, figures):
    drawn(pictures_of(result_of([[learned]], best=best, tables=tables), title="a.wav"))
    found = [name.split(":")[0] for name in titled(figures[0]) if "lines" not in name]
    assert found == names


def test_a_hop_that_was_not_learned_is_not_called_so(figures):
    drawn(pictures_of(result_of([[80.0]]), panels="learned,hops"))
    labels = labelled(titled(figures[0])["Hop length"])
    assert any(label.startswith("fixed: ") for label in labels)
    assert not any(label.startswith("learned") for label in labels)


def test_all_three_pictures_have_the_format_asked_for(monkeypatch):
    monkeypatch.setattr(module, "render", lambda figure, look: look.format)
    pictures = pictures_of(result_of([[80.0]]), title="a.wav", format="svg")
    assert [drawn(pictures), pictures.spectrogram(), pictures.trajectory()] == ["svg"] * 3
