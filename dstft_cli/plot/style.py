"""How every figure looks, and how it becomes bytes; no pyplot, so no state stays behind."""

from __future__ import annotations

import difflib
import io
import math
import unicodedata
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MultipleLocator

from dstft_cli.errors import UsageError
from dstft_cli.names import FIGURE_FORMATS

P = ParamSpec("P")
R = TypeVar("R")

DPI = 130
VECTOR_DPI = 220  # of the images inside svg and pdf
INK = "#222222"
COLOURS = {
    "start": "#7f7f7f",
    "table": "#2f6db3",
    "search": "#e08214",
    "descent": "#b5367a",
}
MARKERS = {"start": "D", "table": "o", "search": "s", "descent": "o"}
STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "text.color": INK,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "dstft",  # ids in the file depend on nothing but its content
}
METADATA: dict[str, dict[str, None]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


def styled(build: Callable[P, R]) -> Callable[P, R]:
    """Run `build` under STYLE, whatever matplotlibrc the user has."""

    @wraps(build)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return build(*args, **kwargs)

    return inner


def check_cmap(name: str) -> str:
    """`name` if matplotlib has such a colour map.

    Raises:
        UsageError: unknown; the message names the nearest ones.
    """
    known = list(matplotlib.colormaps)
    if name in known:
        return name
    by_lower = {k.lower(): k for k in known if not k.endswith("_r")}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3)
    choices = [by_lower[k] for k in near] or ["magma", "viridis", "gray"]
    raise UsageError(
        f"colour map {name!r} is unknown: choose another --cmap, such as {', '.join(choices)}"
    )


def check_format(name: str) -> str:
    """`name` if figures can be written in it; UsageError otherwise."""
    if name not in FIGURE_FORMATS:
        raise UsageError(
            f"figure format {name!r} is unknown: choose --format from {', '.join(FIGURE_FORMATS)}"
        )
    return name


def clean_title(text: str, longest: int = 80) -> str:
    """One printable line: control characters become spaces, a long middle becomes an ellipsis."""
    shown = "".join(
        "\ufffd" if unicodedata.category(c) == "Cs" else " " if _is_control(c) else c for c in text
    )
    shown = " ".join(shown.split())
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp")


def render(figure: Figure, format: str = "png") -> bytes:
    """The figure as a file's bytes: `png`, `svg` or `pdf`; the same figure gives the same bytes.

    Raises:
        UsageError: an unknown format.
    """
    check_format(format)
    file = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context(STYLE):
        # a glyph that no font has is drawn as a box; file names are not ours to correct
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(
            file,
            format=format,
            dpi=DPI if format == "png" else VECTOR_DPI,
            metadata=METADATA[format],
        )
    return file.getvalue()


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches from the lower left corner of the figure."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def put_title(figure: Figure, title: str, left: float) -> None:
    """The figure's heading, `left` inches from its left edge, never read as mathematics."""
    w, h = figure.get_size_inches()
    figure.text(
        left / w,
        1 - 0.14 / h,
        clean_title(title),
        ha="left",
        va="top",
        fontsize=12,
        parse_math=False,
    )


def panel_title(axes: Axes, text: str) -> None:
    """A line above the axes, at their left."""
    axes.set_title(clean_title(text), loc="left", pad=4, parse_math=False)


def time_axis(axes: Axes, start: float, stop: float, label: bool = True) -> None:
    """Time in s, above 10 minutes in min:s, above 2 hours in h:min, from `start` to `stop` s."""
    axes.set_xlim(start, stop)
    span = stop - start
    if span >= 600:
        long = span >= 7200
        steps = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
        step = next((s for s in steps if span / s <= 10), 86400 * math.ceil(span / 864000))
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: _clock(t, long)))
        unit = "h:min" if long else "min:s"
    else:
        unit = "s"
    if label:
        axes.set_xlabel(f"Time ({unit})")
    axes.tick_params(axis="x", labelbottom=label)


def _clock(seconds: float, long: bool) -> str:
    units = round(seconds / 60 if long else seconds)
    return f"{units // 60}:{units % 60:02d}"


def fixed_ticks(axis: Axis, places: list[float], labels: list[str]) -> None:
    """These ticks and no other, also on a logarithmic axis."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(FixedFormatter(labels))
