"""A declared option, as the command line, errors and the documentation use it; lengths and times."""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cached_property
from inspect import get_annotations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from typer import Option
from typer.models import OptionInfo

from dstft_cli.errors import UsageError

# what a run may write; no word is in another
SAVED = ("spectrogram", "stft", "parameters", "pictures", "view")
_RANGES = ((Gt, "above", "gt"), (Ge, "at least", "ge"), (Le, "at most", "le"))
_KINDS = (
    ("HZ", "a frequency (80, 80Hz, 1kHz)"),
    ("S", "a time (0.5, 0.5s, 500ms)"),
    ("L", "a length: samples (1024) or a time (23ms, 0.02s)"),
    ("LIST", f"one or more of {', '.join(SAVED)}, with commas between them"),
    ("SIZE", "a width or WIDTHxHEIGHT (90mm, 7in, 180x120mm)"),
    ("PANELS", "panels (learned, plain, best, map, curve, hops) with commas between them"),
)
_NUMBER = r"\s*([0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*"
_LENGTH = re.compile(_NUMBER + r"(ms|s|)\s*", re.IGNORECASE)
_PER_SECOND = {"s": 1.0, "ms": 1000.0}
_UNITS: Mapping[str, tuple[re.Pattern[str], Mapping[str, float]]] = {
    "S": (re.compile(_NUMBER + r"(ms|s)\s*", re.IGNORECASE), _PER_SECOND),
    "HZ": (re.compile(_NUMBER + r"(k?hz)\s*", re.IGNORECASE), {"hz": 1.0, "khz": 1e-3}),
    "PT": (re.compile(_NUMBER + r"(pt)\s*", re.IGNORECASE), {"pt": 1.0}),
}
_UNIT = r"(mm|cm|in|)\s*"
_SIZE = re.compile(f"{_NUMBER}{_UNIT}(?:x{_NUMBER}{_UNIT})?", re.IGNORECASE)
_PER_INCH = {"mm": 25.4, "cm": 2.54, "in": 1.0}
NOT_A_LENGTH = "is not a length: use samples (1024) or a time (23ms, 0.02s)"


@dataclass(frozen=True)
class Declaration:
    """One option of a settings class."""

    name: str  # of the field and YAML key
    type: Any  # of the value
    default: Any  # of the field
    option: OptionInfo  # help, panel and metavar
    limits: Sequence[Any]  # annotations with the range of a number

    @property
    def panel(self) -> str:
        return str(self.option.rich_help_panel)

    def varied(self, **changes: Any) -> Declaration:
        """The same with another help, default text or panel."""
        option = copy(self.option)
        vars(option).update(changes)
        return replace(self, option=option)

    @property
    def is_flag(self) -> bool:
        return self.type is bool

    @cached_property
    def members(self) -> tuple[Any, ...]:
        """The kinds of value: literal words, types."""
        return tuple(part for part in _parts(self.type) if isinstance(part, (str, type)))

    @property
    def choices(self) -> tuple[str, ...]:
        """The words allowed; empty for any."""
        return tuple(member for member in self.members if isinstance(member, str))

    @property
    def auto_is_none(self) -> bool:
        """Whether `auto` means None; for text and paths it does not."""
        return type(None) in self.members and not {str, Path} & set(self.members)

    @property
    def default_text(self) -> str:
        if isinstance(self.option.show_default, str):
            return self.option.show_default
        if self.is_flag:
            return "on" if self.default else "off"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def range(self) -> str:
        """The range in words, e.g. `above 0 and at most 1`; empty where there is none."""
        found = [
            f"{word} {getattr(limit, key):.10g}"
            for limit in (*self.limits, *_parts(self.type))
            for kind, word, key in _RANGES
            if isinstance(limit, kind)
        ]
        return " and ".join(found)

    @property
    def requirement(self) -> str:
        """The values allowed, e.g. `a whole number, at least 0`."""
        kinds = {int: "a whole number", bool: "true or false", float: "a number", Path: "a path"}
        named = dict(_KINDS).get(str(self.option.metavar))
        if named and self.option.metavar == "HZ" and int in self.members:
            named = "a whole number of Hz (44100, 44100Hz, 44.1kHz)"
        found = [named] if named else [kinds[part] for part in self.members if part in kinds][:1]
        if self.choices:
            words = ", ".join(self.choices)
            found = [f"one of {words}" if not found else f"{words} or {found[0]}"]
            found[0] += ", or module:object" if str in self.members else ""
        return ", ".join(filter(None, [*(found or ["text"]), self.range]))


def option(
    panel: str,
    help: str,
    metavar: str | None = None,
    *,
    flags: tuple[str, ...] = (),
    default: str | bool = True,
    **more: Any,
) -> Any:
    """Typer's option; `default` says in words what None means."""
    return Option(
        *flags, help=help, metavar=metavar, rich_help_panel=panel, show_default=default, **more
    )


def declarations_of(kind: type) -> Mapping[str, Declaration]:
    """The options of a settings class by name, in order."""
    annotations, found = annotations_of(kind), {}
    for field in fields(kind):
        value_type, *extras = get_args(annotations[field.name])
        option = next((extra for extra in extras if isinstance(extra, OptionInfo)), None)
        if option is not None:
            found[field.name] = Declaration(field.name, value_type, field.default, option, extras)
    return found


