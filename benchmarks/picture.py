"""How well the learned spectrograms show when things happen and which frequencies they have.

All modes beside plain windows, librosa's reassigned spectrogram and a superlet, the geometric mean of all
plain windows, on real recordings.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray

from benchmarks.measure import Claim
from benchmarks.picture_error import Array, Errors, Plane, Reference, plain, power_of_two, table
from benchmarks.report import Report
from dstft_cli import optimize
from dstft_cli.records import Result
from dstft_cli.stft import Frames, Transform, map_spectra, spectra

SECONDS = 6.0  # of each recording that are looked at
USUAL = 46e-3  # s: the plain window that people use
ENDINGS = (".wav", ".flac", ".oga", ".ogg", ".mp3")
MODES: Mapping[str, Mapping[str, Any]] = {
    "constant": {"window_mode": "constant"},
    "time": {"window_mode": "time"},
    "frequency": {"window_mode": "frequency"},
    "time-frequency": {"window_mode": "time-frequency"},
    "no descent": {"window_mode": "time-frequency", "max_steps": 0},
}
LEARNED = "time-frequency"
PLAIN, BEST, REASSIGNED, SUPERLET = "plain 46 ms", "best plain", "reassigned", "superlet"


def run(report: Report, recordings: Sequence[Path]) -> None:
    """Measures every recording in the folders, its first `SECONDS`."""
    files = sorted(
        file for folder in recordings for file in folder.iterdir() if file.suffix.lower() in ENDINGS
    )
    report.text(
        f"First {SECONDS:g} s of {len(files)} recordings, defaults but for the mode. Error in dB of the "
        "envelopes of bands against a 6 ms window (time) and of spectra against a 186 ms window (freq), "
        "as their sum; pre: above the short window before an onset; energy: of the plane, against that "
        "of the plain window. Best plain: of every half octave, chosen by this very error."
    )
    found, energies = {}, {}
    for file in files:
        signal, rate = _read(file)
        if len(signal) > rate / 2 and rate >= 2000:  # there are stretches and bands to average over
            found[file.name], energies[file.name] = _measure(signal, rate)
    if not found:
        report.missing(
            f"no recording of half a second or more in {', '.join(map(str, recordings))}"
        )
        return
    _tables(report, found, energies)


def _tables(
    report: Report,
    found: Mapping[str, Mapping[str, Errors]],
    energies: Mapping[str, Mapping[str, float]],
) -> None:
    names = list(next(iter(found.values())))

    def rows(value: Callable[[str, str], float]) -> list[list[str]]:
        every = [[value(file, name) for name in names] for file in found]
        mean = np.mean(every, axis=0).tolist()
        labels = [*found, "mean"]
        return [
            [label, *(f"{number:.2f}" for number in row)]
            for label, row in zip(labels, [*every, mean], strict=True)
        ]

    header = ["recording", *names]
    report.table("sum of time and freq, dB", header, rows(lambda f, n: found[f][n].sum))
    report.table("time, dB", header, rows(lambda f, n: found[f][n].time))
    report.table("freq, dB", header, rows(lambda f, n: found[f][n].freq))
    report.table("pre, dB", header, rows(lambda f, n: found[f][n].pre))
    report.table("energy of the plane, dB", header, rows(lambda f, n: energies[f][n]))

    def mean(name: str) -> float:
        return float(np.mean([errors[name].sum for errors in found.values()]))

    pre = float(np.mean([errors[LEARNED].pre for errors in found.values()]))
    report.claims(
        [
            Claim("time-frequency against plain 46 ms", mean(LEARNED), mean(PLAIN), "dB"),
            Claim("time-frequency against the best plain", mean(LEARNED), mean(BEST), "dB"),
            Claim("constant against the best plain", mean("constant"), mean(BEST) + 0.3, "dB"),
            Claim("pre of time-frequency", pre, 0.5, "dB"),
        ]
    )


def _read(file: Path) -> tuple[Array, int]:
    rate = soundfile.info(file).samplerate
    samples, _ = soundfile.read(file, frames=int(SECONDS * rate), always_2d=True)
    return samples.mean(1), rate


def _measure(signal: Array, rate: int) -> tuple[dict[str, Errors], dict[str, float]]:
    """Errors of every way, and the energy of its plane against that of the usual window, dB."""
    reference = Reference(signal, rate)
    errors: dict[str, Errors] = {}  # in the order of the columns
    energies: dict[str, float] = {}

    def take(name: str, plane: Plane) -> None:
        errors[name], energies[name] = reference.errors(plane), _energy(plane)

    lengths, n_fft, hop = table(rate)
    logs: NDArray[np.float32] | None = None
    usual, best = power_of_two(USUAL * rate), math.inf
    take(PLAIN, plain(signal, usual, n_fft, hop))
    for length in lengths:
        plane = plain(signal, length, n_fft, hop)
        if (here := reference.errors(plane)).sum < best:
            best, errors[BEST], energies[BEST] = here.sum, here, _energy(plane)
        level = np.log(np.maximum(plane.power, 1e-14 * plane.power.max()))
        logs = level if logs is None else logs + level
    for name, options in MODES.items():
        take(name, learned(signal, optimize(signal, rate, **options)))
    take(REASSIGNED, reassigned(signal, rate, usual, hop))
    assert logs is not None
    take(SUPERLET, Plane(np.exp(logs / len(lengths)), n_fft, hop))
    plainly = energies[PLAIN]
    return errors, {name: 10 * math.log10(one / plainly) for name, one in energies.items()}


def _energy(plane: Plane) -> float:
    """Sum over cells as wide as the hop and a bin, at 0 and half the sample rate half a bin (Parseval)."""
    total = plane.power.sum(dtype=np.float64) - plane.power[[0, -1]].sum(dtype=np.float64) / 2
    return float(total) * plane.hop / plane.n_fft


def learned(signal: Array, result: Result) -> Plane:
    """The transform of a result; frames at multiples of one hop."""
    power = np.empty((len(result.frequencies), len(result.frame_centers)), np.float32)
    for start, X in blocks(signal, result):
        power[:, start : start + X.shape[1]] = X[0].abs().square().T.numpy()
    return Plane(power, result.n_fft, result.hop_length)


def blocks(signal: Array, result: Result, threads: int = 1) -> Iterator[tuple[int, torch.Tensor]]:
    """Number of the first frame, and the transform `[1, n, F]`, of some frames after others."""
    transform = Transform(result.n_fft, result.window, result.normalization)
    centers, tiles = result.frame_centers, result.length_map
    frames = Frames(signal[None, :], centers, result.n_fft, dtype=torch.float32)
    if tiles is None:
        return spectra(frames, transform, result.lengths, threads)
    lengths_at = tiles.on(result.frequencies)
    return map_spectra(frames, transform, lambda a, b: lengths_at(centers[a:b]), threads)


def reassigned(signal: Array, rate: int, n_fft: int, hop: int) -> Plane:
    """librosa's, each value added to the cell in which it is placed."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of NumPy about librosa's own code
        frequencies, times, magnitude = librosa.reassigned_spectrogram(
            signal, sr=rate, n_fft=n_fft, hop_length=hop, fill_nan=True, pad_mode="constant"
        )
    bins, frames = magnitude.shape
    row = np.clip(np.rint(frequencies * n_fft / rate), 0, bins - 1).astype(int)
    column = np.clip(np.rint(times * rate / hop), 0, frames - 1).astype(int)
    energy = np.square(librosa.filters.get_window("hann", n_fft)).sum()
    power = np.bincount(
        (row * frames + column).ravel(), (magnitude**2 / energy).ravel(), bins * frames
    )
    return Plane(power.reshape(bins, frames).astype(np.float64), n_fft, hop)
