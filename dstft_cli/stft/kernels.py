"""The transform of a block of frames, and of a whole signal in blocks, with its adjoint derivatives.

For a real loss `L` and `G = ∂L/∂X` in torch's convention, `dL = Re Σ Ḡ dX`, the gradient with respect
to a windowed frame is `y[k] = Re Σ_f G[f] exp(2πj f k / K)`, an inverse FFT of G with half the weight where
a bin stands for two. With it,

    ∂L/∂frame = w·y,    ∂L/∂θ_i = Σ_k frame·y·∂w/∂θ = Re Σ_f Ḡ ∂X/∂θ,    ∂L/∂t_i = Σ_k frame·y·∂w/∂t,

and the gradient with respect to the signal adds up the first over frames. Blocks are computed again from
signal, centres and lengths, so nothing of the size of all frames is kept.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, equations of sections II and III.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.cell_kernel import CellKernel, Gradients, Needs, bands
from dstft_cli.stft.layout import Block, Layout
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import window, window_and_slope, window_derivatives

Done = TypeVar("Done")

_BLOCK_SAMPLES = {"cpu": 1 << 18}  # of frames at a time: what fits the cache
_LARGE_BLOCK_SAMPLES = 1 << 25  # where there is none to fit
_MOST_CHANNELS = 16  # that share the windows of a block


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
    u = _offsets(transform, lengths)[None, :]
    if fractions is not None:
        u = u - fractions[:, None]
    names = (transform.window, transform.normalization)
    if lengths.shape[0] == 1:
        X: Tensor = torch.fft.rfft(frames * window(u, lengths[0][:, None], *names))
        return X
    w = window(u[:, None, :], lengths.T[:, :, None], *names)
    cosines, sines = _turns(transform, lengths)
    if len(w) == 1:
        return torch.complex(frames @ (w[0] * cosines).T, frames @ (w[0] * sines).T)
    rows = frames.transpose(0, 1)
    real = rows @ (w * cosines).transpose(1, 2)
    imaginary = rows @ (w * sines).transpose(1, 2)
    return torch.complex(real, imaginary).transpose(0, 1)


def forward(transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor) -> Tensor:
    """`X`, complex `[C, T, F]`, of a signal `[C, N]`."""
    kind = torch.complex64 if signal.dtype == torch.float32 else torch.complex128
    X = signal.new_empty((signal.shape[0], layout.count, transform.bins), dtype=kind)
    if _per_cell(layout, lengths):
        _cells_forward(transform, layout, signal, lengths, X)
        return X
    spectra = _spectra_of(transform, layout, signal, lengths)

    def work(block: Block) -> None:
        X[block.channels, block.start : block.stop] = spectra(block)

    for _ in _each(work, layout, signal, lengths):
        pass
    return X


def backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Gradients with respect to signal `[C, N]`, centres `[T]` and lengths, where needed.

    Args:
        G: gradient with respect to X, `[C, T, F]`.
        needs: which gradients to compute; the others are None.
    """
    if _per_cell(layout, lengths):
        return _cells_backward(transform, layout, G, signal, lengths, needs)
    if lengths.shape[0] > 1:
        return _bins_backward(transform, layout, G, signal, lengths, needs)
    pull = _rows_backward(transform, layout, G, signal, lengths, needs)
    by_signal = layout.empty_total(signal) if needs[0] else None
    by_center = signal.new_zeros(layout.count) if needs[1] else None
    by_length = torch.zeros_like(lengths) if needs[2] else None
    for block, parts in _each(lambda block: (block, pull(block)), layout, signal, lengths):
        if by_signal is not None and parts[0] is not None:
            layout.add(by_signal[block.channels], parts[0], block.start, block.stop)
        if by_center is not None and parts[1] is not None:
            by_center[block.start : block.stop] += parts[1]
        if by_length is not None and parts[2] is not None:
            _of_frames(by_length, block).add_(parts[2])
    return by_signal[:, :-1] if by_signal is not None else None, by_center, by_length


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
        variables = [G[block.channels, start:stop], frames, fractions, _of_frames(lengths, block)]
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
                total = total + (_of_frames(along_length, block) * slopes[2]).sum()
        found = torch.autograd.grad(total, variables, materialize_grads=True)
        return block, (found[0], _folded(layout, found[1]), *found[2:])

    for block, found in _each(work, layout, signal, lengths, windows=lengths.shape[0]):
        by_G[block.channels, block.start : block.stop] = found[0]
        layout.add(by_signal[block.channels], found[1], block.start, block.stop)
        by_center[block.start : block.stop] += found[2]
        _of_frames(by_length, block).add_(found[3])
    return by_G, by_signal[:, :-1], by_center, by_length


