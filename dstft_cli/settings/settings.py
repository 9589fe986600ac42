"""The options of `dstft optimize` and `dstft sweep`: type, range, default, help and panel.

Typer reads these declarations for the command line, pydantic for YAML, `--set` and Python.
Only `--help-all` shows the expert options.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Predicate

from dstft_cli.settings import rules
from dstft_cli.settings.option import (
    SAVED,
    Declaration,
    Length,
    annotations_of,
    check_text,
    declarations_of,
    inches,
    option,
)

INPUT, TRANSFORM, LEARNED, CRITERION = "Input", "Transform", "Learned", "Criterion"
OPTIMIZER, COMPUTE, OUTPUT, GENERAL = "Optimizer", "Compute", "Output", "General"
PICTURES = "Pictures"
RUN_PANELS = (INPUT, COMPUTE, OUTPUT, PICTURES)  # options of one recording or machine
ALL = "all"  # criteria of a sweep
NONE = "not written"  # a further file
SHORT = {  # what --help shows; --help-all shows the options for experts too
    *("channel", "duration", "highpass", "n_fft", "win_length", "win_length_min", "win_length_max"),
    *("hop_length", "window_mode", "smoothness", "criterion", "scope", "output", "save"),
    *("save_stft", "force", "freq_scale", "preset"),
}
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")  # of `dstft reconstruct`
EXPERIMENTS = ("windows", "hops", "tracking", "classification", "all")  # of `dstft reproduce`

FftSize = Annotated[int, Ge(8), Le(2**20)] | Literal["auto"]
Criterion = Literal["entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini"]
WORD = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
ObjectPath = Annotated[str, Predicate(re.compile(f"{WORD}:{WORD}").fullmatch)]
_ONE = f"({'|'.join(SAVED)})"
Saved = Annotated[str, Predicate(re.compile(rf"{_ONE}(\s*,\s*{_ONE})*").fullmatch)]
Preset = Literal["music", "speech", "bioacoustics", "vibration"]
Format = Literal["png", "svg", "pdf"]
_PANEL = r"\s*(plain|best|learned|map|curve|hops)\s*"

_input, _transform, _learned = (partial(option, p) for p in (INPUT, TRANSFORM, LEARNED))
_criterion, _optimizer = partial(option, CRITERION), partial(option, OPTIMIZER)
_compute, _output = partial(option, COMPUTE), partial(option, OUTPUT)
_picture = partial(option, PICTURES)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one run. A field is an option name with `_`, and a YAML key.

    Values may be text as on the command line: `25ms`, `1kHz`, `auto` for the default; else
    `pydantic.ValidationError`. `dstft_cli.settings.merge` reads all sources and checks the rules.
    """

    # input
    channel: Annotated[
        Annotated[int, Ge(0)] | Literal["mix", "all"],
        _input(
            "mix: the mean of all channels. all: each channel, one common window. N: one channel, from 0.",
            "mix|all|N",
        ),
    ] = "mix"
    sr: Annotated[
        int | None, Ge(1), _input("Resample to this sample rate.", "HZ", default="the file's")
    ] = None
    offset: Annotated[
        float, Ge(0), _input("Start of the part to read: 0.5, 0.5s or 500ms.", "S")
    ] = 0.0
    duration: Annotated[
        float | None, Gt(0), _input("Length of the part to read.", "S", default="to the end")
    ] = None
    highpass: Annotated[
        float | None,
        Gt(0),
        _input(
            "High-pass filter, against rumble and a constant offset (DC).",
            "HZ",
            default="no filter",
        ),
    ] = None

    # transform
    n_fft: Annotated[
        FftSize, _transform("FFT size. auto: a power of two that holds the longest window.", "N")
    ] = "auto"
    win_length: Annotated[
        Length | None,
        _transform("Window length to start from, at most n_fft.", "L", default="n_fft/2"),
    ] = None
    win_length_min: Annotated[
        Length | None,
        _transform(
            "Shortest window length.",
            "L",
            default="about 3ms, or hop length / overlap if that is longer; scope plane: n_fft/32",
        ),
    ] = None
    win_length_max: Annotated[
        Length | None,
        _transform(
            "Longest window length, at most n_fft.",
            "L",
            default="n_fft, or about 186ms where that is auto",
        ),
    ] = None
    hop_length: Annotated[
        Length | None,
        _transform(
            "Distance between frame centres, the start of a learned hop.",
            "L",
            default="half the shortest window; scope plane: n_fft/16",
        ),
    ] = None
    window: Annotated[
        Literal["hann", "blackman", "nuttall", "gaussian", "kaiser"],
        _transform("Window family.", "NAME"),
    ] = "hann"
    normalization: Annotated[
        Literal["energy", "amplitude", "none"],
        _transform(
            "What keeps its level when the length changes: noise (energy), tones (amplitude), or nothing.",
            "NAME",
        ),
    ] = "energy"
    power: Annotated[float, Gt(0), _transform("The criterion is computed from |X|**P.", "P")] = 2.0

    # learned
    window_mode: Annotated[
        Literal["fixed", "constant", "time", "frequency", "time-frequency"],
        _learned(
            "Learned window length: none, one for the file, or varying over time, frequency or both.",
            "MODE",
        ),
    ] = "time-frequency"
    hop_mode: Annotated[
        Literal["fixed", "constant", "time"],
        _learned(
            "Learned frame positions: none, one hop for the file, or the centre of every frame.",
            "MODE",
        ),
    ] = "fixed"
    hop_length_min: Annotated[
        Length | None, _learned("Shortest learned hop.", "L", default="hop length / 2")
    ] = None
    hop_length_max: Annotated[
        Length | None,
        _learned(
            "Longest learned hop.",
            "L",
            default="twice the hop length, as far as overlap and windows allow",
        ),
    ] = None
    smoothness: Annotated[
        float | None,
        Ge(0),
        _learned(
            "Keeps the length from jumping. 0: free, 0.1: smooth, 1: nearly constant. It means the "
            "same for any hop or FFT size. Without effect on cells, unless scope is plane.",
            "MU",
            default="0.05, over frequency 0.3; scope plane: 0.1 and 0.5",
        ),
    ] = None
    overlap: Annotated[
        float,
        Gt(0),
        Le(1),
        _learned(
            "Longest hop, as a share of the window length. Above 0.9 the inverse is poor.", "ETA"
        ),
    ] = 0.5

    # criterion
    criterion: Annotated[
        Criterion | ObjectPath, _criterion("Measure of sparsity to optimize.", "NAME")
    ] = "entropy"
    scope: Annotated[
        Literal["local", "plane"],
        _criterion(
            "local: every part of the plane counts by itself. plane: the loudest decide, as in the paper.",
            "SCOPE",
        ),
    ] = "local"
    order: Annotated[
        float | None,
        Gt(0),
        _criterion("Order of renyi (not 1) or lp (at most 1).", "ALPHA", default="renyi 3, lp 0.5"),
    ] = None
    criterion_fmin: Annotated[
        float | None, Ge(0), _criterion("Lowest frequency of the criterion.", "HZ", default="0")
    ] = None
    criterion_fmax: Annotated[
        float | None,
        Gt(0),
        _criterion("Highest frequency of the criterion.", "HZ", default="half the sample rate"),
    ] = None

    # optimizer
    optimizer: Annotated[
        Literal["auto", "lbfgs", "adam", "sgd"],
        _optimizer(
            "Optimizer. auto: L-BFGS; gradient steps for lengths per cell; Adam for hop mode time.",
            "NAME",
        ),
    ] = "auto"
    search: Annotated[
        bool, _optimizer("Search a table of fixed window lengths before the descent.")
    ] = True
    lr: Annotated[
        float | None,
        Gt(0),
        _optimizer("Learning rate of adam and sgd.", "LR", default="adam 0.05, sgd 1"),
    ] = None
    max_steps: Annotated[
        int, Ge(0), Le(10**9), _optimizer("Largest number of steps of the descent.", "N")
    ] = 200
    tolerance: Annotated[
        float,
        Gt(0),
        _optimizer("The descent stops when the criterion changes by less than this share.", "TOL"),
    ] = 1e-6
    seed: Annotated[
        int, Ge(0), Le(2**32 - 1), _optimizer("Random seed, for criteria of your own.", "N")
    ] = 0

    # compute
    device: Annotated[
        Literal["auto", "cpu", "cuda", "mps"], _compute("Device to compute on.", "NAME")
    ] = "auto"
    dtype: Annotated[
        Literal["float32", "float64"], _compute("Precision of the transform.", "NAME")
    ] = "float32"
    threads: Annotated[
        int | None, Ge(1), Le(4096), _compute("CPU threads.", "N", default="all cores")
    ] = None

    # output
    output: Annotated[
        Path | None,
        _output("Directory of the results.", "DIR", flags=("-o", "--output"), default="STEM-dstft"),
    ] = None
    png: Annotated[
        str | None,
        _output("Also write the picture to this file. -: standard output.", "PATH|-", default=NONE),
    ] = None
    npy: Annotated[
        str | None,
        _output(
            "Also write the magnitudes to this file. -: standard output.", "PATH|-", default=NONE
        ),
    ] = None
    json: Annotated[bool, _output("Write result.json to standard output.", flags=("--json",))] = (
        False
    )
    emit: Annotated[
        Literal["none", "librosa", "torch", "torchaudio", "scipy", "matlab", "raven", "r"],
        _output(
            "Print code for the same transform in another library, or settings for Raven: one length "
            "is learned.",
            "NAME",
        ),
    ] = "none"
    save: Annotated[
        Saved,
        _output(
            f"What to write, words with commas: {', '.join(SAVED)}. result.json and trajectory.csv are "
            "always written. --save-stft, --no-figures and --no-view change it.",
            "LIST",
        ),
    ] = "spectrogram,parameters,pictures,view"
    save_stft: Annotated[
        bool, _output("Also write stft.npy, the complex transform.", flags=("--save-stft",))
    ] = False
    force: Annotated[bool, _output("Replace what exists.", flags=("--force",))] = False
    on_silence: Annotated[
        Literal["fail", "skip", "write"],
        _output(
            "For silence, or DC alone: fail, write nothing (skip), or write its spectrogram at the start "
            "parameters. Where nothing is learned, fail writes too.",
            "WHAT",
        ),
    ] = "fail"
    figures: Annotated[bool, _output("Draw pictures into the directory.")] = True
    npy_dtype: Annotated[
        Literal["float16", "float32", "float64"],
        _output("Number format of the magnitudes. float16: half the size, to 0.005 dB.", "NAME"),
    ] = "float32"
    store: Annotated[
        Literal["npy", "zarr"],
        _output(
            "Format of the arrays in the directory. zarr: compressed chunks with coordinates, which "
            "xarray opens lazily; it needs dstft-cli with the extra 'store'.",
            "NAME",
        ),
    ] = "npy"
    view: Annotated[
        bool,
        _output(
            "Write view.html, to zoom, compare and listen. --no-figures alone leaves it out, too."
        ),
    ] = True
    audio: Annotated[
        Literal["embed", "link", "none"],
        _output(
            "Sound of view.html. embed: within the page, up to 10 minutes; link: the recording itself.",
            "NAME",
        ),
    ] = "embed"
    npy_hop: Annotated[
        Length | Literal["auto", "full"],
        _output(
            "Distance of the frames in spectrogram.npy, each the energy mean around it. auto: at most "
            "32 bytes for a sample of sound; full: every frame, as with save_stft or a given hop.",
            "L",
        ),
    ] = "auto"
    # pictures
    freq_scale: Annotated[
        Literal["auto", "linear", "log", "mel", "note"],
        _picture(
            "Frequency axis. auto: log, below 2 kHz sample rate linear. note: log, with names of notes.",
            "NAME",
        ),
    ] = "auto"
    fmin: Annotated[
        float | None,
        Ge(0),
        _picture("Lowest frequency.", "HZ", default="0; on a log axis where sound begins"),
    ] = None
    fmax: Annotated[
        Annotated[float, Gt(0)] | Literal["auto", "none"],
        _picture(
            "Highest frequency. auto: where sound ends, with 99.9 % of the energy above the noise "
            "below it; none: half the sample rate.",
            "HZ",
        ),
    ] = "auto"
    tmin: Annotated[
        float | None,
        Ge(0),
        _picture("First time, from the start of the recording.", "S", default="where it begins"),
    ] = None
    tmax: Annotated[
        float | None,
        Gt(0),
        _picture("Last time, from the start of the recording.", "S", default="where it ends"),
    ] = None
    time: Annotated[
        Literal["recording", "part", "clock"],
        _picture(
            "Where times count from: the start of the recording, or of the picture (part). clock: time of "
            "day, from a file name such as 20230131_235900.wav or the file's header.",
            "NAME",
        ),
    ] = "recording"
    time_unit: Annotated[
        Literal["auto", "s", "min", "h"],
        _picture("Unit of times. auto: min from 10 minutes on, h from 2 hours on.", "NAME"),
    ] = "auto"
    db_range: Annotated[
        float,
        Gt(0),
        Le(1000),
        _picture("Range of the colours, in dB below the loudest point.", "DB"),
    ] = 80.0
    cmap: Annotated[str, _picture("Matplotlib colour map.", "NAME")] = "magma"
    colorbar: Annotated[bool, _picture("Draw the colour bars.")] = True
    panels: Annotated[
        Annotated[str, Predicate(re.compile(f"{_PANEL}(,{_PANEL})*").fullmatch)] | None,
        _picture(
            "Panels of the comparison, downwards: learned, plain (46 ms), best (single window), map and "
            "curve of the window lengths, hops.",
            "PANELS",
            default="what differs",
        ),
    ] = None
    title: Annotated[bool, _picture("Draw the title.")] = True
    size: Annotated[
        Annotated[str, Predicate(inches)],
        _picture("Width, or WIDTHxHEIGHT: 90mm, 7in, 180x120mm.", "SIZE"),
    ] = "10in"
    dpi: Annotated[
        int | None,
        Ge(30),
        Le(2400),
        _picture("Pixels per inch.", "N", default="130; 220 for images in svg and pdf"),
    ] = None
    font: Annotated[str, _picture("Font family.", "NAME")] = "DejaVu Sans"
    font_size: Annotated[
        float | None,
        Ge(4),
        Le(40),
        _picture("Size of the type, points.", "PT", default="10; 8 in pictures below 5in"),
    ] = None
    format: Annotated[Format, _picture("Format of the file.", "NAME")] = "png"

    # general
    preset: Annotated[
        Preset | None,
        option(
            GENERAL,
            "Settings for a kind of sound. Your options and files override them.",
            "NAME",
            default="none",
        ),
    ] = None

    # rank of each name that was given (see `rules`); not an option
    ranks: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.__dict__.update(vars(_checked(type(self))(**vars(self))))  # type: ignore[arg-type]

    @property
    def streams(self) -> list[str]:
        """Names of the settings that send data to standard output; at most one is allowed."""
        found = [name for name in ("png", "npy", "csv") if getattr(self, name, None) == "-"]
        found += ["json"] if self.json else []
        return found + (["emit"] if self.emit != "none" else [])

    @property
    def writes_directory(self) -> bool:
        """Whether there is a directory of results: yes, unless data is piped and no `output` is given."""
        return self.output is not None or not self.streams

    @property
    def draws(self) -> bool:
        """Whether any picture is written."""
        return self.png is not None or (self.writes_directory and (self.figures or self.view))

    def as_dict(self) -> dict[str, Any]:
        """All settings as JSON values: lengths are numbers of samples or text such as `23ms`."""
        names = [part.name for part in fields(self) if part.name != "ranks"]
        return {name: _as_json(getattr(self, name)) for name in names}

    def request_values(self, sample_rate: float) -> dict[str, Any]:
        """The values of `fit.Request`: lengths in samples, `n_fft` None for auto."""
        settled, _ = rules.settle(self, sample_rate=sample_rate)
        values: dict[str, Any] = {"sample_rate": sample_rate}
        for name, declared in OPTIONS.items():
            if declared.panel in _REQUEST_PANELS and name != "seed":
                value = getattr(settled, name)
                values[name] = value.samples(sample_rate) if isinstance(value, Length) else value
        values["n_fft"] = None if values["n_fft"] == "auto" else values["n_fft"]
        return values


