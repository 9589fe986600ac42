"""Frames in blocks equal the frames of the formula, and their spectra the transform."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dstft_cli.stft import Frames, Transform, spectra, stft


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape))


def frames_by_index(x: torch.Tensor, centers: np.ndarray, n_fft: int) -> torch.Tensor:
    """Frames `[C, T, K]` sample by sample."""
    frames = torch.zeros(len(x), len(centers), n_fft, dtype=x.dtype)
    for i, t in enumerate(centers):
        for k in range(n_fft):
            n = int(np.floor(t)) + k - n_fft // 2
            if 0 <= n < x.shape[1]:
                frames[:, i, k] = x[:, n]
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


@pytest.mark.parametrize("n_fft", [16, 15])
@pytest.mark.parametrize(
    "centers",
    [
        np.arange(0, 61, 4.0),  # uniform: a view
        np.arange(0, 61, 4.3),  # floors at uneven distances: a gather
        np.array([0.0, 1.0, 1.5, 30.0, 60.0]),
        np.array([17.25]),
        np.array([0.0, 100.0, 200.0]),  # beyond the end of the signal
    ],
    ids=["uniform", "fractional", "uneven", "one frame", "hop above the signal"],
)
def test_blocks_of_frames(centers, n_fft):
    x = noise(2, 60)
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


def test_signal_shorter_than_n_fft():
    x = noise(1, 5)
    centers = np.array([0.0, 2.0, 4.0])
    frames = Frames(x, centers, 64, dtype=torch.float64)
    torch.testing.assert_close(frames.block(0, 3), frames_by_index(x, centers, 64))


def test_frames_are_scaled_and_cast():
    frames = Frames(np.array([[1.0, 2.0, 3.0]]), np.array([1.0]), 4, scale=0.5)
    block = frames.block(0, 1)
    assert block.dtype == torch.float32
    assert block.tolist() == [[[0.0, 0.5, 1.0, 1.5]]]


def test_fractions_are_one_zero_where_all_centres_are_whole():
    x = noise(1, 20)
    assert Frames(x, np.array([0.0, 4.0, 9.0]), 8).fractions(0, 3).tolist() == [0.0]
    some = Frames(x, np.array([0.0, 4.5, 9.25]), 8).fractions(1, 3)
    assert some.tolist() == [0.5, 0.25]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("hop", [1.0, 0.75])
@pytest.mark.parametrize("per_frame", [False, True])
def test_spectra_in_blocks_equal_the_transform(threads, hop, per_frame):
    x = noise(2, 20_000)
    centers = np.arange(0, 20_001, hop)
    lengths = np.linspace(9.0, 31.0, len(centers))[None, :] if per_frame else np.array([[21.5]])
    frames = Frames(x, centers, 32, dtype=torch.float64)
    parts = list(spectra(frames, Transform(32, "blackman", "amplitude"), lengths, threads=threads))
    sizes = [X.shape[1] for _, X in parts]
    assert len(parts) > 1
    assert [start for start, _ in parts] == np.cumsum([0, *sizes[:-1]]).tolist()
    whole = torch.cat([X for _, X in parts], dim=1)
    expected = stft(
        x,
        torch.from_numpy(centers),
        torch.from_numpy(lengths),
        32,
        window="blackman",
        normalization="amplitude",
    )
    torch.testing.assert_close(whole.transpose(1, 2), expected, rtol=1e-12, atol=1e-12)
