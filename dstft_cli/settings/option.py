"""What one option is, beside its type and default: group, unit, range, choices and help."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dstft_cli.settings.length import without_unit

Group: TypeAlias = Literal[
    "input", "transform", "learned", "criterion", "optimizer", "compute", "output"
]
_OBJECT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Option:
    """Annotation of a field of `Settings`; it also checks the field's range and choices.

    Attributes:
        group: heading in `--help`.
        help: what the option does, without unit, range and default.
        metavar: stands for the value in `--help`; empty for a flag.
        unit: of the value, e.g. `Hz`.
        above, at_least, at_most: the range of a number.
        choices: the words allowed, or none for any.
        or_object: `module:object` is allowed besides `choices`.
        expects: the kind of value, for error messages; empty where the type says it.
        default: what a default of None or `auto` means.
        short: short flag, e.g. `-o`.
        negatable: a flag that has a `--no-` form.
    """

    group: Group
    help: str
    _: KW_ONLY
    metavar: str = ""
    unit: str = ""
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    or_object: bool = False
    expects: str = ""
    default: str = ""
    short: str = ""
    negatable: bool = False

    @property
    def range(self) -> str:
        """The range in words, e.g. `above 0 and at most 1`; empty where there is none."""
        ends = [("above", self.above), ("at least", self.at_least), ("at most", self.at_most)]
        return " and ".join(f"{word} {end}" for word, end in ends if end is not None)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        inner = handler(source)
        checked = core_schema.no_info_after_validator_function(self._check, inner)
        return core_schema.no_info_before_validator_function(
            lambda value: self._prepare(value, source), checked
        )

    def _prepare(self, value: Any, source: Any) -> Any:
        """`auto` asks for the default of None; a truth value is no number; seconds may have a unit."""
        if isinstance(value, str) and not value.strip():
            raise PydanticCustomError("setting", "must not be empty")
        if isinstance(value, str) and "\0" in value:
            raise PydanticCustomError("setting", "must not hold a NUL character")
        if value == "auto" and auto_is_none(source):
            return None
        if isinstance(value, bool) and source is not bool:
            return str(value).lower()
        if isinstance(value, str) and self.unit == "s":
            return without_unit(value)
        return value

    def _check(self, value: Any) -> Any:
        if isinstance(value, str):
            self._check_word(value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            low = self.above is not None and value <= self.above
            low = low or (self.at_least is not None and value < self.at_least)
            if low or (self.at_most is not None and value > self.at_most):
                raise PydanticCustomError("setting", "must be {range}", {"range": self.range})
        return value

    def _check_word(self, word: str) -> None:
        if not self.choices or word in self.choices:
            return
        if self.or_object and _OBJECT_PATH.fullmatch(word):
            return
        words = f"one of {', '.join(self.choices)}"
        if self.or_object:
            words += ", or module:object"
        raise PydanticCustomError(
            "setting",
            "must be {words}{hint}",
            {"words": words, "hint": did_you_mean(word, self.choices)},
        )


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """`: did you mean 'hann'?`, or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, n=1)
    return f": did you mean '{near[0]}'?" if near else ""


def auto_is_none(kind: Any) -> bool:
    """Whether `auto` means None for a field of this type; for text and paths it is a name."""
    members = get_args(kind)
    return type(None) in members and not {str, Path} & set(members)
