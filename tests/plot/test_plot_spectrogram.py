"""The pictures of a spectrogram and of a sweep."""

from xml.etree import ElementTree

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.plot.spectrogram import to_db
from dstft_cli.plot.style import render
from dstft_cli.plot.sweep import draw_sweep, sweep_figure
from dstft_cli.records import Sweep, SweepCurve
from dstft_cli.settings import Settings

from .example import check_layout, labelled, pool_of, spectrogram_figure, y_ticks


def test_a_spectrogram_shows_the_pool_in_decibels():
    pool = pool_of(3.0)
    look = Settings(db_range=50.0, cmap="viridis")
    figure = spectrogram_figure(pool, title="bell.wav", look=look)
    axes, bar = figure.axes
    (image,) = axes.images
    assert tuple(image.get_extent()) == pytest.approx(pool.grid.extent)
    assert image.origin == "lower"
    assert image.get_clim() == (-50.0, 0.0)
    assert image.get_cmap().name == "viridis"
    columns = image.get_array()[:, ::35]  # 40 frames, each drawn 35 columns wide
    np.testing.assert_allclose(columns, to_db(pool.image, pool.image.max(), 50.0))
    np.testing.assert_array_equal(image.get_array()[:, 34::35], columns)
    assert float(image.get_array().max()) == 0.0
    assert axes.get_ylim() == (0.0, 4000.0)
    assert axes.get_xlim() == pytest.approx(pool.grid.extent[:2])
    assert axes.get_xlabel() == "Time (s)"
    assert axes.get_ylabel() == "Frequency (kHz)"
    assert y_ticks(axes) == ["0", "1", "2", "3", "4"]
    assert bar.get_ylabel() == "Level (dB below the maximum)"
    assert [t.get_text() for t in figure.texts] == ["bell.wav"]


def test_scaled_axes_are_labelled_in_hz():
    for scale, labels in (
        ("log", [80, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1500, 2000, 3000, 4000]),
        ("mel", [0, 200, 500, 1000, 2000, 3000]),
    ):
        pool = pool_of(freq_scale=scale)
        axes = spectrogram_figure(pool, title="").axes[0]
        assert axes.get_ylabel() == "Frequency (Hz)"
        assert y_ticks(axes) == [str(label) for label in labels]
        assert axes.get_ylim() == pytest.approx(pool.grid.freq_range)


def test_svg_and_pdf_carry_no_date_and_repeat_themselves():
    pdf, data, again = (
        render(spectrogram_figure(pool_of(), title="a.wav"), look=Settings(format=format))
        for format in ("pdf", "svg", "svg")
    )
    assert pdf.startswith(b"%PDF-")
    assert b"CreationDate" not in pdf
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert 1 <= len(list(root.iter("{http://www.w3.org/2000/svg}image"))) <= 2
    assert b"<dc:date>" not in data
    assert data == again


def test_bad_looks_are_refused():
    for options, message in (
        ({"cmap": "virids"}, "'virids' .*viridis"),
        ({"font": "DejaVu Sand"}, "'DejaVu Sand' .*`font`.*DejaVu Sans"),
        ({"size": "50mm"}, "`size` 50mm .*8 pt.* 77mm wide"),
        ({"size": "90x20mm", "panels": "learned"}, "`size` 90x20mm .* high"),
        ({"size": "10in", "dpi": 2400}, "pixels.*`dpi`"),
    ):
        with pytest.raises(UsageError, match=message):
            spectrogram_figure(pool_of(), title="", look=Settings(**options))


def test_the_ends_of_the_criterions_band_are_lines_where_they_are_in_the_picture():
    pool = pool_of(freq_scale="mel", fmin=200.0)

    def lines(*band: float | None) -> list[float]:
        axes = spectrogram_figure(pool, title="", band=band).axes[0]
        return [float(line.get_ydata()[0]) for line in axes.lines]

    assert lines(None, None) == lines(100.0, 4000.0) == []
    assert lines(500.0, 3000.0) == [500.0, 3000.0]
    assert lines(None, 1000.0) == [1000.0]


