"""Whatever was learned, the signal comes back from the transform, edges included."""

import numpy as np
import torch

from dstft_cli.stft import istft, stft
from fit.cases import HOP_MODES, WINDOW_MODES, each, optimize

RATE = 8000


def speech_like() -> np.ndarray:
    """Gliding harmonics, a click, a pause and noise, loud up to both ends."""
    n = np.arange(5003)
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(n / 900)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 6)) * (np.sin(n / 700) > -0.6)
    x = voice + 0.05 * np.random.default_rng(4).standard_normal(len(n))
    x[2500] += 8
    return x.astype(np.float32)


@each("overlap", [0.5, 0.9])
@each("hop_mode", HOP_MODES)
@each("window_mode", WINDOW_MODES)
def test_the_signal_comes_back(window_mode, hop_mode, overlap):
    x = speech_like()
    result = optimize(
        x,
        RATE,
        n_fft=256,
        hop_length=60,
        win_length=128 if overlap == 0.5 else 70,
        window_mode=window_mode,
        hop_mode=hop_mode,
        overlap=overlap,
        max_steps=20,
    )
    centers = torch.from_numpy(result.frame_centers)
    lengths = torch.from_numpy(result.window_length)
    X = stft(torch.from_numpy(x), centers, lengths, 256)
    back = istft(X, centers, lengths, 256, len(x)).numpy()
    error = np.linalg.norm(back - x) / np.linalg.norm(x)
    assert error <= (1e-4 if len(lengths) > 1 else 1e-5)
    if hop_mode == "constant" or (hop_mode == "time" and len(lengths) == 1):
        uniform = 60 * np.arange(len(centers))  # short windows in some bin can leave no room
        assert np.abs(result.frame_centers - uniform).max() > 0.1
