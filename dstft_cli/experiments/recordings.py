"""One folder of recordings a class, cut into pieces of one length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dstft_cli.audio import load, probe
from dstft_cli.errors import InputError, printable
from dstft_cli.experiments.training import Data

HIGHEST_RATE = 16_000  # Hz; recordings at a higher one are resampled
N_FFT_SECONDS = 0.064
SMALLEST_N_FFT = 16  # samples: the network sees nine bins at a time
MOST_PIECES = 8  # of one recording
HELD_OUT = 0.3  # of the recordings of a class


@dataclass(frozen=True)
class Recordings:
    """Pieces of every recording.

    Attributes:
        classes: names of the folders, sorted.
        sample_rate: Hz.
        n_fft: the power of two nearest to 64 ms, samples.
        pieces: `[P, N]` of each recording of each class.
    """

    classes: tuple[str, ...]
    sample_rate: float
    n_fft: int
    pieces: Sequence[Sequence[Tensor]]

    @property
    def counts(self) -> Mapping[str, int]:
        """Recordings per class."""
        return {name: len(own) for name, own in zip(self.classes, self.pieces, strict=True)}

    def split(self, seed: int) -> Data:
        """Three of ten recordings of every class held out, at least one; no recording on both sides."""
        generator = torch.Generator().manual_seed(seed)
        sides: list[list[Tensor]] = [[], []]
        labels: list[list[int]] = [[], []]
        for label, own in enumerate(self.pieces):
            order = torch.randperm(len(own), generator=generator).tolist()
            held_out = min(max(round(HELD_OUT * len(own)), 1), len(own) - 1)
            for rank, index in enumerate(order):
                side = 1 if rank < held_out else 0
                sides[side].append(own[index])
                labels[side] += [label] * len(own[index])
        return Data(
            torch.cat(sides[0]),
            torch.tensor(labels[0]),
            torch.cat(sides[1]),
            torch.tensor(labels[1]),
        )


def read_classes(folder: Path, pieces: int) -> Recordings:
    """Reads every file in every folder below `folder`; names that begin with a dot are left out.

    Each recording is mixed to one channel, resampled to the lowest rate of all, at most 16 kHz,
    and cut into up to eight pieces, evenly spread, each of unit power; one shorter than a piece is
    followed by zeros.

    Args:
        folder: holds one folder for each class.
        pieces: duration of a piece, in n_fft.

    Raises:
        InputError: no folder, fewer than two classes, fewer than two recordings in one, a
            recording that cannot be read or is shorter than n_fft.
    """
    files = _files(folder)
    rates = [_rate(path) for own in files.values() for path in own]
    rate = min(*rates, HIGHEST_RATE)
    n_fft = 2 ** round(float(np.log2(N_FFT_SECONDS * rate)))
    if n_fft < SMALLEST_N_FFT:
        raise InputError(
            f"{printable(folder)}: a recording has {rate:g} Hz, too low for the network: "
            f"at least {SMALLEST_N_FFT / N_FFT_SECONDS / 2**0.5:.0f} Hz are needed"
        )
    cut = [[_pieces(path, rate, n_fft, pieces * n_fft) for path in own] for own in files.values()]
    return Recordings(tuple(files), float(rate), n_fft, cut)


def _files(folder: Path) -> dict[str, list[Path]]:
    """Recordings of each class; InputError where there are not enough of either."""
    if not folder.is_dir():
        raise InputError(f"{printable(folder)}: no such folder: --data needs one folder per class")
    classes = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if len(classes) < 2:
        raise InputError(
            f"{printable(folder)} holds {len(classes)} folders: --data needs at least two "
            "classes, one folder of recordings each"
        )
    files = {}
    for path in classes:
        files[printable(path.name)] = own = sorted(
            file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
        )
        if len(own) < 2:
            raise InputError(
                f"{printable(path)} holds {len(own)} recordings: at least two are needed, "
                "one to learn from and one held out"
            )
    return files


def _rate(path: Path) -> int:
    rate = probe(path)
    if rate is None:
        raise InputError(f"{printable(path)}: is a pipe: copy it to a file")
    return rate


def _pieces(path: Path, rate: int, n_fft: int, length: int) -> Tensor:
    """`[P, length]`."""
    with load(path, sample_rate=rate) as signal:
        if signal.length < n_fft:
            raise InputError(
                f"{printable(path)}: {signal.length} samples at {rate} Hz are too short: "
                f"at least {n_fft} are needed, remove it"
            )
        count = min(max(signal.length // length, 1), MOST_PIECES)
        starts = np.linspace(0, max(signal.length - length, 0), count).astype(int)
        cut = np.zeros((count, length), np.float32)
        for row, start in zip(cut, starts, strict=True):
            part = signal.samples[:, int(start) : int(start) + length][0]
            row[: len(part)] = part
        level = np.sqrt(np.mean(np.square(cut), axis=1, keepdims=True))
        return torch.from_numpy(cut / np.maximum(level, 1e-6 * signal.peak))
