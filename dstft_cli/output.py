"""Where one run's results go: a directory, single files and standard output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.audio import Signal
from dstft_cli.errors import UsageError
from dstft_cli.names import FIGURE_FORMATS
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.scale import frequency_range
from dstft_cli.result import Result
from dstft_cli.settings import Settings
from dstft_cli.stft import Frames, Transform, spectra
from dstft_cli.writers import (
    NpyStream,
    OutputDirectory,
    atomic_file,
    disk_errors,
    emitted_call,
    shown,
    write_json,
    write_parameters,
    write_trajectory,
)

if TYPE_CHECKING:
    from dstft_cli.plot.pictures import Pictures

Progress = Callable[[str, int, int], None]
Block = NDArray[np.complex64]  # [C, n, F]
Taker = Callable[[int, Block], None]
PICTURE_ENDINGS = (*FIGURE_FORMATS, "jpg", "jpeg", "gif", "webp", "tif", "tiff", "eps", "bmp")


def refuse_collisions(source: str, settings: Settings, directory: Path | None) -> None:
    """UsageError where two outputs share a place, or one would replace the recording itself."""
    singles = {
        f"--{name}": Path(target)
        for name in ("npy", "png", "csv")
        if (target := getattr(settings, name, None)) not in (None, "-")
    }
    for option, path in singles.items():
        if source != "-" and path.exists() and Path(source).exists() and path.samefile(source):
            raise UsageError(f"{option} {shown(path)} is the recording itself: name another file")
        if directory is not None and directory.resolve() in (
            path.resolve(),
            *path.resolve().parents,
        ):
            raise UsageError(
                f"{option} {shown(path)} lies in the output directory {shown(directory)}, which is "
                "written as a whole: name a file elsewhere"
            )
    if len({path.resolve() for path in singles.values()}) < len(singles):
        both = " and ".join(singles)
        raise UsageError(f"{both} both name {shown(singles['--png'])}: name two files")
    ending = singles["--png"].suffix.lower().removeprefix(".") if "--png" in singles else ""
    if ending in PICTURE_ENDINGS and ending != settings.format:
        raise UsageError(
            f"--png {shown(singles['--png'])} is not the format asked for, {settings.format}: "
            f"use --format {', '.join(FIGURE_FORMATS)}, and a name that ends like it"
        )


class Outputs:
    """All places of one run, opened before the work begins so that a bad one fails at once.

    A context manager: what it wrote appears when its block ends cleanly, and not otherwise.

    Args:
        settings: of the run.
        directory: the output directory, or None.
        stdout: standard output, where something is to go there.
    """

    def __init__(self, settings: Settings, directory: Path | None, stdout: BinaryIO | None) -> None:
        self.directory = directory
        self._settings = settings
        self._stdout = stdout
        self._stack = ExitStack()
        self._folder: OutputDirectory | None = None
        self._npy: BinaryIO | None = None
        self._png: BinaryIO | None = None
        self._written: list[str] = []

    def __enter__(self) -> Outputs:
        settings = self._settings
        with ExitStack() as stack:
            if self.directory is not None:
                folder = OutputDirectory(self.directory, force=settings.force)
                self._folder = stack.enter_context(folder)
            self._npy = self._single(stack, settings.npy)
            self._png = self._single(stack, settings.png)
            if self.draws:
                from dstft_cli.plot import check_cmap

                check_cmap(settings.cmap)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    @property
    def draws(self) -> bool:
        """Whether any picture is wanted."""
        return self._png is not None or self._fills_pictures

    @property
    def _fills_pictures(self) -> bool:
        return self._folder is not None and self._settings.figures

    def names(self) -> dict[str, str]:
        """Name and final path of every file written, `result.json` included."""
        names = {}
        if self.directory is not None:
            names = {name: str(self.directory / name) for name in [*self._written, "result.json"]}
        for key in ("npy", "png"):
            target = getattr(self._settings, key)
            if target is not None:
                names[key] = target
        return names

    def check_frequencies(self, sample_rate: float) -> None:
        """UsageError where `--fmin` and `--fmax` do not fit the recording."""
        if self.draws:
            s = self._settings
            frequency_range(sample_rate / 2, sample_rate / 2048, s.freq_scale, s.fmin, s.fmax)

    def write(
        self,
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
        settings = self._settings
        transform = Transform(result.n_fft, result.window, result.normalization)

        def run(
            centers: NDArray[np.floating[Any]],
            lengths: NDArray[np.floating[Any]],
            takers: list[Taker],
            stage: str,
        ) -> None:
            frames = Frames(
                signal.samples,
                centers,
                result.n_fft,
                device=device,
                dtype=getattr(torch, settings.dtype),
            )
            threads = torch.get_num_threads() if device.type == "cpu" else 1
            for start, X in spectra(frames, transform, lengths, threads) if takers else ():
                block: Block = X.to("cpu", torch.complex64).numpy()
                for take in takers:
                    take(start, block)
                if progress is not None:
                    progress(stage, start + block.shape[1], len(frames))

        pictures: Pictures | None = None
        with ExitStack() as stack:
            takers = self._array_takers(stack, signal, result)
            if self.draws:
                pictures = self._pictures(signal, result)
                takers.append(to_pool(pictures.learned, signal.peak))
            run(result.frame_centers, result.window_length, takers, "spectrogram")
        picture = b"" if pictures is None else pictures.spectrogram()
        if self._png is not None:
            with disk_errors(str(settings.png)):
                self._png.write(picture)
                self._png.flush()
        if self._folder is None:
            return
        if self._fills_pictures:
            self._write_bytes(f"spectrogram.{settings.format}", picture)
        write_parameters(self._path("parameters.npz"), result)
        if not learned:
            return
        if self._fills_pictures:
            assert pictures is not None
            plain = []
            for length in pictures.plain_lengths:
                plain.append(pictures.new_pool())
                taker = to_pool(plain[-1], signal.peak)
                run(result.start_frame_centers, np.array([[length]]), [taker], "comparison")
            self._write_bytes(f"comparison.{settings.format}", pictures.comparison(plain))
            self._write_bytes(f"trajectory.{settings.format}", pictures.trajectory())
        write_trajectory(self._path("trajectory.csv"), result.trajectory)

    def write_call(self, result: Result) -> None:
        """With `--emit` the call of another library, to standard output."""
        if self._settings.emit == "none":
            return
        assert self._stdout is not None
        text = emitted_call(result, self._settings.emit, str(self._settings.channel))
        with disk_errors("the emitted call"):
            self._stdout.write(text.encode("utf-8"))
            self._stdout.flush()

    def write_record(self, record: Mapping[str, Any]) -> None:
        """`result.json`, to the directory and with `--json` to standard output."""
        if self._folder is not None:
            write_json(self._folder.path("result.json"), record)
        if self._settings.json:
            assert self._stdout is not None
            write_json(self._stdout, record)

    def _pictures(self, signal: Signal, result: Result) -> Pictures:
        from dstft_cli.plot.pictures import Pictures

        settings = self._settings
        return Pictures(
            result,
            title=picture_title(signal, settings.channel),
            freq_scale=settings.freq_scale,
            fmin=settings.fmin,
            fmax=settings.fmax,
            db_range=settings.db_range,
            cmap=settings.cmap,
            format=settings.format,
            channels=signal.samples.shape[0],
        )

    def _array_takers(self, stack: ExitStack, signal: Signal, result: Result) -> list[Taker]:
        """Streams for the magnitudes and the transform, wherever they are wanted."""
        settings = self._settings
        shape: tuple[int, ...] = (len(result.frequencies), result.frames)
        if settings.channel == "all":
            shape = (signal.samples.shape[0], *shape)
        files: list[tuple[BinaryIO, str, bool]] = []
        if self._npy is not None:
            files.append((self._npy, str(settings.npy), True))
        if self._folder is not None:
            files.append((self._open(stack, "spectrogram.npy"), "spectrogram.npy", True))
            if settings.save_stft:
                files.append((self._open(stack, "stft.npy"), "stft.npy", False))
        takers = []
        for file, name, magnitude in files:
            dtype = np.float32 if magnitude else np.complex64
            stream = stack.enter_context(NpyStream(file, shape, dtype, name=name))
            takers.append(to_stream(stream, magnitude=magnitude))
        return takers

    def _single(self, stack: ExitStack, target: str | None) -> BinaryIO | None:
        if target is None:
            return None
        if target == "-":
            assert self._stdout is not None
            return self._stdout
        return stack.enter_context(atomic_file(Path(target), force=self._settings.force))

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        self._written.append(name)
        return self._folder.path(name)

    def _open(self, stack: ExitStack, name: str) -> BinaryIO:
        return stack.enter_context(open(self._path(name), "wb", buffering=1 << 20))

    def _write_bytes(self, name: str, content: bytes) -> None:
        with disk_errors(name):
            self._path(name).write_bytes(content)


def picture_title(signal: Signal, channel: str | int) -> str:
    """The recording's name, and which of several channels are shown."""
    name = "standard input" if signal.path == "-" else Path(signal.path).name
    if signal.channels == 1:
        return name
    used = {"mix": f"mean of {signal.channels} channels", "all": f"all {signal.channels} channels"}
    one = f"channel {channel} of 0 to {signal.channels - 1}"
    return f"{name} ({used.get(str(channel), one)})"


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