def annotations_of(kind: type) -> Mapping[str, Any]:
    """The types of all fields of a class and its bases, with their metadata."""
    return ChainMap(*map(get_annotations, kind.__mro__))


def _parts(kind: Any) -> Iterator[Any]:
    """The types, words and limits in the type of a value, however deep."""
    if get_origin(kind) is Literal or not get_args(kind):
        yield from get_args(kind) or (kind,)
        return
    for part in get_args(kind):
        yield from _parts(part)


def check_text(value: Any, declared: Declaration) -> Any:
    """`value` without its unit of time or frequency, `auto` as None; empty text is an error."""
    from pydantic_core import PydanticCustomError  # not for --help

    if isinstance(value, str):
        if not value.strip():
            raise PydanticCustomError("setting", "must not be empty")
        if "\0" in value:
            raise PydanticCustomError("setting", "must not hold a NUL character")
        if value == "auto" and declared.auto_is_none:
            return None
    if isinstance(value, bool) and not declared.is_flag:
        return str(value).lower()
    return in_base_unit(value, str(declared.option.metavar))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint such as `: did you mean 'hann'?`; empty if no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


@dataclass(frozen=True)
class Length:
    """A positive, finite length; two are equal if unit and value are equal."""

    value: float  # above 0, in `unit`
    unit: Literal["samples", "ms", "s"] = "samples"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise UsageError(f"length {self.value:g} {self.unit} {NOT_A_LENGTH}, above 0")

    @classmethod
    def parse(cls, text: str | float) -> Length:
        """Reads `1024`, `1024.5`, `23ms` or `0.02s`."""
        match = None if isinstance(text, bool) else _LENGTH.fullmatch(str(text))
        if match is None:
            raise UsageError(f"length '{text}' {NOT_A_LENGTH}")
        return cls(float(match[1]), match[2].lower() or "samples")  # type: ignore[arg-type]

    @property
    def is_time(self) -> bool:
        """Whether the sample rate is needed to know the number of samples."""
        return self.unit != "samples"

    def samples(self, sample_rate: float) -> float:
        """The length in samples (real) at `sample_rate` Hz."""
        if self.unit == "samples":
            return self.value
        return self.value * sample_rate / _PER_SECOND[self.unit]

    def exceeds(self, other: Length, sample_rate: float | None = None) -> bool:
        """Whether this is longer; False if that depends on an unknown sample rate (Hz)."""
        if sample_rate is None and self.is_time != other.is_time:
            return False
        rate = sample_rate or 1.0  # in one unit the rate does not matter
        return self.samples(rate) > other.samples(rate)

    def as_json(self) -> str | int | float:
        """A number of samples or the text of a time, as `parse` reads."""
        if self.is_time:
            return str(self)
        return int(self.value) if self.value.is_integer() else self.value

    def __str__(self) -> str:
        number = repr(float(self.value)).removesuffix(".0")
        return number if self.unit == "samples" else number + self.unit

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # not for --help

        return core_schema.no_info_plain_validator_function(_validate)


def in_base_unit(value: Any, metavar: str) -> Any:
    """`500ms` as 0.5 for the metavar `S`, `1kHz` as 1000 for `HZ`; anything else as it is."""
    pattern, per_base_unit = _UNITS.get(metavar, (None, {}))
    match = pattern.fullmatch(value) if pattern and isinstance(value, str) else None
    return value if match is None else float(match[1]) / per_base_unit[match[2].lower()]


def _validate(value: Any) -> Length:
    if isinstance(value, Length):
        return value
    try:
        return Length.parse(value)
    except UsageError as error:
        from pydantic_core import PydanticCustomError

        reason = str(error).split(" is not a length", 1)[1]
        raise PydanticCustomError("setting", "not a length{reason}", {"reason": reason}) from None


def inches(size: str) -> tuple[float, float | None]:
    """Width and, if given, height of `90mm`, `7in` or `180x120mm`, above 0 inches; else ValueError."""
    match = _SIZE.fullmatch(size)
    last = (match[4] or match[2]).lower() if match else ""
    if match is None or not last or 0 in (float(match[1]), float(match[3] or 1)):
        raise ValueError(f"{size!r} is not a size")
    wide = float(match[1]) / _PER_INCH[match[2].lower() or last]
    return wide, float(match[3]) / _PER_INCH[last] if match[3] else None


def number_text(value: float, digits: int) -> str:
    """A positive number with that many digits, and never as `1.2e+04`."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:.0f}"


def time_text(seconds: float) -> str:
    """A time in three digits, in ms or from 1 s on in s: `23.2 ms`, `3.56 s`."""
    value, unit = (seconds, "s") if seconds >= 0.9995 else (seconds * 1000, "ms")
    return f"{number_text(value, 3)} {unit}"


def samples_text(samples: float) -> str:
    """A number of samples, below 1000 to a tenth: `512`, `663.9`, `1235`."""
    return f"{round(samples, 1 if samples < 1000 else None):.10g}"
