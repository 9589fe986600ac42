"""The command line of the campaigns."""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MPLBACKEND="Agg")

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Runs a campaign, or all; 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("campaign", choices=("files", "results", "kills", "fits", "all"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=2000, help="of files and of results")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="new folder for the cases that failed")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=600, help="of fits")
    given = parser.parse_args()
    from .files import run_files
    from .fits import run_fits
    from .kills import run_kills
    from .results import run_results

    failures: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = given.keep or Path(temporary)
        for name, run in (("files", run_files), ("results", run_results)):
            if given.campaign in (name, "all"):
                options = {"seed": given.seed, "workers": given.workers}
                failures += run(given.cases, scratch=scratch / name, **options)
        if given.campaign in ("kills", "all"):
            failures += run_kills(given.kills, seed=given.seed, scratch=scratch / "kills")
        if given.campaign in ("fits", "all"):
            failures += run_fits(given.seconds, seed=given.seed)
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
