"""A picture of some kilobytes from `spectrogram.png`."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

LARGEST = 7400  # bytes: ten thousand as base64
LARGEST_FILE = 2**26  # bytes of a PNG; those of dstft have less than a tenth
MOST_PIXELS = 2**24  # of a picture; those of dstft have less than a million
SIZES = ((320, 160), (200, 100), (120, 60))  # pixels; the first whose file is small enough
QUALITIES = (75, 60, 45, 30)


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG file of at most `LARGEST` bytes, and its size in pixels."""

    jpeg: bytes
    width: int
    height: int


def thumbnail(path: Path) -> Thumbnail | None:
    """The spectrogram within the axes of a figure, made small; None where it cannot be read."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
            return None
        with open(path, "rb") as file, PngImagePlugin.PngImageFile(file) as picture:
            # the size that the decoder takes: a second header may say another than the first
            if picture.width * picture.height > MOST_PIXELS:
                return None
            whole = picture.convert("RGB")
        return _small(whole.crop(axes_box(whole)))
    except Exception:  # a damaged PNG raises errors of many kinds, and none may stop the page
        return None


def axes_box(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what the axes of a figure frame; the whole where none is found.

    The upper and the lower line of the frame are the only dark rows above and below the picture that
    are longer than half of it, whatever its colours are.
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
