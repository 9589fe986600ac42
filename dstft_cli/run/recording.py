"""The recording of a job: loading, warnings, and its text in records and errors."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dstft_cli.audio import ONLY_DC, Signal, load, probe, recorded_at
from dstft_cli.audio.blocks import percent
from dstft_cli.errors import (
    InputError,
    SkippedError,
    UsageError,
    band_text,
    counted,
    parameters_in,
    printable,
)
from dstft_cli.records import Note, Progress, tell
from dstft_cli.results.record import StoredInput
from dstft_cli.results.store import zarr_library
from dstft_cli.settings import OPTIONS, PRESET, Settings, SweepSettings

log = logging.getLogger("dstft_cli")

_DC_SHARE = 0.01  # of the energy, from which on it may decide which window is best
_MOMENTS = 1000  # parts of a recording, of which the loudest hundredth
_KNOCK = 0.5  # must not hold more of the energy than this
_BASS, _RUMBLE = 100.0, 0.9  # Hz, below which there may be no more of it than this share
_SOUND = 2000.0  # Hz: sample rates of recordings in which such low frequencies are not the signal
_STRETCHES = 64  # of the signal, whose spectra are looked at
_ALL_DC = 1 - 1e-6  # of the energy: nothing else is there
_QUIET = 0.01  # peak below which float16 keeps parts 80 dB further down to less than 0.1 dB
_OFFSET = 5.0  # Hz, above it and below what most recordings are made for


def check_recording(source: str, settings: Settings) -> None:
    """Checks the header; does not read from a pipe or import torch."""
    s = settings
    seen = probe(source, channel=s.channel, sample_rate=s.sr, highpass=s.highpass)
    check_outputs(settings, None if seen is None else seen.sample_rate)
    clock_of(source, settings)


def check_outputs(settings: Settings, sample_rate: float | None) -> None:
    if settings.store == "zarr":
        zarr_library()
    if not settings.draws:
        return
    looks = ("cmap", "font", "font_size", "size", "dpi")
    if any(getattr(settings, name) != OPTIONS[name].default for name in looks):
        from dstft_cli.plot.style import check_look  # imports matplotlib

        check_look(settings)
    if sample_rate is not None:
        from dstft_cli.plot import frequency_range, scale_for

        scale = scale_for(settings.freq_scale, sample_rate)
        spacing = 0.0  # of bins: not known before the fit, and no reason to refuse
        frequency_range(sample_rate / 2, spacing, scale, settings.fmin, settings.fmax)


def read_signal(source: str, settings: Settings, **how: Any) -> Signal:
    s = settings
    part: dict[str, Any] = {"offset": s.offset, "duration": s.duration}
    return load(source, channel=s.channel, sample_rate=s.sr, highpass=s.highpass, **part, **how)


@contextmanager
def load_recording(
    source: str, settings: Settings, progress: Progress | None = None, *, learns: bool = True
) -> Iterator[Signal]:
    s = settings
    tell(progress, "load")
    silence = not isinstance(s, SweepSettings)
    with read_signal(source, s, allow_silence=silence, progress=progress) as signal:
        what = "every sample is zero"
        if signal.flat and signal.peak > 0 and (learns or s.highpass is not None):
            what = ONLY_DC
            nothing = np.broadcast_to(np.float32(0), signal.samples.shape)
            warnings = (*signal.warnings, f"{what}, which is taken off")
            signal = replace(signal, samples=nothing, peak=0.0, dc_share=0.0, warnings=warnings)
        if signal.peak == 0 and s.on_silence == "skip":
            raise SkippedError(f"{printable(source)}: {what}: skipped, nothing is written")
        if signal.peak == 0 and learns and s.on_silence == "fail":
            raise InputError(
                f"{printable(source)}: {what}: it has no best window: use `on_silence` write or skip"
            )
        check_outputs(settings, signal.sample_rate)
        if settings.draws:
            from dstft_cli.plot import time_range

            with naming(signal):
                time_range(signal.offset, signal.seconds, settings.tmin, settings.tmax)
        of = counted(signal.channels, "channel")
        if signal.channels > 1:
            used = {"mix": "their mean", "all": "all, with one set of parameters"}
            of += f": {used.get(str(s.channel), f'channel {s.channel}')}"
        resampled = "" if s.sr is None else " (`sr`)"
        filtered = "" if s.highpass is None else f", above {s.highpass:g} Hz (`highpass`)"
        log.info(
            f"loaded {signal.seconds:.3f} s from {signal.offset:g} s on, {signal.length} samples at "
            f"{signal.sample_rate} Hz{resampled}, {of}, peak {signal.peak:.3g}{filtered}"
        )
        tell(progress, "analysis")
        yield signal


def recording_warnings(signal: Signal, settings: Settings, shortest: float) -> tuple[str, ...]:
    """Warnings about an offset in the recording, one line each."""
    plain = settings.window_mode == settings.hop_mode == "fixed"  # nothing is led anywhere
    if plain or signal.cancels:  # what is left is rounding
        return signal.warnings
    ignored = settings.scope == "local" and signal.dc_share < _ALL_DC
    if ignored or signal.dc_share <= _DC_SHARE:
        return (*signal.warnings, *concentrated(signal, settings.criterion_fmin))
    effect, cutoff = "which favours long windows", min(_OFFSET, signal.sample_rate / 2000)
    if settings.criterion_fmin:  # the main lobe of a window is about two bins of its length wide
        leaking = 2 * signal.sample_rate / settings.criterion_fmin
        if shortest >= leaking:
            return signal.warnings
        effect = f"which windows below about {leaking:.0f} samples let into the criterion's band"
        cutoff = min(cutoff, settings.criterion_fmin / 2)
    elif settings.criterion_fmax:
        cutoff = min(cutoff, settings.criterion_fmax / 100)
    return (
        *signal.warnings,
        f"{percent(signal.dc_share)} of the energy is a constant offset (DC), {effect}: "
        f"remove it with `highpass` {cutoff:g}",
    )


def precision_warnings(signal: Signal, settings: Settings) -> Iterator[str]:
    """A line if a recording is so quiet that float16 keeps too few digits of its magnitudes."""
    if settings.npy_dtype == "float16" and 0 < signal.peak < _QUIET:
        yield (
            f"the recording is quiet, peak {signal.peak:.2g}, and float16 has steps of 6e-08: use "
            "`npy_dtype` float32"
        )


def concentrated(signal: Signal, criterion_fmin: float | None) -> Iterator[str]:
    """Where most of the energy lies, if that is one knock, or below what is looked at; a line each."""
    size = max(signal.length // _MOMENTS, 1)
    parts = (signal.samples[:, i : i + size] for i in range(0, signal.length, size))
    moments = np.array([np.square(part, dtype=np.float64).sum() for part in parts])
    total, count = float(moments.sum()), max(round(len(moments) / 100), 1)
    share = float(np.sort(moments)[-count:].sum()) / (total or 1.0)
    if share > _KNOCK and len(moments) >= 100:
        at = signal.offset + size * (int(moments.argmax()) + 0.5) / signal.sample_rate
        yield (
            f"{share:.0%} of the energy lies in a hundredth of the time, around {at:.4g} s: if that is a "
            "knock, leave it out with `offset` or `duration`"
        )
    edge, where, otherwise = _BASS, "", ""
    if criterion_fmin:
        edge, where = criterion_fmin, ", outside the criterion's band"
        otherwise = ", else lower `criterion_fmin`"
    elif signal.sample_rate < _SOUND:
        return
    below = _share_below(signal, edge)
    if below > _RUMBLE:
        yield (
            f"{below:.0%} of the energy lies below {edge:g} Hz{where}: if that is rumble, remove it "
            f"with `highpass` {edge:g}{otherwise}"
        )


def _share_below(signal: Signal, edge: float) -> float:
    """Share of the energy below a frequency, Hz, from stretches spread evenly over the signal."""
    size = min(max(1024, 1 << math.ceil(math.log2(8 * signal.sample_rate / edge))), 1 << 18)
    starts = np.unique(np.linspace(0, max(signal.length - size, 0), _STRETCHES).astype(int))
    window = np.hanning(size)
    power = np.zeros(size // 2 + 1)
    for start in starts.tolist():
        part = np.asarray(signal.samples[:, start : start + size], np.float64)
        spectra = np.fft.rfft(part * (window[: part.shape[1]] / (signal.peak or 1.0)), size)
        power += np.square(np.abs(spectra)).sum(0)
    bins = np.arange(len(power)) * (signal.sample_rate / size)
    return float(power[bins < edge].sum() / (power.sum() or 1.0))


def input_record(signal: Signal) -> dict[str, Any]:
    return {
        "path": signal.path,
        "sha256": signal.sha256,
        "sample_rate": signal.sample_rate,
        "channels": signal.channels,
        "samples": signal.length,
        "seconds": signal.seconds,
        "offset": signal.offset,
    }


def clock_of(path: str, settings: Settings) -> datetime | None:
    """When the recording began, if times of day are to be drawn; InputError if that is not known."""
    if not settings.draws or settings.time != "clock":
        return None
    recorded = recorded_at(path)
    if recorded is None:
        raise InputError(
            f"{printable(path)}: neither its name (such as 20230131_235900.wav) nor its header has a date "
            "and time: use `time` recording"
        )
    return recorded


def picture_title(signal: Signal | StoredInput, settings: Settings) -> str:
    if not settings.title:
        return ""
    name = "standard input" if signal.path == "-" else Path(signal.path).name
    if signal.channels > 1:
        all_of_them = f"{signal.channels} channels"
        used = {"mix": f"mean of {all_of_them}", "all": f"all {all_of_them}"}
        one = f"channel {settings.channel} of 0 to {signal.channels - 1}"
        name += f" ({used.get(str(settings.channel), one)})"
    if settings.highpass is not None:
        name += f", high-pass {settings.highpass:g} Hz"
    band = band_text(settings.criterion_fmin, settings.criterion_fmax)
    return f"{name}, criterion {band}" if band else name


def picture_notes(signal: Signal, settings: Settings) -> tuple[Note, ...]:
    """A note if pictures are drawn and no installed font has the characters of the recording's name."""
    if not settings.draws:
        return ()
    from dstft_cli.plot.style import can_draw

    drawn = can_draw(picture_title(signal, settings))
    return () if drawn else (Note("name_not_drawn", detail=printable(Path(signal.path).name)),)


@contextmanager
def of_preset(settings: Settings) -> Iterator[None]:
    """Within the block an error about a value that the preset set says so: nobody typed it."""
    try:
        yield
    except UsageError as error:
        named = parameters_in(str(error))
        if settings.preset is None or not any(settings.ranks.get(n) == PRESET for n in named):
            raise
        raise UsageError(f"{error} (`preset` {settings.preset} set it)") from error


@contextmanager
def naming(signal: Signal) -> Iterator[None]:
    """Within the block an error names the recording, and the part or the sample rate that decides."""
    name = "standard input" if signal.path == "-" else printable(signal.path)
    try:
        yield
    except InputError as error:
        part = f" from {signal.offset:g} s on" if signal.offset else ""
        raise InputError(f"{name}{part}: {error}") from error
    except UsageError as error:
        raise UsageError(f"{name} at {signal.sample_rate} Hz: {error}") from error
