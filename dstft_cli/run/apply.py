"""The parameters learned from one recording, used on another."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from dstft_cli.audio import Signal
from dstft_cli.criteria import resolve
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit import resolve_device
from dstft_cli.fit.band import Band
from dstft_cli.fit.cells import CellEvaluator, Patches
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.names import Progress, Report, band_text
from dstft_cli.records import CriterionSummary, Note, Result, StopReason, Trajectory
from dstft_cli.results import StoredParameters, check_emitted, check_global, shown
from dstft_cli.run.job import JobOutcome, run_job
from dstft_cli.run.learned import learned_highpass, learned_settings, read_learned
from dstft_cli.run.preflight import output_directory
from dstft_cli.run.recording import naming
from dstft_cli.run.transfer import Transferred, transfer
from dstft_cli.settings import Settings
from dstft_cli.stft import Transform


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
    stored = read_learned(directory)
    if own.emit != "none":
        check_global(stored.window_length, stored.frame_centers, own.emit)
    under = learned_settings(directory)
    if under.hop_length is None:
        raise InputError(
            f"{shown(directory / 'result.json')} holds no hop length: run dstft optimize again"
        )
    hop = under.hop_length.samples(stored.sample_rate)
    highpass, unlike = learned_highpass(directory), list[str]()
    if highpass != own.highpass:
        how = "without a filter" if highpass is None else f"above {highpass:g} Hz"
        remedy = "leave --highpass out" if highpass is None else f"give --highpass {highpass:g} too"
        unlike.append(
            f"{shown(directory)} was learned from a recording {how}, and this one is read otherwise: "
            f"{remedy}"
        )
    place = output_directory(source, own)
    if place is not None and os.path.realpath(place) == os.path.realpath(directory):
        raise UsageError(
            f"{shown(place)} holds the parameters that are applied: choose another place with -o"
        )
    device = resolve_device(own.device, own.dtype)
    criterion = resolve(under.criterion, under.order)

    def find(signal: Signal) -> Result:
        band = Band(under.criterion_fmin or 0.0, under.criterion_fmax or math.inf)
        with naming(signal):
            fitting = transfer(stored, hop, signal.length, float(signal.sample_rate))
        try:
            bins = band.bins(fitting.n_fft, signal.sample_rate)
        except UsageError:
            above = band_text(under.criterion_fmin, under.criterion_fmax)
            raise UsageError(
                f"the criterion of {shown(directory)} looks {above}, and a recording at "
                f"{signal.sample_rate} Hz has no bins there: choose another --sr, or run dstft optimize "
                "again with another --criterion-fmin or --criterion-fmax"
            ) from None
        if own.emit != "none":
            resampled = signal.sample_rate != stored.sample_rate and hop == round(hop)
            check_emitted(
                fitting.hop_length,
                fitting.n_fft,
                signal.length,
                own.emit,
                again="run dstft optimize again with",
                whole_at=stored.sample_rate if resampled else None,
            )
        began = time.perf_counter()
        kind: Callable[..., Evaluator] = Evaluator
        if len(fitting.window_length) > 1:
            plane = fitting.n_fft // 2 + 1, len(fitting.frame_centers)
            kind = partial(CellEvaluator, patches=Patches(plane, *plane))
        evaluator = kind(
            signal.samples,
            fitting.frame_centers.astype(np.float64),
            Transform(fitting.n_fft, stored.window, stored.normalization),
            criterion,
            power=under.power,
            bins=bins,
            learned_positions=under.hop_mode != "fixed",
            peak=signal.peak,
            compute=Compute(device, getattr(torch, own.dtype), torch.get_num_threads(), progress),
        )
        sums = torch.from_numpy(evaluator.total(fitting.window_length.astype(np.float64)))
        value = float(evaluator.criterion.value(sums, evaluator.cells))
        seconds = time.perf_counter() - began
        report(f"evaluated in {seconds:.2f} s")
        notes = tuple(
            Note("learned_elsewhere", detail=text) for text in (*fitting.warnings, *unlike)
        )
        return _result(signal, fitting, stored, under, criterion.direction, value, seconds, notes)

    return run_job(
        source,
        own,
        find,
        device=device,
        learned_under=under,
        extra={"learned_in": str(directory)},
        stdout=stdout,
        report=report,
        progress=progress,
    )


def _result(
    signal: Signal,
    fitting: Transferred,
    stored: StoredParameters,
    under: Settings,
    direction: str,
    value: float,
    seconds: float,
    notes: tuple[Note, ...],
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
        power=under.power,
        criterion=CriterionSummary(
            name=under.criterion,
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
        notes=notes,
        resolved={
            "n_fft": fitting.n_fft,
            "win_length": float(np.median(lengths)),
            "win_length_min": None if under.window_mode == "fixed" else float(lengths.min()),
            "win_length_max": None if under.window_mode == "fixed" else float(lengths.max()),
            "hop_length": fitting.hop_length,
            "hop_length_min": None,
            "hop_length_max": None,
        },
    )
