"""`python -m benchmarks`: measures, prints as it goes, and writes the page at the end."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.catalogue import CATALOGUE, measure
from benchmarks.report import Report

SAMPLES = Path("sample_audio")
PAGE, PLOT = Path("BENCHMARKS.md"), Path("docs", "benchmarks.png")
# value of a full run, and of --quick
SIZES: dict[str, tuple[float, float]] = {
    "seconds": (180, 3),
    "rounds": (7, 3),
    "peer_seconds": (240, 0.3),
    "longest": (3600, 20),
    "scaling_seconds": (60, 3),
    "points": (5, 3),
    "clips": (200, 80),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmarks named, or those of the page; 1 where one of them failed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for name, (full, quick) in SIZES.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    _check(parser, options)
    named = list(dict.fromkeys(options.names))
    names = named or [name for name, benchmark in CATALOGUE.items() if benchmark.page]
    target = options.output or (None if named else PAGE)
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK):  # before an hour of work, not after it
            parser.error(f"{target.parent} cannot be written to: choose another --output")
    from benchmarks import machine

    report, began, before = Report(), time.perf_counter(), machine.load()
    finished = [measure(report, name, options) for name in names]
    if target is not None:
        from benchmarks import plot
        from benchmarks.page import Run, page

        picture = options.plot or target.parent / PLOT
        if report.growths:
            plot.write(report.growths, picture)
        typed = sys.argv[1:] if arguments is None else arguments
        run = Run(
            shlex.join(["python", "-m", "benchmarks", *typed]),
            f"{datetime.now(timezone.utc):%Y-%m-%d}",
            machine.hardware(),
            machine.versions(),
            (time.perf_counter() - began) / 60,
            (before, machine.load()),
        )
        seen = Path(os.path.relpath(picture, target.parent)).as_posix()
        text = page(report, run, seen if report.growths else None)
        target.write_text(text, encoding="utf-8")
        print(f"\nwritten: {target}" + (f" and {picture}" if report.growths else ""))
    return 0 if all(finished) else 1


def _parser() -> argparse.ArgumentParser:
    paged = ", ".join(name for name, benchmark in CATALOGUE.items() if benchmark.page)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(CATALOGUE)} (default: {paged})"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, rough figures")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PAGE", help=f"({PAGE}; with NAMEs: no page)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help=f"picture of the page ({PLOT} beside the page)"
    )

    def size(name: str, kind: type, text: str) -> None:
        full, quick = SIZES[name.strip("-").replace("-", "_")]
        parser.add_argument(name, type=kind, help=f"{text} ({full:g}; with --quick {quick:g})")

    size("--seconds", float, "signal of evaluation, speed, layer")
    size("--rounds", int, "repetitions, median taken")
    size(
        "--peer-seconds",
        float,
        "of optimum: longest descent of the peer library, which takes up to 3.5 GB of memory; "
        "0: without the peer",
    )
    size("--longest", float, "recording of scaling, s")
    size("--scaling-seconds", float, "signal of scaling where duration does not vary")
    size("--points", int, "sizes on each axis of scaling")
    size("--clips", int, "recordings of batch; a quarter of them in scaling")
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=[10, 60], help="recordings of memory (10 60)"
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        nargs="+",
        default=[SAMPLES],
        metavar="DIR",
        help=f"folders of recordings of picture ({SAMPLES})",
    )
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """A usage error for what is out of its range."""
    unknown = [name for name in options.names if name not in CATALOGUE]
    if unknown:
        parser.error(f"benchmark {unknown[0]!r} is unknown: use {', '.join(CATALOGUE)}")
    for folder in options.recordings:
        if "picture" in (options.names or CATALOGUE) and not folder.is_dir():
            parser.error(f"--recordings {folder} is no folder")
    if options.seconds <= 0 or options.rounds < 1 or min(options.minutes) <= 0:
        parser.error("--seconds and --minutes must be above 0, --rounds at least 1")
    if options.peer_seconds < 0:
        parser.error("--peer-seconds must be 0 or above")
    if options.longest < 4 or options.scaling_seconds < 1:
        parser.error("--longest must be at least 4, --scaling-seconds at least 1")
    if not 3 <= options.points <= 6:
        parser.error("--points must be 3 to 6")
    if options.clips < 40:
        parser.error("--clips must be at least 40")


if __name__ == "__main__":
    sys.exit(main())
