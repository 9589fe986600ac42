"""Grey levels of a spectrogram at several resolutions, as tiles: small pictures in WebP."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dstft_cli.plot.pixels import FloatArray, IntArray, PixelGrid, PixelPool
from dstft_cli.view.html import as_base64

Grey = NDArray[np.uint8]  # levels, [columns, rows]
STEP = 0.5  # dB of a grey level
LOUDEST = 240  # grey level of the loudest pixel of the reference; other layers may be louder
TILE = 1024  # columns
RATIO = 4  # columns that make one of the next coarser level
COARSEST = 2 * TILE  # columns from which on there is a coarser level
QUALITY, METHOD = 88, 2  # of WebP: levels to 1 dB (root mean square), 1 to 1.6 bits a pixel


class LevelPool(PixelPool):
    """As `PixelPool`, with one byte for a pixel: `STEP` dB each, 255 for `top` dB, 0 for silence."""

    def __init__(self, grid: PixelGrid, top: float) -> None:
        super().__init__(grid)
        self.top = top
        self._power = np.zeros(grid.shape[::-1], np.uint8)

    def _put(self, columns: IntArray, power: FloatArray) -> None:
        with np.errstate(divide="ignore"):
            levels = (10 * np.log10(power) - self.top) / STEP + 255
        self._power[columns] = np.rint(levels.clip(0, 255))

    @property
    def grey(self) -> Grey:
        return self._power

    @property
    def loudest(self) -> int:
        """The highest grey level; 255 where all is silent."""
        return int(self._power.max()) or 255


def levels_of(pool: LevelPool, shift: int) -> Iterator[dict[str, Any]]:
    """The resolutions of a filled pool, the finest first, each with its place in time and its tiles.

    Coarser columns hold the maximum of `RATIO` finer ones. `shift` is added to all grey levels.
    """
    grey = (pool.grey.astype(np.int16) + shift).clip(0, 255).astype(np.uint8)
    left, right = pool.grid.extent[:2]
    step = (right - left) / len(grey)
    while True:
        tiles = [
            as_base64(picture(grey[start : start + TILE])) for start in range(0, len(grey), TILE)
        ]
        yield {"begin": left, "step": step, "columns": len(grey), "tiles": tiles}
        if len(grey) <= COARSEST:
            return
        rest = -len(grey) % RATIO
        grey = np.pad(grey, ((0, rest), (0, 0))).reshape(-1, RATIO, grey.shape[1]).max(1)
        step *= RATIO


def picture(grey: Grey, *, exact: bool = False) -> bytes:
    """A WebP file of grey levels, a column of them in each line of the picture."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "WEBP", lossless=exact, quality=QUALITY, method=METHOD)
    return file.getvalue()
