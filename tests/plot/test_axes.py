import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dstft_cli.errors import UsageError
from dstft_cli.plot import check_cmap
from dstft_cli.plot.axes import (
    check_scale,
    clean_title,
    even_ticks,
    frequency_range,
    frequency_ticks,
    hz_to_scale,
    panel_title,
    put_title,
    render,
    scale_to_hz,
    tick_label,
)


def test_the_scales_are_hz_log10_and_htk_mel() -> None:
    assert hz_to_scale(440.0, "linear") == 440.0
    assert hz_to_scale(100.0, "log") == pytest.approx(2.0)
    assert hz_to_scale(700.0, "mel") == pytest.approx(2595 * np.log10(2))
    assert hz_to_scale(1000.0, "mel") == pytest.approx(1000.0, rel=1e-4)


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_scale_and_back(scale: str) -> None:
    hz = np.array([1.0, 20.0, 440.0, 22050.0])
    np.testing.assert_allclose(scale_to_hz(hz_to_scale(hz, scale), scale), hz, rtol=1e-12)


def test_an_unknown_scale_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"'bark' is unknown: .* linear, log, mel"):
        check_scale("bark")


@pytest.mark.parametrize(
    ("top", "spacing", "scale", "fmin", "fmax", "expected"),
    [
        (22050.0, 10.0, "linear", None, None, (0.0, 22050.0)),
        (22050.0, 10.0, "mel", 50.0, 8000.0, (50.0, 8000.0)),
        (22050.0, 10.0, "log", None, None, (20.0, 22050.0)),
        (22050.0, 10.0, "log", 0.0, None, (20.0, 22050.0)),
        (22050.0, 43.0, "log", None, None, (43.0, 22050.0)),
        (22050.0, 43.0, "log", 5.0, None, (5.0, 22050.0)),
        (8.0, 0.01, "log", None, None, (0.08, 8.0)),
        (22050.0, 43.0, "log", None, 30.0, (3.0, 30.0)),
        (22050.0, 10.0, "linear", None, 22050.0000001, (0.0, 22050.0)),
    ],
)
def test_the_range_shown(
    top: float,
    spacing: float,
    scale: str,
    fmin: float | None,
    fmax: float | None,
    expected: tuple[float, float],
) -> None:
    assert frequency_range(top, spacing, scale, fmin, fmax) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("fmin", "fmax", "message"),
    [
        (5000.0, 4000.0, r"--fmin 5000 Hz is not below 4000 Hz: lower --fmin or raise --fmax"),
        (4000.0, 4000.0, r"--fmin 4000 Hz is not below 4000 Hz"),
        (9000.0, None, r"--fmin 9000 Hz is not below 8000 Hz"),
        (None, 9000.0, r"--fmax 9000 Hz is above the highest frequency 8000 Hz: lower --fmax"),
        (-1.0, None, r"--fmin -1 Hz is not a frequency"),
        (None, float("nan"), r"--fmax nan Hz is not a frequency"),
        (None, 0.0, r"--fmin 0 Hz is not below 0 Hz"),
    ],
)
@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_empty_and_impossible_ranges_are_refused(
    scale: str, fmin: float | None, fmax: float | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        frequency_range(8000.0, 10.0, scale, fmin, fmax)


def test_log_ticks_are_a_1_2_5_ladder() -> None:
    places, labels = frequency_ticks(43.0, 22050.0, "log")
    assert labels == ["50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"]
    np.testing.assert_allclose(places[[0, -1]], [50.0, 20000.0])


def test_mel_ticks_start_at_zero_and_keep_their_distance() -> None:
    places, labels = frequency_ticks(0.0, 22050.0, "mel")
    assert labels[0] == "0"
    assert {"1k", "10k", "20k"} <= set(labels)
    mel = hz_to_scale(places, "mel")
    assert np.diff(mel).min() >= float(hz_to_scale(22050.0, "mel")) / 20


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
@pytest.mark.parametrize(
    ("low", "high"), [(0.5, 8.0), (1000.0, 1100.0), (20.0, 96000.0), (0.001, 1e6), (440.0, 441.0)]
)
def test_ticks_lie_inside_and_are_few(scale: str, low: float, high: float) -> None:
    places, labels = frequency_ticks(low, high, scale)
    assert 2 <= len(places) == len(labels) == len(set(labels)) <= 13
    assert np.all(np.diff(places) > 0)
    assert low <= places[0]
    assert places[-1] <= high


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
@pytest.mark.parametrize("limits", [(1000.0, 3000.0), (900.0, 1000.0), (3100.0, 3400.0)])
def test_a_narrow_range_has_three_ticks(scale: str, limits: tuple[float, float]) -> None:
    places, labels = frequency_ticks(*limits, scale)
    assert len(set(labels)) == len(places) >= 3


def test_even_ticks() -> None:
    np.testing.assert_allclose(even_ticks(0, 22050, 6), [0, 5000, 10000, 15000, 20000])
    np.testing.assert_allclose(even_ticks(0.9, 1.6, 4), [1.0, 1.2, 1.4, 1.6])
    np.testing.assert_allclose(even_ticks(571.2, 582.8, 4), [572.5, 575, 577.5, 580, 582.5])


@pytest.mark.parametrize(
    ("hz", "label"), [(50.0, "50"), (0.5, "0.5"), (1000.0, "1k"), (12500.0, "12.5k")]
)
def test_tick_labels(hz: float, label: str) -> None:
    assert tick_label(hz) == label


def titled(title: str) -> Figure:
    figure = Figure(figsize=(4.0, 2.0))
    put_title(figure, title, 0.5)
    panel_title(figure.add_subplot(), title)
    return figure


@pytest.mark.parametrize("name", ["magma", "gray_r", "Blues"])
def test_known_colour_maps(name: str) -> None:
    assert check_cmap(name) == name


@pytest.mark.parametrize(
    ("name", "near"), [("Magma", "magma"), ("virids", "viridis"), ("zzz", "magma, viridis, gray")]
)
def test_an_unknown_colour_map_names_the_nearest(name: str, near: str) -> None:
    message = f"colour map '{name}' is unknown: choose another --cmap, such as .*{near}"
    with pytest.raises(UsageError, match=message):
        check_cmap(name)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("plain.wav", "plain.wav"),
        ("two\nlines\tand\x00nul.wav", "two lines and nul.wav"),
        ("byte \udcff.wav", "byte \ufffd.wav"),
        ("$x_1$ {a}^2", "$x_1$ {a}^2"),
        ("x" * 200, "x" * 39 + "…" + "x" * 39),
    ],
)
def test_titles_are_one_printable_line(title: str, shown: str) -> None:
    assert clean_title(title) == shown
    assert [t.get_text() for t in titled(title).texts] == [shown]


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "title", ["$\\frac{$", "cost $5_$ ^{", "🎵 鳥 ܐ.wav", "a\nb", "\udcff", "<b>&amp;</b>", ""]
)
def test_any_file_name_draws_without_a_warning(title: str, format: str) -> None:
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert render(titled(title), format).startswith(starts[format])


def test_dollars_are_text_and_not_mathematics() -> None:
    shown = [t for t in titled("$x$").findobj(Text) if t.get_text() == "$x$"]
    assert [t.get_parse_math() for t in shown] == [False, False]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="'bmp' is unknown: choose --format from png, svg, pdf"):
        render(Figure(), "bmp")
