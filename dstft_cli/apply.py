"""The parameters learned from one recording, used on another."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.audio import Signal
from dstft_cli.criteria import resolve
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit import resolve_device
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.plan import LARGEST_FFT, SMALLEST_FFT
from dstft_cli.job import JobOutcome, Progress, Report, output_directory, run_job
from dstft_cli.learned import learned_settings, read_learned
from dstft_cli.parameters import SHORTEST_WINDOW, uniform_centers
from dstft_cli.result import CriterionSummary, Result, StopReason, Trajectory
from dstft_cli.settings import Settings
from dstft_cli.stft import Transform
from dstft_cli.writers import StoredParameters, shown

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Transferred:
    """Parameters that fit another recording.

    Attributes:
        n_fft: FFT size, samples.
        window_length: samples, `[1, 1]` or `[1, T]`.
        hop_length: distance of frame centres where it is uniform, samples.
        frame_centers: samples, `[T]`.
        warnings: what was changed, one line each.
    """

    n_fft: int
    window_length: FloatArray
    hop_length: float
    frame_centers: FloatArray
    warnings: tuple[str, ...] = ()


def transfer(
    stored: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """The stored parameters for a recording of another length or sample rate.

    One length for all frames fits any recording: at another sample rate window, hop and n_fft keep
    their durations, n_fft to the nearest even size. What varies from frame to frame fits a recording
    of the same sample rate, and of the same duration to within one hop: frames at its end are left
    out, or go on with the last length.

    Args:
        stored: of the recording learned from.
        hop_length: of its frames, samples.
        samples: per channel of the other recording.
        sample_rate: of the other recording, Hz.

    Raises:
        InputError: the parameters do not fit the recording.
    """
    regular = uniform_centers(stored.samples, hop_length)
    uniform = regular.shape == stored.frame_centers.shape and np.allclose(
        regular, stored.frame_centers, rtol=1e-12, atol=1e-6
    )
    if stored.window_length.size == 1 and uniform:
        return _scaled(stored, hop_length, samples, sample_rate)
    if sample_rate != stored.sample_rate:
        raise InputError(
            f"the parameters vary from frame to frame at {stored.sample_rate:g} Hz, the recording "
            f"has {sample_rate:g} Hz: resample it with --sr {stored.sample_rate:g}"
        )
    if abs(samples - stored.samples) > hop_length:
        raise InputError(
            f"the parameters vary from frame to frame over {stored.samples / sample_rate:.3f} s, "
            f"the recording lasts {samples / sample_rate:.3f} s: choose as much of it with "
            "--offset and --duration, or learn with --window-mode constant"
        )
    lengths = stored.window_length
    centers = stored.frame_centers[stored.frame_centers <= samples]
    if uniform:
        centers = uniform_centers(samples, hop_length)
    if lengths.shape[1] > 1:
        lengths = np.pad(lengths, ((0, 0), (0, 1)), mode="edge")[:, : len(centers)]
    return Transferred(stored.n_fft, lengths, hop_length, centers)


def _scaled(
    stored: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """One length for all frames, at any sample rate."""
    if sample_rate == stored.sample_rate:
        centers = uniform_centers(samples, hop_length)
        return Transferred(stored.n_fft, stored.window_length, hop_length, centers)
    scale = sample_rate / stored.sample_rate
    length = float(stored.window_length[0, 0]) * scale
    n_fft = max(2 * round(stored.n_fft * scale / 2), SMALLEST_FFT)
    if length > n_fft * (1 + 1e-9):  # a window as long as n_fft, which was rounded down
        n_fft = 2 * math.ceil(length / 2)
    if length < SHORTEST_WINDOW or n_fft > LARGEST_FFT:
        raise InputError(
            f"the window length learned at {stored.sample_rate:g} Hz is {length:g} samples at "
            f"{sample_rate:g} Hz, with n_fft {n_fft}: at least {SHORTEST_WINDOW:g}, with n_fft up "
            f"to {LARGEST_FFT}, is possible: resample with --sr {stored.sample_rate:g}"
        )
    centers = uniform_centers(samples, hop_length * scale)
    note = (
        f"the parameters were learned at {stored.sample_rate:g} Hz, the recording has "
        f"{sample_rate:g} Hz: lengths are kept in seconds, n_fft {stored.n_fft} becomes {n_fft}"
    )
    lengths = np.array([[min(length, n_fft)]])
    return Transferred(n_fft, lengths, hop_length * scale, centers, (note,))


def run_apply(
    directory: Path,
    source: str,
    own: Settings,
    *,
    stdout: BinaryIO | None = None,
    report: Report = lambda line: None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Computes the transform of a recording with the parameters in a directory of results.

    The criterion is that of the directory, evaluated on this recording.

    Args:
        directory: written by `dstft optimize` or `dstft apply`.
        source: a file, or `-` for standard input.
        own: settings, of which the groups `RUN_GROUPS` count.
        stdout, report, progress: as for `run_optimize`.

    Raises:
        DstftError: the directory, the input, the settings or the output are at fault; nothing is
            written then.
    """
    stored = read_learned(directory, "apply")
    settings = learned_settings(directory, own)
    if settings.hop_length is None:
        raise InputError(
            f"{shown(directory / 'result.json')} holds no hop length: run dstft optimize again"
        )
    hop = settings.hop_length.samples(stored.sample_rate)
    place = output_directory(source, settings)
    if place is not None and os.path.realpath(place) == os.path.realpath(directory):
        raise UsageError(
            f"{shown(place)} holds the parameters that are applied: choose another place with -o"
        )
    device = resolve_device(settings.device, settings.dtype)
    criterion = resolve(settings.criterion, settings.order)

    def find(signal: Signal) -> Result:
        fitting = transfer(stored, hop, signal.length, float(signal.sample_rate))
        began = time.perf_counter()
        evaluator = Evaluator(
            signal.samples,
            fitting.frame_centers.astype(np.float64),
            Transform(fitting.n_fft, stored.window, stored.normalization),
            criterion,
            power=settings.power,
            peak=signal.peak,
            device=device,
            dtype=getattr(torch, settings.dtype),
            threads=torch.get_num_threads(),
            progress=progress,
        )
        sums = torch.from_numpy(evaluator.total(fitting.window_length.astype(np.float64)))
        value = float(evaluator.criterion.value(sums, evaluator.cells))
        seconds = time.perf_counter() - began
        report(f"evaluated in {seconds:.2f} s")
        return _result(signal, fitting, stored, settings, criterion.direction, value, seconds)

    return run_job(
        source,
        settings,
        find,
        device=device,
        learned=False,
        extra={"learned_in": str(directory)},
        stdout=stdout,
        report=report,
        progress=progress,
    )


