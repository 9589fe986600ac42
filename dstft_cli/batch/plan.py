"""From entries to jobs: one input, one variant, one place each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from dstft_cli.batch.entries import MOST_JOBS, BatchConfig, Variant
from dstft_cli.batch.inputs import input_files
from dstft_cli.batch.template import Template
from dstft_cli.errors import UsageError
from dstft_cli.results import shown

JOURNAL, SUMMARY, REPORT = "batch-journal.jsonl", "summary.csv", "report.html"
OWN_FILES = (JOURNAL, SUMMARY, REPORT)


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One run of `dstft optimize`.

    Attributes:
        index: place in the plan, from 1.
        name: the job's, or the input's file name.
        input: path as written or found, relative to the plan's inputs.
        output: directory below the plan's folder, `/` between its names.
        variant: which of the plan's variants holds its settings.
    """

    index: int
    name: str
    input: str
    output: str
    variant: int


@dataclass(frozen=True)
class Plan:
    """All jobs of a batch.

    Attributes:
        inputs: absolute folder that inputs are relative to.
        folder: absolute folder of the results, of the journal and of the summary.
        jobs: in order.
        variants: the distinct settings.
    """

    inputs: str
    folder: Path
    jobs: Sequence[PlannedJob]
    variants: Sequence[Variant]

    def source(self, job: PlannedJob) -> str:
        """Absolute path of the recording."""
        return os.path.join(self.inputs, job.input)

    def place(self, job: PlannedJob) -> Path:
        """Absolute path of the job's results."""
        return self.folder / job.output

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Names of the settings that differ between jobs."""
        first = self.variants[0].values
        return tuple(
            name
            for name in first
            if any(variant.values[name] != first[name] for variant in self.variants)
        )

    def settings_that_vary(self, job: PlannedJob) -> dict[str, Any]:
        """Name and value of each setting that differs between jobs."""
        values = self.variants[job.variant].values
        return {name: values[name] for name in self.varying}


def make_plan(config: BatchConfig) -> Plan:
    """The jobs of a batch, each with a place of its own within the output folder.

    Raises:
        UsageError: a pattern matches nothing, two jobs share a place, or a place lies elsewhere.
    """
    template = config.template
    inputs = os.path.abspath(config.folder)
    root = Path(os.path.abspath(config.output_folder))
    folder = root / template.fixed
    variants: list[Variant] = []
    numbers: dict[tuple[str, int | None], int] = {}
    jobs: list[PlannedJob] = []
    skipped = folder if folder != Path(inputs) else None  # results are no inputs
    below = len(template.fixed) + 1 if template.fixed else 0
    for entry in config.entries:
        files = list(input_files(entry, inputs, skipped))
        if len(jobs) + len(files) * len(entry.variants) > MOST_JOBS:
            raise UsageError(
                f"{entry.inputs[0][1]}: more than {MOST_JOBS} jobs: part the batch into several"
            )
        for variant in entry.variants:
            if _identity(variant) not in numbers:
                numbers[_identity(variant)] = len(variants)
                variants.append(variant)
        texts = [
            {k: setting_text(v) for k, v in variant.values.items()} for variant in entry.variants
        ]
        for path, tree in files:
            head, base = os.path.split(path)
            parent = os.path.basename(head) or os.path.basename(inputs)
            stem, name = os.path.splitext(base)[0], entry.name or base
            fields = {"stem": stem, "name": name, "parent": parent, "folder": tree}
            for variant, values in zip(entry.variants, texts, strict=True):
                index = len(jobs) + 1
                output = template.expand({**values, **fields, "index": index})[below:]
                jobs.append(PlannedJob(index, name, path, output, numbers[_identity(variant)]))
    plan = Plan(inputs, folder, jobs, variants)
    _refuse_shared_places(plan, template)
    _refuse_other_folders(plan, root, template)
    return plan


def _identity(variant: Variant) -> tuple[str, int | None]:
    return variant.digest, variant.settings.threads


def setting_text(value: Any) -> str:
    """A setting in a table, or as part of a name."""
    if isinstance(value, bool):
        return str(value).lower()
    return "auto" if value is None else str(value)


def _refuse_shared_places(plan: Plan, template: Template) -> None:
    """UsageError where two jobs would write one place, or one into the other's directory."""
    ordered = sorted((tuple(job.output.split("/")), job.index) for job in plan.jobs)
    for (first, a), (second, b) in pairwise(ordered):
        if second[: len(first)] != first:
            continue
        one, two = plan.jobs[a - 1], plan.jobs[b - 1]
        where = f"{template.where}: output {template.text!r}"
        if first != second:
            raise UsageError(
                f"{where} puts job {b}, {two.output!r}, into the directory of job {a}: "
                "give all jobs the same number of folders"
            )
        raise UsageError(
            f"{where}: jobs {a} and {b} would both write {one.output!r}: "
            f"{_difference(plan, one, two)}"
        )
    for job in plan.jobs:
        if job.output.split("/")[0] in OWN_FILES:
            raise UsageError(
                f"{template.where}: job {job.index} would write {job.output!r}, where the batch "
                "has a file of its own: use other fields in output"
            )


def _difference(plan: Plan, one: PlannedJob, two: PlannedJob) -> str:
    """What the template should name so that two jobs differ."""
    a, b = plan.settings_that_vary(one), plan.settings_that_vary(two)
    differing = [f"{{{name}}}" for name in a if a[name] != b[name]]
    if not differing and one.name != two.name:
        differing.append("{name}")
    if not differing and os.path.dirname(one.input) != os.path.dirname(two.input):
        differing.append("{parent} or {folder}")
    if not differing and one.input == two.input:
        return f"{one.input!r} is there twice with the same settings: leave one out"
    return f"add {(differing or ['{index}'])[0]} to output"


def _refuse_other_folders(plan: Plan, root: Path, template: Template) -> None:
    """UsageError where a link within the output folder would lead a job's results out of it."""
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
                f"{template.where}: job {job.index} would write {shown(place)}, a link to "
                f"{shown(real)}, outside the output folder {shown(root)}: remove the link"
            )
