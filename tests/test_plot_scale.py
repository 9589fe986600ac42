import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.plot.scale import (
    check_scale,
    even_ticks,
    frequency_range,
    frequency_ticks,
    hz_to_scale,
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
