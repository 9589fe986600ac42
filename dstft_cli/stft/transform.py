"""The differentiable short-time Fourier transform and its windows.

For a signal `x[n]` of `N` samples (zero outside), FFT size `K`, frame centres `t_i` and window
lengths `θ[f, i]`:

    X[f, i] = Σ_k x[⌊t_i⌋ + k] · w(k − frac(t_i); θ[f, i]) · exp(−2πj f (k + ⌊K/2⌋) / K),
              k = −⌊K/2⌋ … K−1−⌊K/2⌋,   f = 0 … K//2

`∂X/∂θ` and `∂X/∂t` are the same transform with the windows `∂w/∂θ` and `∂w/∂t` (⌊t⌋ held). For
integer centres, even `K` and an even Hann length without normalization this is
`torch.stft(..., center=True, pad_mode="constant")`.

A window family is one even function `h(v)` of `v = u / θ`, supported on `|v| ≤ 1/2`, where `u` is the
distance in samples from the frame centre and `θ` the window length in samples:

    w(u; θ) = h(u / θ),    ∂w/∂u = h'(u / θ) / θ,    ∂w/∂θ = −(u / θ²) h'(u / θ)

Every family here ends at zero with zero slope, so `w` is continuously differentiable in both `u`
and `θ`, and the transform does not jump as samples enter or leave the window. Families that end
above zero (Gaussian, Kaiser) have the even parabola subtracted that matches their value and slope
at the end.

Sources: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, sections II and III; Harris, Proc. IEEE
66 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.records import NORMALIZATIONS, WINDOWS

Profile = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class WindowFamily:
    """An even profile `h(v)`, `h(0) = 1`, `h(1/2) = h'(1/2) = 0`, and its slope `h'(v)`."""

    shape: Profile
    slope: Profile


def _cosine_sum(*coefficients: float) -> WindowFamily:
    """`h(v) = Σ_j c_j cos(2πjv)`, the coefficients summing with alternating sign to zero."""

    def shape(v: Tensor) -> Tensor:
        angle = v * (2 * math.pi)
        total = angle.cos().mul_(coefficients[1]).add_(coefficients[0])
        for j, c in enumerate(coefficients[2:], start=2):
            total.add_((angle * j).cos_(), alpha=c)
        return total

    def slope(v: Tensor) -> Tensor:
        angle = v * (2 * math.pi)
        total = angle.sin().mul_(-2 * math.pi * coefficients[1])
        for j, c in enumerate(coefficients[2:], start=2):
            total.sub_((angle * j).sin_(), alpha=2 * math.pi * j * c)
        return total

    return WindowFamily(shape, slope)


def _ending_at_zero(g: Profile, dg: Profile, end: float, end_slope: float) -> WindowFamily:
    """`h(v) ∝ g(v) − g(½) − g'(½)(v² − ¼)`: same curve, but value and slope vanish at `v = ½`."""
    peak = 1.0 - end + end_slope / 4

    def shape(v: Tensor) -> Tensor:
        return (g(v) - end - end_slope * (v * v - 0.25)) / peak

    def slope(v: Tensor) -> Tensor:
        return (dg(v) - 2 * end_slope * v) / peak

    return WindowFamily(shape, slope)


def _kaiser(beta: float) -> WindowFamily:
    """Kaiser window `I₀(β √(1 − 4v²)) / I₀(β)`."""
    peak = float(torch.special.i0(torch.tensor(beta, dtype=torch.float64)))

    def root(v: Tensor) -> Tensor:
        return (1 - 4 * v * v).clamp_min(1e-12).sqrt()

    def g(v: Tensor) -> Tensor:
        value: Tensor = torch.special.i0(beta * root(v)) / peak
        return value

    def dg(v: Tensor) -> Tensor:
        s = root(v)
        value: Tensor = -4 * beta * v * torch.special.i1(beta * s) / (s * peak)
        return value

    return _ending_at_zero(g, dg, 1 / peak, -(beta**2) / peak)


def _gaussian(lengths_per_deviation: float) -> WindowFamily:
    """Gaussian whose standard deviation is `θ / lengths_per_deviation`."""
    q = lengths_per_deviation**2

    def g(v: Tensor) -> Tensor:
        return torch.exp(-0.5 * q * v * v)

    end = math.exp(-q / 8)
    return _ending_at_zero(g, lambda v: -q * v * g(v), end, -0.5 * q * end)


FAMILIES: dict[str, WindowFamily] = {
    "hann": _cosine_sum(0.5, 0.5),
    "blackman": _cosine_sum(0.42, 0.5, 0.08),
    "nuttall": _cosine_sum(0.355768, 0.487396, 0.144232, 0.012604),
    "gaussian": _gaussian(6.0),
    "kaiser": _kaiser(8.6),
}


def family(name: str) -> WindowFamily:
    """The window family `name`; UsageError if unknown."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise UsageError(f"unknown `window` {name!r}: use {', '.join(WINDOWS)}") from None


