"""INPUT...: files, folders, patterns and lists of recordings; and who works on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstft_cli.batch.config import WEIGHTS
from dstft_cli.cli.options import check_choice, some_text
from dstft_cli.errors import UsageError, shortened, system_reason
from dstft_cli.settings.option import option
from dstft_cli.settings.sources import read_bytes

if TYPE_CHECKING:
    from dstft_cli.batch.collection import Way
    from dstft_cli.cli.console import Activity

MOST_WORKERS = 4096
LARGEST_LIST = 1 << 28  # bytes: a million paths, and some
_input, _run = partial(option, "Input"), partial(option, "Run")
_listed = partial(_input, metavar="FILE|-", parser=some_text)

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        help="Sound file (WAV, FLAC, OGG, MP3, ...), or -: a WAV on standard input. Several files, a "
        "folder or a 'pattern*': sweep and optimize --shared find one answer for all; apply takes each.",
        show_default=False,
    ),
]
FromLines = Annotated[
    str | None,
    _listed("Inputs from a list, one path a line. -: from standard input.", flags=("--from",)),
]
FromNul = Annotated[
    str | None,
    _listed("The same with NUL after each path, as find -print0 writes it.", flags=("--from0",)),
]
WorkerCount = Annotated[
    int | None,
    _run(
        f"Processes, which share the cores. At least 1 and at most {MOST_WORKERS}.",
        "N",
        default="number of cores",
    ),
]
Scheduler = Annotated[
    str | None,
    _run("Run on the Dask cluster of this scheduler, such as tcp://host:8786.", "ADDRESS"),
]


@dataclass(frozen=True, kw_only=True)
class Several:
    """Options of a command that several recordings share."""

    from_lines: FromLines = None
    from_nul: FromNul = None
    weigh: Annotated[
        str,
        _input(
            "recordings: all count alike. duration: long ones count more, as if all were joined.",
            "HOW",
            autocompletion=lambda: list(WEIGHTS),
        ),
    ] = WEIGHTS[0]
    workers: WorkerCount = None
    scheduler: Scheduler = None
    fail_fast: Annotated[
        bool, _run("Stop at the first recording that cannot be used.", flags=("--fail-fast",))
    ] = False

    def recordings(self, inputs: Sequence[str] | None) -> list[str]:
        """The recordings that INPUT... or a list names; a single INPUT that is a file, as it is."""
        ways = {"INPUT": inputs or None, "--from": self.from_lines, "--from0": self.from_nul}
        given = one_of(ways, "missing argument INPUT")
        check_choice("`weigh`", self.weigh, WEIGHTS)
        check_workers(self.workers, self.scheduler)
        if inputs:
            return find_recordings(inputs)
        from dstft_cli.batch.plan import find_inputs

        return find_inputs(read_lists(self.from_lines, self.from_nul), given, patterns=False)

    def way(self, *, verbose: bool, progress: Activity | None) -> Way:
        from dstft_cli.batch.collection import Way
        from dstft_cli.batch.pools import Workers, start_workers
        from dstft_cli.batch.tables import prepare_tables
        from dstft_cli.cli.console import print_error

        @contextmanager
        def workers(jobs: int) -> Iterator[Workers]:
            chosen = self.workers, self.scheduler
            started = start_workers(jobs, prepare_tables, *chosen, silent=not verbose)
            try:
                yield started
            finally:
                started.abandon()

        own: dict[str, Any] = {"progress": progress, "warn": print_error}
        own |= {} if progress is None else {"running": progress.run}
        return Way(workers, self.weigh, self.fail_fast, **own)

    def without_effect(self) -> list[str]:
        """Names of the options given, which one recording does not need."""
        return [
            part.name
            for part in fields(self)
            if not part.name.startswith("from_") and getattr(self, part.name) != part.default
        ]


def one_of(ways: Mapping[str, Any], none: str) -> str:
    """The name of the only way that was given: an argument, `--from` or `--from0`."""
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) + " exclude each other" if given else none
        raise UsageError(f"{found}: give one of {next(iter(ways))}, --from FILE and --from0 FILE")
    return given[0]


def find_recordings(inputs: Sequence[str]) -> list[str]:
    """The files that INPUT... names, which may be folders and patterns; a single name as it is."""
    if "" in inputs:
        raise UsageError("INPUT must not be empty: name a recording")
    single = len(inputs) == 1 and not os.path.isdir(inputs[0])
    if single and (os.path.lexists(inputs[0]) or not any(c in inputs[0] for c in "*?[")):
        return list(inputs)
    from dstft_cli.batch.plan import find_inputs

    if "-" in inputs:
        raise UsageError("INPUT - is one recording, standard input: give it alone")
    return find_inputs(inputs, "INPUT", patterns=True)


def check_workers(workers: int | None, scheduler: str | None) -> None:
    if workers is not None and scheduler is not None:
        raise UsageError(
            "`workers` and `scheduler` exclude each other: a cluster has its own workers; drop one"
        )
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise UsageError(f"`workers` {workers}: must be at least 1 and at most {MOST_WORKERS}")


def read_lists(from_lines: str | None, from_nul: str | None) -> list[str]:
    """The paths in the file (`-`: standard input) that `--from` or `--from0` names."""
    path, end = from_lines or from_nul or "", b"\n" if from_lines else b"\0"
    if path == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: pipe a list of inputs into it")
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LARGEST_LIST + 1)
        else:
            data = read_bytes(path, LARGEST_LIST + 1)
    except (OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else error
        raise UsageError(f"{shortened(path)}: cannot be read: {reason}: check the path") from None
    if len(data) > LARGEST_LIST:
        raise UsageError(
            f"{shortened(path)}: is above {LARGEST_LIST >> 20} MiB, too large for a list: check the path"
        )
    entries = data.split(end)
    if end == b"\n":
        entries = [entry.removesuffix(b"\r") for entry in entries]
        if any(b"\0" in entry for entry in entries):
            raise UsageError(f"{shortened(path)}: holds NUL characters: use --from0")
    found = [os.fsdecode(entry) for entry in entries if entry]
    if not found:
        raise UsageError(
            f"{shortened(path)} names no inputs: write one path a line, or NUL after each"
        )
    return found
