"""Writes a transform: arrays, parameters, pictures, code for another library.

The transform is computed once more in blocks of frames. Each block goes to all outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.audio import Signal
from dstft_cli.errors import InputError
from dstft_cli.plot import PixelPool
from dstft_cli.records import Progress, Result, tell
from dstft_cli.results import (
    VIEW,
    MeanFrames,
    NpyStream,
    Output,
    Stream,
    mean_frames,
    write_parameters,
    write_trajectory,
)
from dstft_cli.results.store import ATTRIBUTES, ZarrStream
from dstft_cli.run.emit import emitted_call
from dstft_cli.run.recording import clock_of, picture_title
from dstft_cli.run.sizes import array_step
from dstft_cli.settings import Settings
from dstft_cli.stft import Frames, Transform, map_spectra, spectra

if TYPE_CHECKING:
    from dstft_cli.plot.pictures import Frames as PictureFrames
    from dstft_cli.plot.pictures import Pictures
    from dstft_cli.view.page import View

Block = NDArray[np.complexfloating]  # [C, n, F]
Taker = Callable[[int, Block], None]


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
    passes, step = Passes(signal, result, settings, device, progress), step_of(settings, result)
    pictures: Pictures | None = None
    view: View | None = None
    finer: list[PixelPool] = []  # of a picture with frames of its own
    with ExitStack() as stack:
        takers = _array_takers(stack, output, settings, signal, result, step)
        if output.draws:
            pictures = pictures_of(result, signal, settings)
            pools = [pictures.learned.pool]
            if output.holds_view:
                view, pool = view_of(pictures, signal, settings)
                pools.append(pool)
            if np.array_equal(pictures.learned.centers, result.frame_centers):
                takers.append(to_pools(pools, signal.peak))
            else:
                finer = pools
        passes.run(result.frame_centers, None, result.n_fft, takers, "spectrogram")
        if pictures is not None and finer:
            passes.fill(pictures.learned, *finer[1:], stage="spectrogram")
    if settings.emit != "none":
        output.emit(emitted_call(result, settings.emit, settings, signal))
    picture = b""
    if pictures is not None and (output.holds_figures or "png" in output.singles):
        tell(progress, "pictures")
        picture = pictures.spectrogram()
    output.send("png", picture)
    if output.directory is None:
        return
    if output.holds_figures:
        output.write(f"spectrogram.{settings.format}", picture)
    if "parameters" in settings.save:
        write_parameters(output.path("parameters.npz"), result, step, signal.offset)
    plain: Sequence[PictureFrames] = ()
    if pictures is not None and (view is not None or (learned and output.holds_figures)):
        plain = draw_plain(passes, pictures, view)
    if pictures is not None and view is not None:
        from dstft_cli.view.sound import sound_of

        tell(progress, "view")
        sound = sound_of(signal, settings.audio, output.directory)
        output.write(VIEW, view.page(pictures.frequencies_shown, sound))
    if not learned:
        return
    if output.holds_figures:
        assert pictures is not None
        zoomed = pictures.zoomed()  # looks at the learned picture
        for frames in zoomed:
            passes.fill(frames)
        tell(progress, "pictures")
        output.write(f"comparison.{settings.format}", pictures.comparison(plain, zoomed))
        output.write(f"trajectory.{settings.format}", pictures.trajectory())
    write_trajectory(output.path("trajectory.csv"), result.trajectory)


def step_of(settings: Settings, result: Result) -> int:
    """`array_step` for the mean hop of a result."""
    hop = float(np.mean(result.hop_lengths)) if result.frames > 1 else result.hop_length
    return array_step(settings, result.sample_rate, result.n_fft, hop)


def pictures_of(result: Result, signal: Signal, settings: Settings) -> Pictures:
    from dstft_cli.plot.pictures import Pictures

    return Pictures(
        result,
        settings,
        title=picture_title(signal, settings),
        channels=signal.samples.shape[0],
        offset=signal.offset,
        recorded=clock_of(signal.path, settings),
    )


def view_of(pictures: Pictures, signal: Signal, settings: Settings) -> tuple[View, PixelPool]:
    """The page of a result, and the pool of its learned layer."""
    from dstft_cli.view.page import View

    learned = pictures.learned
    view = View(pictures.result, signal.offset, pictures.title, settings)
    return view, view.layer(pictures.labels[-1], learned.centers, learned.n_fft)


def draw_plain(passes: Passes, pictures: Pictures, view: View | None) -> Sequence[PictureFrames]:
    """The filled frames of single windows; their layers in the page are filled too."""
    plain = pictures.plain()
    for label, frames in zip(pictures.labels, plain, strict=False):
        own = frames.centers, frames.n_fft, frames.length
        passes.fill(frames, *([] if view is None else [view.layer(label, *own)]))
    return plain


def _array_takers(
    stack: ExitStack, output: Output, settings: Settings, signal: Signal, result: Result, step: int
) -> list[Taker]:
    channels = (signal.samples.shape[0],) if settings.channel == "all" else ()
    plane = (*channels, len(result.frequencies))
    magnitudes = (*plane, mean_frames(result.frames, step)), settings.npy_dtype
    takers: list[Taker] = []

    def add(stream: Stream, step: int) -> None:
        means = MeanFrames(result.frames, step) if step else None
        takers.append(to_stream(stack.enter_context(stream), means))

    if (npy := output.singles.get("npy")) is not None:
        name = "standard output" if settings.npy == "-" else str(settings.npy)
        add(NpyStream(npy, *magnitudes, name=name), step)
    if output.directory is None:
        return takers
    for name, kind, each, saved in (
        ("spectrogram", magnitudes, step, "spectrogram" in settings.save),
        ("stft", ((*plane, result.frames), "complex64"), 0, settings.save_stft),
    ):
        if saved and settings.store == "zarr":
            path, times = output.path(f"{name}.zarr"), signal.offset + result.times[:: each or 1]
            axes = {"frequency": result.frequencies, "time": times}
            about = {name: getattr(result, name) for name in ATTRIBUTES}
            add(ZarrStream(path, *kind, axes, about), each)
        elif saved:
            path = output.path(f"{name}.npy")
            file = stack.enter_context(path.open("wb", buffering=1 << 20))
            add(NpyStream(file, *kind, name=path.name), each)
    return takers


@dataclass(frozen=True)
class Passes:
    """Passes over a recording with the window family and normalization of a result."""

    signal: Signal
    result: Result
    settings: Settings  # with the dtypes of the computation and of arrays
    device: torch.device
    progress: Progress | None

    def fill(self, frames: PictureFrames, *more: PixelPool, stage: str = "comparison") -> None:
        """One pass over frames of a picture, into their pool and more."""
        taker = to_pools([frames.pool, *more], self.signal.peak)
        self.run(frames.centers, frames.length, frames.n_fft, [taker], stage)

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
        kind: torch.dtype = getattr(torch, self.settings.dtype)
        frames = Frames(self.signal.samples, centers, n_fft, device=self.device, dtype=kind)
        exact = self.settings.npy_dtype == "float64"  # complex128 where `dtype` is float64
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        for start, X in self._spectra(frames, centers, length, n_fft, threads):
            block: Block = X.to("cpu", None if exact else torch.complex64).numpy()
            for take in takers:
                take(start, block)
            tell(self.progress, stage, start + block.shape[1], len(frames))

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


def to_stream(stream: Stream, means: MeanFrames | None) -> Taker:
    """Writes blocks, or with `means` their magnitudes, in the dtype of the stream."""

    def take(start: int, block: Block) -> None:
        values: NDArray[Any] = np.moveaxis(block, 0, -1)
        values = values if means is None else means.add(np.abs(values))
        values = values[..., 0] if len(stream.shape) == 2 else values
        with np.errstate(over="ignore"):
            kept = values.astype(stream.dtype, copy=False)
        if kept.dtype.itemsize == 2 and np.isinf(kept).any():
            raise InputError(
                f"a magnitude of {values.max():.4g} is above the largest of {kept.dtype}, "
                f"{np.finfo(kept.dtype).max:g}: use `npy_dtype` float32"
            )
        stream.write(kept)

    return take


def to_pools(pools: Sequence[PixelPool], peak: float) -> Taker:
    """Pools the magnitude of blocks relative to `peak`, the root mean square over channels."""
    scale = np.float32(1 / peak) if 1e-30 < peak < 1e30 else np.float64(1 / (peak or 1))

    def take(start: int, block: Block) -> None:
        magnitude = np.abs(block) * scale
        mean = magnitude[0] if len(magnitude) == 1 else np.sqrt(np.mean(magnitude**2, axis=0))
        for pool in pools:
            pool.add(start, mean)

    return take
