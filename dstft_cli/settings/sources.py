"""Sources of settings: the command line overrides `--set`, then a file, a preset, the defaults.

An error names the place, in one line.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstft_cli.errors import UsageError, shortened, system_reason
from dstft_cli.settings import rules
from dstft_cli.settings.option import Declaration, did_you_mean
from dstft_cli.settings.rules import IN_FILE, IN_MATRIX, PRESET, TYPED
from dstft_cli.settings.settings import (
    OPTIONS,
    PICTURE_OPTIONS,
    SWEEP_OPTIONS,
    Settings,
    SweepSettings,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

BATCH_KEYS = ("defaults", "output_folder", "jobs")
PLOT = "plot"  # the key of a section with options of pictures, which may also stand outside it
_MEBIBYTE = 1 << 20
_LARGEST = 1  # MiB; a longer file is a recording given by mistake
_SLOW_FROM = 1 << 16  # characters; above it libyaml: faster, with poorer messages
_DEEPEST = 50  # levels of nesting
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")
}


@dataclass(frozen=True)
class Given:
    """A setting's value, its rank (see `rules`), and how to name it."""

    value: Any  # as text, or checked
    start: str  # how a message begins with it
    within: str  # how it is written within a message
    rank: int = TYPED  # see `rules`


def merge(
    typed: Mapping[str, Any],
    set_pairs: Sequence[str] = (),
    config: Path | None = None,
    kind: type[Settings] = Settings,
    *,
    only: Collection[str] | None = None,
    below: Mapping[str, Any] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Settings:
    """The settings of a run; UsageError, in one line with place and value, for a wrong one.

    Args:
        typed: field name -> text or value, only of options that were given.
        below: name -> value, overridden by all that is given.
        set_pairs: `key=value` texts, values as in YAML; the last one for a key counts.
        only: names that the command uses; None: all of `kind`.
        note: called with a sentence for each typed option without effect.
    """
    options = options_of(kind)
    names = set(options if only is None else only)
    given = {
        name: Given(value, f"{name} = {value}", f"{name} = {value}", PRESET)
        for name, value in (below or {}).items()
    }
    for item in read_items(config) if config is not None else ():
        where = f"{config}:{item.line}"
        if item.key in BATCH_KEYS:
            raise UsageError(f"{where}: {item.key} belongs to a batch: run dstft batch {config}")
        check_key(item.key, f"{where}: ", options)
        value = scalar(item.node, f"{where}: {item.key}")
        given[item.key] = from_line(item.key, value, where, options)
    given |= {**from_pairs(set_pairs, options), **from_typed(typed, options)}
    for name, entry in given.items():
        if name not in names and entry.rank == TYPED:
            note(f"{entry.within} has no effect on this command")
    return settings_of({n: e for n, e in given.items() if n in names}, kind, only=names, note=note)


def settings_of(
    given: Mapping[str, Given],
    kind: type[Settings] = Settings,
    *,
    only: Collection[str] | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Settings:
    """The settings made of these values and of the preset they name, as in `merge`."""
    options = options_of(kind)
    preset = given["preset"].value if "preset" in given else None
    below = preset_values(preset) if preset in options["preset"].choices else {}
    below = {name: entry for name, entry in below.items() if only is None or name in only}
    given = {**below, **given}
    values = {name: entry.value for name, entry in given.items()}
    ranks = {name: entry.rank for name, entry in given.items()}
    from pydantic import ValidationError  # not for --help

    try:
        settings = kind(**values)
    except ValidationError as error:
        raise UsageError(_explain(error, given, options)) from None
    # a batch sends all values to workers; those of the preset keep its rank
    own = kind(**{name: entry.value for name, entry in below.items()})
    ranks |= {name: PRESET for name in below if getattr(settings, name) == getattr(own, name)}
    settings = replace(settings, ranks=ranks)

    def label(name: str) -> str:
        if name in given:
            return given[name].within
        return f"the default `{name}` {options[name].default_text}"

    matrix = {name for name, entry in given.items() if entry.rank == IN_MATRIX}
    settled, idle = rules.settle(settings, label=label, keep=matrix)
    for name, causes in idle.items():
        if name in given and given[name].rank == TYPED:
            note(f"{given[name].within} has no effect with {' and '.join(map(label, causes))}")
    return settled


def settings_in_record(values: Mapping[str, Any]) -> Settings:
    known = {name: value for name, value in values.items() if name != "preset"}
    return rules.settle(Settings(**known))[0]


def preset_values(name: str) -> dict[str, Given]:
    package = Path(__file__).parents[1]
    installed = package / "presets" / f"{name}.yaml"
    path = installed if installed.exists() else package.parent / "configs" / f"{name}.yaml"
    given = {}
    for item in read_items(path, option="preset"):
        value = scalar(item.node, f"{path}:{item.line}: {item.key}")
        text = f"{item.key} = {value} (preset {name})"
        given[item.key] = Given(value, text, text, PRESET)
    return given


def options_of(kind: type[Settings]) -> Mapping[str, Declaration]:
    """The options of a settings class, with those that a file may also hold."""
    return {**OPTIONS, **SWEEP_OPTIONS} if issubclass(kind, SweepSettings) else OPTIONS


def from_typed(
    typed: Mapping[str, Any], options: Mapping[str, Declaration] = OPTIONS
) -> dict[str, Given]:
    """Settings from options of the command line."""
    given = {}
    for name, value in typed.items():
        check_key(name, "", options)
        label = f"`{name}` {_quoted(value)}"
        if isinstance(value, bool) and options[name].is_flag:
            label = f"`{name}`" if value else f"`no_{name}`"
        given[name] = Given(value, label, label)
    return given


def from_pairs(
    pairs: Sequence[str], options: Mapping[str, Declaration] = OPTIONS
) -> dict[str, Given]:
    """Settings from `key=value` texts; the last one for a key counts."""
    given = {}
    for pair in pairs:
        where = f"`set` {_quoted(pair)}"
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals:
            raise UsageError(f"{where}: not a setting: write `set` key=value")
        check_key(name, f"{where}: ", options)
        value = _parse_scalar(text, where)
        given[name] = Given(options[name].default if value is None else value, where, where)
    return given


def from_line(
    name: str,
    value: str | None,
    where: str,
    options: Mapping[str, Declaration] = OPTIONS,
    rank: int = IN_FILE,
) -> Given:
    """A setting from YAML; `where` is `FILE:LINE`."""
    text = f"{name} = {'null' if value is None else _quoted(value)}"
    start, within = f"{where}: {text}", f"{text} ({where})"
    return Given(options[name].default if value is None else value, start, within, rank)


def check_key(
    name: str,
    where: str,
    options: Mapping[str, Declaration] = OPTIONS,
    also: Sequence[str] = (),  # names that may be meant
) -> None:
    """Raises UsageError, beginning with `where`, if no setting has this name."""
    if name not in options:
        hint = did_you_mean(name, (*also, *options)) or ": see 'dstft optimize --help-all'"
        raise UsageError(f"{where}unknown key '{shortened(name)}'{hint}")


def _explain(
    error: ValidationError, given: Mapping[str, Given], options: Mapping[str, Declaration]
) -> str:
    problems = error.errors(include_url=False)
    name = str(problems[0]["loc"][0])
    start, declared = given[name].start, options[name]
    # a union has one error per member: prefer the one about the range
    for problem in (problem for problem in problems if problem["loc"][0] == name):
        if problem["type"] == "setting":
            return f"{start}: {problem['msg']}"
        if problem["type"].startswith(("greater", "less")):
            return f"{start}: must be {declared.range}"
    hint = did_you_mean(str(given[name].value), declared.choices) if declared.choices else ""
    return f"{start}: must be {declared.requirement}{hint}"


def _quoted(value: Any) -> str:
    """The value for a message: cut if long, in quotes if it holds spaces."""
    text = str(value)
    plain = text and text.isprintable() and not any(character.isspace() for character in text)
    return shortened(text) if plain else repr(shortened(text) if text.isprintable() else text[:80])


@dataclass(frozen=True)
class Item:
    key: str
    node: Any
    line: int


def read_items(path: Path, *, option: str = "config", largest: int = _LARGEST) -> list[Item]:
    """The top level of a YAML file, in order, as nodes."""
    root = _compose(_read_text(path, option, largest), lambda line: f"{path}:{line}")
    if root is None or root.tag.endswith(":null"):
        return []
    if root.id != "mapping":
        raise UsageError(
            f"{path}: holds no settings: write one 'key: value' a line{_or_list(option)}"
        )
    return items(root, path)


def items(mapping: Any, path: Path) -> list[Item]:
    """The entries of a mapping, in order; those of a section `plot` in place of it."""
    found: dict[str, Item] = {}
    for key_node, value_node in mapping.value:
        line = line_of(key_node)
        where = f"{path}:{line}"
        key = scalar(key_node, where)
        if key is None:
            raise UsageError(f"{where}: a key is missing: write 'key: value'")
        inside = [Item(key, value_node, line)]
        if key == PLOT and value_node.id == "mapping":
            inside = items(value_node, path)
        elif key == PLOT:
            raise UsageError(f"{where}: {key} must be a mapping: write 'key: value' lines below it")
        for item in inside:
            if key == PLOT and item.key not in PICTURE_OPTIONS:
                hint = (
                    did_you_mean(item.key, PICTURE_OPTIONS) or f": use {', '.join(PICTURE_OPTIONS)}"
                )
                raise UsageError(
                    f"{path}:{item.line}: {shortened(item.key)} is no option of pictures{hint}"
                )
            if item.key in found:
                first = found[item.key].line
                raise UsageError(
                    f"{path}:{item.line}: {item.key} is given twice, first on line {first}: keep one"
                )
            found[item.key] = item
    return list(found.values())


def line_of(node: Any) -> int:
    return int(node.start_mark.line) + 1


def scalar(node: Any, where: str) -> str | None:
    """A plain value as text, or None for null; an error begins with `where`."""
    if node.id != "scalar":
        raise UsageError(f"{where}: must be a single value, not a {node.id}")
    if node.tag not in _PLAIN_TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise UsageError(f"{where}: tag {tag} is not allowed: write a plain value")
    return None if node.tag.endswith(":null") else str(node.value)


def _parse_scalar(text: str, where: str) -> str | None:
    if text.strip() == "-":  # standard output; in YAML it would be an empty list
        return "-"
    node = _compose(text, lambda line: where)
    return None if node is None else scalar(node, where)


def read_bytes(path: Path | str, most: int) -> bytes:
    """The first bytes of a file; OSError for a pipe without a writer, on which `open` would wait."""
    flag = getattr(os, "O_NONBLOCK", 0)  # Windows has neither
    with open(path, "rb", opener=lambda p, flags: os.open(p, flags | flag)) as file:
        kind = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(kind):
            os.set_blocking(file.fileno(), True)
        data = file.read(most)
        if not data and stat.S_ISFIFO(kind):
            raise OSError(errno.ENXIO, "a pipe without a writer")
        return data


def _read_text(path: Path, option: str, largest: int) -> str:
    named = option if option.isupper() else f"`{option}`"
    yaml_file = f"give {named} a YAML file"
    try:
        data = read_bytes(path, largest * _MEBIBYTE + 1)
        if len(data) <= largest * _MEBIBYTE:
            return data.decode("utf-8-sig")
        problem = f"is above {largest} MiB, too large for settings: {yaml_file}"
    except UnicodeDecodeError:
        problem = f"is not UTF-8 text: {yaml_file}{_or_list(option)}"
    except (OSError, ValueError) as error:  # the latter for a NUL in the path
        reason = system_reason(error) if isinstance(error, OSError) else error
        problem = f"cannot be read: {reason}: check {named}"
    raise UsageError(f"{path}: {problem}")


def _or_list(option: str) -> str:
    return ", or a list of recordings to `from`" if option == "CONFIG" else ""


def _compose(text: str, where: Callable[[int], str]) -> Any:
    """The tree of YAML nodes. No object is constructed, so a tag cannot run code."""
    import yaml

    fast = len(text) >= _SLOW_FROM and getattr(yaml, "CSafeLoader", None)
    loader = fast or yaml.SafeLoader
    try:
        depth = 0
        events: Iterator[Any] = yaml.parse(text, Loader=loader)
        for event in events:  # composing is recursive
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                place = where(int(event.start_mark.line) + 1)
                raise UsageError(
                    f"{place}: nested above {_DEEPEST} levels: write one 'key: value' a line"
                )
        return yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = where(1 if mark is None else mark.line + 1)
        problem = ": ".join(filter(None, [error.context, error.problem])) or "syntax error"
        problem = problem.replace("'\\t'", "a tab")
        raise UsageError(f"{place}: not valid YAML: {problem}: correct this line") from None
    except yaml.YAMLError:
        raise UsageError(f"{where(1)}: not valid YAML: remove its control characters") from None
