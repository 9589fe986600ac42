"""What is written of a learned transform: arrays, parameters, pictures, the call of another library."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from dstft_cli.audio import Signal
from dstft_cli.names import Progress
from dstft_cli.records import Result
from dstft_cli.results import NpyStream, emitted_call, write_parameters, write_trajectory
from dstft_cli.run.passes import Passes, Taker, to_pool, to_stream
from dstft_cli.run.places import Places
from dstft_cli.run.recording import picture_title
from dstft_cli.settings import Settings
from dstft_cli.stft import Transform

if TYPE_CHECKING:
    from dstft_cli.plot.pictures import Pictures


def write_result(
    places: Places,
    settings: Settings,
    signal: Signal,
    result: Result,
    device: torch.device,
    progress: Progress | None,
    *,
    learned: bool = True,
) -> None:
    """Arrays, parameters and pictures; three passes over the signal at most.

    Where nothing was learned there is no comparison and no trajectory.
    """
    transform = Transform(result.n_fft, result.window, result.normalization)
    dtype: torch.dtype = getattr(torch, settings.dtype)
    passes = Passes(signal.samples, transform, device, dtype, progress)
    pictures: Pictures | None = None
    with ExitStack() as stack:
        takers = _array_takers(stack, places, settings, signal, result)
        if places.draws:
            pictures = _pictures(settings, signal, result)
            takers.append(to_pool(pictures.learned, signal.peak))
        passes.run(result.frame_centers, result.window_length, takers, "spectrogram")
    picture = b"" if pictures is None else pictures.spectrogram()
    places.send("png", picture)
    if places.directory is None:
        return
    if places.holds_figures:
        places.write(f"spectrogram.{settings.format}", picture)
    write_parameters(places.path("parameters.npz"), result)
    if not learned:
        return
    if places.holds_figures:
        assert pictures is not None
        plain = []
        for length in pictures.plain_lengths:
            plain.append(pictures.new_pool())
            taker = to_pool(plain[-1], signal.peak)
            passes.run(result.start_frame_centers, np.array([[length]]), [taker], "comparison")
        places.write(f"comparison.{settings.format}", pictures.comparison(plain))
        places.write(f"trajectory.{settings.format}", pictures.trajectory())
    write_trajectory(places.path("trajectory.csv"), result.trajectory)


def write_call(places: Places, settings: Settings, result: Result) -> None:
    """With `--emit` the call of another library, to standard output."""
    if settings.emit != "none":
        text = emitted_call(result, settings.emit, str(settings.channel), settings.highpass)
        places.to_stdout(text.encode("utf-8"), "the emitted call")


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
    stack: ExitStack, places: Places, settings: Settings, signal: Signal, result: Result
) -> list[Taker]:
    """Streams for the magnitudes and the transform, wherever they are wanted."""
    shape: tuple[int, ...] = (len(result.frequencies), result.frames)
    if settings.channel == "all":
        shape = (signal.samples.shape[0], *shape)
    files: list[tuple[BinaryIO, str, bool]] = []
    if (npy := places.single("npy")) is not None:
        files.append((npy, str(settings.npy), True))
    if places.directory is not None:
        names = ("spectrogram.npy", "stft.npy") if settings.save_stft else ("spectrogram.npy",)
        for name in names:
            file = stack.enter_context(places.open(name))
            files.append((file, name, name == "spectrogram.npy"))
    takers = []
    for file, name, magnitude in files:
        dtype = np.float32 if magnitude else np.complex64
        stream = stack.enter_context(NpyStream(file, shape, dtype, name=name))
        takers.append(to_stream(stream, magnitude=magnitude))
    return takers
