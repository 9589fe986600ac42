"""Writes a transform: arrays, parameters, pictures, code for another library.

The transform is computed once more in blocks of frames. Each block goes to all outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.audio import Signal
from dstft_cli.names import Progress
from dstft_cli.plot import PixelPool
from dstft_cli.records import Result
from dstft_cli.results import NpyStream, Output, write_parameters, write_trajectory
from dstft_cli.run.emit import emitted_call
from dstft_cli.run.recording import picture_title
from dstft_cli.settings import Settings
from dstft_cli.stft import Frames, Samples, Transform, spectra

if TYPE_CHECKING:
    from dstft_cli.plot.pictures import Pictures

Block = NDArray[np.complex64]  # [C, n, F]
Taker = Callable[[int, Block], None]
Lengths = NDArray[np.floating[Any]]


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
    """Arrays, parameters and pictures; three passes over the signal at most.

    If nothing was learned there is no comparison and no trajectory.
    """
    transform = Transform(result.n_fft, result.window, result.normalization)
    dtype: torch.dtype = getattr(torch, settings.dtype)
    passes = Passes(signal.samples, transform, device, dtype, progress)
    pictures: Pictures | None = None
    with ExitStack() as stack:
        takers = _array_takers(stack, output, settings, signal, result)
        if output.draws:
            pictures = _pictures(settings, signal, result)
            takers.append(to_pool(pictures.learned, signal.peak))
        passes.run(result.frame_centers, result.window_length, takers, "spectrogram")
    if settings.emit != "none":
        text = emitted_call(result, settings.emit, str(settings.channel), settings.highpass)
        output.to_stdout(text.encode("utf-8"), "the emitted call")
    picture = b"" if pictures is None else pictures.spectrogram()
    output.send("png", picture)
    if output.directory is None:
        return
    if output.holds_figures:
        output.write(f"spectrogram.{settings.format}", picture)
    write_parameters(output.path("parameters.npz"), result)
    if not learned:
        return
    if output.holds_figures:
        assert pictures is not None
        plain = []
        for length in pictures.plain_lengths:
            plain.append(pictures.new_pool())
            taker = to_pool(plain[-1], signal.peak)
            passes.run(result.start_frame_centers, np.array([[length]]), [taker], "comparison")
        output.write(f"comparison.{settings.format}", pictures.comparison(plain))
        output.write(f"trajectory.{settings.format}", pictures.trajectory())
    write_trajectory(output.path("trajectory.csv"), result.trajectory)


def _pictures(settings: Settings, signal: Signal, result: Result) -> Pictures:
    from dstft_cli.plot.pictures import Pictures

    return Pictures(
        result,
        title=picture_title(signal, settings),
        freq_scale=settings.freq_scale,
        fmin=settings.fmin,
        fmax=settings.fmax,
        criterion_band=(settings.criterion_fmin, settings.criterion_fmax),
        db_range=settings.db_range,
        cmap=settings.cmap,
        format=settings.format,
        channels=signal.samples.shape[0],
    )


def _array_takers(
    stack: ExitStack, output: Output, settings: Settings, signal: Signal, result: Result
) -> list[Taker]:
    """Streams for the magnitudes and the transform, one per output."""
    shape: tuple[int, ...] = (len(result.frequencies), result.frames)
    if settings.channel == "all":
        shape = (signal.samples.shape[0], *shape)
    files: list[tuple[BinaryIO, str, bool]] = []
    if (npy := output.single("npy")) is not None:
        files.append((npy, str(settings.npy), True))
    if output.directory is not None:
        names = ("spectrogram.npy", "stft.npy") if settings.save_stft else ("spectrogram.npy",)
        for name in names:
            file = stack.enter_context(output.path(name).open("wb", buffering=1 << 20))
            files.append((file, name, name == "spectrogram.npy"))
    takers = []
    for file, name, magnitude in files:
        dtype = np.float32 if magnitude else np.complex64
        stream = stack.enter_context(NpyStream(file, shape, dtype, name=name))
        takers.append(to_stream(stream, magnitude=magnitude))
    return takers


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
        """One pass; none if there are no `takers`.

        Args:
            centers: of the frames, samples, `[T]`.
            lengths: window lengths, samples, as for `stft`.
            takers: each called with the number of the first frame and the block.
            stage: name for `progress`.
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

    Relative to the largest sample, so that no square overflows.
    """
    scale = np.float32(1 / peak) if 1e-30 < peak < 1e30 else np.float64(1 / peak)

    def take(start: int, block: Block) -> None:
        magnitude = np.abs(block) * scale
        if len(magnitude) == 1:
            pool.add(start, magnitude[0])
        else:
            pool.add(start, np.sqrt(np.mean(np.square(magnitude), axis=0)))

    return take
