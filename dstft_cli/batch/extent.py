"""How long the recordings of a plan last and how many bytes it will write, from their headers alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from dstft_cli.audio import probe
from dstft_cli.batch.plan import Plan
from dstft_cli.errors import DstftError, counted
from dstft_cli.run.sizes import planned_bytes, size_text
from dstft_cli.settings.option import number_text, time_text


class Extent(NamedTuple):
    """What the header of a job's recording tells; None where it does not."""

    seconds: float | None = None  # of sound, the part that is read
    size: float | None = None  # bytes that will be written, about

    def texts(self) -> tuple[str, str]:
        """Both in three digits."""
        if self.seconds is None or self.size is None:
            return "unknown", "unknown"
        unit, of = ("h", 3600) if self.seconds >= 3600 else ("min", 60)
        long = f"{number_text(self.seconds / of, 3)} {unit}"
        return time_text(self.seconds) if self.seconds < 60 else long, size_text(self.size)


def extents(plan: Plan) -> Iterator[Extent]:
    """The extent of each job, in order."""
    seen = cache(probe)  # jobs of a matrix share recordings
    for job in plan.jobs:
        s = plan.variants[job.variant].settings
        try:
            header = seen(plan.source(job), sample_rate=s.sr)
        except DstftError:  # the job will say why
            header = None
        if header is None or header.seconds is None:
            yield Extent()
            continue
        seconds = max(min(header.seconds - s.offset, s.duration or math.inf), 0.0)
        samples = round(seconds * header.sample_rate)
        channels = header.channels if s.channel == "all" else 1
        yield Extent(seconds, planned_bytes(s, header.sample_rate, channels, samples))


def total_text(found: Iterable[Extent]) -> str:
    """The sum in words, such as `2.5 h of sound, about 12.7 GB; 1 job of unknown size`."""
    jobs = list(found)
    known = [extent.size for extent in jobs if extent.size is not None]
    total = Extent(sum(extent.seconds or 0.0 for extent in jobs), sum(known))
    unknown = len(jobs) - len(known)
    text = " of sound, about ".join(total.texts())
    return text + f"; {counted(unknown, 'job')} of unknown size" * bool(unknown)
