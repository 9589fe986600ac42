"""The transform with lengths that come block by block, for planes too large to hold a length per cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.frames import Frames
from dstft_cli.stft.transform import Transform

LengthOf = Callable[[int, int], NDArray[np.floating[Any]]]

_BLOCK_SAMPLES = 1 << 18  # of frames and channels: the spectra of a block stay in the cache
_LEAST_FRAMES = 8  # of a block


def map_spectra(
    frames: Frames, transform: Transform, length_of: LengthOf, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order, as `spectra`, with the lengths of a block at a time.

    One batched FFT for each length that occurs in a block, over the frames in which it does. So it is
    fast where lengths are rounded to few values, as those of a `LengthMap` are.

    Args:
        frames: of the signal.
        transform: FFT size, window family, normalization.
        length_of: called with the numbers `start` and `stop` of frames, gives their window lengths,
            samples, `[F, stop − start]`; from several threads at once.
        threads: blocks at a time.

    Yields:
        Number of the first frame, and `X` as complex `[C, n, F]`.
    """
    block = max(_BLOCK_SAMPLES // (transform.n_fft * frames.channels), _LEAST_FRAMES)
    known: dict[float, Tensor] = {}

    def work(start: int) -> tuple[int, Tensor]:
        stop = min(start + block, len(frames))
        parts, fractions = frames.block(start, stop), frames.fractions(start, stop)
        distinct, index = _distinct(np.asarray(length_of(start, stop)))
        return start, _spectra(transform, parts, fractions, distinct, index, known)

    return map_in_order(work, range(0, len(frames), block), threads)


def _spectra(
    transform: Transform,
    parts: Tensor,
    fractions: Tensor,
    distinct: NDArray[np.float64],
    index: NDArray[np.int64],
    known: dict[float, Tensor],
) -> Tensor:
    """`X` of a block, complex `[C, n, F]`.

    Args:
        transform: as for `map_spectra`.
        parts: samples of the frames, `[C, n, K]`.
        fractions: of their centres, samples, `[n]`, or `[1]` where all are whole.
        distinct: the lengths that occur, samples, `[M]`.
        index: which of them each cell has, `[n, F]`.
        known: windows of whole centres by length, which grows.
    """
    channels, count, _ = parts.shape
    found = parts.new_empty((channels, count, transform.bins), dtype=parts.dtype.to_complex())
    for number, length in enumerate(distinct.tolist()):
        mask = index == number
        rows = np.flatnonzero(mask.any(1))
        columns = np.flatnonzero(mask.any(0))
        band = slice(int(columns[0]), int(columns[-1]) + 1)
        window = known.get(length) if len(fractions) == 1 else None
        if window is None:
            window = transform.windows(fractions, fractions.new_tensor([length]))
            if len(fractions) == 1:
                known[length] = window
        here = torch.from_numpy(mask[rows, band]).to(parts.device)
        if len(rows) == count:
            part = torch.fft.rfft(parts * window)[..., band]
            found[..., band] = torch.where(here, part, found[..., band])
        else:
            which = torch.from_numpy(rows).to(parts.device)
            windows = window if len(fractions) == 1 else window[which]
            part = torch.fft.rfft(parts[:, which] * windows)[..., band]
            found[:, which, band] = torch.where(here, part, found[:, which, band])
    return found


def _distinct(
    lengths: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The lengths that occur in `[F, n]`, `[M]`, and which of them each cell has, `[n, F]`.

    Along frequency they come in runs, of which there are far fewer than cells.
    """
    rows = np.ascontiguousarray(lengths.T, dtype=np.float64)
    starts = np.ones(rows.shape, dtype=bool)
    np.not_equal(rows[:, 1:], rows[:, :-1], out=starts[:, 1:])
    distinct, inverse = np.unique(rows[starts], return_inverse=True)
    run = np.cumsum(starts).reshape(rows.shape) - 1
    return distinct, inverse.reshape(-1)[run]
