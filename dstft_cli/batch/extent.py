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
    """What is known of one job before it runs; None where its header does not tell."""

    seconds: float | None  # of sound, the part that is read
    size: float | None  # bytes, about

    def text(self) -> tuple[str, str]:
        """Both for a table."""
        return (
            "unknown" if self.seconds is None else span_text(self.seconds),
            "unknown" if self.size is None else size_text(self.size),
        )


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
            yield Extent(None, None)
            continue
        seconds = max(min(header.seconds - s.offset, s.duration or math.inf), 0.0)
        samples = round(seconds * header.sample_rate)
        channels = header.channels if s.channel == "all" else 1
        yield Extent(seconds, planned_bytes(s, header.sample_rate, channels, samples))


def total_text(found: Iterable[Extent]) -> str:
    """The sum in words, such as `2.5 h of sound, about 12.7 GB; 1 job of unknown length`."""
    seconds = size = 0.0
    unknown = 0
    for extent in found:
        seconds, size = seconds + (extent.seconds or 0.0), size + (extent.size or 0.0)
        unknown += extent.size is None
    text = f"{span_text(seconds)} of sound, about {size_text(size)}"
    return text + f"; {counted(unknown, 'job')} of unknown size" * bool(unknown)


def span_text(seconds: float) -> str:
    """A duration in three digits: `2.5 h`, `1.5 min`, `3.56 s`."""
    for unit, of in (("h", 3600), ("min", 60)):
        if seconds >= of:
            return f"{number_text(seconds / of, 3)} {unit}"
    return time_text(seconds) if seconds > 0 else "0 s"
