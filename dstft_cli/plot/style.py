"""Size, type, titles and legends of all figures, and their rendering.

Without pyplot, so without global state. Distances are in inches of a page with type of 10 pt. With smaller
type they all shrink with it.
"""

from __future__ import annotations

import difflib
import io
import logging
import math
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font

from dstft_cli.errors import UsageError
from dstft_cli.settings import Settings
from dstft_cli.settings.option import inches

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # our own note says what lacks
P = ParamSpec("P")
R = TypeVar("R")

DPI = 130
VECTOR_DPI = 220  # of the images inside svg and pdf
WIDTH = 10.0  # of a figure that has one size
POINTS = 10.0  # size of the type; all distances are meant for it
COLUMN = 5.0  # inches: narrower pictures stand in a column of text, in type of
COLUMN_POINTS = 8.0
NARROW = 8.0  # pages of less have one unit of length, shorter labels and no enlarged second
LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.95, 0.5, 0.58  # margins
LEAST_WIDTH, LEAST_HEIGHT = 2.0, 1.35  # of a panel, and with what stands above it
MOST_PIXELS = 20_000  # wide or high
FONT = "DejaVu Sans"  # installed with matplotlib
GENERIC = ("serif", "sans-serif", "monospace")
PLACEHOLDERS = ("Last Resort", ".LastResort", "Adobe Blank", "Unicode BMP Fallback")  # all boxes
INK = "#222222"
COLOURS = {"start": "#7f7f7f", "table": "#2f6db3", "search": "#e08214", "descent": "#b5367a"}
MARKERS = {"start": "D", "table": "o", "search": "s", "descent": "o"}
STYLE: dict[Any, Any] = {
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": "medium",
    "axes.axisbelow": True,
    "text.color": INK,
    "text.usetex": False,
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("xtick.direction", "ytick.direction"), "out"),
    "legend.frameon": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "white"),
    "pdf.fonttype": 42,  # TrueType, as publishers ask for
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "dstft",  # ids in the file depend only on its content
}
PLAIN = Settings()  # the look by default
UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def page_of(look: Settings) -> tuple[float, float | None]:
    """Width, and the height that was given."""
    width, height = inches(look.size)
    scale = POINTS / points_of(look)
    return width * scale, None if height is None else height * scale


def points_of(look: Settings) -> float:
    """Size of the type."""
    return look.font_size or (COLUMN_POINTS if inches(look.size)[0] < COLUMN else POINTS)


def is_narrow(look: Settings) -> bool:
    return page_of(look)[0] < NARROW


def check_look(look: Settings) -> None:
    """Raises UsageError for a look that cannot be drawn."""
    check_cmap(look.cmap)
    fonts = fontManager.get_font_names()
    if look.font not in (*fonts, *GENERIC):
        near = difflib.get_close_matches(look.font, fonts, n=3) or [FONT, *GENERIC]
        raise UsageError(
            f"font {look.font!r} is not installed: choose `font` from {', '.join(near)} …"
        )
    panels = (look.panels or "").count(",") + 1
    least = (LEFT + RIGHT + LEAST_WIDTH, TOP + BOTTOM + LEAST_HEIGHT * panels)
    for what, given, needed in zip(("wide", "high"), inches(look.size), least, strict=True):
        needed *= points_of(look) / POINTS
        if given is not None and given < needed:
            raise UsageError(
                f"`size` {look.size} has no room for type of {points_of(look):g} pt: make it "
                f"{math.ceil(25.4 * needed)}mm {what} or more, or lower `font_size`"
            )
        if given is not None and given * (look.dpi or DPI) > MOST_PIXELS:
            raise UsageError(
                f"`size` {look.size} has more than {MOST_PIXELS} pixels: lower it or `dpi`"
            )


def check_cmap(name: str) -> str:
    known = list(matplotlib.colormaps)
    if name in known:
        return name
    by_lower = {k.lower(): k for k in known if not k.endswith("_r")}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3)
    choices = [*(by_lower[k] for k in near), "magma", "viridis"]
    raise UsageError(
        f"colour map {name!r} is unknown: set `cmap` to {', '.join(dict.fromkeys(choices))} or another "
        "of matplotlib's"
    )


def colour_table(name: str) -> bytes:
    """256 colours of a map, from the lowest level on, three bytes each: red, green, blue."""
    return bytes(matplotlib.colormaps[name](np.arange(256) / 255, bytes=True)[:, :3].tobytes())


def styled(build: Callable[P, R]) -> Callable[P, R]:
    """Run `build` in the style of its argument `look`, whatever matplotlibrc the user has."""

    @wraps(build)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        look = kwargs.get("look", PLAIN)
        assert isinstance(look, Settings)
        with matplotlib.rc_context(style_of(look)):
            return build(*args, **kwargs)

    return inner


