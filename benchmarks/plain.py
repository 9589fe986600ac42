"""The gradient as one would write it in PyTorch without this package: autograd through all of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def entropy(signal: Tensor, n_fft: int, hop_length: int, lengths: Tensor) -> Tensor:
    """Entropy of |X| under Hann windows of these lengths, for autograd to go back through.

    Where one window serves all bins of a frame, an FFT per frame; else the sums of the transform
    themselves, with all windows `[T, F, K]` in memory where they also vary over time.

    Args:
        signal: `[N]`.
        n_fft: K, even, samples.
        hop_length: samples.
        lengths: samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`.

    Returns:
        Nats, a scalar.
    """
    count = 1 + len(signal) // hop_length
    padded = torch.nn.functional.pad(signal, (n_fft // 2, n_fft))
    frames = padded.as_strided((count, n_fft), (hop_length, 1))
    k = torch.arange(n_fft, dtype=signal.dtype) - n_fft // 2
    if lengths.shape[0] == 1:
        X = torch.fft.rfft(frames * _hann(k, lengths[0][:, None]))
        a = X.abs()
    else:
        turns = torch.outer(torch.arange(len(lengths)), torch.arange(n_fft)) % n_fft
        angle = (turns * (2 * math.pi / n_fft)).to(signal.dtype)
        if lengths.shape[1] == 1:
            w = _hann(k, lengths)
            real, imaginary = frames @ (w * angle.cos()).T, frames @ (w * angle.sin()).T
        else:
            rows = frames[:, None, :] * _hann(k, lengths.T[..., None])
            real, imaginary = (rows * angle.cos()).sum(-1), (rows * angle.sin()).sum(-1)
        a = (real.square() + imaginary.square() + 1e-30).sqrt()
    total = a.sum()
    value: Tensor = total.log() - torch.special.xlogy(a, a).sum() / total
    return value


def _hann(k: Tensor, lengths: Tensor) -> Tensor:
    """`w(k; θ)`, zero where `|k| > θ/2`."""
    inside = k.abs() <= lengths / 2
    return torch.where(inside, 0.5 + 0.5 * torch.cos(2 * math.pi * k / lengths), 0.0)