def _result(
    signal: Signal,
    fitting: Transferred,
    stored: StoredParameters,
    settings: Settings,
    direction: str,
    value: float,
    seconds: float,
) -> Result:
    """A result of one step: no start and no fixed windows to compare with."""
    lengths = fitting.window_length
    return Result(
        sample_rate=float(signal.sample_rate),
        length=signal.length,
        n_fft=fitting.n_fft,
        start_window_length=np.array([[np.median(lengths)]]),
        window_length=lengths,
        hop_length=fitting.hop_length,
        length_bounds=(float(lengths.min()), float(lengths.max())),
        frame_centers=fitting.frame_centers,
        window=stored.window,
        normalization=stored.normalization,
        power=settings.power,
        criterion=CriterionSummary(
            name=settings.criterion,
            direction=direction,
            start=math.nan,
            best_fixed_win_length=math.nan,
            best_fixed=math.nan,
            final=value,
            table_bound=None,
        ),
        trajectory=Trajectory(
            phase=("start",),
            seconds=np.array([seconds]),
            evaluations=np.array([1]),
            criterion=np.array([value]),
            window_lengths=(lengths,),
            hop_lengths=(np.array([fitting.hop_length]),),
        ),
        stop_reason=StopReason.FIXED,
        evaluations=1,
        seconds={},
        warnings=fitting.warnings,
    )