LENGTHS = 2.0 ** np.arange(5, 12.5, 0.5)


def curve(name: str, best: float, *, in_nats: bool = True) -> SweepCurve:
    losses = 0.3 * np.abs(np.log(LENGTHS / best))
    return SweepCurve(name, "minimize", in_nats, LENGTHS, losses + 5, losses, best, 5.0)


def swept(*curves: SweepCurve) -> Sweep:
    n_ffts = np.full(len(LENGTHS), 8192)
    return Sweep(8000.0, 80_000, LENGTHS, n_ffts, n_ffts / 16, curves, 1.0, {}, ())


NAMES = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
EIGHT = swept(*(curve(name, 100.0 + 90 * k) for k, name in enumerate(NAMES)))


def test_a_panel_holds_the_curve_its_minimum_and_the_learned_optimum():
    (axes,) = sweep_figure(swept(curve("entropy", 300.0)), title="a.wav").axes
    lines = labelled(axes)
    np.testing.assert_allclose(lines["fixed windows"].get_xdata(), LENGTHS)
    losses = 0.3 * np.abs(np.log(LENGTHS / 300))
    np.testing.assert_allclose(lines["fixed windows"].get_ydata(), losses)
    np.testing.assert_allclose(lines["minimum"].get_xydata(), [[2**8, losses.min()]], rtol=0.5)
    assert lines["minimum"].get_ydata()[0] == losses.min()
    np.testing.assert_allclose(lines["best length"].get_xydata(), [[300.0, 0.0]])
    assert lines["2048, the usual"].get_xdata()[0] == 2048
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "Window length (samples)"
    assert axes.get_ylabel() == "Loss (nats)"
    own = swept(curve("mine", 300.0, in_nats=False))
    assert sweep_figure(own, title="").axes[0].get_ylabel() == "Loss (share of best)"
    assert axes.get_title(loc="left") == "entropy: 300 samples (37.5 ms)"
    (above,) = axes.child_axes
    assert above.get_xlabel() == "Window length (ms)"
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    low, high = curve("entropy", 300.0).good_lengths
    assert (band.x0, band.x1) == pytest.approx((low, high))


def test_eight_criteria_share_one_page_and_their_axes():
    figure = sweep_figure(EIGHT, title="a.wav")
    assert len(figure.axes) == 8
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    top, bottom = figure.axes[:2], figure.axes[-2:]
    assert [bool(axes.child_axes) for axes in figure.axes] == [True] * 2 + [False] * 6
    assert all(axes.get_xlabel() for axes in bottom)
    assert not any(axes.get_xlabel() for axes in top)


def test_every_text_has_room():
    for count in (1, 8):
        check_layout(sweep_figure(swept(*EIGHT.curves[:count]), title="A rather long name.wav"))
    one = swept(*EIGHT.curves[:1])
    assert draw_sweep(one, title="a.wav", look=Settings(format="svg")).startswith(b"<?xml")


def test_what_is_not_finite_is_left_out_and_the_usual_where_it_was_not_computed():
    losses = np.array([np.inf, 0.0, 0.5])
    lengths = np.array([50.0, 100.0, 200.0])
    odd = SweepCurve("odd", "maximize", True, lengths, losses, losses, 100.0, 5.0)
    sweep = Sweep(1e4, 900, lengths, np.full(3, 256), np.full(3, 16.0), (odd,), 1.0, {}, ())
    (axes,) = sweep_figure(sweep, title="a.wav").axes
    lines = labelled(axes)
    np.testing.assert_array_equal(lines["fixed windows"].get_ydata(), [np.nan, 0.0, 0.5])
    assert "2048, the usual" not in lines
    assert axes.get_ylim()[1] == pytest.approx(0.54)
