"""A declared option, as the command line, error messages and the documentation use it."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cached_property
from inspect import get_annotations
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from typer import Option
from typer.models import OptionInfo

from dstft_cli.settings.length import in_base_unit

_RANGES = ((Gt, "above", "gt"), (Ge, "at least", "ge"), (Le, "at most", "le"))
_KINDS = (
    ("HZ", "a frequency (80, 80Hz, 1kHz)"),
    ("S", "a time (0.5, 0.5s, 500ms)"),
    ("L", "a length: samples (1024) or a time (23ms, 0.02s)"),
)


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
        return tuple(_members(self.type))

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
            f"{word} {getattr(limit, key):g}"
            if isinstance(getattr(limit, key), float)
            else f"{word} {getattr(limit, key)}"
            for limit in (*self.limits, *_limits(self.type))
            for kind, word, key in _RANGES
            if isinstance(limit, kind)
        ]
        return " and ".join(found)

    @property
    def requirement(self) -> str:
        """The values allowed, e.g. `a whole number, at least 0`."""
        kinds = {int: "a whole number", bool: "true or false", float: "a number", Path: "a path"}
        named = dict(_KINDS).get(str(self.option.metavar))
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


def _members(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) is Literal:
        yield from get_args(kind)
    elif get_args(kind):
        for part in get_args(kind):
            yield from _members(part)
    else:
        yield kind


def _limits(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        inner, *extras = get_args(kind)
        yield from extras
        yield from _limits(inner)
    elif get_origin(kind) is not Literal:
        for part in get_args(kind):
            yield from _limits(part)


def check_text(value: Any, declared: Declaration) -> Any:
    """`value` without its unit of time or frequency, `auto` as None; empty text is an error."""
    from pydantic_core import PydanticCustomError  # not for --help

    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError("setting", "must not be empty")
    if isinstance(value, str) and "\0" in value:
        raise PydanticCustomError("setting", "must not hold a NUL character")
    if isinstance(value, str) and value == "auto" and declared.auto_is_none:
        return None
    if isinstance(value, bool) and not declared.is_flag:
        return str(value).lower()
    return in_base_unit(value, str(declared.option.metavar))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint such as `: did you mean 'hann'?`; empty if no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), known, n=1)
    return f": did you mean '{near[0]}'?" if near else ""
