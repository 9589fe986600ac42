"""`results/{stem}`: where the results of a job go, as a pattern."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dstft_cli.errors import UsageError
from dstft_cli.settings.option import did_you_mean

_INDEX_FORMAT = re.compile(r"0?[0-9]{0,2}d?")


@dataclass(frozen=True)
class Template:
    """A path with fields in braces, relative and without `..`.

    Attributes:
        text: as written.
        components: per folder or file name its parts: literal text, or (field, format).
        where: what error messages begin with.
    """

    text: str
    components: tuple[tuple[str | tuple[str, str], ...], ...]
    where: str

    @classmethod
    def parse(cls, text: str, fields: Sequence[str], where: str) -> Template:
        """Reads a template.

        Args:
            text: e.g. `results/{criterion}/{stem}`; `{{` and `}}` stand for braces.
            fields: the names allowed; `index` may have a format such as `{index:04d}`.
            where: what error messages begin with.

        Raises:
            UsageError: no template, an unknown field, or a path that leaves its folder.
        """
        if not text or "\0" in text:
            raise UsageError(f"{where}: output must name a directory, such as results/{{stem}}")
        if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:|\\", text):
            raise UsageError(
                f"{where}: output {text!r} leaves the output folder: write a relative path, "
                "and the folder as output_folder"
            )
        components = []
        for part in text.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                raise UsageError(
                    f"{where}: output {text!r} leaves the output folder: write it without '..'"
                )
            components.append(_parts(part, text, fields, where))
        if not components:
            raise UsageError(f"{where}: output {text!r} names no directory: write {{stem}}")
        return cls(text, tuple(components), where)

    @cached_property
    def fixed(self) -> str:
        """The folders before the first field; the last component is never one of them."""
        names = []
        for parts in self.components[:-1]:
            if not all(isinstance(part, str) for part in parts):
                break
            names.append("".join(str(part) for part in parts))
        return "/".join(names)

    def expand(self, values: Mapping[str, str | int]) -> str:
        """The path for one job, `/` between its names.

        Raises:
            UsageError: a value would lead to another folder.
        """
        names: list[str] = []
        for parts in self.components:
            name = "".join(
                part if isinstance(part, str) else format(values[part[0]], part[1])
                for part in parts
            )
            if parts == (("folder", ""),):
                names.extend(filter(None, name.split("/")))
            else:
                names.append(name)
        if "/".join(names) == self.fixed:  # a {folder} of none
            names.append("")
        for name in names:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise UsageError(
                    f"{self.where}: output {self.text!r} becomes {'/'.join(names)!r}, "
                    f"in which {name!r} is no name of a directory: use other fields"
                )
        return "/".join(names)


def _parts(
    component: str, text: str, fields: Sequence[str], where: str
) -> tuple[str | tuple[str, str], ...]:
    found: list[str | tuple[str, str]] = []
    try:
        parsed = list(string.Formatter().parse(component))
    except ValueError as error:
        raise UsageError(
            f"{where}: output {text!r} is no template ({error}): "
            "write fields as {stem} and a brace of your own twice"
        ) from None
    for literal, field, spec, conversion in parsed:
        if literal:
            found.append(literal)
        if field is None:
            continue
        if field not in fields:
            hint = did_you_mean(field, tuple(fields))
            known = hint or ": use {stem}, {name}, {parent}, {folder}, {index} or a setting"
            raise UsageError(f"{where}: output {text!r}: no field {{{field}}}{known}")
        if conversion or (spec and (field != "index" or not _INDEX_FORMAT.fullmatch(spec))):
            raise UsageError(
                f"{where}: output {text!r}: {{{field}}} takes no format: "
                "only {index} does, such as {index:04d}"
            )
        found.append((field, spec or ""))
    if len(found) > 1 and any(part == ("folder", "") for part in found):
        raise UsageError(
            f"{where}: output {text!r}: {{folder}} may be several folders: "
            "let it stand alone between slashes"
        )
    return tuple(found)