OPTIONS: Mapping[str, Declaration] = declarations_of(Settings)
for _name, _declared in OPTIONS.items():
    _declared.option.hidden = _name not in SHORT
CRITERIA, FIGURE_FORMATS, STORES = (
    OPTIONS[name].choices for name in ("criterion", "format", "store")
)
RUN_OPTIONS = tuple(name for name in OPTIONS if OPTIONS[name].panel in RUN_PANELS)
PICTURE_OPTIONS = tuple(name for name in OPTIONS if OPTIONS[name].panel == PICTURES)
_REQUEST_PANELS = (TRANSFORM, LEARNED, CRITERION, OPTIMIZER, COMPUTE)


@cache
def _checked(kind: type) -> Any:
    """A twin of a settings class that checks its values; `--help` imports no pydantic."""
    from pydantic import BeforeValidator, ConfigDict
    from pydantic.dataclasses import dataclass

    declared, types = {**SWEEP_OPTIONS, **OPTIONS}, dict(annotations_of(kind))
    for name in types.keys() & declared.keys():
        check = partial(check_text, declared=declared[name])
        types[name] = Annotated[types[name], BeforeValidator(check)]
    twin = make_dataclass(kind.__name__, types.items(), kw_only=True)
    return dataclass(twin, config=ConfigDict(allow_inf_nan=False))


