"""Runs experiments and writes pictures and a record of every number."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dstft_cli._version import __version__
from dstft_cli.errors import UsageError
from dstft_cli.experiments import classification, hops, tracking, windows
from dstft_cli.experiments.training import Findings
from dstft_cli.records import Progress, tell
from dstft_cli.results import OutputDirectory, disk_errors, write_json
from dstft_cli.run.optimize import cpu_threads
from dstft_cli.settings import ALL, EXPERIMENTS

RUN: Mapping[str, Callable[..., Findings]] = {
    "windows": windows.run,
    "hops": hops.run,
    "tracking": tracking.run,
    "classification": classification.run,
}


class Reproduced(NamedTuple):
    findings: Mapping[str, Findings]  # by name
    output: Path  # the directory written
    seconds: Mapping[str, float]  # wall time, by name
    threads: int  # that were used


def run_experiments(
    name: str,
    *,
    output: Path | None = None,
    force: bool = False,
    seed: int = 0,
    threads: int | None = None,
    data: Path | None = None,
    progress: Progress | None = None,
) -> Reproduced:
    """Runs one of `EXPERIMENTS` and writes `NAME.json` and pictures into `output`, else `NAME-dstft`.

    The seed is that of all data and weights. `data` has a folder of recordings a class.
    """
    if data is not None and name != "classification":
        raise UsageError(f"`data` is for classification; {name} makes its own signals: drop it")
    if output is not None and str(output) == "-":
        raise UsageError("`output` - is not a directory: for standard output use `csv`")
    chosen = list(RUN) if name == ALL else [name]
    directory = Path(f"{name}-dstft") if output is None else output
    known = {f"{one}.{ending}" for one in EXPERIMENTS for ending in ("json", "png")}
    findings, seconds = {}, {}
    with (
        OutputDirectory(directory, force=force, known=known) as folder,
        cpu_threads(threads) as count,
    ):
        for one in chosen:
            began = time.perf_counter()
            tell(progress, one)
            run = partial(RUN[one], folder=data) if data is not None else RUN[one]
            findings[one] = run(seed, count, progress)
            seconds[one] = time.perf_counter() - began
            place = folder.path(f"{one}.png")
            with disk_errors(place.name):
                place.write_bytes(findings[one].picture)
        record = {
            "version": __version__,
            "seed": seed,
            "threads": count,
            "experiments": {
                one: asdict(found) | {"seconds": seconds[one], "picture": f"{one}.png"}
                for one, found in findings.items()
            },
        }
        write_json(folder.path(f"{name}.json"), record)
    return Reproduced(findings, directory, seconds, count)
