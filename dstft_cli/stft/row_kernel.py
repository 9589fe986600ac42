"""The transform with one window for all bins of a frame, `θ` `[1, 1]` or `[1, T]`: one FFT per frame."""

from __future__ import annotations

import torch
from torch import Tensor

from dstft_cli.stft.each_block import Sums, each_block
from dstft_cli.stft.layout import Block, Gradients, Layout, Needs, of_frames
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import offsets, window, window_and_slope, window_derivatives


def rows_forward(
    transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor, X: Tensor
) -> None:
    """Fills `X`, `[C, T, F]`."""
    shared = lengths.shape[1] == 1 and layout.centers is None
    one = _even_rows(transform, lengths)[0] if shared else None

    def work(block: Block) -> None:
        frames = layout.frames(signal[block.channels], block.start, block.stop)
        w = one if one is not None else _windows(transform, layout, lengths, block, signal.dtype)
        X[block.channels, block.start : block.stop] = torch.fft.rfft(frames * w)

    for _ in each_block(work, layout, signal, lengths):
        pass


def rows_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Gradients with respect to signal, centres and lengths, where needed."""
    one = lengths.shape[1] == 1
    shared = _even_rows(transform, lengths) if one and layout.centers is None else None
    half = _half_weights(transform, signal)

    def work(block: Block) -> tuple[Block, Gradients]:
        frames = layout.frames(signal[block.channels], block.start, block.stop)
        g = torch.view_as_real(G[block.channels, block.start : block.stop].resolve_conj())
        w, by_theta, by_t = shared or _rows(transform, layout, lengths, block, signal.dtype)
        if shared and not needs[0]:  # the transform with ∂w/∂θ costs less than the way back
            dX = torch.view_as_real(torch.fft.rfft(frames * by_theta))
            return block, (None, None, torch.dot(g.flatten(), dX.flatten()).reshape(1, 1))
        weighted = torch.view_as_complex((g * half).contiguous())
        y = torch.fft.irfft(weighted, n=transform.n_fft, norm="forward")
        by_center = by_length = None
        if needs[1] or needs[2]:
            by_window = (frames * y).sum(0)
            if needs[2]:
                by_length = _summed(by_window, by_theta, one)
            if needs[1] and by_t is not None:
                by_center = torch.linalg.vecdot(by_window, by_t)
        by_frames = layout.folded(y.mul_(w)) if needs[0] else None
        return block, (by_frames, by_center, by_length)

    sums = Sums(layout, signal, lengths, needs)
    for block, parts in each_block(work, layout, signal, lengths):
        sums.add(block, parts)
    return sums.gradients()


def _windows(
    transform: Transform, layout: Layout, lengths: Tensor, block: Block, dtype: torch.dtype
) -> Tensor:
    """Rows of `w`, `[n or 1, K]`."""
    theta = of_frames(lengths, block)
    fractions = layout.fractions(block.start, block.stop, dtype)
    if fractions is None:
        return _even_rows(transform, theta)[0]
    u = offsets(transform.n_fft, lengths) - fractions[:, None]
    return window(u, theta[0][:, None], transform.window, transform.normalization)


def _rows(
    transform: Transform, layout: Layout, lengths: Tensor, block: Block, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows of `w`, `∂w/∂θ` and, between samples, `∂w/∂t`, each `[n or 1, K]`."""
    theta = of_frames(lengths, block)
    fractions = layout.fractions(block.start, block.stop, dtype)
    if fractions is None:
        return _even_rows(transform, theta)
    u = offsets(transform.n_fft, lengths) - fractions[:, None]
    names = (transform.window, transform.normalization)
    return window_derivatives(u, theta[0][:, None], *names)


def _even_rows(transform: Transform, lengths: Tensor) -> tuple[Tensor, Tensor, None]:
    """Rows of `w` and `∂w/∂θ` at whole centres for lengths `[1, n]`: computed by halves."""
    half = torch.arange(transform.bins, dtype=lengths.dtype, device=lengths.device)
    names = (transform.window, transform.normalization)
    theta = lengths[0][:, None]
    return *window_and_slope(half[None, :], theta, *names, mirror=transform.n_fft), None


def _half_weights(transform: Transform, like: Tensor) -> Tensor:
    """1 for bins that stand for themselves, ½ for those that stand for two, `[F, 1]`."""
    half = torch.full((transform.bins, 1), 0.5, dtype=like.dtype, device=like.device)
    half[0] = 1.0
    if transform.n_fft % 2 == 0:
        half[-1] = 1.0
    return half


def _summed(by_window: Tensor, slopes: Tensor, one: bool) -> Tensor:
    """Gradient of lengths, `[1, 1]` for one or `[1, n]`, from that of window rows `[n, K]`."""
    if one and len(slopes) == 1:
        return torch.dot(by_window.sum(0), slopes[0]).reshape(1, 1)
    per_frame: Tensor = torch.linalg.vecdot(by_window, slopes)
    return per_frame.sum().reshape(1, 1) if one else per_frame[None, :]
