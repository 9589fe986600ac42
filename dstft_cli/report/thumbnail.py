"""A small picture of a `spectrogram.png`."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

LARGEST = 7400  # bytes; ten thousand as base64
LARGEST_FILE = 2**26  # bytes of a PNG; those of dstft are ten times smaller
MOST_PIXELS = 2**24  # pixels of a picture; those of dstft have less than a million
SIZES = ((320, 160), (200, 100), (120, 60))  # pixels; the first with a small enough file is taken
QUALITIES = (75, 60, 45, 30)


@dataclass(frozen=True)
class Thumbnail:
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
        return _small(whole.crop(axes_box(whole)))
    except Exception:  # a damaged PNG raises many kinds of errors; the page is still written
        return None


def axes_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the area within the axes; the whole figure if not found.

    Only the upper and the lower line of the frame are dark rows longer than half of the picture.
    """
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


def _small(picture: Image.Image) -> Thumbnail | None:
    for size in SIZES:
        small = picture.copy()
        small.thumbnail(size, Image.Resampling.BOX)
        for quality in QUALITIES:
            file = io.BytesIO()
            small.save(file, "JPEG", quality=quality, optimize=True)
            if file.tell() <= LARGEST:
                return Thumbnail(file.getvalue(), small.width, small.height)
    return None
