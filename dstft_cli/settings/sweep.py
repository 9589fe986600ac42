"""The settings of `dstft sweep`: those of `dstft optimize`, a few of which mean a little less or more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from dstft_cli import names
from dstft_cli.settings.declarations import OPTIONS, declarations_of
from dstft_cli.settings.length import Length
from dstft_cli.settings.model import Settings
from dstft_cli.settings.option import Option

ALL = "all"


def _varied(name: str, **changes: str | tuple[str, ...]) -> Option:
    """The option of `dstft optimize`, with other words."""
    return replace(OPTIONS[name].option, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class SweepSettings(Settings):
    """Settings of a sweep; of the others of `Settings`, those in `SWEEP_OPTIONS` count."""

    n_fft: Annotated[
        int | Literal["auto"],
        _varied(
            "n_fft", help="FFT size; auto: for each length the power of two from twice of it on."
        ),
    ] = "auto"
    win_length_min: Annotated[
        Length | None,
        _varied("win_length_min", default="2ms, but at least 32; with N n_fft/8 or hop / overlap"),
    ] = None
    win_length_max: Annotated[
        Length | None,
        _varied("win_length_max", default="100 times that or a quarter of INPUT; with N n_fft"),
    ] = None
    hop_length: Annotated[
        Length | None,
        _varied(
            "hop_length",
            help="Distance between frame centres.",
            default="n_fft/32; with N n_fft/16",
        ),
    ] = None
    criterion: Annotated[
        str,
        _varied(
            "criterion",
            help="Criterion to show: "
            + ", ".join(names.CRITERIA)
            + ", your own module:object, or all of the names.",
            choices=(*names.CRITERIA, ALL),
        ),
    ] = "entropy"
    output: Annotated[Path | None, _varied("output", default="STEM-sweep")] = None
    overlap: Annotated[
        float,
        _varied(
            "overlap",
            group="transform",
            help="Largest hop, as a share of the window length: shorter windows are left out.",
        ),
    ] = 0.5
    csv: Annotated[
        str | None,
        Option(
            "output",
            "Also write the curves here; -: standard output.",
            metavar="PATH|-",
            default="not written",
        ),
    ] = None
    json: Annotated[bool, _varied("json", help="Write sweep.json to standard output.")] = False


SWEEP_OPTIONS = {
    name: declaration
    for name, declaration in declarations_of(SweepSettings).items()
    if declaration.option.group in ("input", "compute")
    or name
    in (
        *("n_fft", "win_length_min", "win_length_max", "hop_length", "overlap"),
        *("window", "normalization", "power", "criterion", "order"),
        *("criterion_fmin", "criterion_fmax"),
        *("output", "png", "csv", "json", "force", "figures", "format"),
    )
}
"""The options of `dstft sweep`."""
