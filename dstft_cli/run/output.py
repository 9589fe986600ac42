"""Writes a transform: arrays, parameters, pictures, code for another library.

The transform is computed once more in blocks of frames. Each block goes to all outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.audio import Signal
from dstft_cli.plot import PixelPool
from dstft_cli.records import Progress, Result
from dstft_cli.results import (
    MeanFrames,
    NpyStream,
    Output,
    mean_frames,
    write_parameters,
    write_trajectory,
)
from dstft_cli.run.emit import emitted_call
from dstft_cli.run.recording import picture_title
from dstft_cli.settings import Settings
from dstft_cli.settings.option import Length
from dstft_cli.stft import Frames, Samples, Transform, map_spectra, spectra

if TYPE_CHECKING:
    from dstft_cli.plot.pictures import Pictures

Block = NDArray[np.complex64]  # [C, n, F]
Taker = Callable[[int, Block], None]
BYTES_PER_SAMPLE = 32  # of sound and channel, which spectrogram.npy takes by default


def write_result(
    output: Output,
    settings: Settings,
    signal: Signal,
    result: Result,
    device: torch.device,
    progress: Progress | None,
    *,
    learned: bool = True,
) -> None:
    """Arrays, parameters and pictures; without `learned` no comparison and no trajectory."""
    dtype: torch.dtype = getattr(torch, settings.dtype)
    passes = Passes(signal.samples, result, device, dtype, progress)
    step = array_step(settings, result)
    pictures: Pictures | None = None
    with ExitStack() as stack:
        takers = _array_takers(stack, output, settings, signal, result, step)
        finer: list[Taker] = []  # of a picture with frames of its own
        if output.draws:
            from dstft_cli.plot.pictures import Pictures

            names = ("freq_scale", "fmin", "fmax", "db_range", "cmap", "format")
            look: dict[str, Any] = {name: getattr(settings, name) for name in names}
            pictures = Pictures(
                result,
                title=picture_title(signal, settings),
                criterion_band=(settings.criterion_fmin, settings.criterion_fmax),
                channels=signal.samples.shape[0],
                offset=signal.offset,
                **look,
            )
            same = pictures.learned.centers is result.frame_centers
            (takers if same else finer).append(to_pool(pictures.learned.pool, signal.peak))
        passes.run(result.frame_centers, None, result.n_fft, takers, "spectrogram")
        if pictures is not None:
            passes.run(pictures.learned.centers, None, result.n_fft, finer, "spectrogram")
    if settings.emit != "none":
        text = emitted_call(result, settings.emit, settings, signal)
        output.to_stdout(text.encode("utf-8"), "the emitted call")
    picture = b"" if pictures is None else pictures.spectrogram()
    output.send("png", picture)
    if output.directory is None:
        return
    if output.holds_figures:
        output.write(f"spectrogram.{settings.format}", picture)
    write_parameters(output.path("parameters.npz"), result, step, signal.offset)
    if not learned:
        return
    if output.holds_figures:
        assert pictures is not None
        panels = []
        for wanted in (pictures.plain, pictures.zoomed):  # the latter looks at the learned picture
            panels.append(wanted())
            for frames in panels[-1]:
                taker = to_pool(frames.pool, signal.peak)
                passes.run(frames.centers, frames.length, frames.n_fft, [taker], "comparison")
        output.write(f"comparison.{settings.format}", pictures.comparison(*panels))
        output.write(f"trajectory.{settings.format}", pictures.trajectory())
    write_trajectory(output.path("trajectory.csv"), result.trajectory)


def array_step(settings: Settings, result: Result) -> int:
    """How many frames of the transform make one of spectrogram.npy.

    By default as few as keep the array within `BYTES_PER_SAMPLE` of each channel. All frames are
    written where their hop is given or learned, or the whole transform is saved.
    """
    if isinstance(settings.npy_hop, Length):
        hop = result.hop_length
        if result.frames > 1:
            hop = float(np.mean(result.hop_lengths))
        return max(round(settings.npy_hop.samples(result.sample_rate) / hop), 1)
    chosen = settings.hop_length is not None or result.hop_bounds is not None
    if settings.npy_hop == "full" or settings.save_stft or chosen:
        return 1
    most = 4 * (result.n_fft // 2) / BYTES_PER_SAMPLE  # samples: the hop of an array of this size
    return max(math.ceil(most / result.hop_length - 1e-6), 1)


def _array_takers(
    stack: ExitStack, output: Output, settings: Settings, signal: Signal, result: Result, step: int
) -> list[Taker]:
    channels = (signal.samples.shape[0],) if settings.channel == "all" else ()
    plane = (*channels, len(result.frequencies))
    files: list[tuple[BinaryIO, str, bool]] = []
    if (npy := output.singles.get("npy")) is not None:
        files.append((npy, "standard output" if settings.npy == "-" else str(settings.npy), True))
    if output.directory is not None:
        names = ("spectrogram.npy", "stft.npy") if settings.save_stft else ("spectrogram.npy",)
        for name in names:
            file = stack.enter_context(output.path(name).open("wb", buffering=1 << 20))
            files.append((file, name, name == "spectrogram.npy"))
    takers = []
    for file, name, magnitude in files:
        means = MeanFrames(result.frames, step) if magnitude else None
        frames = mean_frames(result.frames, step) if magnitude else result.frames
        kind = np.float32 if magnitude else np.complex64
        stream = stack.enter_context(NpyStream(file, (*plane, frames), kind, name=name))
        takers.append(to_stream(stream, means))
    return takers


@dataclass(frozen=True)
class Passes:
    """Passes over one signal with the window family and normalization of a result."""

    samples: Samples
    result: Result
    device: torch.device
    dtype: torch.dtype
    progress: Progress | None

    def run(
        self,
        centers: NDArray[np.floating[Any]],
        length: float | None,
        n_fft: int,
        takers: Sequence[Taker],
        stage: str,
    ) -> None:
        """One pass; none if there are no `takers`."""
        if not takers:
            return
        frames = Frames(self.samples, centers, n_fft, device=self.device, dtype=self.dtype)
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        for start, X in self._spectra(frames, centers, length, n_fft, threads):
            block: Block = X.to("cpu", torch.complex64).numpy()
            for take in takers:
                take(start, block)
            if self.progress is not None:
                self.progress(stage, start + block.shape[1], len(frames))

    def _spectra(
        self,
        frames: Frames,
        centers: NDArray[np.floating[Any]],
        length: float | None,
        n_fft: int,
        threads: int,
    ) -> Iterator[tuple[int, torch.Tensor]]:
        result = self.result
        transform = Transform(n_fft, result.window, result.normalization)
        if length is not None:
            return spectra(frames, transform, np.array([[length]]), threads)
        map_, frequencies = result.length_map, result.frequencies
        if map_ is not None:
            lengths_at = map_.on(frequencies)
            return map_spectra(frames, transform, lambda a, b: lengths_at(centers[a:b]), threads)
        lengths = result.lengths
        if lengths.shape[1] > 1 and len(centers) < result.frames:
            first = int(np.searchsorted(result.frame_centers, centers[0]))
            lengths = lengths[:, first : first + len(centers)]
        return spectra(frames, transform, lengths, threads)


def to_stream(stream: NpyStream, means: MeanFrames | None) -> Taker:
    def take(start: int, block: Block) -> None:
        if means is None:
            stream.write(block[0] if len(stream.shape) == 2 else np.moveaxis(block, 0, -1))
        else:
            values = means.add(np.moveaxis(np.abs(block), 0, -1))
            stream.write(values[..., 0] if len(stream.shape) == 2 else values)

    return take


def to_pool(pool: PixelPool, peak: float) -> Taker:
    """Pools the magnitude of blocks relative to `peak`, the root mean square over channels."""
    scale = np.float32(1 / peak) if 1e-30 < peak < 1e30 else np.float64(1 / (peak or 1))

    def take(start: int, block: Block) -> None:
        magnitude = np.abs(block) * scale
        if len(magnitude) == 1:
            pool.add(start, magnitude[0])
        else:
            pool.add(start, np.sqrt(np.mean(np.square(magnitude), axis=0)))

    return take
