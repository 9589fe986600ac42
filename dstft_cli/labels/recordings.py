"""Recordings in a folder for each class: read, cut into pieces, and split into learned and held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dstft_cli.audio import load, probe
from dstft_cli.errors import InputError, printable
from dstft_cli.labels.folders import check_count, class_files
from dstft_cli.labels.training import Data
from dstft_cli.records import Progress, tell

HIGHEST_RATE = 16_000  # Hz; recordings at a higher one are resampled
N_FFT_SECONDS = 0.064
SMALLEST_N_FFT = 16  # samples: the network sees nine bins at a time
MOST_PIECES = 8  # of one recording
MOST_IN_ALL = 2000  # pieces, unless there are more recordings
HELD_OUT = 0.3  # of the recordings of a class


class Recording(NamedTuple):
    path: Path
    label: int  # number of its class
    pieces: Tensor  # `[P, N]`, of unit power


@dataclass(frozen=True)
class Recordings:
    classes: tuple[str, ...]  # names of the folders
    sample_rate: float  # Hz
    n_fft: int  # samples
    all: Sequence[Recording]  # in the order of the classes
    warnings: tuple[str, ...] = ()  # a line for each file that was left out

    @property
    def counts(self) -> Mapping[str, int]:
        labels = [one.label for one in self.all]
        return {name: labels.count(number) for number, name in enumerate(self.classes)}

    def split(self, seed: int) -> Data:
        """Three of ten recordings of every class held out, at least one; no recording on both sides."""
        orders = self._orders(seed)
        counts = (min(max(round(HELD_OUT * len(own)), 1), len(own) - 1) for own in orders)
        held = {i for own, count in zip(orders, counts, strict=True) for i in own[:count]}
        return self.data([i for own in orders for i in own], held)

    def folds(self, count: int, seed: int) -> Iterator[tuple[list[int], set[int]]]:
        """`count` times the order of all recordings, and those held out: each one time."""
        orders = self._orders(seed)
        everyone = [i for own in orders for i in own]
        for fold in range(count):
            parts = (own[(fold + label) % count :: count] for label, own in enumerate(orders))
            yield everyone, {i for part in parts for i in part}

    def data(self, order: Iterable[int], held: set[int]) -> Data:
        """The pieces of these recordings, on two sides."""
        parts: list[list[Tensor]] = [[], [], [], []]  # signals and classes of the two sides
        for index in order:
            one, side = self.all[index], 2 if index in held else 0
            parts[side].append(one.pieces)
            parts[side + 1].append(torch.full((len(one.pieces),), one.label))
        return Data(*map(torch.cat, parts))

    def _orders(self, seed: int) -> list[list[int]]:
        """The recordings of each class in a random order."""
        generator, orders, first = torch.Generator().manual_seed(seed), [], 0
        for count in self.counts.values():
            order = torch.randperm(count, generator=generator)
            orders.append((first + order).tolist())
            first += count
        return orders


def read_classes(
    folders: Sequence[Path],
    pieces: int,
    *,
    sample_rate: int | None = None,
    n_fft: int | None = None,
    highpass: float | None = None,
    progress: Progress | None = None,
) -> Recordings:
    """Reads every file below each folder, a class each; below each of its folders, where there is one.

    Each recording is mixed to one channel, resampled to the lowest rate of all, at most 16 kHz, and cut
    into up to eight pieces of `pieces` n_fft, evenly spread, of unit power; zeros follow a shorter one. A
    file that cannot be read is left out, with a warning.

    Args:
        sample_rate: Hz; None: as above.
        n_fft: samples; None: the power of two nearest to 64 ms.
        highpass: Hz; None: no filter.

    Raises:
        InputError: there are not two classes of two recordings each, or the rate is too low.
    """
    files = class_files(folders)
    paths = [(path, label) for label, own in enumerate(files.values()) for path in own]
    headers, warnings, found = [], list[str](), list[Recording]()
    for path, _ in paths:
        with suppress(InputError):  # reading it brings the warning
            headers.append(probe(path))
    rates = (seen.sample_rate for seen in headers if seen is not None)
    rate = sample_rate or min([HIGHEST_RATE, *rates])
    size = n_fft or 2 ** round(float(np.log2(N_FFT_SECONDS * rate)))
    if size < SMALLEST_N_FFT:
        raise InputError(
            f"{printable(folders[0])}: a recording has {rate:g} Hz, too low for the network: "
            f"at least {SMALLEST_N_FFT / N_FFT_SECONDS / 2**0.5:.0f} Hz are needed"
        )
    most = min(max(MOST_IN_ALL // max(len(paths), 1), 1), MOST_PIECES)
    for done, (path, label) in enumerate(paths, start=1):
        try:
            cut = _pieces(path, rate, size, pieces * size, most, highpass)
            found.append(Recording(path, label, cut))
        except InputError as error:
            warnings.append(f"left out: {error}")
        tell(progress, "read", done, len(paths))
    recordings = Recordings(tuple(files), float(rate), size, found, tuple(warnings))
    for name, count in recordings.counts.items():
        check_count(name, count, warnings)
    return recordings


def _pieces(
    path: Path, rate: int, n_fft: int, length: int, most: int, highpass: float | None
) -> Tensor:
    with load(path, sample_rate=rate, highpass=highpass) as signal:
        if signal.length < n_fft:
            raise InputError(
                f"{printable(path)}: {signal.length} samples at {rate} Hz are too short: "
                f"at least {n_fft} are needed"
            )
        count = min(max(signal.length // length, 1), most)
        starts = np.linspace(0, max(signal.length - length, 0), count).astype(int)
        cut = np.zeros((count, length), np.float32)
        for row, start in zip(cut, starts, strict=True):
            part = signal.samples[:, int(start) : int(start) + length][0]
            row[: len(part)] = part
        level = np.sqrt(np.mean(np.square(cut), axis=1, keepdims=True))
        return torch.from_numpy(cut / np.maximum(level, 1e-6 * signal.peak))
