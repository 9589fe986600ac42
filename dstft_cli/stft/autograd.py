"""The transform as an operator of torch: gradients to signal, centres and lengths, and once more.

Both passes compute block by block and keep nothing but their arguments. As operators with a shape rule
they are one node each to `torch.compile`. Second derivatives are there too, where they exist: the window
is once continuously differentiable, and has no second derivative at the length where a sample
lies exactly on its end.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, library

from dstft_cli.errors import UsageError
from dstft_cli.stft import kernels
from dstft_cli.stft.layout import Layout
from dstft_cli.stft.second_order import second_backward
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import family


def differentiable_stft(
    signal: Tensor,
    lengths: Tensor,
    n_fft: int,
    *,
    hop_length: float | None = None,
    centers: Tensor | None = None,
    window: str = "hann",
    normalization: str = "energy",
) -> Tensor:
    """Short-time Fourier transform whose gradients reach signal, window lengths and frame centres.

    The definition is that of `stft.transform`. Derivatives are exact; those with respect to centres
    hold `⌊t⌋`, from which the phase is counted, and are those of every magnitude.

    Args:
        signal: real, `[..., N]`, float32 or float64; half precision is computed as float32.
        lengths: window lengths θ, samples, in (0, n_fft], `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`. Not
            checked where they lie: that would wait for the device.
        n_fft: FFT size K, samples, >= 2.
        hop_length: H > 0, samples: centres `t_i = i·H`, `T = 1 + ⌊N/H⌋`.
        centers: or the centres, samples, `[T]`; float64 for signals of more than some 10⁵ samples.
        window: window family, one of `names.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Complex `[..., F, T]`, F = n_fft // 2 + 1.

    Raises:
        UsageError: shapes that do not belong together, unknown window or normalization, neither or
            both of hop and centres.
    """
    family(window)
    if signal.dim() < 1 or not signal.is_floating_point():
        raise UsageError(
            f"signal of shape {tuple(signal.shape)}, {signal.dtype}: real [..., N] is needed"
        )
    if (hop_length is None) == (centers is None):
        raise UsageError("either hop_length or centers must be given, and not both")
    N, hop = signal.shape[-1], 0
    if hop_length is not None:
        if not (hop_length > 0 and math.isfinite(hop_length)):
            raise UsageError(f"hop length {hop_length:g} samples: it must be above 0")
        if float(hop_length).is_integer():
            hop = int(hop_length)
        else:
            centers = hop_length * torch.arange(
                1 + int(N // hop_length), dtype=torch.float64, device=signal.device
            )
    F, T = n_fft // 2 + 1, 1 + N // hop if centers is None else len(centers)
    if lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise UsageError(
            f"window lengths of shape {tuple(lengths.shape)} for {T} frames and n_fft {n_fft}: "
            f"[1, 1], [1, {T}], [{F}, 1] or [{F}, {T}] is needed"
        )
    dtype = torch.float64 if signal.dtype == torch.float64 else torch.float32
    flat = signal.reshape(math.prod(signal.shape[:-1]), N).to(dtype)
    X: Tensor = _stft(
        flat, centers, lengths.to(flat.device, dtype), hop, n_fft, window, normalization
    )
    return X.reshape(*signal.shape[:-1], F, T)


def _layout(signal: Tensor, centers: Tensor | None, hop: int, n_fft: int) -> Layout:
    if centers is None:
        return Layout(signal.shape[-1], n_fft, 1 + signal.shape[-1] // hop, hop)
    return Layout(signal.shape[-1], n_fft, len(centers), 0, centers.detach())


@library.custom_op("dstft_cli::stft", mutates_args=())
def _stft(
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
) -> Tensor:
    """`X`, `[C, F, T]`; centres, or, without, a hop."""
    layout = _layout(signal, centers, hop, n_fft)
    transform = Transform(n_fft, window, normalization)
    with torch.autocast(signal.device.type, enabled=False):
        return kernels.forward(transform, layout, signal, lengths).transpose(1, 2)


@_stft.register_fake
def _(
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
) -> Tensor:
    frames = 1 + signal.shape[-1] // hop if centers is None else centers.shape[0]
    kind = torch.complex128 if signal.dtype == torch.float64 else torch.complex64
    X = signal.new_empty((signal.shape[0], frames, n_fft // 2 + 1), dtype=kind)
    return X.transpose(1, 2)


@library.custom_op("dstft_cli::stft_backward", mutates_args=())
def _stft_backward(
    G: Tensor,
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to signal, centres and lengths; empty where not needed."""
    layout = _layout(signal, centers, hop, n_fft)
    transform = Transform(n_fft, window, normalization)
    wanted = (needs[0], needs[1] and centers is not None, needs[2])
    with torch.autocast(signal.device.type, enabled=False):
        by_signal, by_center, by_length = kernels.backward(
            transform, layout, _frames_first(G), signal, lengths, wanted
        )
    nothing = signal.new_empty(0)
    return (
        nothing if by_signal is None else by_signal.contiguous(),
        nothing.clone() if by_center is None or centers is None else by_center.to(centers.dtype),
        nothing.clone() if by_length is None else by_length,
    )


@_stft_backward.register_fake
def _(
    G: Tensor,
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        signal.new_empty(signal.shape if needs[0] else 0),
        centers.new_empty(centers.shape)
        if needs[1] and centers is not None
        else signal.new_empty(0),
        lengths.new_empty(lengths.shape if needs[2] else 0),
    )


def _frames_first(G: Tensor) -> Tensor:
    """`[C, F, T]` to `[C, T, F]`, contiguous: so it comes wherever what follows is elementwise."""
    return G.transpose(1, 2).resolve_conj().contiguous()


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    signal, centers, lengths, *ctx.settings = inputs
    ctx.save_for_backward(signal, centers, lengths)


def _pull(ctx: Any, G: Tensor) -> tuple[Any, ...]:
    needs = list(ctx.needs_input_grad[:3])
    found = _stft_backward(G, *ctx.saved_tensors, *ctx.settings, needs)
    gradients = (part if need else None for part, need in zip(found, needs, strict=True))
    return *gradients, None, None, None, None


def _keep_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    G, signal, centers, lengths, *ctx.settings, ctx.needs = inputs
    ctx.save_for_backward(G, signal, centers, lengths)


def _pull_backward(ctx: Any, *directions: Tensor | None) -> tuple[Any, ...]:
    along = [part if need else None for part, need in zip(directions, ctx.needs, strict=True)]
    found = _stft_second(*ctx.saved_tensors, *along, *ctx.settings)
    needed = ctx.needs_input_grad[:4]
    gradients = (part if need else None for part, need in zip(found, needed, strict=True))
    return *gradients, None, None, None, None, None


@library.custom_op("dstft_cli::stft_second_backward", mutates_args=())
def _stft_second(
    G: Tensor,
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    along_signal: Tensor | None,
    along_center: Tensor | None,
    along_length: Tensor | None,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the gradients along directions, with respect to G and the three."""
    layout = _layout(signal, centers, hop, n_fft)
    transform = Transform(n_fft, window, normalization)
    along_center = None if along_center is None else along_center.to(signal.dtype)
    along = (along_signal, along_center, along_length)
    with torch.autocast(signal.device.type, enabled=False):
        by_G, by_signal, by_center, by_length = second_backward(
            transform, layout, _frames_first(G), signal, lengths, along
        )
    kind = signal.dtype if centers is None else centers.dtype
    return by_G.transpose(1, 2), by_signal.contiguous(), by_center.to(kind), by_length


@_stft_second.register_fake
def _(
    G: Tensor,
    signal: Tensor,
    centers: Tensor | None,
    lengths: Tensor,
    along_signal: Tensor | None,
    along_center: Tensor | None,
    along_length: Tensor | None,
    hop: int,
    n_fft: int,
    window: str,
    normalization: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    like = signal if centers is None else centers
    return (
        G.new_empty((G.shape[0], G.shape[2], G.shape[1])).transpose(1, 2),
        signal.new_empty(signal.shape),
        like.new_empty(G.shape[2]),
        lengths.new_empty(lengths.shape),
    )


_stft.register_autograd(_pull, setup_context=_keep)
_stft_backward.register_autograd(_pull_backward, setup_context=_keep_backward)
