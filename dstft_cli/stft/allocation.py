"""Memory of one block of frames is kept for the next."""

from __future__ import annotations

from functools import lru_cache

import torch

_LARGEST = 31 << 20  # bytes: what glibc still learns from ends at 32 MiB


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Lets the C library reuse what blocks of frames free; once in a process.

    glibc gives freed memory back to the system above a threshold of 128 KiB at first, so that every
    operation on a block has its result mapped and cleared anew, which costs more than the
    arithmetic. The threshold rises to the size of the largest mapping that was freed, up to 32 MiB,
    and up to twice that is kept: one that is never touched, and so takes no memory, is freed here.
    Other C libraries lose nothing by it.

    Source: mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, dynamic adjustment.
    """
    torch.empty(_LARGEST, dtype=torch.uint8)
