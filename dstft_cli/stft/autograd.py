"""The transform as an operator of torch, with first and second derivatives.

For a real loss `L` and `G = ∂L/∂X` in torch's convention, `dL = Re Σ Ḡ dX`, the gradient with respect
to a windowed frame is `y[k] = Re Σ_f G[f] exp(2πj f k / K)`, an inverse FFT of G with half the weight where
a bin stands for two. With it,

    ∂L/∂frame = w·y,    ∂L/∂θ_i = Σ_k frame·y·∂w/∂θ = Re Σ_f Ḡ ∂X/∂θ,    ∂L/∂t_i = Σ_k frame·y·∂w/∂t,

and the gradient with respect to the signal adds up the first over frames. The backward pass
recomputes blocks from signal, centres and lengths, so nothing of the size of all frames is stored. Each
operator is one node for `torch.compile`. Second derivatives come from autograd within each block. They do
not exist at a length where a sample lies exactly on the end of the window.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, equations of sections II and III.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, library

from dstft_cli.errors import UsageError
from dstft_cli.stft.bank import BandKernel, MatrixBank, bands
from dstft_cli.stft.frames import Block, Given, Gradients, Layout, Needs, center_dtype, map_in_order
from dstft_cli.stft.transform import Transform, family

Done = TypeVar("Done")

BLOCK_SAMPLES = {"cpu": 1 << 18}  # of frames at a time, to fit the cache
_LARGE_BLOCK_SAMPLES = 1 << 25  # where there is none to fit
_MOST_CHANNELS = 16  # that share the windows of a block


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
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Complex `[..., F, T]`, F = n_fft // 2 + 1.

    Raises:
        UsageError: shapes that do not match, unknown window or normalization, neither or both of hop
            and centres.
    """
    family(window)
    if signal.dim() < 1 or not signal.is_floating_point():
        raise UsageError(
            f"signal of shape {tuple(signal.shape)}, {signal.dtype}: give a real [..., N]"
        )
    if (hop_length is None) == (centers is None):
        raise UsageError("give either `hop_length` or `centers`, not both")
    N, hop = signal.shape[-1], 0
    if hop_length is not None:
        if not (hop_length > 0 and math.isfinite(hop_length)):
            raise UsageError(f"`hop_length` {hop_length:g} samples is not above 0")
        if float(hop_length).is_integer():
            hop = int(hop_length)
        else:
            count, kind = 1 + int(N // hop_length), center_dtype(signal.device)
            centers = hop_length * torch.arange(count, dtype=kind, device=signal.device)
    F, T = n_fft // 2 + 1, 1 + N // hop if centers is None else len(centers)
    if lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise UsageError(
            f"window lengths of shape {tuple(lengths.shape)} for {T} frames and `n_fft` {n_fft}: "
            f"give [1, 1], [1, {T}], [{F}, 1] or [{F}, {T}]"
        )
    dtype = torch.float64 if signal.dtype == torch.float64 else torch.float32
    flat = signal.reshape(math.prod(signal.shape[:-1]), N).to(dtype)
    theta = lengths.to(flat.device, dtype)
    if centers is not None:
        has_double = center_dtype(flat.device) == torch.float64
        centers = centers.to(flat.device, centers.dtype if has_double else torch.float32)
    X: Tensor = _stft(flat, centers, theta, hop, n_fft, window, normalization)
    return X.reshape(*signal.shape[:-1], F, T)


class RowKernel:
    """One window for all bins of a frame, lengths `[1, 1]` or `[1, n]`: one FFT per frame."""

    windows = 1

    def __init__(self, transform: Transform, shared: Tensor | None) -> None:
        """`shared`: the one length of all frames, where all centres are whole."""
        self.bins = slice(0, transform.bins)
        self._transform = transform
        self._shared = None if shared is None else transform.rows(None, shared[0], 1)

    def spectra(self, given: Given) -> Tensor:
        """`X`, complex `[C, n, F]`."""
        X: Tensor = torch.fft.rfft(given.frames * self._rows(given)[0])
        return X

    def gradients(self, G: Tensor, given: Given, needs: Needs) -> Gradients:
        """As `BandKernel.gradients`, of all bins."""
        slopes = 2 if given.fractions is not None and needs[1] else 1 if needs[2] else 0
        frames, (w, *slope) = given.frames, self._rows(given, slopes)
        if self._shared and not needs[0]:  # costs less than the inverse FFT
            dX = torch.view_as_real(torch.fft.rfft(frames * slope[0]))
            inner = torch.dot(torch.view_as_real(G).flatten(), dX.flatten())
            return None, None, inner.reshape(1, 1)
        halved = torch.view_as_real(G) / self._transform.bins_counted(w)[:, None]
        y = torch.fft.irfft(torch.view_as_complex(halved), n=self._transform.n_fft, norm="forward")
        by_center = by_length = None
        if slope:
            by_window = (frames * y).sum(0)
            if needs[2]:
                if given.lengths.shape[1] > 1:
                    by_length = torch.linalg.vecdot(by_window, slope[0])[None, :]
                elif len(slope[0]) == 1:
                    by_length = torch.dot(by_window.sum(0), slope[0][0]).reshape(1, 1)
                else:
                    by_length = torch.linalg.vecdot(by_window, slope[0]).sum().reshape(1, 1)
            if slopes == 2:
                by_center = torch.linalg.vecdot(by_window, slope[1])
        return y.mul_(w) if needs[0] else None, by_center, by_length

    def _rows(self, given: Given, slopes: int = 0) -> tuple[Tensor, ...]:
        return self._shared or self._transform.rows(given.fractions, given.lengths[0], slopes)


Kernel = RowKernel | MatrixBank | BandKernel


def _kernels(transform: Transform, lengths: Tensor, *, whole: bool) -> Iterator[Kernel]:
    """The kernels for all bins: one, or one per band of bins."""
    if lengths.shape[0] == 1:
        yield RowKernel(transform, lengths if whole and lengths.shape[1] == 1 else None)
    elif lengths.shape[1] == 1 and whole:
        yield MatrixBank(transform, lengths[:, 0], keep=True)
    else:
        for bins in bands(transform):
            yield BandKernel(transform, bins, lengths, whole=whole)


class BlockedTransform:
    """The transform of a whole signal in blocks of frames, and its adjoint derivatives."""

    def __init__(
        self, signal: Tensor, centers: Tensor | None, lengths: Tensor, settings: Sequence[Any]
    ) -> None:
        hop, n_fft, window, normalization = settings
        count = 1 + signal.shape[-1] // hop if centers is None else len(centers)
        at = None if centers is None else centers.detach()
        self._transform = Transform(n_fft, window, normalization)
        self._layout = Layout(signal.shape[-1], n_fft, count, hop, at)
        self._signal = signal
        self._lengths = lengths
        self._given = partial(self._layout.given, signal, lengths)

    def forward(self) -> Tensor:
        """`X`, complex `[C, T, F]`."""
        shape = self._signal.shape[0], self._layout.count, self._transform.bins
        X = self._signal.new_empty(shape, dtype=self._signal.dtype.to_complex())
        for kernel in _kernels(self._transform, self._lengths, whole=self._layout.centers is None):

            def work(block: Block, kernel: Kernel = kernel) -> None:
                X[block.channels, block.frames, kernel.bins] = kernel.spectra(self._given(block))

            for _ in self._each_block(work, kernel.windows):
                pass
        return X

    def backward(self, G: Tensor, needs: Needs) -> Gradients:
        """Gradients by signal `[C, N]`, centres `[T]` and lengths, where needed; G by X `[C, T, F]`."""
        layout, lengths = self._layout, self._lengths
        by_signal = layout.empty_total(self._signal) if needs[0] else None
        by_center = self._signal.new_zeros(layout.count) if needs[1] else None
        by_length = torch.zeros_like(lengths) if needs[2] else None
        for kernel in _kernels(self._transform, lengths, whole=layout.centers is None):
            rows = kernel.bins if len(lengths) > 1 else slice(None)

            def work(block: Block, kernel: Kernel = kernel) -> tuple[Block, Gradients]:
                g = G[block.channels, block.frames, kernel.bins]
                found = kernel.gradients(g, self._given(block), needs)
                return block, (None if found[0] is None else layout.folded(found[0]), *found[1:])

            for block, found in self._each_block(work, kernel.windows):
                if by_signal is not None and found[0] is not None:
                    layout.add(by_signal, found[0], block)
                if by_center is not None and found[1] is not None:
                    by_center[block.frames] += found[1]
                if by_length is not None and found[2] is not None:
                    block.lengths(by_length)[rows] += found[2]
        return None if by_signal is None else by_signal[:, :-1], by_center, by_length

    def second_backward(
        self, G: Tensor, directions: Gradients
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients of `Σ directions · backward(...)` with respect to G, signal, centres and lengths."""
        by_G, by_signal = torch.zeros_like(G), self._layout.empty_total(self._signal)
        by_center = self._signal.new_zeros(self._layout.count)
        by_length = torch.zeros_like(self._lengths)

        def work(block: Block) -> tuple[Block, tuple[Tensor, ...]]:
            found = self._second_of_block(G, directions, block)
            return block, (found[0], self._layout.folded(found[1]), *found[2:])

        for block, found in self._each_block(work, self._lengths.shape[0]):
            by_G[block.channels, block.frames] = found[0]
            self._layout.add(by_signal, found[1], block)
            block.lengths(by_length).add_(found[2])
            if len(found) > 3:
                by_center[block.frames] += found[3]
        return by_G, by_signal[:, :-1], by_center, by_length

    def _second_of_block(
        self, G: Tensor, directions: Gradients, block: Block
    ) -> tuple[Tensor, ...]:
        """The part of a block: with respect to G, its frames, lengths and, if learned, centres."""
        along_signal, along_center, along_length = directions
        frames, fractions, theta = self._given(block)
        variables = [G[block.channels, block.frames], frames.clone(), theta]
        variables += [] if fractions is None else [fractions]
        with torch.enable_grad():
            variables = [variable.detach().requires_grad_() for variable in variables]
            g, frames, theta = variables[:3]
            given = Given(frames, None if fractions is None else variables[3], theta)
            kernels = _kernels(self._transform, theta, whole=fractions is None)
            X = torch.cat([kernel.spectra(given) for kernel in kernels], -1)
            inner = (torch.view_as_real(g) * torch.view_as_real(X)).sum()  # Re Σ Ḡ X
            slopes = torch.autograd.grad(inner, variables[1:], create_graph=True)
            total = inner * 0.0
            if along_signal is not None:
                total = total + (self._layout.frames(along_signal, block) * slopes[0]).sum()
            if along_length is not None:
                total = total + (block.lengths(along_length) * slopes[1]).sum()
            if along_center is not None and fractions is not None:
                total = total + (along_center[block.frames] * slopes[2]).sum()
        return torch.autograd.grad(total, variables, materialize_grads=True)

    def _each_block(self, work: Callable[[Block], Done], windows: int) -> Iterator[Done]:
        """`work` of all blocks, in order, on as many threads as torch uses; `windows`: of a frame."""
        device = self._signal.device.type
        samples = max(BLOCK_SAMPLES.get(device, _LARGE_BLOCK_SAMPLES) // windows, 1)
        shared = self._lengths.shape == (1, 1) and self._layout.centers is None
        blocks: Iterable[Block] = self._layout.blocks(
            self._signal.shape[0], samples, most_channels=1 if shared else _MOST_CHANNELS
        )
        threads = 1
        if device == "cpu":
            blocks = list(blocks)
            threads = torch.get_num_threads() if len(blocks) > 1 else 1
        inference = torch.is_inference_mode_enabled()

        def here(block: Block) -> Done:
            # threads do not inherit the modes of torch; within an operator autograd must be enabled again
            with torch.inference_mode(inference), torch.no_grad():
                return work(block)

        return map_in_order(here, blocks, threads)


# The operators. Settings are the hop (0 where there are centres), n_fft, window and normalization.
_SETTINGS = (
    "Tensor signal, Tensor? centers, Tensor lengths, int hop, int n_fft, str window, str norm"
)


def _frames_first(G: Tensor) -> Tensor:
    """`[C, F, T]` to `[C, T, F]`, contiguous, as needed after elementwise operations."""
    return G.transpose(1, 2).resolve_conj().contiguous()


@library.custom_op("dstft_cli::stft", mutates_args=(), schema=f"({_SETTINGS}) -> Tensor")
def _stft(signal: Tensor, centers: Tensor | None, lengths: Tensor, *settings: Any) -> Tensor:
    """`X`, `[C, F, T]`."""
    with torch.autocast(signal.device.type, enabled=False):
        return BlockedTransform(signal, centers, lengths, settings).forward().transpose(1, 2)


@_stft.register_fake
def _(signal: Tensor, centers: Tensor | None, lengths: Tensor, *settings: Any) -> Tensor:
    frames = 1 + signal.shape[-1] // settings[0] if centers is None else centers.shape[0]
    shape = signal.shape[0], frames, settings[1] // 2 + 1
    return signal.new_empty(shape, dtype=signal.dtype.to_complex()).transpose(1, 2)


@library.custom_op(
    "dstft_cli::stft_backward",
    mutates_args=(),
    schema=f"(Tensor G, {_SETTINGS}, bool[] needs) -> (Tensor, Tensor, Tensor)",
)
def _stft_backward(
    G: Tensor, signal: Tensor, centers: Tensor | None, lengths: Tensor, *settings: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients with respect to signal, centres and lengths; empty where not needed."""
    needs = settings[-1]
    wanted = (needs[0], needs[1] and centers is not None, needs[2])
    whole = BlockedTransform(signal, centers, lengths, settings[:-1])
    with torch.autocast(signal.device.type, enabled=False):
        found = whole.backward(_frames_first(G), wanted)
    by_signal, by_center, by_length = found
    return (
        signal.new_empty(0) if by_signal is None else by_signal.contiguous(),
        signal.new_empty(0) if by_center is None or centers is None else by_center.to(centers),
        signal.new_empty(0) if by_length is None else by_length,
    )


@_stft_backward.register_fake
def _(
    G: Tensor, signal: Tensor, centers: Tensor | None, lengths: Tensor, *settings: Any
) -> tuple[Tensor, Tensor, Tensor]:
    parts = zip((signal, centers, lengths), settings[-1], strict=True)
    by_signal, by_center, by_length = (
        signal.new_empty(0) if part is None or not need else part.new_empty(part.shape)
        for part, need in parts
    )
    return by_signal, by_center, by_length


@library.custom_op(
    "dstft_cli::stft_second_backward",
    mutates_args=(),
    schema=f"(Tensor G, Tensor? along_signal, Tensor? along_center, Tensor? along_length, {_SETTINGS})"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def _stft_second(G: Tensor, *given: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of the gradients along directions, with respect to G and the three."""
    along_signal, along_center, along_length, signal, centers, lengths, *settings = given
    along_center = None if along_center is None else along_center.to(signal.dtype)
    along = (along_signal, along_center, along_length)
    whole = BlockedTransform(signal, centers, lengths, settings)
    with torch.autocast(signal.device.type, enabled=False):
        found = whole.second_backward(_frames_first(G), along)
    by_G, by_signal, by_center, by_length = found
    kind = signal.dtype if centers is None else centers.dtype
    return by_G.transpose(1, 2), by_signal.contiguous(), by_center.to(kind), by_length


@_stft_second.register_fake
def _(G: Tensor, *given: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    signal, centers, lengths = given[3:6]
    like = signal if centers is None else centers
    by_G = G.new_empty((G.shape[0], G.shape[2], G.shape[1])).transpose(1, 2)
    by_signal, by_length = signal.new_empty(signal.shape), lengths.new_empty(lengths.shape)
    return by_G, by_signal, like.new_empty(G.shape[2]), by_length


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
    G, *given = ctx.saved_tensors
    found = _stft_second(G, *along, *given, *ctx.settings)
    needed = ctx.needs_input_grad[:4]
    gradients = (part if need else None for part, need in zip(found, needed, strict=True))
    return *gradients, None, None, None, None, None


_stft.register_autograd(_pull, setup_context=_keep)
_stft_backward.register_autograd(_pull_backward, setup_context=_keep_backward)
