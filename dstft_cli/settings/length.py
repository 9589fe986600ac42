"""Lengths, times and frequencies: reading and printing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dstft_cli.errors import UsageError

_NUMBER = r"\s*([0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*"
_LENGTH = re.compile(_NUMBER + r"(ms|s|)\s*", re.IGNORECASE)
_PER_SECOND = {"s": 1.0, "ms": 1000.0}
_UNITS: Mapping[str, tuple[re.Pattern[str], Mapping[str, float]]] = {
    "S": (re.compile(_NUMBER + r"(ms|s)\s*", re.IGNORECASE), _PER_SECOND),
    "HZ": (re.compile(_NUMBER + r"(k?hz)\s*", re.IGNORECASE), {"hz": 1.0, "khz": 1e-3}),
}
NOT_A_LENGTH = "is not a length: use samples (1024) or a time (23ms, 0.02s)"


@dataclass(frozen=True)
class Length:
    """A positive, finite length; two are equal if unit and value are equal."""

    value: float  # above 0, in `unit`
    unit: Literal["samples", "ms", "s"] = "samples"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise UsageError(f"length {self.value:g} {self.unit} {NOT_A_LENGTH}, above 0")

    @classmethod
    def parse(cls, text: str | float, name: str = "length") -> Length:
        """Reads `1024`, `1024.5`, `23ms` or `0.02s`."""
        match = None if isinstance(text, bool) else _LENGTH.fullmatch(str(text))
        if match is None:
            raise UsageError(f"{name} '{text}' {NOT_A_LENGTH}")
        value = float(match[1])
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} '{text}' {NOT_A_LENGTH}, above 0")
        unit = match[2].lower()
        return cls(value, "ms" if unit == "ms" else "s" if unit == "s" else "samples")

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


def number_text(value: float, digits: int) -> str:
    """A positive number with that many digits, and never as `1.2e+04`."""
    return f"{value:.{digits}g}" if value < 10**digits - 0.5 else f"{value:.0f}"


def time_text(seconds: float) -> str:
    """A time in three digits, in ms or from 1 s on in s: `23.2 ms`, `3.56 s`."""
    value, unit = (seconds, "s") if seconds >= 0.9995 else (seconds * 1000, "ms")
    return f"{number_text(value, 3)} {unit}"
