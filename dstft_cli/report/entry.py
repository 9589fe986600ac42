"""The directories on the page, or why one has no result; and their small pictures."""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin

from dstft_cli.errors import system_reason

RECORD = "result.json"
JOURNAL = "batch-journal.jsonl"  # of `dstft batch`
LARGEST_JOURNAL = 1 << 30  # bytes: a million jobs
_LEFTOVERS = (".partial", ".old")  # leftover of a killed run: `.NAME.XXXXXXXX.partial`
LARGEST = 7400  # bytes; ten thousand as base64
LARGEST_FILE = 2**26  # bytes of a PNG; those of dstft are ten times smaller
MOST_PIXELS = 2**24  # pixels of a picture; those of dstft have less than a million
SIZES = ((320, 160), (200, 100), (120, 60))  # pixels; the first with a small enough file is taken
QUALITIES = (75, 60, 45, 30)


def result_directories(top: Path) -> list[tuple[Path, str]]:
    """Directories with a `result.json` or a failed job of a batch, `top` too, each with its error."""
    found: dict[Path, str] = {}
    failed: dict[Path, str] = {}

    def unlisted(error: OSError) -> None:
        found[Path(error.filename)] = f"the directory cannot be listed: {system_reason(error)}"

    for name, below, others in os.walk(top, onerror=unlisted):
        folder = Path(name)
        if RECORD in below or RECORD in others:
            found[folder] = ""
        journal = folder / JOURNAL
        if JOURNAL in others and os.path.isfile(journal) and not os.path.islink(journal):
            failed |= _failed_jobs(folder)
        below[:] = [n for n in below if not (n.startswith(".") and n.endswith(_LEFTOVERS))]
    for place, reason in failed.items():
        found[place] = found.get(place) or reason
    return sorted(found.items(), key=lambda item: [*map(os.fsencode, item[0].parts)])


def _failed_jobs(folder: Path) -> dict[Path, str]:
    found: dict[Path, str] = {}
    with suppress(OSError), open(folder / JOURNAL, "rb") as file:
        if os.fstat(file.fileno()).st_size > LARGEST_JOURNAL:
            return {}
        for line in file:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                output = PurePath(entry["output"])
                found.pop(folder / output, None)
                inside = output.parts and not output.is_absolute() and ".." not in output.parts
                if entry["status"] == "failed" and inside:
                    found[folder / output] = f"the last attempt failed: {entry['error']}"
    return found


class Thumbnail(NamedTuple):
    """A JPEG file of at most `LARGEST` bytes, and its size in pixels."""

    jpeg: bytes
    width: int
    height: int


def thumbnail(path: Path) -> Thumbnail | None:
    """The spectrogram within the axes of a figure, as a thumbnail; None if it cannot be read."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
            return None
        with open(path, "rb") as file, PngImagePlugin.PngImageFile(file) as picture:
            # the size of the decoder: a second header may differ from the first
            if picture.width * picture.height > MOST_PIXELS:
                return None
            whole = picture.convert("RGB")
        inner = whole.crop(axes_box(whole))
        for size in SIZES:
            small = inner.copy()
            small.thumbnail(size, Image.Resampling.BOX)
            for quality in QUALITIES:
                jpeg = io.BytesIO()
                small.save(jpeg, "JPEG", quality=quality, optimize=True)
                if jpeg.tell() <= LARGEST:
                    return Thumbnail(jpeg.getvalue(), small.width, small.height)
    except Exception:  # a damaged PNG raises many kinds of errors; the page is still written
        pass
    return None


def axes_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom within the axes, by long dark rows; the whole figure if not found."""
    dark = np.asarray(picture.convert("L")) < 128
    height, width = dark.shape
    rows = np.flatnonzero(dark.mean(axis=1) > 0.5)
    if len(rows) < 2:
        return 0, 0, width, height
    top, bottom = int(rows[0]), int(rows[-1])
    ends = np.flatnonzero(np.diff(dark[top].astype(np.int8), prepend=0, append=0))
    starts, stops = ends[::2], ends[1::2]
    longest = int(np.argmax(stops - starts))
    left, right = int(starts[longest]), int(stops[longest])
    if right - left < width / 2 or bottom - top < height / 2:
        return 0, 0, width, height
    line, tick = 3, 7  # pixels; a tick of the left axis may continue the upper line
    return left + line + tick, top + line, right - line, bottom - line
