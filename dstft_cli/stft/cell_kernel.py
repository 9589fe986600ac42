"""The transform of a band of bins, each cell under a window of its own, and its adjoint derivatives.

With `C, S = cos, sin(2π f u / K)` and the phase `φ_f = exp(−2πj f ⌊K/2⌋ / K)`,

    X[f, i] = φ_f · (A + jB),
    A = Σ_u w(u; θ[f, i])·s_i[u]·C[f, u],    B = −Σ_u w(u; θ[f, i])·d_i[u]·S[f, u].

Between samples u runs over all K places and `s = d` is the frame. At whole centres windows are even:
u runs over the distances 0 … ⌊K/2⌋ alone, `s` and `d` being the sums and differences of the samples at ±u,
for half the windows and half the products. With `H = φ̄ G`, `G = ∂L/∂X`, the gradient with respect to a
window is `Q[u] = Re H · s · C − Im H · d · S`, summed over channels.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, time- and frequency-varying lengths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dstft_cli.stft.each_block import Sums, each_block
from dstft_cli.stft.layout import Block, Gradients, Layout, Needs, of_frames
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import window, window_and_slope, window_derivatives

_BAND_VALUES = 1 << 16  # of bins times places: what stays in the cache over several frames


def cells_forward(
    transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor, X: Tensor
) -> None:
    """Fills `X`, `[C, T, F]`, band by band."""
    for bins in _bands(transform):
        kernel = CellKernel(transform, bins, signal, whole=layout.centers is None)

        def work(block: Block, kernel: CellKernel = kernel) -> None:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            fractions = layout.fractions(block.start, block.stop, signal.dtype)
            part = kernel.spectra(frames, fractions, of_frames(lengths, block))
            X[block.channels, block.start : block.stop, kernel.bins] = part

        for _ in each_block(work, layout, signal, lengths, windows=bins.stop - bins.start):
            pass


def cells_backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Where every cell has a window of its own, band by band."""
    sums = Sums(layout, signal, lengths, needs)
    for bins in _bands(transform):
        kernel = CellKernel(transform, bins, signal, whole=layout.centers is None)

        def work(block: Block, kernel: CellKernel = kernel) -> tuple[Block, Gradients]:
            frames = layout.frames(signal[block.channels], block.start, block.stop)
            fractions = layout.fractions(block.start, block.stop, signal.dtype)
            g = G[block.channels, block.start : block.stop, kernel.bins].resolve_conj()
            theta = of_frames(lengths, block)
            found = kernel.gradients(g, frames, fractions, theta, needs)
            by_frames = None if found[0] is None else layout.folded(found[0])
            return block, (by_frames, *found[1:])

        count = bins.stop - bins.start
        for block, parts in each_block(work, layout, signal, lengths, windows=count):
            sums.add(block, parts, bins)
    return sums.gradients()


