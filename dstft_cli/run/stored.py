"""A result that stands on disk, and its recording, as what was learned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from dstft_cli.audio import Signal
from dstft_cli.errors import InputError, printable
from dstft_cli.records import CriterionSummary, Result, StopReason, StoredParameters, Trajectory
from dstft_cli.results import StoredRecord, check_kind, damaged, read_parameters
from dstft_cli.run.recording import load_recording
from dstft_cli.settings import OPTIONS, Settings, settings_in_record


def read_learned(directory: Path, *, array: bool = False) -> StoredParameters:
    """The parameters in `DIR/parameters.npz`, as `dstft optimize` or `dstft apply` wrote it."""
    if not directory.exists():
        raise InputError(f"{printable(directory)}: no such directory: check the path")
    if not directory.is_dir():
        raise damaged(directory, "is not a directory", "name one that dstft optimize has written")
    check_kind(directory, array=array)
    return read_parameters(directory / "parameters.npz")


def settings_of(record: StoredRecord, directory: Path) -> Settings:
    path = directory / "result.json"
    there = OPTIONS.keys() & record.settings.keys() - {"preset", "output"}
    try:
        settings = settings_in_record({name: record.settings[name] for name in there})
    except (TypeError, ValueError) as error:
        raise damaged(path, "is damaged") from error
    if settings.hop_length is None or settings.win_length is None:
        raise damaged(path, "lacks the settings of a run")
    return settings


@contextmanager
def recording_of(record: StoredRecord, settings: Settings) -> Iterator[Signal]:
    """The recording of a result; InputError if it is no longer the same."""
    path = record.input.path
    if path == "-":
        raise InputError("the recording came from standard input")
    if not os.path.isfile(path):  # nor a pipe, which may block
        raise InputError(f"{printable(path)} is not there")
    with load_recording(path, replace(settings, on_silence="write"), learns=False) as signal:
        if signal.sha256 != record.input.sha256:
            raise InputError(f"{printable(path)} has changed")
        yield signal


def result_of(p: StoredParameters, learned: Settings, record: StoredRecord) -> Result:
    """What was learned, without the trajectory and values of the criterion."""
    lengths = p.window_length
    nan, empty = float("nan"), np.zeros(0)
    ends = float(lengths.min()), float(lengths.max())
    given = learned.win_length, learned.win_length_min, learned.win_length_max, learned.hop_length
    start, low, high, hop = (
        default if length is None else min(length.samples(p.sample_rate), float(p.n_fft))
        for length, default in zip(given, (ends[1], *ends, 1.0), strict=True)
    )
    best = record.best_fixed.win_length or nan
    return Result(
        sample_rate=p.sample_rate,
        length=p.samples,
        n_fft=p.n_fft,
        start_window_length=np.array([[start]]),
        lengths=lengths,
        hop_length=hop,
        length_bounds=(low, high),
        frame_centers=p.frame_centers,
        window=p.window,
        normalization=p.normalization,
        power=learned.power,
        criterion=CriterionSummary(learned.criterion, "", nan, best, nan, nan, None),
        trajectory=Trajectory((), empty, empty.astype(int), empty, (), ()),
        stop_reason=StopReason.SEARCH,
        evaluations=0,
        seconds={},
        notes=(),
        hop_bounds=None if learned.hop_mode == "fixed" else (hop, hop),
        length_map=p.length_map,
    )
