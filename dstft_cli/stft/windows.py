"""Window families of real-valued length and position, with their derivatives.

A family is one even function `h(v)` of `v = u / θ`, supported on `|v| ≤ 1/2`, where `u` is the
distance in samples from the frame centre and `θ` the window length in samples:

    w(u; θ) = h(u / θ),    ∂w/∂u = h'(u / θ) / θ,    ∂w/∂θ = −(u / θ²) h'(u / θ)

Every family here ends at zero with zero slope, so `w` is continuously differentiable in both `u`
and `θ`, and the transform does not jump as samples enter or leave the window. Families that end
above zero (Gaussian, Kaiser) have the even parabola subtracted that matches their value and slope
at the end.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440; Harris, Proc. IEEE 66 (1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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


def _gaussian(lengths_per_deviation: float) -> WindowFamily:
    """Gaussian whose standard deviation is `θ / lengths_per_deviation`."""
    q = lengths_per_deviation**2

    def g(v: Tensor) -> Tensor:
        return torch.exp(-0.5 * q * v * v)

    end = math.exp(-q / 8)
    return _ending_at_zero(g, lambda v: -q * v * g(v), end, -0.5 * q * end)


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
    normalized = _normalized(normalization, mirror, *rows)
    return tuple(_expand(row, mirror if whole else 0) for row in normalized)


def _expand(half: Tensor, mirror: int) -> Tensor:
    """`h(0 … K//2)` of an even function to `h(−K//2 … K−1−K//2)` for `mirror = K > 0`."""
    if not mirror:
        return half
    middle = mirror // 2
    return torch.cat([half[..., 1 : middle + 1].flip(-1), half[..., : mirror - middle]], dim=-1)


def _normalized(normalization: str, mirror: int, w: Tensor, *slopes: Tensor) -> tuple[Tensor, ...]:
    """`w/n(w)` and its derivatives, `∂(w/n) = (∂w − (w/n)·∂n)/n`, in place.

    Sums go over all k; with `mirror` each distance but the first counts twice (at K/2 of an even K
    every window has ended).
    """
    if normalization == "none":
        return w, *slopes

    def total(once: Tensor, first: Tensor) -> Tensor:
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
