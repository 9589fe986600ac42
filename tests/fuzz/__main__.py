"""The command line of the campaigns."""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Runs a campaign; 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=1)
    commands = parser.add_subparsers(dest="campaign", required=True)
    for name, text in (
        ("files", "damaged recordings and settings files"),
        ("results", "directories of results with lies in them"),
    ):
        damaged = commands.add_parser(name, help=text)
        damaged.add_argument("--cases", type=int, default=2000)
        damaged.add_argument("--first", type=int, default=0, help="number of the first case")
        damaged.add_argument("--workers", type=int, default=2)
        damaged.add_argument("--keep", type=Path, help="new folder for the cases that failed")
    kills = commands.add_parser("kills", help="SIGKILL at random moments")
    kills.add_argument("--kills", type=int, default=100)
    fits = commands.add_parser("fits", help="random signals and options")
    fits.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.campaign in ("files", "results"):
            from .files import run_files
            from .results import run_results

            run = run_files if given.campaign == "files" else run_results
            failures = run(
                given.cases,
                seed=given.seed,
                workers=given.workers,
                scratch=given.keep or Path(temporary),
                first=given.first,
            )
        elif given.campaign == "kills":
            from .kills import run_kills

            failures = run_kills(given.kills, seed=given.seed, scratch=Path(temporary))
        else:
            from .fits import run_fits

            failures = run_fits(given.seconds, seed=given.seed)
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