def _spectra_of(
    transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor
) -> Callable[[Block], Tensor]:
    """`X` of a block, `[C, n, F]`, where cells share windows; what all blocks share is computed here."""
    if lengths.shape[0] == 1 and layout.centers is None:
        shared = _even_rows(transform, lengths)[0] if lengths.shape[1] == 1 else None

        def even(block: Block) -> Tensor:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            w = _even_rows(transform, _of_frames(lengths, block))[0] if shared is None else shared
            X: Tensor = torch.fft.rfft(frames * w)
            return X

        return even
    if lengths.shape[0] > 1:
        cosines, sines = (part.T for part in _matrices(transform, lengths))

        def product(block: Block) -> Tensor:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            frames = frames.contiguous()
            return torch.complex(frames @ cosines, frames @ sines)

        return product

    def between_samples(block: Block) -> Tensor:
        frames = layout.frames(signal[block.channels], block.start, block.stop)
        fractions = layout.fractions(block.start, block.stop, signal.dtype)
        return block_spectra(transform, frames, fractions, _of_frames(lengths, block))

    return between_samples


def _rows_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Callable[[Block], Gradients]:
    """For lengths `[1, 1]` and `[1, T]`."""
    one = lengths.shape[1] == 1
    shared = _even_rows(transform, lengths) if one and layout.centers is None else None
    half = _half_weights(transform, signal)

    def pull(block: Block) -> Gradients:
        frames = layout.frames(signal[block.channels], block.start, block.stop)
        g = torch.view_as_real(G[block.channels, block.start : block.stop].resolve_conj())
        w, by_theta, by_t = shared or _rows(transform, layout, lengths, block, signal.dtype)
        if shared and not needs[0]:  # the transform with ∂w/∂θ costs less than the way back
            dX = torch.view_as_real(torch.fft.rfft(frames * by_theta))
            return None, None, torch.dot(g.flatten(), dX.flatten()).reshape(1, 1)
        weighted = torch.view_as_complex((g * half).contiguous())
        y = torch.fft.irfft(weighted, n=transform.n_fft, norm="forward")
        by_center = by_length = None
        if needs[1] or needs[2]:
            by_window = (frames * y).sum(0)
            if needs[2]:
                by_length = _summed(by_window, by_theta, one)
            if needs[1] and by_t is not None:
                by_center = torch.linalg.vecdot(by_window, by_t)
        return _folded(layout, y.mul_(w)) if needs[0] else None, by_center, by_length

    return pull


def _bins_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """For lengths `[F, 1]` at whole centres: the gradient of the matrices, then that of their lengths."""
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
    for block, part, more_cosines, more_sines in _each(pull, layout, signal, lengths):
        if total is not None and part is not None:
            layout.add(total[block.channels], part, block.start, block.stop)
        if more_cosines is not None and more_sines is not None:
            by_cosines += more_cosines
            by_sines += more_sines
    by_length = None
    if needs[2]:
        turns = _turns(transform, lengths)
        u = _offsets(transform, lengths)
        slopes = window_and_slope(u, lengths, transform.window, transform.normalization)[1]
        by_window = (by_cosines.mul_(turns[0])).add_(by_sines.mul_(turns[1]))
        by_length = torch.linalg.vecdot(by_window, slopes)[:, None]
    return total[:, :-1] if total is not None else None, None, by_length


def _per_cell(layout: Layout, lengths: Tensor) -> bool:
    """Whether every cell has a window of its own: `[F, T]`, and `[F, 1]` between samples."""
    return lengths.shape[0] > 1 and (lengths.shape[1] > 1 or layout.centers is not None)


def _cells_forward(
    transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor, X: Tensor
) -> None:
    """Fills `X`, `[C, T, F]`, band by band."""
    for bins in bands(transform):
        kernel = CellKernel(transform, bins, signal, whole=layout.centers is None)

        def work(block: Block, kernel: CellKernel = kernel) -> None:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            fractions = layout.fractions(block.start, block.stop, signal.dtype)
            part = kernel.spectra(frames, fractions, _of_frames(lengths, block))
            X[block.channels, block.start : block.stop, kernel.bins] = part

        for _ in _each(work, layout, signal, lengths, windows=bins.stop - bins.start):
            pass