def window(u: Tensor, length: Tensor, name: str = "hann", normalization: str = "energy") -> Tensor:
    """Window values.

    Args:
        u: distance from the frame centre, samples, `[..., K]`.
        length: window length θ, samples, > 0, broadcastable to `[..., 1]`.
        name: window family, one of `records.WINDOWS`.
        normalization: `none`; `amplitude`, `w / Σ_k w`; `energy`, `w / ‖w‖₂`, over the last axis.

    Returns:
        `[..., K]`, zero where `|u| > θ/2`.
    """
    return window_and_slopes(u, length, name, normalization)[0]


def window_and_slopes(
    u: Tensor,
    length: Tensor,
    name: str = "hann",
    normalization: str = "energy",
    *,
    slopes: int = 0,
    mirror: int = 0,
    whole: bool = True,
) -> tuple[Tensor, ...]:
    """Window values and their derivatives, normalization included.

    Args:
        u, length, name, normalization: as for `window`.
        slopes: 1 for `∂w/∂θ`, per sample of window length; 2 for `∂w/∂t` too, per sample of frame
            centre: with `u = k − t`, `∂w/∂t = −∂w/∂u`.
        mirror: K, where `u` is only `[..., K//2 + 1]`, the distances 0 … K//2 of a whole centre; at
            most one slope.
        whole: with `mirror`, expand to all K places; False: return the distances given, normalized
            as the whole.

    Returns:
        `w`, then the derivatives, each `[..., K]`.
    """
    profile = family(name)
    v = u * (1 / length)
    inside = (0.5 - v.detach().abs()).clamp_(min=0.0).sign_()  # faster than a comparison
    v = v.clamp_(-0.5, 0.5)
    rows = [profile.shape(v).mul_(inside)]
    if slopes:
        by_center = profile.slope(v).mul_(inside).mul_(-1 / length)
        rows += [by_center * v, by_center] if slopes == 2 else [by_center.mul_(v)]
    found, middle = _normalized(normalization, mirror, *rows), mirror // 2
    if not (mirror and whole):
        return found
    halves = [(row[..., 1 : middle + 1].flip(-1), row[..., : mirror - middle]) for row in found]
    return tuple(torch.cat(both, dim=-1) for both in halves)


def _normalized(normalization: str, mirror: int, w: Tensor, *slopes: Tensor) -> tuple[Tensor, ...]:
    """`w/n(w)` and its derivatives, `∂(w/n) = (∂w − (w/n)·∂n)/n`, in place."""
    if normalization == "none":
        return w, *slopes

    def total(once: Tensor, first: Tensor) -> Tensor:
        # each distance but the first counts twice; at K/2 of an even K every window has ended
        return 2 * once - first if mirror else once

    if normalization == "amplitude":
        norm = total(w.sum(-1, keepdim=True), w[..., :1])
        changes = [total(dw.sum(-1, keepdim=True), dw[..., :1]) for dw in slopes]
    elif normalization == "energy":
        squared = torch.linalg.vecdot(w, w)[..., None]
        norm = total(squared, w[..., :1] ** 2).sqrt()
        changes = [
            total(torch.linalg.vecdot(w, dw)[..., None], w[..., :1] * dw[..., :1]) / norm
            for dw in slopes
        ]
    else:
        raise UsageError(
            f"unknown `normalization` {normalization!r}: use {', '.join(NORMALIZATIONS)}"
        )
    empty = norm <= 0  # a window shorter than a sample may fall between two samples
    norm = norm.masked_fill(empty, 1.0)
    w = w / norm
    return w, *(
        dw.addcmul_(w, change, value=-1).div_(norm)
        for dw, change in zip(slopes, changes, strict=True)
    )


