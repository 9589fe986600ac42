"""The picture of a sweep: panels, marks, axes and room for every text."""

import numpy as np
import pytest

from dstft_cli.plot.sweep import draw_sweep, sweep_figure
from dstft_cli.records import Sweep, SweepCurve

from .example import check_layout, labelled

LENGTHS = 2.0 ** np.arange(5, 12.5, 0.5)


def curve(name: str, best: float, *, in_nats: bool = True) -> SweepCurve:
    losses = 0.3 * np.abs(np.log(LENGTHS / best))
    return SweepCurve(name, "minimize", in_nats, LENGTHS, losses + 5, losses, best, 5.0)


def swept(*curves: SweepCurve) -> Sweep:
    n_ffts = np.full(len(LENGTHS), 8192)
    return Sweep(8000.0, 80_000, LENGTHS, n_ffts, n_ffts / 16, curves, 1.0, {}, ())


NAMES = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
EIGHT = swept(*(curve(name, 100.0 + 90 * k) for k, name in enumerate(NAMES)))


def test_a_panel_holds_the_curve_its_minimum_and_the_learned_optimum() -> None:
    (axes,) = sweep_figure(swept(curve("entropy", 300.0)), title="a.wav").axes
    lines = labelled(axes)
    np.testing.assert_allclose(lines["fixed windows"].get_xdata(), LENGTHS)
    losses = 0.3 * np.abs(np.log(LENGTHS / 300))
    np.testing.assert_allclose(lines["fixed windows"].get_ydata(), losses)
    np.testing.assert_allclose(lines["minimum"].get_xydata(), [[2**8, losses.min()]], rtol=0.5)
    assert lines["minimum"].get_ydata()[0] == losses.min()
    np.testing.assert_allclose(lines["learned"].get_xydata(), [[300.0, 0.0]])
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


def test_eight_criteria_share_one_page_and_their_axes() -> None:
    figure = sweep_figure(EIGHT, title="a.wav")
    assert len(figure.axes) == 8
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    top, bottom = figure.axes[:2], figure.axes[-2:]
    assert [bool(axes.child_axes) for axes in figure.axes] == [True] * 2 + [False] * 6
    assert all(axes.get_xlabel() for axes in bottom)
    assert not any(axes.get_xlabel() for axes in top)


def test_every_text_has_room() -> None:
    for count in (1, 3, 8):
        figure = sweep_figure(swept(*EIGHT.curves[:count]), title="A rather long name.wav")
        check_layout(figure)
    assert draw_sweep(swept(*EIGHT.curves[:2]), title="a.wav", format="svg").startswith(b"<?xml")


def test_what_is_not_finite_is_left_out_and_the_usual_where_it_was_not_computed() -> None:
    losses = np.array([np.inf, 0.0, 0.5])
    lengths = np.array([50.0, 100.0, 200.0])
    odd = SweepCurve("odd", "maximize", True, lengths, losses, losses, 100.0, 5.0)
    sweep = Sweep(1e4, 900, lengths, np.full(3, 256), np.full(3, 16.0), (odd,), 1.0, {}, ())
    (axes,) = sweep_figure(sweep, title="a.wav").axes
    lines = labelled(axes)
    np.testing.assert_array_equal(lines["fixed windows"].get_ydata(), [np.nan, 0.0, 0.5])
    assert "2048, the usual" not in lines
    assert axes.get_ylim()[1] == pytest.approx(0.54)