def _cells_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Where every cell has a window of its own, band by band."""
    by_signal = layout.empty_total(signal) if needs[0] else None
    by_center = signal.new_zeros(layout.count) if needs[1] else None
    by_length = torch.zeros_like(lengths) if needs[2] else None
    for bins in bands(transform):
        kernel = CellKernel(transform, bins, signal, whole=layout.centers is None)

        def work(block: Block, kernel: CellKernel = kernel) -> tuple[Block, Gradients]:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            fractions = layout.fractions(block.start, block.stop, signal.dtype)
            g = G[block.channels, block.start : block.stop, kernel.bins].resolve_conj()
            theta = _of_frames(lengths, block)
            by_frames, *others = kernel.gradients(g, frames, fractions, theta, needs)
            return block, (None if by_frames is None else _folded(layout, by_frames), *others)

        for block, parts in _each(work, layout, signal, lengths, windows=bins.stop - bins.start):
            if by_signal is not None and parts[0] is not None:
                layout.add(by_signal[block.channels], parts[0], block.start, block.stop)
            if by_center is not None and parts[1] is not None:
                by_center[block.start : block.stop] += parts[1]
            if by_length is not None and parts[2] is not None:
                _of_frames(by_length, block)[bins].add_(parts[2])
    return by_signal[:, :-1] if by_signal is not None else None, by_center, by_length


def _each(
    work: Callable[[Block], Done],
    layout: Layout,
    signal: Tensor,
    lengths: Tensor,
    *,
    windows: int = 1,
) -> Iterator[Done]:
    """`work` of all blocks, in order, on as many threads as torch uses; `windows`: of each frame."""
    samples = max(_BLOCK_SAMPLES.get(signal.device.type, _LARGE_BLOCK_SAMPLES) // windows, 1)
    most_channels = 1 if lengths.shape == (1, 1) and layout.centers is None else _MOST_CHANNELS
    blocks: Iterable[Block] = layout.blocks(signal.shape[0], samples, most_channels=most_channels)
    threads = 1
    if signal.device.type == "cpu":
        blocks = list(blocks)
        threads = min(torch.get_num_threads(), len(blocks)) or 1
    inference = torch.is_inference_mode_enabled()

    def here(block: Block) -> Done:
        # threads do not inherit modes; inside an operator, the first brings autograd's own back
        with torch.inference_mode(inference), torch.no_grad():
            return work(block)

    return map_in_order(here, blocks, threads)


def _rows(
    transform: Transform, layout: Layout, lengths: Tensor, block: Block, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Rows of `w`, `∂w/∂θ` and, between samples, `∂w/∂t`, each `[n or 1, K]`."""
    theta = _of_frames(lengths, block)
    fractions = layout.fractions(block.start, block.stop, dtype)
    if fractions is None:
        return _even_rows(transform, theta)
    u = _offsets(transform, lengths) - fractions[:, None]
    names = (transform.window, transform.normalization)
    return window_derivatives(u, theta[0][:, None], *names)


def _even_rows(transform: Transform, lengths: Tensor) -> tuple[Tensor, Tensor, None]:
    """Rows of `w` and `∂w/∂θ` at whole centres for lengths `[1, n]`: computed by halves."""
    half = torch.arange(transform.bins, dtype=lengths.dtype, device=lengths.device)
    names = (transform.window, transform.normalization)
    theta = lengths[0][:, None]
    return *window_and_slope(half[None, :], theta, *names, mirror=transform.n_fft), None


def _matrices(transform: Transform, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and negative sines under the windows of lengths `[F, 1]`, each `[F, K]`."""
    names = (transform.window, transform.normalization)
    w = window(_offsets(transform, lengths), lengths, *names)
    cosines, sines = _turns(transform, lengths)
    return cosines.mul_(w), sines.mul_(w)


def _turns(transform: Transform, like: Tensor) -> tuple[Tensor, Tensor]:
    """`cos` and `−sin` of `2π f k / K`, each `[F, K]`, k counted from the start of the frame."""
    K = transform.n_fft
    table = torch.arange(K, dtype=torch.float64, device=like.device) * (2 * math.pi / K)
    f = torch.arange(transform.bins, device=like.device)
    turns = torch.outer(f, torch.arange(K, device=like.device)) % K
    return table.cos().to(like.dtype)[turns], table.sin().neg().to(like.dtype)[turns]


def _offsets(transform: Transform, like: Tensor) -> Tensor:
    k = torch.arange(transform.n_fft, dtype=like.dtype, device=like.device)
    return k - transform.n_fft // 2


def _half_weights(transform: Transform, like: Tensor) -> Tensor:
    """1 for bins that stand for themselves, ½ for those that stand for two, `[F, 1]`."""
    half = torch.full((transform.bins, 1), 0.5, dtype=like.dtype, device=like.device)
    half[0] = 1.0
    if transform.n_fft % 2 == 0:
        half[-1] = 1.0
    return half


def _real_inner(G: Tensor, X: Tensor) -> Tensor:
    """`Re Σ Ḡ X`."""
    inner: Tensor = (torch.view_as_real(G.resolve_conj()) * torch.view_as_real(X)).sum()
    return inner


def _summed(by_window: Tensor, slopes: Tensor, one: bool) -> Tensor:
    """Gradient of lengths, `[1, 1]` for one or `[1, n]`, from that of window rows `[n, K]`."""
    if one and len(slopes) == 1:
        return torch.dot(by_window.sum(0), slopes[0]).reshape(1, 1)
    per_frame: Tensor = torch.linalg.vecdot(by_window, slopes)
    return per_frame.sum().reshape(1, 1) if one else per_frame[None, :]


def _folded(layout: Layout, frames: Tensor) -> Tensor:
    """What `Layout.add` takes."""
    return layout.fold(frames) if layout.centers is None else frames


def _of_frames(lengths: Tensor, block: Block) -> Tensor:
    """The lengths of a block's frames, a view."""
    return lengths if lengths.shape[1] == 1 else lengths[:, block.start : block.stop]