def style_of(look: Settings) -> dict[Any, Any]:
    points = points_of(look)
    small = ("xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    return STYLE | {
        "font.family": list(dict.fromkeys((look.font, FONT))),
        "font.size": points,
        **dict.fromkeys(small, 0.9 * points),
        "figure.dpi": look.dpi or (DPI if look.format == "png" else VECTOR_DPI),
    }


@styled
def render(figure: Figure, *, look: Settings = PLAIN) -> bytes:
    """The figure as a file's bytes in the format of its look; the same figure gives the same bytes."""
    file, metadata = io.BytesIO(), UNDATED.get(look.format, {})
    with warnings.catch_warnings():
        # a box is drawn for a missing glyph
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(file, format=look.format, dpi="figure", metadata=metadata)
    return file.getvalue()


def em() -> float:
    """What a distance is multiplied by: 1 with type of 10 pt."""
    return float(matplotlib.rcParams["font.size"]) / POINTS


def new_page(width: float, height: float) -> Figure:
    return Figure(figsize=(width * em(), height * em()))


def page_size(figure: Figure) -> tuple[float, float]:
    width, height = figure.get_size_inches() / em()
    return float(width), float(height)


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    w, h = page_size(figure)
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def put_title(figure: Figure, title: str, left: float) -> None:
    """The figure's heading, without a name that no font can draw; without mathematics."""
    w, h = page_size(figure)
    longest = min(80, int((w - left) / 0.092))  # characters, as wide as they mostly are
    text, fonts = _drawable(title, longest)
    place: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": "large", "parse_math": False}
    figure.text(left / w, 1 - 0.14 / h, text, fontfamily=fonts, **place)


def panel_title(axes: Axes, text: str, pad: float = 4) -> None:
    text, fonts = _drawable(text)
    axes.set_title(text, loc="left", pad=pad, parse_math=False, fontfamily=fonts)


def put_legend(axes: Axes, handles: Sequence[Artist] | None = None) -> None:
    """A legend in one line, above the axes at their right; of the axes' own artists by default."""
    own = axes.get_legend_handles_labels()[0] if handles is None else handles
    near: dict[str, Any] = {"borderaxespad": 0.3, "borderpad": 0.1, "columnspacing": 1.4}
    near |= {"handlelength": 1.6, "handletextpad": 0.5, "ncols": 3}
    axes.legend(handles=own, loc="lower right", bbox_to_anchor=(1.0, 1.0), **near)


def heading_legend(figure: Figure, axes: Axes, left: float) -> None:
    w, h = page_size(figure)
    near: dict[str, Any] = {"borderaxespad": 0.0, "borderpad": 0.0, "columnspacing": 1.4}
    near |= {"handletextpad": 0.5, "ncols": 7, "bbox_to_anchor": (left / w, 1 - 0.4 / h)}
    figure.legend(*axes.get_legend_handles_labels(), loc="upper left", **near)


def clean_title(text: str, longest: int = 80) -> str:
    """One printable line: control characters become spaces, a long middle becomes an ellipsis."""
    kinds = ((c, unicodedata.category(c)) for c in text)
    shown = "".join("\ufffd" if k == "Cs" else " " if k[0] in "CZ" else c for c, k in kinds)
    shown = " ".join(shown.split())
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def can_draw(title: str) -> bool:
    return not fonts_for(clean_title(title))[1]


def fonts_for(text: str, first: Sequence[str] = (FONT,)) -> tuple[list[str], set[str]]:
    """Font families for the glyphs of `text`, and the characters that no installed font has."""
    fonts, lacking = list(first), set(text).difference({" "}, *map(_glyphs, first))
    if lacking:
        names = {n for n in fontManager.get_font_names() if not n.startswith(PLACEHOLDERS)}
        for name in sorted(names, key=lambda name: (not name.startswith("Noto"), name)):
            if lacking & _glyphs(name):
                fonts.append(name)
                lacking -= _glyphs(name)
    return fonts, lacking


@cache
def _glyphs(font: str) -> frozenset[str]:
    path = fontManager.findfont(FontProperties(family=[font]), fallback_to_default=True)
    return frozenset(map(chr, get_font(path).get_charmap()))


def _drawable(title: str, longest: int = 80) -> tuple[str, list[str]]:
    """The title and its fonts; the name at its start is left out if no font has its glyphs."""
    text = clean_title(title, longest)
    fonts, lacking = fonts_for(text, matplotlib.rcParams["font.family"])
    if lacking:
        words = text.split(" ")
        last = max(k for k, word in enumerate(words) if lacking & set(word))
        text = " ".join(words[last + 1 :])
    return text, fonts
