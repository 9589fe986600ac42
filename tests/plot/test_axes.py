"""Scales, ticks, titles and fonts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from dstft_cli.errors import UsageError
from dstft_cli.plot import frequency_range
from dstft_cli.plot import style as module
from dstft_cli.plot.axes import (
    describe_length,
    frequency_ticks,
    length_ticks,
    length_unit,
    sample_ticks,
)
from dstft_cli.plot.pixels import hz_to_scale, scale_to_hz
from dstft_cli.plot.style import (
    can_draw,
    check_cmap,
    clean_title,
    panel_title,
    put_title,
    render,
    styled,
)
from dstft_cli.settings import Settings

SCALES = ["linear", "log", "mel"]


@styled
def titled(title: str) -> Figure:
    figure = Figure(figsize=(9.0, 2.0))
    put_title(figure, title, 0.5)
    panel_title(figure.add_subplot(), title)
    return figure


def test_the_scales_are_hz_log10_and_htk_mel():
    assert hz_to_scale(440.0, "linear") == 440.0
    assert hz_to_scale(100.0, "log") == pytest.approx(2.0)
    assert hz_to_scale(700.0, "mel") == pytest.approx(2595 * np.log10(2))
    hz = np.array([1.0, 20.0, 440.0, 22050.0])
    for scale in SCALES:
        np.testing.assert_allclose(scale_to_hz(hz_to_scale(hz, scale), scale), hz, rtol=1e-12)


def test_the_range_shown():
    for top, spacing, scale, fmin, fmax, expected in (
        (22050.0, 10.0, "linear", None, None, (0.0, 22050.0)),
        (22050.0, 10.0, "mel", 50.0, 8000.0, (50.0, 8000.0)),
        (22050.0, 10.0, "log", None, None, (20.0, 22050.0)),
        (22050.0, 10.0, "log", 0.0, None, (20.0, 22050.0)),
        (22050.0, 43.0, "log", None, None, (43.0, 22050.0)),
        (22050.0, 43.0, "log", 5.0, None, (5.0, 22050.0)),
        (8.0, 0.01, "log", None, None, (0.08, 8.0)),
        (22050.0, 43.0, "log", None, 30.0, (3.0, 30.0)),
        (22050.0, 10.0, "linear", None, 22050.0000001, (0.0, 22050.0)),
    ):
        found = frequency_range(top, spacing, scale, fmin, fmax)
        assert found == pytest.approx(expected, rel=1e-9)


def test_empty_and_impossible_ranges_are_refused():
    for fmin, fmax, name in (
        (4000.0, 4000.0, "fmin"),
        (9000.0, None, "fmin"),
        (None, 9000.0, "fmax"),
        (-1.0, None, "fmin"),
        (None, float("nan"), "fmax"),
        (None, 0.0, "fmin"),
    ):
        for scale in SCALES:
            with pytest.raises(UsageError, match=f"^`{name}`"):
                frequency_range(8000.0, 10.0, scale, fmin, fmax)


def test_frequency_ticks_are_few_and_apart():
    for low, high in [(0.5, 8.0), (1000.0, 1100.0), (20.0, 96000.0), (0.001, 1e6), (440.0, 441.0)]:
        for scale in ("log", "mel"):
            places = frequency_ticks(low, high, scale)
            assert 3 <= places.size <= 13
            assert np.all(np.diff(places) > 0)
            assert low * (1 - 1e-6) <= places[0] < places[-1] <= high * (1 + 1e-6)


def test_lengths_as_text_and_ticks():
    assert describe_length(1024.0, 44100.0) == "1024 samples (23.2 ms)"
    assert describe_length(300.26, 8000.0) == "300.3 samples (37.5 ms)"
    assert describe_length(600.0, 10.0) == "600 samples (60 s)"
    assert describe_length(2.0**20, 22050.0) == "1048576 samples (47.6 s)"
    assert describe_length(4.0, 8.0, 28.5) == "4 to 28.5 samples (500 ms to 3.56 s)"
    for low, high, log, places in (
        (1.0, 110.0, True, [1, 10, 100]),
        (6.0, 140.0, True, [10, 30, 100]),
        (110.0, 560.0, True, [150, 200, 300, 500]),
        (20.0, 60.0, False, [20, 30, 40, 50, 60]),
    ):
        np.testing.assert_allclose(length_ticks(low, high, log), places)
    np.testing.assert_allclose(sample_ticks(60.0, 600.0, log=True), [64, 128, 256, 512])
    np.testing.assert_allclose(sample_ticks(66.0, 500.0, log=True), [100, 200, 500])
    np.testing.assert_allclose(sample_ticks(64 + 1e-9, 256 - 1e-9, log=True), [64, 128, 256])
    assert [length_unit(n, 8000.0) for n in (7999.0, 8000.0)] == [(1 / 8, "ms"), (1 / 8000, "s")]


@given(low=st.floats(1e-3, 1e5), octaves=st.floats(0.01, 12.0))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_every_axis_has_three_ticks(low, octaves):
    high = low * 2**octaves
    for log in (True, False):
        for places in (length_ticks(low, high, log), sample_ticks(low, high, log)):
            assert places.size >= 3
            assert low * (1 - 1e-6) <= places[0] < places[-1] <= high * (1 + 1e-6)


def test_colour_maps_are_known_or_the_nearest_are_named():
    for name in ("magma", "gray_r", "Blues"):
        assert check_cmap(name) == name
    for name, near in (("Magma", "magma"), ("virids", "viridis"), ("zzz", "magma, viridis")):
        with pytest.raises(UsageError, match=f"'{name}'.*`cmap`.*{near}"):
            check_cmap(name)


def test_titles_are_one_printable_line():
    for title, shown in (
        ("plain.wav", "plain.wav"),
        ("two\nlines\tand\x00nul.wav", "two lines and nul.wav"),
        ("byte \udcff.wav", "byte \ufffd.wav"),
        ("$x_1$ {a}^2", "$x_1$ {a}^2"),
        ("x" * 200, "x" * 39 + "…" + "x" * 39),
    ):
        assert clean_title(title) == shown
        assert [t.get_text() for t in titled(title).texts] == [shown]
    texts = [t for t in titled("$x$").findobj(Text) if t.get_text() == "$x$"]
    assert [t.get_parse_math() for t in texts] == [False, False]
    for title in ("$\\frac{$ a\nb \udcff <b>&amp;</b>", "🎵 鳥 ܐ.wav", ""):
        assert render(titled(title), look=Settings(format="svg")).startswith(b"<?xml")


def test_a_name_in_another_script_falls_back_to_a_font_that_has_it():
    usual, other = (
        set(get_font(findfont(name)).get_charmap()) for name in (module.FONT, "STIXGeneral")
    )
    name = f"{next(c for c in map(chr, sorted(other - usual)) if c.isalpha())}.wav"
    assert can_draw(name)
    (text,) = titled(name).texts
    assert text.get_text() == name
    first, second = text.get_fontfamily()
    assert first == module.FONT
    assert ord(name[0]) in get_font(findfont(second)).get_charmap()
    assert module.fonts_for("bird.wav") == ([module.FONT], set())


def test_a_name_that_no_font_has_is_left_out_and_the_rest_is_drawn():
    character = "\U00012000"  # cuneiform
    assert not can_draw(f"{character}.wav")
    for title, shown in (
        (f"{character}.wav", ""),
        (f"a {character} b.wav (mean of 2 channels)", "b.wav (mean of 2 channels)"),
        (f"{character}.wav, criterion from 40 Hz on", "criterion from 40 Hz on"),
    ):
        assert [t.get_text() for t in titled(title).texts] == [shown]
