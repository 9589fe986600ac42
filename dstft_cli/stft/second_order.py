"""Second derivatives of the transform: each block is differentiated by autograd, and once more."""

from __future__ import annotations

import torch
from torch import Tensor

from dstft_cli.stft.bin_kernel import turns
from dstft_cli.stft.each_block import each_block
from dstft_cli.stft.layout import Block, Gradients, Layout, of_frames
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import offsets, window


def block_spectra(
    transform: Transform, frames: Tensor, fractions: Tensor | None, lengths: Tensor
) -> Tensor:
    """`X` of a block by operations that autograd can follow, any number of times.

    Args:
        transform: FFT size K, window family, normalization.
        frames: `[C, n, K]`.
        fractions: fractional parts of the centres, samples, `[n]`; None: all are whole.
        lengths: window lengths, samples, `[1, 1]`, `[1, n]`, `[F, 1]` or `[F, n]`.

    Returns:
        Complex `[C, n, F]`.
    """
    u = offsets(transform.n_fft, lengths)[None, :]
    if fractions is not None:
        u = u - fractions[:, None]
    names = (transform.window, transform.normalization)
    if lengths.shape[0] == 1:
        X: Tensor = torch.fft.rfft(frames * window(u, lengths[0][:, None], *names))
        return X
    w = window(u[:, None, :], lengths.T[:, :, None], *names)
    cosines, sines = turns(transform, lengths)
    if len(w) == 1:
        return torch.complex(frames @ (w[0] * cosines).T, frames @ (w[0] * sines).T)
    rows = frames.transpose(0, 1)
    real = rows @ (w * cosines).transpose(1, 2)
    imaginary = rows @ (w * sines).transpose(1, 2)
    return torch.complex(real, imaginary).transpose(0, 1)


def second_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    directions: Gradients,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `Σ directions · backward(...)` with respect to G, signal, centres and lengths.

    Args:
        directions: like what `backward` returns.
    """
    by_G = torch.zeros_like(G)
    by_signal = layout.empty_total(signal)
    by_center = signal.new_zeros(layout.count)
    by_length = torch.zeros_like(lengths)
    along_signal, along_center, along_length = directions

    def work(block: Block) -> tuple[Block, tuple[Tensor, ...]]:
        start, stop = block.start, block.stop
        frames = layout.frames(signal[block.channels], start, stop).clone()
        parts = layout.fractions(start, stop, signal.dtype)
        fractions = signal.new_zeros(stop - start) if parts is None else parts
        variables = [G[block.channels, start:stop], frames, fractions, of_frames(lengths, block)]
        with torch.enable_grad():
            variables = [variable.detach().requires_grad_() for variable in variables]
            X = block_spectra(transform, *variables[1:])
            inner = _real_inner(variables[0], X)
            slopes = torch.autograd.grad(inner, variables[1:], create_graph=True)
            total = inner * 0.0
            if along_signal is not None:
                moved = layout.frames(along_signal[block.channels], start, stop)
                total = total + (moved * slopes[0]).sum()
            if along_center is not None:
                total = total + (along_center[start:stop] * slopes[1]).sum()
            if along_length is not None:
                total = total + (of_frames(along_length, block) * slopes[2]).sum()
        found = torch.autograd.grad(total, variables, materialize_grads=True)
        return block, (found[0], layout.folded(found[1]), *found[2:])

    for block, found in each_block(work, layout, signal, lengths, windows=lengths.shape[0]):
        by_G[block.channels, block.start : block.stop] = found[0]
        layout.add(by_signal[block.channels], found[1], block.start, block.stop)
        by_center[block.start : block.stop] += found[2]
        of_frames(by_length, block).add_(found[3])
    return by_G, by_signal[:, :-1], by_center, by_length


def _real_inner(G: Tensor, X: Tensor) -> Tensor:
    """`Re Σ Ḡ X`."""
    inner: Tensor = (torch.view_as_real(G.resolve_conj()) * torch.view_as_real(X)).sum()
    return inner
