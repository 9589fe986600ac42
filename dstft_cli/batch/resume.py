"""What an earlier run has done that need not be done again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dstft_cli._version import __version__
from dstft_cli.batch.identity import Contents, job_key, read_standing
from dstft_cli.batch.journal import Journal
from dstft_cli.batch.plan import Plan, PlannedJob

_READERS = 4  # hashing leaves the interpreter's lock: disks and cores allow some at once


def kept_entries(
    plan: Plan, journal: Journal, checked: Callable[[int, int], None] = lambda done, total: None
) -> dict[int, dict[str, Any]]:
    """By index, the journal's entry of every job whose result stands and is up to date.

    Args:
        plan: of the batch.
        journal: of its folder.
        checked: called with how many results were looked at, and of how many.
    """
    candidates = [
        job for job in plan.jobs if journal.entries.get(job.output, {}).get("status") == "done"
    ]
    stop = threading.Event()
    contents = Contents(stop)

    def stands(job: PlannedJob) -> bool:
        standing = read_standing(plan.place(job))
        digest = plan.variants[job.variant].digest
        if standing is None or (standing.digest, standing.version) != (digest, __version__):
            return False
        if journal.entries[job.output].get("key") != standing.key:
            return False
        content = contents.digest(plan.source(job))
        return content is not None and standing.key == job_key(content, digest)

    kept = {}
    with ThreadPoolExecutor(_READERS) as pool:
        try:
            for number, (job, good) in enumerate(
                zip(candidates, pool.map(stands, candidates), strict=True), start=1
            ):
                if good:
                    kept[job.index] = journal.entries[job.output]
                checked(number, len(candidates))
        except BaseException:
            stop.set()  # an interrupt waits for no long recording
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return kept
