import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dstft_cli.errors import UsageError
from dstft_cli.plot import check_cmap
from dstft_cli.plot.style import clean_title, panel_title, put_title, render


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
