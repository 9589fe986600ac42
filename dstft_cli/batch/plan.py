"""Makes the jobs of a batch: one input, one variant and one output place each."""

from __future__ import annotations

import glob
import os
import re
import string
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

from dstft_cli.batch.config import FIELDS, MOST_JOBS, BatchConfig, Entry, Variant
from dstft_cli.errors import InputError, UsageError, printable, shortened
from dstft_cli.settings.option import did_you_mean

JOURNAL, SUMMARY, REPORT = "batch-journal.jsonl", "summary.csv", "report.html"
LOCK = ".batch.lock"  # temporary names of a running batch
OWN_FILES = (JOURNAL, SUMMARY, REPORT, LOCK)
_INDEX_FORMAT = re.compile(r"0?[0-9]{0,2}d?")
_Part = str | tuple[str, str]  # literal text, or (field, format)


@dataclass(frozen=True, slots=True)
class PlannedJob:
    index: int  # place in the plan, from 1
    name: str  # of the job, or the file name of the input
    input: str  # path as written or found, relative to the plan's inputs
    output: str  # directory below the plan's folder, `/` between its names
    variant: int  # index of its settings in the variants of the plan
    shared: tuple[str, ...] = ()  # paths of the recordings that share this one result


@dataclass(frozen=True)
class Plan:
    inputs: str  # absolute folder that inputs are relative to
    folder: Path  # absolute folder of the results, of the journal and of the summary
    jobs: Sequence[PlannedJob]
    variants: Sequence[Variant]

    def source(self, job: PlannedJob) -> str:
        return os.path.join(self.inputs, job.input)

    def sources(self, job: PlannedJob) -> list[str]:
        return [os.path.join(self.inputs, path) for path in job.shared or (job.input,)]

    def place(self, job: PlannedJob) -> Path:
        return self.folder / job.output

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Names of the settings that differ between jobs."""
        first = self.variants[0].values
        return tuple(
            name for name in first if any(v.values[name] != first[name] for v in self.variants)
        )

    def settings_that_vary(self, job: PlannedJob) -> dict[str, Any]:
        values = self.variants[job.variant].values
        return {name: values[name] for name in self.varying}


def make_plan(config: BatchConfig) -> Plan:
    """The jobs of a batch, each with a place of its own within the output folder."""
    template = Template.parse(config.output, config.where)
    inputs = os.path.abspath(config.folder)
    root = Path(os.path.abspath(config.output_folder))
    folder = root / template.fixed
    numbers: dict[tuple[str, int | None], int] = {}
    variants: list[Variant] = []
    jobs: list[PlannedJob] = []
    skipped = folder if folder != Path(inputs) else None  # results are not inputs
    below = len(template.fixed) + 1 if template.fixed else 0
    for entry in config.entries:
        files = list(input_files(entry, inputs, skipped))
        shared = tuple(path for path, _ in files) if entry.shared else ()
        if shared:  # one job, named after the folder of its first recording
            folder_of = os.path.dirname(shared[0]) or inputs
            files = [(os.path.join(folder_of, entry.name or os.path.basename(folder_of)), "")]
        if len(jobs) + len(files) * len(entry.variants) > MOST_JOBS:
            raise UsageError(f"{entry.inputs[0][1]}: more than {MOST_JOBS} jobs: split the batch")
        prepared = []
        for variant in entry.variants:
            number = numbers.setdefault((variant.digest, variant.settings.threads), len(variants))
            if number == len(variants):
                variants.append(variant)
            prepared.append((number, {k: setting_text(v) for k, v in variant.values.items()}))
        shown = entry.inputs[0][0] if shared else ""
        for path, tree in files:
            head, base = os.path.split(path)
            parent = os.path.basename(head) or os.path.basename(inputs)
            stem, name = base if shared else os.path.splitext(base)[0], entry.name or base
            fields = {"stem": stem, "name": name, "parent": parent, "folder": tree}
            for number, values in prepared:
                index = len(jobs) + 1
                output = template.expand({**values, **fields, "index": index})[below:]
                jobs.append(PlannedJob(index, name, shown or path, output, number, shared))
    plan = Plan(inputs, folder, jobs, variants)
    _refuse_shared_places(plan, template)
    _refuse_other_folders(plan, root, template)
    return plan


def find_inputs(texts: Sequence[str], where: str, patterns: bool) -> list[str]:
    """The recordings that paths name, each once; with `patterns` also folders and patterns of names."""
    entry = Entry([(text, where) for text in texts], patterns, "", ())
    return [path for path, _ in input_files(entry, os.getcwd(), None)]


def setting_text(value: Any) -> str:
    """A setting in a table, or as part of a name."""
    if isinstance(value, bool):
        return str(value).lower()
    return "auto" if value is None else str(value)


@dataclass(frozen=True)
class Template:
    """A path with fields in braces, such as `results/{criterion}/{stem}`; relative, without `..`."""

    components: tuple[tuple[_Part, ...], ...]  # per folder or file name its parts
    start: str  # what messages begin with

    @classmethod
    def parse(cls, text: str, where: str) -> Template:
        """Reads a template; UsageError for an unknown field or a path out of its folder."""
        start = f"{where}: output '{shortened(text)}'"
        names = [name for name in text.split("/") if name not in ("", ".")]
        if not names or "\0" in text:
            raise UsageError(f"{start} names no directory: write one such as results/{{stem}}")
        if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:|\\", text) or ".." in names:
            raise UsageError(
                f"{start} leaves the output folder: write a relative path without '..', "
                "and the folder as output_folder"
            )
        return cls(tuple(_parts(name, start) for name in names), start)

    @cached_property
    def fixed(self) -> str:
        """The folders before the first field; the last component is never one of them."""
        folders = self.components[:-1]
        plain = takewhile(lambda parts: all(isinstance(part, str) for part in parts), folders)
        return "/".join("".join(map(str, parts)) for parts in plain)

    def expand(self, values: Mapping[str, str | int]) -> str:
        """The path for one job; UsageError if a value would change the folder."""
        names: list[str] = []
        for parts in self.components:
            name = "".join(p if isinstance(p, str) else format(values[p[0]], p[1]) for p in parts)
            several = parts == (("folder", ""),)
            names.extend(filter(None, name.split("/")) if several else [name])
        if "/".join(names) == self.fixed:  # an empty {folder}
            names.append("")
        for name in names:
            if name in ("", ".", "..") or "/" in name or "\0" in name:
                raise UsageError(
                    f"{self.start} becomes '{shortened('/'.join(names))}', in which "
                    f"'{shortened(name)}' is not a directory name: use other fields"
                )
        return "/".join(names)


def _parts(component: str, start: str) -> tuple[_Part, ...]:
    found: list[_Part] = []
    try:
        parsed = list(string.Formatter().parse(component))
    except ValueError as error:
        raise UsageError(
            f"{start} is not a template ({error}): write fields as {{stem}}, and other braces twice"
        ) from None
    for literal, field, spec, conversion in parsed:
        if literal:
            found.append(literal)
        if field is None:
            continue
        if field not in FIELDS:
            known = ": use {stem}, {name}, {parent}, {folder}, {index} or a setting"
            hint = did_you_mean(field, FIELDS) or known
            raise UsageError(f"{start}: no field {{{shortened(field)}}}{hint}")
        if conversion or (spec and not (field == "index" and _INDEX_FORMAT.fullmatch(spec))):
            raise UsageError(
                f"{start}: {{{field}}} does not take this format: only {{index}} takes one, of two "
                "digits at most, such as {index:04d}"
            )
        found.append((field, spec or ""))
    if len(found) > 1 and ("folder", "") in found:
        raise UsageError(f"{start}: {{folder}} may be several folders: put nothing beside it")
    return tuple(found)


def input_files(entry: Entry, inputs: str, skipped: Path | None) -> Iterator[tuple[str, str]]:
    """Path of every input below `inputs`, once, and its folders below the fixed part of its pattern."""
    seen = set()
    for text, where in entry.inputs:
        text = os.path.expanduser(text) if entry.patterns else text
        full = os.path.join(inputs, text)
        there = os.path.lexists(full)
        if entry.patterns and os.path.isdir(full):
            from dstft_cli.audio import is_sound  # imports NumPy

            tree = os.path.join(glob.escape(text.rstrip("/") or "/"), "**", "*")
            found = [(path, own) for path, own in _matches(tree, inputs, skipped) if is_sound(path)]
            if not found:
                raise InputError(f"{where}: no sound file in '{shortened(text)}': check the folder")
        elif entry.patterns and glob.has_magic(text) and not there:
            found = _matches(text, inputs, skipped)
            if not found:
                raise UsageError(
                    f"{where}: input '{shortened(text)}' matches no file: "
                    f"check the pattern; it was looked for from {printable(inputs)}"
                )
        else:
            tree = "" if entry.patterns else os.path.normpath(os.path.dirname(text) or ".")
            found = [(text, "" if tree == "." or os.path.isabs(tree) else tree)]
        for path, tree in found:
            place = os.path.normpath(os.path.join(inputs, path))
            if place not in seen:
                seen.add(place)
                yield path, tree


def _matches(pattern: str, inputs: str, skipped: Path | None) -> list[tuple[str, str]]:
    split = pattern.split("/")
    parts = [b for a, b in zip(["", *split], split, strict=False) if (a, b) != ("**", "**")]
    fixed = next(i for i, part in enumerate([*parts[:-1], "*"]) if glob.has_magic(part))
    start = len("/".join(parts[:fixed])) + 1 if fixed else 0
    inside = None if skipped is None else str(skipped) + os.sep
    top = "/" if pattern.startswith("/") else ""
    found = []
    for path in sorted(set(_glob(top, parts[1:] if top else parts, inputs, set()))):
        full = os.path.join(inputs, path)
        if (inside is None or not full.startswith(inside)) and os.path.isfile(full):
            found.append((path, os.path.dirname(path[start:])))
    return found


def _glob(top: str, parts: list[str], inputs: str, done: set[tuple[str, int]]) -> Iterator[str]:
    """The result of `glob.glob(..., recursive=True)` for the parts below `top`, without cycles."""
    if (top, len(parts)) in done:  # a folder already searched, with as many parts left
        return
    done.add((top, len(parts)))
    if "**" not in parts:
        yield from glob.iglob(os.path.join(glob.escape(top), *parts), root_dir=inputs)
        return
    at = parts.index("**")
    head = os.path.join(glob.escape(top), *parts[:at])
    for start in glob.iglob(head, root_dir=inputs) if at else [top]:
        for folder in _folders(start, inputs):
            yield from _glob(folder, parts[at + 1 :] or ["*"], inputs, done)


def _folders(top: str, inputs: str) -> Iterator[str]:
    """A folder and those below it that are not hidden, each once; links are followed last."""
    waiting, seen = deque([top]), set()
    while waiting:
        folder = waiting.popleft()
        full = os.path.join(inputs, folder)
        here = os.path.realpath(full)
        if here in seen:
            continue
        seen.add(here)
        yield folder
        try:
            with os.scandir(full) as entries:
                below = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
        except OSError:  # no permission: as in glob, it is empty
            continue
        for entry in reversed(below):
            if entry.is_dir(follow_symlinks=False):
                waiting.appendleft(os.path.join(folder, entry.name))
        links = (entry for entry in below if entry.is_symlink() and entry.is_dir())
        waiting.extend(os.path.join(folder, entry.name) for entry in links)


def _refuse_shared_places(plan: Plan, template: Template) -> None:
    """Raises UsageError if two jobs share a place, or one lies in the directory of another."""
    ordered = sorted((tuple(job.output.split("/")), job.index) for job in plan.jobs)
    for (first, a), (second, b) in pairwise(ordered):
        if second[: len(first)] != first:
            continue
        one, two = plan.jobs[a - 1], plan.jobs[b - 1]
        if first != second:
            raise UsageError(
                f"{template.start} puts job {b}, '{shortened(two.output)}', into the directory of "
                f"job {a}: give all jobs the same number of folders"
            )
        raise UsageError(
            f"{template.start}: jobs {a} and {b} would both write '{shortened(one.output)}': "
            f"{_difference(plan, one, two)}"
        )
    for job in plan.jobs:
        if job.output.split("/")[0] in OWN_FILES:
            raise UsageError(
                f"{template.start}: job {job.index} would write '{job.output}', where the batch "
                "has a file of its own: use other fields in output"
            )


def _difference(plan: Plan, one: PlannedJob, two: PlannedJob) -> str:
    """The field to add to the template so that two jobs differ."""
    a, b = plan.settings_that_vary(one), plan.settings_that_vary(two)
    differing = [f"{{{name}}}" for name in a if a[name] != b[name]]
    differing += ["{name}"] * (one.name != two.name)
    apart = os.path.dirname(one.input) != os.path.dirname(two.input)
    differing += ["{parent} or {folder}"] * apart
    if not differing and one.input == two.input:
        return f"'{shortened(one.input)}' is given twice with the same settings: remove one"
    return f"add {[*differing, '{index}'][0]} to output"


def _refuse_other_folders(plan: Plan, root: Path, template: Template) -> None:
    """Raises UsageError if a link in the output folder leads results out of it."""
    inside = os.path.realpath(root)
    known: dict[str, str] = {}
    for job in plan.jobs:
        place = os.path.join(plan.folder, job.output)
        parent = os.path.dirname(place)
        if parent not in known:
            known[parent] = os.path.realpath(parent)
        real = os.path.join(known[parent], os.path.basename(place))
        if os.path.islink(place):
            real = os.path.realpath(place)
        if os.path.commonpath([inside, real]) != inside:
            raise UsageError(
                f"{template.start}: job {job.index} would write {printable(place)}, a link to "
                f"{printable(real)}, outside {printable(root)}: remove the link"
            )
