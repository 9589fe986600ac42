"""Passes over a signal: its transform in blocks of frames, each block taken by all that want it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.names import Progress
from dstft_cli.plot import PixelPool
from dstft_cli.results import NpyStream
from dstft_cli.stft import Frames, Samples, Transform, spectra

Block = NDArray[np.complex64]  # [C, n, F]
Taker = Callable[[int, Block], None]
Lengths = NDArray[np.floating[Any]]


class Passes:
    """Passes over one signal with one kind of transform.

    Args:
        samples: signal, `[C, N]`.
        transform: FFT size, window family, normalization.
        device, dtype: where and how it is computed.
        progress: called as `progress(stage, done, total)` with frames done.
    """

    def __init__(
        self,
        samples: Samples,
        transform: Transform,
        device: torch.device,
        dtype: torch.dtype,
        progress: Progress | None,
    ) -> None:
        self._samples = samples
        self._transform = transform
        self._device = device
        self._dtype = dtype
        self._progress = progress

    def run(
        self,
        centers: NDArray[np.floating[Any]],
        lengths: Lengths,
        takers: Sequence[Taker],
        stage: str,
    ) -> None:
        """One pass, if anything is to take its blocks.

        Args:
            centers: of the frames, samples, `[T]`.
            lengths: window lengths, samples, as for `stft`.
            takers: called in turn with the number of the first frame and the block.
            stage: what `progress` calls it.
        """
        if not takers:
            return
        n_fft = self._transform.n_fft
        frames = Frames(self._samples, centers, n_fft, device=self._device, dtype=self._dtype)
        threads = torch.get_num_threads() if self._device.type == "cpu" else 1
        for start, X in spectra(frames, self._transform, lengths, threads):
            block: Block = X.to("cpu", torch.complex64).numpy()
            for take in takers:
                take(start, block)
            if self._progress is not None:
                self._progress(stage, start + block.shape[1], len(frames))


def to_stream(stream: NpyStream, *, magnitude: bool) -> Taker:
    """Appends blocks to an .npy file."""

    def take(start: int, block: Block) -> None:
        values = np.abs(block) if magnitude else block
        stream.write(values[0] if len(stream.shape) == 2 else np.moveaxis(values, 0, -1))

    return take


def to_pool(pool: PixelPool, peak: float) -> Taker:
    """Pools the magnitude of blocks in a `PixelPool`, the root mean square over channels.

    Relative to the largest sample: levels are drawn relative anyway, and no square overflows.
    """
    scale = np.float32(1 / peak) if 1e-30 < peak < 1e30 else np.float64(1 / peak)

    def take(start: int, block: Block) -> None:
        magnitude = np.abs(block) * scale
        if len(magnitude) == 1:
            pool.add(start, magnitude[0])
        else:
            pool.add(start, np.sqrt(np.mean(np.square(magnitude), axis=0)))

    return take
