"""Every option of `dstft optimize`, declared once: type, default, unit, range and help."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass

from dstft_cli import names
from dstft_cli.settings.consistency import check_consistent
from dstft_cli.settings.effect import check_effects
from dstft_cli.settings.length import Length
from dstft_cli.settings.option import Option


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Settings:
    """All settings of one run; a field is an option name with `_`, and a YAML key.

    Values may be given as text, as on the command line. `auto` stands for a default of None,
    except where it may name a file.

    Raises:
        pydantic.ValidationError: a value is of the wrong kind or out of its range, two
            contradict each other, or a name is unknown (`merge` makes a `UsageError` of it).
    """

    # input
    channel: Annotated[
        int | Literal["mix", "all"],
        Option(
            "input",
            "Channels: their mean, all with one set of parameters, or number N from 0.",
            metavar="mix|all|N",
            at_least=0,
            expects="mix, all or a channel number",
        ),
    ] = "mix"
    sr: Annotated[
        int | None,
        Option(
            "input",
            "Resample to this sample rate.",
            metavar="HZ",
            unit="Hz",
            at_least=1,
            default="the file's",
        ),
    ] = None
    offset: Annotated[
        float,
        Option(
            "input",
            "Start reading here, such as 0.5 or 500ms.",
            metavar="S",
            unit="s",
            at_least=0,
            expects="a time (0.5, 0.5s, 500ms)",
        ),
    ] = 0.0
    duration: Annotated[
        float | None,
        Option(
            "input",
            "Read this much.",
            metavar="S",
            unit="s",
            above=0,
            expects="a time (0.5, 0.5s, 500ms)",
            default="to the end",
        ),
    ] = None

    highpass: Annotated[
        float | None,
        Option(
            "input",
            "High-pass filter with this cut-off, against rumble and a constant offset (DC).",
            metavar="HZ",
            unit="Hz",
            above=0,
            default="no filter",
        ),
    ] = None

    # transform
    n_fft: Annotated[
        int | Literal["auto"],
        Option(
            "transform",
            "FFT size.",
            metavar="N",
            unit="samples",
            at_least=8,
            at_most=2**20,
            expects="auto or a whole number",
        ),
    ] = "auto"
    win_length: Annotated[
        Length | None,
        Option(
            "transform", "Window length to start from, up to n_fft.", metavar="L", default="n_fft/2"
        ),
    ] = None
    win_length_min: Annotated[
        Length | None,
        Option(
            "transform",
            "Shortest window length.",
            metavar="L",
            default="auto: the larger of n_fft/32 and hop length / overlap",
        ),
    ] = None
    win_length_max: Annotated[
        Length | None,
        Option("transform", "Longest window length, up to n_fft.", metavar="L", default="n_fft"),
    ] = None
    hop_length: Annotated[
        Length | None,
        Option(
            "transform",
            "Distance between frame centres; at the start, where it is learned.",
            metavar="L",
            default="n_fft/16",
        ),
    ] = None
    window: Annotated[str, Option("transform", "Window family.", choices=names.WINDOWS)] = "hann"
    normalization: Annotated[
        str,
        Option(
            "transform",
            "Kept whatever the window length: the level of noise (energy), of a tone "
            "(amplitude), or neither.",
            choices=names.NORMALIZATIONS,
        ),
    ] = "energy"
    power: Annotated[
        float, Option("transform", "The criterion sees |X|**P.", metavar="P", above=0)
    ] = 2.0

    # learned
    window_mode: Annotated[
        str,
        Option(
            "learned",
            "Window length: kept, one learned for all, one per frame, one per band of frequencies, or "
            "one per patch of both.",
            choices=names.WINDOW_MODES,
        ),
    ] = "constant"
    hop_mode: Annotated[
        str,
        Option(
            "learned",
            "Frame positions: kept, one hop learned for all, or every frame's centre.",
            choices=names.HOP_MODES,
        ),
    ] = "fixed"
    hop_length_min: Annotated[
        Length | None,
        Option("learned", "Shortest learned hop.", metavar="L", default="hop length / 2"),
    ] = None
    hop_length_max: Annotated[
        Length | None,
        Option(
            "learned",
            "Longest learned hop.",
            metavar="L",
            default="twice the hop length, as far as overlap and windows allow",
        ),
    ] = None
    smoothness: Annotated[
        float | None,
        Option(
            "learned",
            "Penalty on change, where the window length varies.",
            metavar="MU",
            unit="nats of the criterion's score per e-fold of window length and n_fft of time, or bin",
            at_least=0,
            default="0.1; over frequency 0.5",
        ),
    ] = None
    overlap: Annotated[
        float,
        Option(
            "learned",
            "Largest hop, as a share of the window length; above 0.9 the inverse is poor.",
            metavar="ETA",
            above=0,
            at_most=1,
        ),
    ] = 0.5

    # criterion
    criterion: Annotated[
        str,
        Option(
            "criterion",
            "What is optimized: " + ", ".join(names.CRITERIA) + ", or your own module:object.",
            metavar="NAME",
            choices=names.CRITERIA,
            or_object=True,
        ),
    ] = "entropy"
    order: Annotated[
        float | None,
        Option(
            "criterion",
            "Order of renyi (not 1) or lp (at most 1).",
            metavar="ALPHA",
            above=0,
            default="renyi 3, lp 0.5",
        ),
    ] = None
    criterion_fmin: Annotated[
        float | None,
        Option(
            "criterion",
            "Lowest frequency that the criterion looks at.",
            metavar="HZ",
            unit="Hz",
            at_least=0,
            default="0",
        ),
    ] = None
    criterion_fmax: Annotated[
        float | None,
        Option(
            "criterion",
            "Highest frequency that the criterion looks at.",
            metavar="HZ",
            unit="Hz",
            above=0,
            default="half the sample rate",
        ),
    ] = None

    # optimizer
    optimizer: Annotated[
        str,
        Option(
            "optimizer",
            "Descent; auto: L-BFGS, Adam for hop mode time, none for lengths that vary with frequency.",
            choices=names.OPTIMIZERS,
        ),
    ] = "auto"
    search: Annotated[
        bool,
        Option(
            "optimizer",
            "Search a table of fixed window lengths before the descent.",
            negatable=True,
        ),
    ] = True
    lr: Annotated[
        float | None,
        Option(
            "optimizer",
            "Learning rate of adam and sgd.",
            metavar="LR",
            above=0,
            default="adam 0.05, sgd 1",
        ),
    ] = None
    max_steps: Annotated[
        int,
        Option(
            "optimizer",
            "Limit of the descent.",
            metavar="N",
            unit="steps",
            at_least=0,
            at_most=10**9,
        ),
    ] = 200
    tolerance: Annotated[
        float,
        Option(
            "optimizer",
            "Relative change of the criterion at which the descent has converged.",
            metavar="TOL",
            above=0,
        ),
    ] = 1e-6
    seed: Annotated[
        int,
        Option(
            "optimizer",
            "Seed, for criteria of your own that draw random numbers.",
            metavar="N",
            at_least=0,
            at_most=2**32 - 1,
        ),
    ] = 0

    # compute
    device: Annotated[str, Option("compute", "Where to compute.", choices=names.DEVICES)] = "auto"
    dtype: Annotated[
        str, Option("compute", "Precision of the transform.", choices=names.DTYPES)
    ] = "float32"
    threads: Annotated[
        int | None,
        Option(
            "compute", "CPU threads.", metavar="N", at_least=1, at_most=4096, default="all cores"
        ),
    ] = None

    # output
    output: Annotated[
        Path | None,
        Option(
            "output",
            "Directory of the results.",
            metavar="DIR",
            default="STEM-dstft",
            expects="a directory",
            short="-o",
        ),
    ] = None
    png: Annotated[
        str | None,
        Option(
            "output",
            "Also write the picture here; -: standard output.",
            metavar="PATH|-",
            default="not written",
        ),
    ] = None
    npy: Annotated[
        str | None,
        Option(
            "output",
            "Also write the magnitudes here; -: standard output.",
            metavar="PATH|-",
            default="not written",
        ),
    ] = None
    json: Annotated[bool, Option("output", "Write result.json to standard output.")] = False
    emit: Annotated[
        str,
        Option(
            "output",
            "Print the call that computes the same transform in another library.",
            choices=("none", *names.LIBRARIES),
        ),
    ] = "none"
    save_stft: Annotated[bool, Option("output", "Also write stft.npy, the complex transform.")] = (
        False
    )
    force: Annotated[bool, Option("output", "Replace what exists.")] = False
    figures: Annotated[
        bool, Option("output", "Draw pictures into the directory.", negatable=True)
    ] = True
    freq_scale: Annotated[
        str, Option("output", "Frequency axis of pictures.", choices=names.FREQ_SCALES)
    ] = "linear"
    fmin: Annotated[
        float | None,
        Option(
            "output",
            "Lowest frequency in pictures.",
            metavar="HZ",
            unit="Hz",
            at_least=0,
            default="the scale's lowest",
        ),
    ] = None
    fmax: Annotated[
        float | None,
        Option(
            "output",
            "Highest frequency in pictures.",
            metavar="HZ",
            unit="Hz",
            above=0,
            default="half the sample rate",
        ),
    ] = None
    db_range: Annotated[
        float,
        Option(
            "output",
            "Range of the colours, below the loudest point.",
            metavar="DB",
            unit="dB",
            above=0,
        ),
    ] = 80.0
    cmap: Annotated[str, Option("output", "Matplotlib colour map.", metavar="NAME")] = "magma"
    format: Annotated[
        str, Option("output", "Format of pictures.", choices=names.FIGURE_FORMATS)
    ] = "png"

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        check_effects(self)  # first: what is passed over contradicts nothing
        check_consistent(self)
        return self

    @property
    def streams(self) -> list[str]:
        """Names of the settings by which data goes to standard output: one, or it is refused."""
        found = [name for name in ("png", "npy", "csv") if getattr(self, name, None) == "-"]
        found += ["json"] if self.json else []
        return found + (["emit"] if self.emit != "none" else [])

    @property
    def writes_directory(self) -> bool:
        """Whether there is a directory of results: not where data is piped and none is named."""
        return self.output is not None or not self.streams

    @property
    def draws(self) -> bool:
        """Whether there is any picture."""
        return self.png is not None or (self.figures and self.writes_directory)

    def request_values(self, sample_rate: float) -> dict[str, Any]:
        """What decides about the transform: lengths in samples, `n_fft` None for auto."""
        from dstft_cli.settings.declarations import OPTIONS
        from dstft_cli.settings.fit_arguments import fit_arguments

        found = fit_arguments(self, OPTIONS, sample_rate)
        return {"sample_rate": sample_rate, **found, "threads": self.threads}

    def as_dict(self) -> dict[str, Any]:
        """All settings as JSON values: lengths are numbers of samples or text such as `23ms`."""
        return {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}


def _as_json(value: Any) -> Any:
    if isinstance(value, Length):
        return value.as_json()
    return str(value) if isinstance(value, Path) else value
