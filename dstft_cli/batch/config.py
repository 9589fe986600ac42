"""Reads a YAML file or a list of inputs: inputs and the settings of each.

No other module of this room reads settings.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dstft_cli.errors import UsageError, shortened
from dstft_cli.settings import OPTIONS, Settings, SweepSettings
from dstft_cli.settings.option import did_you_mean
from dstft_cli.settings.rules import IN_MATRIX, PRESET
from dstft_cli.settings.sources import (
    Given,
    Item,
    check_key,
    from_line,
    from_pairs,
    from_typed,
    items,
    line_of,
    read_items,
    scalar,
    settings_of,
)

AnySettings = TypeVar("AnySettings", bound=Settings)

DEFAULT_OUTPUT = "{stem}-dstft"
LARGEST_CONFIG = 64  # MiB; enough for a hundred thousand jobs
MOST_JOBS = 10**6
MOST_COMBINATIONS = 100_000  # of one matrix
TOP_KEYS = ("defaults", "output", "output_folder", "jobs")
JOB_KEYS = ("input", "name", "matrix", "shared", "weigh")
WEIGHTS = ("recordings", "duration")  # of the recordings of a collection
SHARED_MODES = ("constant", "frequency")  # of windows that recordings can share
SHARED_HOPS = ("fixed", "constant")
# keys that are not allowed for single jobs, and why
NOT_PER_JOB = {
    "output": "is allowed at the top only: use {name} in it for each job",
    "force": "is an option of the command: dstft batch --force",
    "json": "is an option of the command: dstft batch --json",
    "emit": "prints to standard output: use it with dstft optimize",
    "png": "would be written by every job: pictures go into each job's directory",
    "npy": "would be written by every job: arrays go into each job's directory",
}
SETTING_KEYS = tuple(name for name in OPTIONS if name not in NOT_PER_JOB)
FIELDS = ("stem", "name", "parent", "folder", "index", *SETTING_KEYS)


@dataclass(frozen=True)
class Variant:
    """Settings that some jobs share."""

    settings: Settings
    values: Mapping[str, Any]  # the same as JSON values
    digest: str  # SHA-256 of all settings that change the result
    weigh: str | None = None  # of the recordings that share one result; None: each has its own

    @classmethod
    def of(cls, given: Mapping[str, Given], weigh: str | None = None) -> Variant:
        """The variant of these settings; UsageError names the place of a wrong one."""
        settings = settings_of(given)
        if weigh is not None:
            settings = check_collection(settings)
        values = settings.as_dict()
        decide = {n: v for n, v in values.items() if n not in NOT_PER_JOB and n != "threads"}
        decide |= {} if weigh is None else {"weigh": weigh}
        text = json.dumps(decide, sort_keys=True)
        return cls(settings, values, hashlib.sha256(text.encode()).hexdigest(), weigh)


def check_collection(settings: AnySettings) -> AnySettings:
    """The settings for recordings that share one result; UsageError for what only one recording has."""
    if settings.scope == "plane":
        raise UsageError(
            "`scope` plane lets the loudest recording decide for all: use `scope` local for a collection"
        )
    if isinstance(settings, SweepSettings):
        return settings
    if settings.ranks.get("window_mode", PRESET) <= PRESET:  # the default is for one recording
        settings = replace(settings, window_mode="constant")
    for name, allowed in (("window_mode", SHARED_MODES), ("hop_mode", SHARED_HOPS)):
        value = getattr(settings, name)
        if value not in allowed:
            raise UsageError(
                f"`{name}` {value} cannot be shared by recordings: use {' or '.join(allowed)}, or "
                "dstft batch for parameters of each"
            )
    for name in ("npy", "png"):
        if getattr(settings, name) is not None:
            raise UsageError(f"`{name}` is of one recording: drop it, and use dstft apply on each")
    return settings


@dataclass(frozen=True)
class Entry:
    inputs: Sequence[tuple[str, str]]  # paths or patterns as written, with the `FILE:LINE` of each
    patterns: bool  # whether an input may be a pattern
    name: str  # of the jobs; empty: the file name of each input
    variants: Sequence[Variant]  # one per combination of the matrix; every input is run with each
    shared: bool = False  # whether the inputs are one collection, with one result


@dataclass(frozen=True)
class BatchConfig:
    folder: Path  # base of relative inputs
    output_folder: Path  # base of the template
    output: str  # template of each job's directory
    where: str  # of the template, for messages
    entries: Sequence[Entry]


def read_config(
    path: Path,
    set_pairs: Sequence[str] = (),
    output: str | None = None,
    typed: Mapping[str, Any] | None = None,
) -> BatchConfig:
    """The batch of a YAML file; `key=value` texts, settings typed and a template override it."""
    top = {item.key: item for item in read_items(path, option="CONFIG", largest=LARGEST_CONFIG)}
    for key, item in top.items():
        if key not in TOP_KEYS:
            hint = did_you_mean(key, TOP_KEYS) or f": use {', '.join(TOP_KEYS)}"
            if key in OPTIONS:
                hint = ": settings for all jobs belong below 'defaults:'"
            raise UsageError(f"{path}:{item.line}: unknown key '{shortened(key)}'{hint}")
    overrides = _overrides(set_pairs, typed or {})
    defaults = {}
    if "defaults" in top:
        defaults = _settings(_mapping(top["defaults"], path), path, (), "defaults")
    where = f"`output` {shortened(output or '')}"
    if output is None:
        output = _text(top, "output", path, DEFAULT_OUTPUT)
        where = f"{path}:{top['output'].line if 'output' in top else 1}"
    return BatchConfig(
        path.parent,
        path.parent / Path(_text(top, "output_folder", path, ".")).expanduser(),
        output,
        where,
        _entries(top, path, defaults, overrides),
    )


def from_list(
    inputs: Iterable[str],
    where: str,
    set_pairs: Sequence[str] = (),
    output: str | None = None,
    typed: Mapping[str, Any] | None = None,
    output_folder: Path = Path(),
) -> BatchConfig:
    """The batch of a list of files, relative to here and taken as they are; `where` names the list."""
    found = tuple((text, where) for text in inputs)
    entry = Entry(found, False, "", (Variant.of(_overrides(set_pairs, typed or {})),))
    where = f"`output` {shortened(output or '')}".strip()
    template = DEFAULT_OUTPUT if output is None else output
    return BatchConfig(Path(), output_folder, template, where, (entry,))


def _overrides(set_pairs: Sequence[str], typed: Mapping[str, Any]) -> dict[str, Given]:
    given = from_pairs(set_pairs) | from_typed(typed)
    for name, entry in given.items():
        if name in NOT_PER_JOB:
            remedy = "use `output`" if name == "output" else f"it {NOT_PER_JOB[name]}"
            raise UsageError(f"{entry.start}: {remedy}")
    return given


def _entries(
    top: Mapping[str, Item], path: Path, defaults: Mapping[str, Given], overrides: dict[str, Given]
) -> list[Entry]:
    if "jobs" not in top:
        raise UsageError(f"{path}: has no jobs: write 'jobs:' with '- input: FILE' below it")
    node, line = top["jobs"].node, top["jobs"].line
    if node.id != "sequence" or not node.value:
        raise UsageError(f"{path}:{line}: jobs is no list of jobs: write '- input: FILE' below it")
    seen: dict[str, Variant] = {}  # settings that jobs share are checked once
    entries: list[Entry] = []
    count = 0
    for job in node.value:
        entries.append(_entry(job, path, defaults, overrides, seen))
        count += len(entries[-1].inputs) * len(entries[-1].variants)
        if count > MOST_JOBS:
            raise UsageError(f"{path}:{line_of(job)}: more than {MOST_JOBS} jobs: split the batch")
    return entries


def _entry(
    node: Any,
    path: Path,
    defaults: Mapping[str, Given],
    overrides: Mapping[str, Given],
    seen: dict[str, Variant],
) -> Entry:
    where = f"{path}:{line_of(node)}"
    if node.id != "mapping":
        raise UsageError(f"{where}: a job must be a mapping: write '- input: FILE'")
    job = {item.key: item for item in items(node, path)}
    settings = [item for key, item in job.items() if key not in JOB_KEYS]
    own = _settings(settings, path, JOB_KEYS, "a job")
    if "input" not in job:
        raise UsageError(f"{where}: a job has no input: write 'input: FILE'")
    name = _text(job, "name", path, "")
    if name in (".", "..") or "/" in name or "\0" in name:
        raise UsageError(
            f"{path}:{job['name'].line}: name '{shortened(name)}' is not a directory name: "
            "write it without '/'"
        )
    shared = _text(job, "shared", path, "false").lower()
    weigh = _text(job, "weigh", path, WEIGHTS[0])
    for key, chosen, known in (("shared", shared, ("true", "false")), ("weigh", weigh, WEIGHTS)):
        if chosen not in known:
            where = f"{path}:{job[key].line}"
            raise UsageError(f"{where}: {key} {shortened(chosen)}: must be {' or '.join(known)}")
    variants = []
    for combination in _matrix(job.get("matrix"), path, overrides):
        given = {**defaults, **own, **combination, **overrides}
        own_weigh = weigh if shared == "true" else None
        values = {n: (e.value, e.rank) for n, e in given.items()}
        key = json.dumps([values, own_weigh], sort_keys=True)
        if key not in seen:
            try:
                seen[key] = Variant.of(given, own_weigh)
            except UsageError as error:
                raise error if own_weigh is None else UsageError(f"{where}: {error}") from None
        variants.append(seen[key])
    inputs, item = [], job["input"]
    nodes = item.node.value if item.node.id == "sequence" else [item.node]
    for one in nodes:
        where = f"{path}:{line_of(one)}"
        text = scalar(one, f"{where}: input")
        if text and "\0" not in text:
            inputs.append((text, where))
    if not inputs or len(inputs) < len(nodes):
        raise UsageError(f"{path}:{item.line}: input is empty: write a path, a list or a pattern")
    return Entry(inputs, True, name, variants, shared == "true")


def _matrix(
    item: Item | None, path: Path, overrides: Mapping[str, Given]
) -> list[dict[str, Given]]:
    """Every combination of the values listed; one empty combination where there is no matrix."""
    axes = []
    for axis in [] if item is None else _mapping(item, path):
        where = f"{path}:{axis.line}"
        _check_setting(axis.key, where, (), "matrix")
        if axis.key in overrides:
            raise UsageError(
                f"{overrides[axis.key].start}: {axis.key} is in the matrix at {where}: "
                "leave one of them out"
            )
        if axis.node.id != "sequence" or not axis.node.value:
            raise UsageError(f"{where}: {axis.key} in matrix must be a list: write [A, B]")
        values: dict[str | None, tuple[str, Given]] = {}
        for node in axis.node.value:
            here = f"{path}:{line_of(node)}"
            value = scalar(node, f"{here}: {axis.key}")
            if value in values:
                raise UsageError(f"{here}: {axis.key} {value} is in the matrix twice: keep one")
            values[value] = (axis.key, from_line(axis.key, value, here, rank=IN_MATRIX))
        axes.append(list(values.values()))
    count = math.prod(map(len, axes))
    if item is not None and count > MOST_COMBINATIONS:
        raise UsageError(
            f"{path}:{item.line}: matrix has {count} combinations, above {MOST_COMBINATIONS}: "
            "use shorter lists"
        )
    return [dict(combination) for combination in itertools.product(*axes)]


def _settings(
    entries: Sequence[Item], path: Path, also: tuple[str, ...], what: str
) -> dict[str, Given]:
    given = {}
    for item in entries:
        where = f"{path}:{item.line}"
        _check_setting(item.key, where, also, what)
        value = scalar(item.node, f"{where}: {item.key}")
        given[item.key] = from_line(item.key, value, where)
    return given


def _check_setting(key: str, where: str, also: tuple[str, ...], what: str) -> None:
    if key in NOT_PER_JOB:
        raise UsageError(f"{where}: {key} in {what} {NOT_PER_JOB[key]}")
    check_key(key, f"{where}: ", also=also)


def _mapping(item: Item, path: Path) -> list[Item]:
    if item.node.id == "scalar" and scalar(item.node, f"{path}:{item.line}") is None:
        return []
    if item.node.id != "mapping":
        raise UsageError(
            f"{path}:{item.line}: {item.key} must be a mapping: write 'key: value' lines below it"
        )
    return items(item.node, path)


def _text(entries: Mapping[str, Item], key: str, path: Path, default: str) -> str:
    if key not in entries:
        return default
    return scalar(entries[key].node, f"{path}:{entries[key].line}: {key}") or default
