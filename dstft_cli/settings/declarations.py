"""The declared options as the command line, the error messages and the documentation see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_type_hints

from dstft_cli.settings.model import Settings
from dstft_cli.settings.option import Option


@dataclass(frozen=True)
class Declaration:
    """One field of `Settings`, as the command line and the documentation show it."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """The long option, e.g. `--n-fft`."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_flag(self) -> bool:
        """Whether the option takes no value."""
        return self.type is bool

    @property
    def default_text(self) -> str:
        """The default in words."""
        if self.is_flag:
            return "on" if self.default else "off"
        if self.option.default:
            return self.option.default
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def requirement(self) -> str:
        """What a value must be, e.g. `a whole number, at least 0`."""
        kinds = {int: "a whole number", float: "a number", bool: "true or false"}
        kind = next((kinds[part] for part in self._types if part in kinds), "text")
        return ", ".join(filter(None, [self.option.expects or kind, self.option.range]))

    @property
    def _types(self) -> tuple[Any, ...]:
        return get_args(self.type) or (self.type,)


def declarations_of(kind: type[Settings]) -> Mapping[str, Declaration]:
    """The options of `Settings`, or of a class that varies it, by name."""
    defaults = {field.name: field.default for field in fields(kind)}
    annotations = get_type_hints(kind, include_extras=True)
    # Annotated[type, Option(...)] has exactly these two arguments
    parts = {name: get_args(annotations[name]) for name in defaults}
    return {
        name: Declaration(name, parts[name][0], defaults[name], parts[name][1]) for name in parts
    }


OPTIONS = declarations_of(Settings)

# of the options that concern one recording, not what is learned: `dstft apply` has these alone
RUN_GROUPS = ("input", "compute", "output")
