"""What a criterion sees of the transform: `a = |X|^p`, and its derivatives."""

from __future__ import annotations

import torch
from torch import Tensor


def power_of(power: float, squared: Tensor) -> Tensor:
    """`a = |X|^p` from `|X|²`."""
    return squared if power == 2 else squared.pow(power / 2)


def power_and_slopes(power: float, squared: Tensor, *inner: Tensor) -> tuple[Tensor, ...]:
    """`a` and each `∂a = p |X|^(p−2) Re(X̄ ∂X)`, zero where X = 0, from `|X|²` and `Re(X̄ ∂X)`.

    The latter are overwritten.
    """
    if power == 2:
        return squared, *(product.mul_(2) for product in inner)
    # |X|^(p−2); where X = 0 it is finite, and Re(X̄ ∂X) is zero
    ratio = squared.clamp_min(torch.finfo(squared.dtype).tiny).pow_(power / 2 - 1)
    a = squared * ratio
    ratio.mul_(power)
    return a, *(product.mul_(ratio) for product in inner)


def spectrum_power(power: float, X: Tensor) -> Tensor:
    """`a` of a complex spectrum."""
    parts = torch.view_as_real(X)
    return power_of(power, _pair_sum(parts * parts))


def spectrum_power_and_slopes(power: float, X: Tensor, *changes: Tensor) -> tuple[Tensor, ...]:
    """`a` of a complex spectrum, and `∂a` for each `∂X`."""
    parts = torch.view_as_real(X)
    inner = [_pair_sum(parts * torch.view_as_real(dX)) for dX in changes]
    return power_and_slopes(power, _pair_sum(parts * parts), *inner)


def _pair_sum(products: Tensor) -> Tensor:
    """Real part plus imaginary part, `[..., 2]` to `[...]`."""
    return products[..., 0] + products[..., 1]