class CellKernel:
    """One band of bins.

    Args:
        transform: FFT size K, window family, normalization.
        bins: the band.
        like: dtype and device of the frames.
        whole: all centres are whole samples.
    """

    def __init__(self, transform: Transform, bins: slice, like: Tensor, *, whole: bool) -> None:
        self.bins = bins
        self._transform = transform
        self._whole = whole
        K = transform.n_fft
        f = torch.arange(bins.start, bins.stop, device=like.device)
        u = torch.arange(K, device=like.device) - (0 if whole else K // 2)
        self._u = u[: transform.bins if whole else K]
        table = torch.arange(K, dtype=torch.float64, device=like.device) * (2 * math.pi / K)
        cosine, sine = table.cos().to(like.dtype), table.sin().neg().to(like.dtype)
        turns = torch.outer(f, self._u) % K
        self._cosines, self._sines = cosine[turns], sine[turns]  # of −2π f u / K
        start = f * (K // 2) % K
        self._phase = torch.complex(cosine[start], sine[start])
        self._u = self._u.to(like.dtype)

    def spectra(self, frames: Tensor, fractions: Tensor | None, lengths: Tensor) -> Tensor:
        """`X` of the band, complex `[C, n, B]`.

        Args:
            frames: `[C, n, K]`.
            fractions: fractional parts of the centres, samples, `[n]`; None: all are whole.
            lengths: window lengths of all bins, samples, `[F, 1]` or `[F, n]`.
        """
        u, theta = self._places(fractions, lengths)
        names = (self._transform.window, self._transform.normalization)
        w = window(u, theta, *names, mirror=self._mirror, whole=False)
        sums, differences = self._sides(frames)
        real = (w * self._cosines) @ sums
        imaginary = (w.mul_(self._sines)) @ differences
        X = torch.complex(real, imaginary).permute(2, 0, 1)
        return X * self._phase

    def gradients(
        self,
        G: Tensor,
        frames: Tensor,
        fractions: Tensor | None,
        lengths: Tensor,
        needs: Needs,
    ) -> Gradients:
        """What the band adds to the gradients of frames `[C, n, K]`, centres `[n]` and lengths of the band.

        Args:
            G: gradient with respect to the band of X, `[C, n, B]`.
            frames, fractions, lengths: as for `spectra`.
            needs: which gradients to compute; the others are None.
        """
        u, theta = self._places(fractions, lengths)
        names = (self._transform.window, self._transform.normalization)
        by_center = by_length = slope = shift = None
        if needs[1]:
            w, slope, shift = window_derivatives(u, theta, *names)
        elif needs[2]:
            w, slope = window_and_slope(u, theta, *names, mirror=self._mirror, whole=False)
        else:
            w = window(u, theta, *names, mirror=self._mirror, whole=False)
        H = (G * self._phase.conj()).permute(1, 2, 0)  # [n, B, C]
        real, imaginary = H.real.contiguous(), H.imag.contiguous()
        if slope is not None:
            sums, differences = self._sides(frames)
            by_window = (real @ sums.transpose(1, 2)).mul_(self._cosines)
            by_window.addcmul_(imaginary @ differences.transpose(1, 2), self._sines)
            by_length = torch.linalg.vecdot(by_window, slope).T
            if lengths.shape[1] == 1:
                by_length = by_length.sum(1, keepdim=True)
            if shift is not None:
                by_center = torch.linalg.vecdot(by_window.flatten(1), shift.flatten(1))
        by_frames = None
        if needs[0]:
            by_sums = (w * self._cosines).transpose(1, 2) @ real
            by_differences = (w.mul_(self._sines)).transpose(1, 2) @ imaginary
            by_frames = self._joined(by_sums, by_differences).permute(2, 0, 1)
        return by_frames, by_center, by_length if needs[2] else None

    @property
    def _mirror(self) -> int:
        return self._transform.n_fft if self._whole else 0

    def _places(self, fractions: Tensor | None, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the centres, `[n or 1, 1, U]`, and lengths, `[n or 1, B, 1]`."""
        u = self._u if fractions is None else self._u - fractions[:, None]
        return u.reshape(-1, 1, len(self._u)), lengths[self.bins].T[:, :, None]

    def _sides(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """`s` and `d`, each `[n, U, C]`."""
        rows = frames.permute(1, 2, 0)
        if not self._whole:
            return rows, rows
        middle, n_fft = self._transform.n_fft // 2, self._transform.n_fft
        before = rows[:, : middle + 1].flip(1)
        after = rows[:, middle:]
        if n_fft % 2 == 0:  # at K/2 every window has ended
            after = torch.nn.functional.pad(after, (0, 0, 0, 1))
        sums = after + before
        sums[:, 0] *= 0.5  # the centre itself is no pair
        return sums, after - before

    def _joined(self, by_sums: Tensor, by_differences: Tensor) -> Tensor:
        """The adjoint of `_sides`, `[n, K, C]`."""
        if not self._whole:
            return by_sums + by_differences
        after, before = by_sums + by_differences, by_sums - by_differences
        last = self._transform.n_fft - self._transform.n_fft // 2
        return torch.cat([before[:, 1:].flip(1), after[:, :last]], dim=1)


def _bands(transform: Transform) -> Iterator[slice]:
    """All bins, in bands whose windows and turns stay in the cache."""
    step = max(_BAND_VALUES // transform.n_fft, 1)
    for start in range(0, transform.bins, step):
        yield slice(start, min(start + step, transform.bins))
