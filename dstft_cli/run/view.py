"""`dstft view`: the interactive page of a result, made again."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from dstft_cli.audio import Signal
from dstft_cli.errors import InputError
from dstft_cli.plot import frequency_range, scale_for
from dstft_cli.records import Progress, StoredParameters, tell
from dstft_cli.results import (
    VIEW,
    StoredRecord,
    atomic_file,
    damaged,
    open_stft,
    read_record,
    read_result,
    saved_array,
    write_json,
)
from dstft_cli.run.stored import read_learned, recording_of, result_of, settings_of
from dstft_cli.settings import Settings
from dstft_cli.view.page import View
from dstft_cli.view.sound import Sound, sound_of

_BLOCK = 1 << 24  # values of an array that are read at a time


Audio = Literal["embed", "link", "none"]


@dataclass(frozen=True)
class Viewed:
    page: Path
    layers: list[str]  # their labels
    warnings: tuple[str, ...] = ()


def run_view(directory: Path, audio: Audio, *, progress: Progress | None = None) -> Viewed:
    """Writes `view.html` into a directory of results, and its size into `result.json`.

    The layers are computed from the recording. Where it is gone or has changed, the page shows the saved
    array alone, the spectrogram or else the transform, without sound.
    """
    stored = read_learned(directory, array=True)
    record = read_result(directory / "result.json")
    settings = replace(settings_of(record, directory), audio=audio)
    warnings: tuple[str, ...] = ()
    with ExitStack() as stack:
        try:
            signal = stack.enter_context(recording_of(record, settings))
        except InputError as error:
            warnings = (f"{error}: {VIEW} shows the saved array alone, without sound",)
            view, content = _of_array(directory, stored, record, settings, progress)
        else:
            view, content = _of_recording(directory, stored, record, settings, signal, progress)
    page = directory / VIEW
    with atomic_file(page, force=True, kind="view") as file:
        file.write(content)
    changed = read_record(directory / "result.json")
    changed["outputs"] = {**record.outputs, VIEW: str(page)}
    changed["sizes"] = {**record.sizes, VIEW: len(content)}
    if (changed["outputs"], changed["sizes"]) != (record.outputs, record.sizes):
        with atomic_file(directory / "result.json", force=True) as file:
            write_json(file, changed)
    return Viewed(page, [label for label, *_ in view.layers], warnings)


def _of_recording(
    directory: Path,
    stored: StoredParameters,
    record: StoredRecord,
    settings: Settings,
    signal: Signal,
    progress: Progress | None,
) -> tuple[View, bytes]:
    from dstft_cli.fit import resolve_device
    from dstft_cli.run.output import Passes, draw_plain, pictures_of, view_of

    device = resolve_device("auto", settings.dtype)
    result = result_of(stored, settings, record)
    if record.best_fixed.win_length is not None:  # for the names of layers, as after the fit
        result = replace(result, start_window_length=np.zeros((1, 1)))
    passes = Passes(signal, result, settings, device, progress)
    pictures = pictures_of(result, signal, settings)
    view, pool = view_of(pictures, signal, settings)
    passes.fill(pictures.learned, pool, stage="spectrogram")
    draw_plain(passes, pictures, view)
    sound = sound_of(signal, settings.audio, directory)
    return view, view.page(pictures.frequencies_shown, sound)


def _of_array(
    directory: Path,
    stored: StoredParameters,
    record: StoredRecord,
    settings: Settings,
    progress: Progress | None,
) -> tuple[View, bytes]:
    from dstft_cli.plot.axes import describe_length
    from dstft_cli.run.output import to_pools

    (path, kinds), rate = saved_array(directory), stored.sample_rate
    with open_stft(path, kinds) as array:
        frames, bins = array.shape[-1], array.shape[-2]
        step = (len(stored.frame_centers) - 1) // (frames - 1) if frames > 1 else 0
        centers = stored.frame_centers[:: max(step, 1)][:frames]
        if bins != len(stored.frequencies) or len(centers) != frames:
            raise damaged(path, "does not fit parameters.npz")
        low, high = float(stored.window_length.min()), float(stored.window_length.max())
        lengths = describe_length(low, rate, high if high > low else None)
        learned, name = result_of(stored, settings, record), PurePath(record.input.path).name
        view = View(learned, stored.offset, name, settings)
        pool = view.layer(f"Learned: {lengths}", centers, stored.n_fft, top=0.0)
        block = max(_BLOCK // (bins * array.channels), 1)
        starts = range(0, frames, block)
        peak = max(float(np.abs(array.frames(start, start + block)).max()) for start in starts)
        take = to_pools([pool], peak)
        for start in starts:
            take(start, np.abs(array.frames(start, start + block)))
            tell(progress, "spectrogram", min(start + block, frames), frames)
    scale = scale_for(settings.freq_scale, rate)
    shown = frequency_range(rate / 2, rate / stored.n_fft, scale, settings.fmin, settings.fmax)
    return view, view.page(shown, Sound(words="No sound: the recording is not there."))
