"""Frames in blocks equal the frames of the formula, and their spectra the transform."""

from dataclasses import dataclass
from itertools import product
from unittest import mock

import numpy as np
import torch
from fit.cases import each

from dstft_cli.stft import Frames, Transform, bank, spectra, stft
from dstft_cli.stft.bank import MatrixBank
from stft.reference import noise


def frames_by_index(x: torch.Tensor, centers: np.ndarray, n_fft: int) -> torch.Tensor:
    """Frames `[C, T, K]` by the formula."""
    frames = torch.zeros(len(x), len(centers), n_fft, dtype=x.dtype)
    for i, t in enumerate(centers):
        n = int(np.floor(t)) + torch.arange(n_fft) - n_fft // 2
        inside = (n >= 0) & (n < x.shape[1])
        frames[:, i, inside] = x[:, n[inside]]
    return frames


@dataclass
class OnDisk:
    """Only what a signal must have: a shape and slices `[:, a:b]` of an array."""

    data: np.ndarray

    @property
    def shape(self):
        return self.data.shape

    def __getitem__(self, index):
        channels, samples = index
        assert channels == slice(None)
        assert 0 <= samples.start <= samples.stop <= self.shape[1]
        return self.data[:, samples]


CENTERS = {
    "uniform: a view": np.arange(0, 61, 4.0),
    "floors at uneven distances: a gather": np.arange(0, 61, 4.3),
    "uneven": np.array([0.0, 1.0, 1.5, 30.0, 60.0]),
    "one frame": np.array([17.25]),
    "beyond the end of the signal": np.array([0.0, 100.0, 200.0]),
    "so far that what lies between is not read": np.array([0.0, 30.0, 200_000.0]),
}


@each("centers", CENTERS.values())
def test_blocks_of_frames(centers):
    x = noise(2, 60)
    for n_fft in (16, 15):
        whole = frames_by_index(x, centers, n_fft)
        frames = Frames(OnDisk(x.numpy()), centers, n_fft, dtype=torch.float64)
        assert len(frames) == len(centers)
        for size in (1, 2, 3, len(centers)):
            for start in range(0, len(centers), size):
                stop = min(start + size, len(centers))
                block = frames.block(start, stop)
                assert block.shape == (2, stop - start, n_fft)
                torch.testing.assert_close(block, whole[:, start:stop], rtol=0, atol=0)


def test_uniform_frames_share_the_memory_of_the_signal():
    frames = Frames(noise(1, 4096), np.arange(0, 4000, 4.0), 512, dtype=torch.float64)
    block = frames.block(100, 900)
    assert block.untyped_storage().nbytes() <= 4096 * 8


def test_spectra_in_blocks_equal_the_transform():
    kinds, threads = ("one", "frames", "bins", "cells"), 1
    for hop, kind in product((1.0, 0.75, 0.7919), kinds):
        threads = 3 - threads  # two and one by turns
        N, K = (20_000, 32) if kind in ("one", "frames") else (2500, 512)
        x, centers = noise(2, N), np.arange(0, N + 1, hop)
        lengths = {
            "one": np.array([[21.5]]),
            "frames": np.linspace(9.0, 31.0, len(centers))[None, :],
            "bins": np.repeat([[300.0], [512.0]], [57, 200], 0),
            "cells": np.repeat([[300.0], [512.0]], [57, 200], 0).repeat(len(centers), 1),
        }[kind]
        frames = Frames(x, centers, K, dtype=torch.float64)
        transform = Transform(K, "blackman", "amplitude")
        parts = list(spectra(frames, transform, lengths, threads=threads))
        sizes = [X.shape[1] for _, X in parts]
        assert len(parts) > 1
        assert [start for start, _ in parts] == np.cumsum([0, *sizes[:-1]]).tolist()
        whole = torch.cat([X for _, X in parts], dim=1).transpose(1, 2)
        some = np.array([0, 1, 2, len(centers) // 2, len(centers) - 1])
        theta = torch.from_numpy(lengths if lengths.shape[1] == 1 else lengths[:, some])
        names = {"window": "blackman", "normalization": "amplitude"}
        expected = stft(x, torch.from_numpy(centers[some]), theta, K, **names)
        torch.testing.assert_close(whole[..., some], expected, rtol=1e-11, atol=1e-11)


@each("fraction", [0.0, 0.37])
def test_a_bank_in_parts_or_kept_all_gives_the_same(fraction):
    rng, transform = np.random.default_rng(3), Transform(128)
    theta = torch.from_numpy(np.append(128, rng.uniform(4, 128, 64)))
    centers = np.array([0.0, 13, 14, 60, 149]) + fraction
    frames = Frames(noise(2, 150), centers, 128, dtype=torch.float64).block(0, 5)
    whole = MatrixBank(transform, theta, fraction, slopes=True)
    with mock.patch.object(bank, "_MATRIX_BYTES", 20000):
        parted, kept = (
            MatrixBank(transform, theta, fraction, slopes=True, keep=keep) for keep in (False, True)
        )
        plain = [MatrixBank(transform, theta, fraction, keep=keep) for keep in (False, True)]
    assert parted.block > whole.block == kept.block == 1
    G = torch.view_as_complex(noise(2, 5, 65, 2))
    for other in (parted, kept):
        torch.testing.assert_close(other.parts(frames), whole.parts(frames))
        torch.testing.assert_close(other.spectra(frames), whole.spectra(frames))
    torch.testing.assert_close(*(one.adjoint(G) for one in plain))
