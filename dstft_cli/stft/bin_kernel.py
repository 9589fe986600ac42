"""The transform with one window per bin, `θ` `[F, 1]`, at whole centres: one matrix for all frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dstft_cli.stft.each_block import each_block
from dstft_cli.stft.layout import Block, Gradients, Layout, Needs
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import offsets, window, window_and_slope


def bins_forward(
    transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor, X: Tensor
) -> None:
    """Fills `X`, `[C, T, F]`."""
    cosines, sines = (part.T for part in _matrices(transform, lengths))

    def work(block: Block) -> None:
        frames = layout.frames(signal[block.channels], block.start, block.stop).contiguous()
        X[block.channels, block.start : block.stop] = torch.complex(
            frames @ cosines, frames @ sines
        )

    for _ in each_block(work, layout, signal, lengths):
        pass


def bins_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Gradients with respect to signal and lengths: that of the matrices, then that of their lengths."""
    cosines, sines = _matrices(transform, lengths)

    def pull(block: Block) -> tuple[Block, Tensor | None, Tensor | None, Tensor | None]:
        frames = layout.frames(signal[block.channels], block.start, block.stop).contiguous()
        g = G[block.channels, block.start : block.stop].resolve_conj()
        real, imaginary = g.real.contiguous(), g.imag.contiguous()
        by_signal = by_cosines = by_sines = None
        if needs[0]:
            by_signal = layout.fold(real @ cosines + imaginary @ sines)
        if needs[2]:
            flat = frames.flatten(0, 1)
            by_cosines = real.flatten(0, 1).T @ flat
            by_sines = imaginary.flatten(0, 1).T @ flat
        return block, by_signal, by_cosines, by_sines

    total = layout.empty_total(signal) if needs[0] else None
    by_cosines, by_sines = torch.zeros_like(cosines), torch.zeros_like(sines)
    for block, part, more_cosines, more_sines in each_block(pull, layout, signal, lengths):
        if total is not None and part is not None:
            layout.add(total[block.channels], part, block.start, block.stop)
        if more_cosines is not None and more_sines is not None:
            by_cosines += more_cosines
            by_sines += more_sines
    by_length = None
    if needs[2]:
        cosines, sines = turns(transform, lengths)
        u = offsets(transform.n_fft, lengths)
        slopes = window_and_slope(u, lengths, transform.window, transform.normalization)[1]
        by_window = by_cosines.mul_(cosines).add_(by_sines.mul_(sines))
        by_length = torch.linalg.vecdot(by_window, slopes)[:, None]
    return total[:, :-1] if total is not None else None, None, by_length


def _matrices(transform: Transform, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and negative sines under the windows of lengths `[F, 1]`, each `[F, K]`."""
    names = (transform.window, transform.normalization)
    w = window(offsets(transform.n_fft, lengths), lengths, *names)
    cosines, sines = turns(transform, lengths)
    return cosines.mul_(w), sines.mul_(w)


def turns(transform: Transform, like: Tensor) -> tuple[Tensor, Tensor]:
    """`cos` and `−sin` of `2π f k / K`, each `[F, K]`, k counted from the start of the frame."""
    K = transform.n_fft
    table = torch.arange(K, dtype=torch.float64, device=like.device) * (2 * math.pi / K)
    f = torch.arange(transform.bins, device=like.device)
    turns = torch.outer(f, torch.arange(K, device=like.device)) % K
    return table.cos().to(like.dtype)[turns], table.sin().neg().to(like.dtype)[turns]
