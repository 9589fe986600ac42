"""The transform with one of a few window lengths in every cell.

Bins are cut into tiles of 64. A tile of a frame takes the FFT of each length that occurs in it, mostly one.

In float32 a length θ up to about K/4 takes an FFT of N = K/R ≥ 2θ samples only, R up to 8. A frame under
such a window ends within half of these N samples, so its spectrum is smooth and 8R bins in a row are a
fixed linear combination of 14 values of the short spectrum:

    X[8Rj + φ] ≈ Σ_γ C[γ, φ] Y[8j − 3 + γ],   φ = 0 … 8R−1,  γ = 0 … 13.

C solves `min_C Σ_u w(u)² |Σ_γ C[γ, φ] exp(−2πj (γ−3) u/N) − exp(−2πj φ u/K)|²`, so its error is that of
white noise: below 1e-6 of the spectrum, near the rounding of float32. In float64 all FFTs have K samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.frames import Frames
from dstft_cli.stft.transform import Transform

IndexOf = Callable[[int, int], tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any]]]]

_BLOCK_SAMPLES = 1 << 19  # of frames: their spectra stay in the cache
_LEAST_FRAMES = 8  # of a block
_TILE = 64  # bins
_STEP, _BEFORE, _TAPS = (
    8,
    3,
    14,
)  # values of a short spectrum: between rows of C, before, and of a row
_OVERSAMPLED = 1.95  # N over the window length, at least
_SHORTEST = 128  # N: its mirrored ends are as wide as the rows of C beyond them
_KEPT = 64  # lengths, with their windows
_POINTS = 512  # of a window, for C


def map_spectra(
    frames: Frames, transform: Transform, index_of: IndexOf, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order, as `spectra`, with the lengths of a block at a time.

    Args:
        frames: of the signal.
        transform: FFT size, window family, normalization.
        index_of: called with the numbers `start` and `stop` of frames, gives some window lengths,
            samples, `[M]`, and which of them each cell has, `[stop − start, F]`; from several threads
            at once. Few lengths within 64 bins, and near each other in `[M]`, cost least.
        threads: blocks at a time.

    Yields:
        Number of the first frame, and `X` as complex `[C, n, F]`.
    """
    block = max(_BLOCK_SAMPLES // (transform.n_fft * frames.channels), _LEAST_FRAMES)
    short = frames.dtype == torch.float32
    spectrum_of = lru_cache(_KEPT)(lambda length: _Spectrum(transform, length, short=short))

    def work(start: int) -> tuple[int, Tensor]:
        stop = min(start + block, len(frames))
        parts, fractions = frames.block(start, stop), frames.fractions(start, stop)
        lengths, index = index_of(start, stop)
        tiles = np.pad(index, ((0, 0), (0, -index.shape[1] % _TILE)), "edge").reshape(-1, _TILE)
        tiles = np.tile(tiles, (len(parts), 1))
        low = tiles[:, 0].copy()
        high = low.copy()
        several = np.flatnonzero((tiles != low[:, None]).any(1))
        low[several], high[several] = tiles[several].min(1), tiles[several].max(1)
        found = parts.new_empty(tiles.shape, dtype=parts.dtype.to_complex())
        for number in range(int(low.min()), int(high.max()) + 1):
            taken = np.flatnonzero((low <= number) & (number <= high))
            if not len(taken):
                continue
            rows = torch.from_numpy(taken).to(parts.device)
            values = spectrum_of(float(lengths[number]))(parts, fractions, rows)
            again = np.flatnonzero(
                low[taken] < number
            )  # the others have all bins of the tile, so far
            if len(again):
                mask = torch.from_numpy(tiles[taken[again]] == number).to(parts.device)
                which = torch.from_numpy(again).to(parts.device)
                before = found.index_select(0, rows[which])
                blend = torch.where(mask, values.index_select(0, which), before)
                values.index_copy_(0, which, blend)
            found.index_copy_(0, rows, values)
        return start, found.view(len(parts), stop - start, -1)[..., : transform.bins]

    return map_in_order(work, range(0, len(frames), block), threads)


class _Spectrum:
    """The transform with one window length, of 64 bins of a frame at a time.

    Args:
        short: from a shorter FFT if that will do.
    """

    def __init__(self, transform: Transform, length: float, *, short: bool) -> None:
        K = transform.n_fft
        fit = [
            R
            for R in (8, 4, 2)
            if K % (_TILE * R) == 0 and R * max(_OVERSAMPLED * length, _SHORTEST) <= K
        ]
        ratio = fit[0] if short and fit else 1
        self._length = length
        self._transform = Transform(K // ratio, transform.window, transform.normalization)
        self._first = K // 2 - self._transform.n_fft // 2
        self._count = -(-transform.bins // _TILE)  # tiles of a frame
        self._rows = _TILE // (_STEP * ratio)  # of C in a tile
        self._matrix = _matrix(self._transform, length, ratio) if ratio > 1 else None
        self._window: Tensor | None = None  # at whole centres

    def __call__(self, parts: Tensor, fractions: Tensor, tiles: Tensor) -> Tensor:
        """`X` at some tiles of frames `[C, n, K]`, `[P, 64]`."""
        window = self._window
        if window is None or len(fractions) > 1:
            window = self._transform.windows(fractions, fractions.new_tensor([self._length]))
            self._window = window if len(fractions) == 1 else None
        N = self._transform.n_fft
        Y = torch.fft.rfft(parts[..., self._first : self._first + N] * window).flatten(0, 1)
        bins = Y.shape[1]
        if self._matrix is None:
            wide = Y.new_empty((len(Y), self._count * _TILE))
            wide[:, :bins] = Y
            return torch.index_select(wide.view(-1, _TILE), 0, tiles)
        after = (self._count * self._rows + 1) * _STEP - _BEFORE - bins
        left, right = Y[:, 1 : _BEFORE + 1].flip(1).conj(), Y[:, -1 - after : -1].flip(1).conj()
        Y = torch.cat([left, Y, right], 1)
        near = Y.as_strided((Y.numel() // _STEP - 1, _TAPS), (_STEP, 1))
        # a frame has one row more than its tiles have
        rows = tiles * self._rows + tiles // self._count
        rows = rows[:, None] + torch.arange(self._rows, device=Y.device)
        inputs = torch.view_as_real(near.index_select(0, rows.flatten())).flatten(1)
        X = inputs @ self._matrix.to(Y.device)
        return torch.view_as_complex(X.view(len(tiles), _TILE, 2))


def _matrix(short: Transform, length: float, ratio: int) -> Tensor:
    """C for real and imaginary parts in turn, `[28, 16R]`."""
    u = torch.linspace(-0.5, 0.5, _POINTS, dtype=torch.float64) * (length + 2)
    w = short.values(u, torch.tensor([length + 2.0], dtype=torch.float64))[0].numpy()
    places, offsets = np.arange(_TAPS) - _BEFORE, np.arange(_STEP * ratio) / ratio
    A, B = (np.outer(u.numpy(), part) * (2 * np.pi / short.n_fft) for part in (places, offsets))
    A, B = (np.concatenate([np.cos(part).T * w, np.sin(part).T * w], 1).T for part in (A, B))
    C = np.linalg.lstsq(A, B, rcond=1e-8)[0]
    # phases count from the start of the frame, K/2 and N/2 before its centre
    C *= np.where((np.arange(_TAPS)[:, None] - _BEFORE + np.arange(_STEP * ratio)) % 2, -1.0, 1.0)
    return torch.from_numpy(np.kron(C, np.eye(2))).to(torch.float32)