@dataclass(frozen=True)
class Transform:
    """The fixed settings of a transform.

    Attributes:
        n_fft: FFT size K, samples, >= 2; window lengths stay within (0, K].
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.
    """

    n_fft: int
    window: str = "hann"
    normalization: str = "energy"

    @property
    def bins(self) -> int:
        """Number of frequency bins F = K // 2 + 1."""
        return self.n_fft // 2 + 1

    def windows(self, fractions: Tensor | None, lengths: Tensor) -> Tensor:
        """Windows `[n or 1, K]` of lengths `[n or 1]`, samples; fractions as for `rows`."""
        return self.rows(fractions, lengths)[0]

    def rows(
        self, fractions: Tensor | None, lengths: Tensor, slopes: int = 0
    ) -> tuple[Tensor, ...]:
        """Rows of `w`, with 1 slope also `∂w/∂θ`, with 2 also `∂w/∂t`; equal windows cost one row.

        `fractions` are the fractional parts of the centres, samples, `[n or 1]`; None: all are 0.
        """
        fractions, lengths, index = _distinct(fractions, lengths)
        at_samples = fractions is None
        if fractions is not None and len(fractions) == 1 and fractions.device.type == "cpu":
            at_samples = not fractions.requires_grad and float(fractions) == 0.0
        mirror = self.n_fft if at_samples and slopes < 2 else 0  # ∂w/∂t is odd
        if mirror:
            u = torch.arange(self.bins, dtype=lengths.dtype, device=lengths.device)
        else:
            u = self.offsets(lengths)
        if fractions is not None and not at_samples:
            u = u - fractions[:, None]
        found = self.values(u, lengths[:, None], slopes=slopes, mirror=mirror)
        return found if index is None else tuple(row.index_select(0, index) for row in found)

    def values(self, u: Tensor, lengths: Tensor, **options: Any) -> tuple[Tensor, ...]:
        """`window_and_slopes` of this family and normalization."""
        return window_and_slopes(u, lengths, self.window, self.normalization, **options)

    def offsets(self, like: Tensor) -> Tensor:
        """Places of a frame about its centre, `−⌊K/2⌋ … K−1−⌊K/2⌋`, samples, `[K]`."""
        return torch.arange(self.n_fft, dtype=like.dtype, device=like.device) - self.n_fft // 2

    def places(self, like: Tensor, *, even: bool) -> Tensor:
        """`offsets`, or, of even windows, the distances 0 … ⌈K/2⌉−1: at K/2 they have ended."""
        offsets = self.offsets(like)
        return offsets[self.n_fft // 2 :] if even else offsets

    def turns(self, bins: slice, places: Tensor) -> tuple[Tensor, Tensor]:
        """`cos` and `−sin` of `2π f u / K` for these bins f and places u, samples, each `[B, U]`."""
        K = self.n_fft
        table = torch.arange(K, dtype=torch.float64) * (2 * math.pi / K)  # MPS has no float64
        f = torch.arange(bins.start, bins.stop, device=places.device)
        turns = torch.outer(f, places.long()) % K
        return table.cos().to(places)[turns], table.sin().neg().to(places)[turns]

    def phase(self, bins: slice, like: Tensor) -> Tensor:
        """`exp(−2πj f ⌊K/2⌋ / K)` of these bins, `[B]`: of frames whose places count from their centre."""
        f = torch.arange(bins.start, bins.stop, dtype=torch.float64)
        angle = (f * (self.n_fft // 2) % self.n_fft) * (-2 * math.pi / self.n_fft)
        phase = torch.polar(torch.ones_like(angle), angle)
        return phase.to(like.device, like.dtype.to_complex())

    def bins_counted(self, like: Tensor) -> Tensor:
        """Number of bins of the full spectrum for each of the F bins: 1 or 2, `[F]`."""
        count = torch.full((self.bins,), 2.0, dtype=like.dtype, device=like.device)
        count[0] = 1.0
        if self.n_fft % 2 == 0:
            count[-1] = 1.0
        return count


def _distinct(
    fractions: Tensor | None, lengths: Tensor
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Pairs of fraction and length without repetition, and which of them each row has.

    Hops of a few milliseconds have few fractions, and smooth lengths come in runs. None: keep all rows,
    because there are too many pairs, autograd is on, or the device would have to be synchronized.
    """
    frames = max(1 if fractions is None else len(fractions), len(lengths))
    if frames == 1 or lengths.requires_grad or lengths.device.type != "cpu":
        return fractions, lengths, None
    theta = lengths.numpy()
    part = np.zeros(1) if fractions is None else fractions.numpy()
    distinct, index = np.unique(part + 1j * theta, return_inverse=True)
    if len(distinct) > frames // 2:  # the copy does not pay
        return fractions, lengths, None
    once = torch.from_numpy(distinct.imag.copy()).to(lengths)
    places = torch.from_numpy(distinct.real.copy()).to(lengths)
    alike = fractions if fractions is None or len(fractions) == 1 else places
    return alike, once if len(lengths) > 1 else lengths, torch.from_numpy(index.reshape(-1))
