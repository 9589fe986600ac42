"""The columns of the table between the result's name and its notes: what each shows and sorts by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from dstft_cli.report.entry import Spread, Summary
from dstft_cli.settings.length import number_text, time_text


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a second line in small, what it is sorted by, and a hint on hovering.

    Where `key` is None there is no value; such cells come last, whatever the direction.
    """

    text: str
    detail: str = ""
    key: float | str | None = None
    hint: str = ""


@dataclass(frozen=True)
class Column:
    """A heading and what stands below it; `best_first` sorts downwards at the first click."""

    label: str
    cell: Callable[[Summary], Cell]
    detail: str = ""
    numeric: bool = True
    best_first: bool = False


NONE = Cell("–")
GAP = "\u00a0"  # between a number and its unit, which stay on one line


def _source(summary: Summary) -> Cell:
    path = summary.source
    name = "standard input" if path == "-" else PurePath(path).name or path
    return Cell(name, key=name, hint=path)


def _text(value: str | None) -> Cell:
    return NONE if value is None else Cell(value, key=value)


def _number(value: float | None, detail: str = "") -> Cell:
    return NONE if value is None else Cell(f"{value:.5g}", detail, value)


def _best_fixed(summary: Summary) -> Cell:
    length = summary.best_fixed_length
    at = "" if length is None else f"at{GAP}{_times(summary.sample_rate, length)}"
    return _number(summary.best_fixed, at)


def _gain(reference: Callable[[Summary], float | None]) -> Callable[[Summary], Cell]:
    def cell(summary: Summary) -> Cell:
        value = reference(summary)
        gain = summary.gain(value)
        if gain is None:
            return NONE
        if not value:
            return Cell(f"{gain:+.3g}")
        share = 100 * gain / abs(value)
        return Cell(f"{share:+.3g}{GAP}%", f"{gain:+.3g}", share)

    return cell


def _lengths(spread: Spread | None, rate: float) -> Cell:
    if spread is None:
        return NONE
    same = spread.low == spread.high
    values = (spread.median,) if same else (spread.low, spread.median, spread.high)
    samples = " / ".join(number_text(value, 4) for value in values)
    return Cell(_times(rate, *values), f"{samples}{GAP}samples", spread.median / rate)


def _times(rate: float, *samples: float) -> str:
    """Lengths in samples as times in one unit."""
    seconds = [value / rate for value in samples]
    unit = time_text(max(seconds)).split()[-1]
    factor = 1 if unit == "s" else 1000
    return " / ".join(number_text(value * factor, 3) for value in seconds) + GAP + unit


def _duration(summary: Summary) -> Cell:
    seconds = summary.seconds
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        text = f"{hours:,}{GAP}h {minutes:02}{GAP}min"
    elif minutes:
        text = f"{minutes}{GAP}min {rest:02}{GAP}s"
    else:
        text = f"{seconds:.3g}{GAP}s"
    return Cell(text, f"{summary.sample_rate / 1000:.5g}{GAP}kHz", seconds)


COLUMNS = (
    Column("Input", _source, numeric=False),
    Column("Mode", lambda summary: _text(summary.mode), numeric=False),
    Column("Criterion", lambda summary: _text(summary.criterion), numeric=False),
    Column("Start", lambda summary: _number(summary.start)),
    Column("Best fixed", _best_fixed),
    Column("Final", lambda summary: _number(summary.final)),
    Column("Gain over start", _gain(lambda summary: summary.start), best_first=True),
    Column("Gain over best fixed", _gain(lambda summary: summary.best_fixed), best_first=True),
    Column(
        "Window length",
        lambda summary: _lengths(summary.window_length, summary.sample_rate),
        "min / median / max",
    ),
    Column("Hop", lambda summary: _lengths(summary.hop_length, summary.sample_rate)),
    Column("n_fft", lambda summary: Cell(f"{summary.n_fft:.10g}", key=summary.n_fft)),
    Column("Duration", _duration),
)
