"""Command line over `--set` over `--config` over defaults, and errors that name the place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from dstft_cli.errors import UsageError
from dstft_cli.settings.consistency import ContradictionError
from dstft_cli.settings.declarations import OPTIONS, Declaration, declarations_of
from dstft_cli.settings.effect import NoEffectError
from dstft_cli.settings.model import Settings
from dstft_cli.settings.option import did_you_mean
from dstft_cli.settings.yaml_source import parse_scalar, read_items, scalar

Options: TypeAlias = Mapping[str, Declaration]

BATCH_KEYS = ("defaults", "output_folder", "jobs")
IN_FILE, OF_JOB, IN_MATRIX, TYPED = range(4)  # the higher overrules the lower


@dataclass(frozen=True)
class Given:
    """A setting's value, and how to name it at the start of a line and within a sentence.

    `rank` tells where it stands: in a file (for all jobs of a batch, for one, in its matrix), or
    typed, as an option or with `--set`.
    """

    value: Any
    start: str
    within: str
    rank: int = TYPED


def merge(
    command_line: Mapping[str, Any],
    set_pairs: Sequence[str] = (),
    config: Path | None = None,
    kind: type[Settings] = Settings,
    passed_over: Collection[str] = (),
) -> Settings:
    """The settings of a run.

    Args:
        command_line: field name -> text or value, only of options that were given.
        set_pairs: `key=value` texts, values as in YAML; of two for one key the later holds.
        config: YAML file with field names as keys.
        kind: `Settings`, or a class that varies it.
        passed_over: names in the YAML file that are of no effect here.

    Raises:
        UsageError: one line with the place, the value and what is allowed.
    """
    options = declarations_of(kind)
    read = _from_config(config, options)
    given = {
        **{name: entry for name, entry in read.items() if name not in passed_over},
        **from_pairs(set_pairs, options),
        **_from_command_line(command_line, options),
    }
    return settings_of(given, kind)


def settings_of(
    given: Mapping[str, Given],
    kind: type[Settings] = Settings,
) -> Settings:
    """The settings made of values whose places are known.

    A setting that another one leaves without effect is passed over where the other stands higher: so
    a preset serves for other modes than its own. A value of a matrix is refused: jobs would be alike.

    Raises:
        UsageError: one line with the place, the value and what is allowed.
    """
    left = dict(given)
    while True:
        try:
            return kind(**{name: entry.value for name, entry in left.items()})
        except ValidationError as error:
            if (idle := _overruled(error, left)) is None:
                raise UsageError(_explain(error, left, declarations_of(kind))) from None
            del left[idle]


def settings_in_record(values: Mapping[str, Any]) -> Settings:
    """The settings that a run was made with; what had no effect, and older records hold, is left out.

    Raises:
        pydantic.ValidationError: a value is wrong, or two contradict each other.
    """
    left = dict(values)
    while True:
        try:
            return Settings(**left)
        except ValidationError as error:
            if (idle := _idle(error)) is None:
                raise
            del left[idle[0]]


def _overruled(error: ValidationError, given: Mapping[str, Given]) -> str | None:
    """The setting that has no effect because of one that stands higher, if that is the complaint."""
    name, *causes = _idle(error) or [""]
    if name not in given or given[name].rank == IN_MATRIX:
        return None
    higher = (cause in given and given[name].rank < given[cause].rank for cause in causes)
    return name if any(higher) else None


def _idle(error: ValidationError) -> list[str] | None:
    """A setting without effect and those that leave it so, if that is the complaint."""
    first = error.errors(include_url=False)[0]
    return first["ctx"]["names"] if first["type"] == NoEffectError.kind else None


def _from_command_line(command_line: Mapping[str, Any], options: Options) -> dict[str, Given]:
    given = {}
    for name, value in command_line.items():
        check_key(name, "", options)
        flag = options[name].flag
        label = f"{flag} {_quoted(value)}"
        if isinstance(value, bool):
            label = flag if value else flag.replace("--", "--no-", 1)
        given[name] = Given(value, label, label)
    return given


def from_pairs(pairs: Sequence[str], options: Options = OPTIONS) -> dict[str, Given]:
    """Settings from `key=value` texts; of two for one key the later holds."""
    given = {}
    for pair in pairs:
        where = f"--set {_quoted(pair)}"
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals:
            raise UsageError(f"{where}: not a setting: write --set key=value")
        check_key(name, f"{where}: ", options)
        given[name] = _as_given(name, parse_scalar(text, where), where, where, options)
    return given


def _from_config(config: Path | None, options: Options) -> dict[str, Given]:
    given = {}
    for item in read_items(config) if config is not None else ():
        where = f"{config}:{item.line}"
        if item.key in BATCH_KEYS:
            raise UsageError(f"{where}: {item.key} belongs to a batch: run dstft batch {config}")
        check_key(item.key, f"{where}: ", options)
        value = scalar(item.node, f"{where}: {item.key}")
        given[item.key] = from_line(item.key, value, where, options)
    return given


def from_line(
    name: str, value: str | None, where: str, options: Options = OPTIONS, rank: int = IN_FILE
) -> Given:
    """A setting from YAML; `where` is `FILE:LINE`."""
    text = f"{name} = {'null' if value is None else _quoted(value)}"
    return _as_given(name, value, f"{where}: {text}", f"{text} ({where})", options, rank)


def _as_given(
    name: str, value: str | None, start: str, within: str, options: Options, rank: int = TYPED
) -> Given:
    """YAML's null asks for the default, also where that is no None."""
    return Given(options[name].default if value is None else value, start, within, rank)


def check_key(name: str, where: str, options: Options = OPTIONS) -> None:
    """UsageError, starting with `where`, for a name that is no setting."""
    if name not in options:
        hint = did_you_mean(name, tuple(options)) or ": see 'dstft optimize --help'"
        raise UsageError(f"{where}unknown key '{name}'{hint}")


def _explain(error: ValidationError, given: Mapping[str, Given], options: Options) -> str:
    """The first complaint, in one line."""
    problems = error.errors(include_url=False)
    first = problems[0]
    if first["type"] in (ContradictionError.kind, NoEffectError.kind):
        context = first["ctx"]
        labels = {name: _label(name, given, options) for name in context["names"]}
        return str(context["template"]).format_map(labels)
    name = str(first["loc"][0])
    # a union complains once per member: the one that got as far as the range or choice knows best
    of_field = [problem for problem in problems if problem["loc"][0] == name]
    told = next((p["msg"] for p in of_field if p["type"] == "setting"), None)
    return f"{given[name].start}: {told or 'must be ' + options[name].requirement}"


def _label(name: str, given: Mapping[str, Given], options: Options) -> str:
    if name in given:
        return given[name].within
    return f"the default {options[name].flag} {options[name].default_text}"


def _quoted(value: Any) -> str:
    """The value as typed, in quotes where it would be misread without."""
    text = str(value)
    plain = text and text.isprintable() and not any(character.isspace() for character in text)
    return text if plain else repr(text)
