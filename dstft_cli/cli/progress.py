"""A progress bar on standard error, where somebody watches it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dstft_cli.names import Progress


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """A function (stage, done, total) that draws one bar per stage; None where none is wanted."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    # standard output may carry data: rich must not put itself before it
    with Bars(console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield show