def _as_json(value: Any) -> Any:
    if isinstance(value, Length):
        return value.as_json()
    return str(value) if isinstance(value, Path) else value


@dataclass(frozen=True, kw_only=True)
class SweepSettings(Settings):
    """Settings of a sweep. It uses the options in `SWEEP_OPTIONS` only."""

    criterion: Annotated[
        Criterion | Literal["all"] | ObjectPath, _criterion("Criterion to show, or all.", "NAME")
    ] = "entropy"
    csv: Annotated[
        str | None,
        _output("Also write the curves to this file. -: standard output.", "PATH|-", default=NONE),
    ] = None


_SWEEP: Mapping[str, Mapping[str, str]] = {  # what differs from `dstft optimize`
    "n_fft": {"help": "FFT size. auto: for each length a power of two, at least twice the length."},
    "win_length_min": {
        "show_default": "about 3ms; scope plane: 2ms, at least 32; with N: n_fft/8 or hop / overlap"
    },
    "win_length_max": {
        "show_default": "about 186ms; scope plane: 500 times the shortest, at most a quarter of INPUT"
    },
    "hop_length": {
        "help": "Distance between frame centres.",
        "show_default": "n_fft/32; with N: n_fft/16",
    },
    "overlap": {
        "help": "Longest hop, as a share of the window length.",
        "rich_help_panel": TRANSFORM,
    },
    "output": {"show_default": "STEM-sweep"},
    "json": {"help": "Write sweep.json to standard output."},
    "emit": {"help": "Print code for the best length in another library, or settings for Raven."},
}
_SWEEP_TOO = (
    *("window", "normalization", "power", "criterion", "scope", "order", "criterion_fmin", "csv"),
    *("criterion_fmax", "png", "force", "figures", "format", "preset"),
)
SWEEP_OPTIONS = {
    name: declared.varied(**_SWEEP.get(name, {}))
    for name, declared in declarations_of(SweepSettings).items()
    if declared.panel in (INPUT, COMPUTE) or name in (*_SWEEP, *_SWEEP_TOO)
}
