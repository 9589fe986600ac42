"""What `dstft batch` reads from lists and prints about its jobs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dstft_cli.cli.table import printable, table
from dstft_cli.errors import UsageError
from dstft_cli.names import counted

if TYPE_CHECKING:
    from dstft_cli.batch import Plan


LARGEST_LIST = 1 << 28  # bytes: a million paths, and some


def read_list(path: str, end: bytes) -> list[str]:
    """The paths in a file, or `-` for standard input, each followed by `end`.

    Raises:
        UsageError: it cannot be read, or is no list.
    """
    if path == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: pipe a list of inputs into it")
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LARGEST_LIST + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(LARGEST_LIST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{printable(path)}: cannot be read: {reason}: check the list") from None
    if len(data) > LARGEST_LIST:
        raise UsageError(
            f"{printable(path)}: is above {LARGEST_LIST >> 20} MiB, so no list of inputs: check the list"
        )
    entries = data.split(end)
    if end == b"\n":
        entries = [entry.removesuffix(b"\r") for entry in entries]
        if any(b"\0" in entry for entry in entries):
            raise UsageError(f"{printable(path)}: holds NUL characters: use --from0")
    return [os.fsdecode(entry) for entry in entries if entry]


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """The plan on standard output: a table, or a line of JSON per job."""
    if as_json:
        for job in plan.jobs:
            print_json(
                {
                    "index": job.index,
                    "name": job.name,
                    "input": job.input,
                    "output": str(plan.place(job)),
                    "settings": dict(plan.variants[job.variant].values),
                }
            )
        return
    from dstft_cli.batch.plan import setting_text

    rows = [
        [
            *(str(job.index), job.input, job.output),
            *map(setting_text, plan.settings_that_vary(job).values()),
        ]
        for job in plan.jobs
    ]
    for line in table(["job", "input", "output", *plan.varying], rows):
        click.echo(line)
    click.echo(f"{counted(len(plan.jobs), 'job')}, results in {printable(str(plan.folder))}")


def print_json(record: Mapping[str, Any]) -> None:
    """One line of JSON in ASCII, whatever the locale; names that are not UTF-8 keep their bytes."""
    click.echo(json.dumps(record, allow_nan=False))
