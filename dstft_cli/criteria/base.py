"""A criterion: two small functions, moments and value.

A criterion is a function of a few sums of `a = |X|^power` over the time-frequency plane,

    value = φ(Σ ψ₁(a), Σ ψ₂(a), …),

so it can be summed over frames in any order and in blocks, and differentiated in the same pass:
`∂value = Σ_j ∂φ/∂S_j · Σ ψ_j'(a) ∂a`. A user's own criterion is any object with

    direction = "minimize"                      # or "maximize"
    def moments(self, a): return a, a**2        # ψ_j(a): tensors of the shape of a, float32 or 64
    def value(self, sums, cells): return ...    # φ: sums [J], cells = number of cells

written with torch operations; its derivatives come from autograd. Of the tiles of the local criterion, many
are computed at once by `torch.vmap`, so `value` may not branch on values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Direction = Literal["minimize", "maximize"]
Pool = Callable[[Tensor], Tensor]
Slopes = tuple[Tensor | float, ...]


class Criterion(ABC):
    """A criterion of sparsity or concentration."""

    name: str  # as given to `criterion`
    direction: Direction = "minimize"  # whether a smaller or a larger value is sparser
    scale_invariant: ClassVar[bool] = True  # the signal times a constant has the same value
    # moments depend on the ranks of all cells, of a pass of their own
    ranked: ClassVar[bool] = False
    # no linear statistic of a frame: its sums have no parts per bin
    per_frame: ClassVar[bool] = False
    in_nats: ClassVar[bool] = False  # the score is a logarithm, so differences compare with others'
    sums_per_frame: int = 2  # J, the number of sums that `rows` gives

    @abstractmethod
    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        """`ψ_j(a)` per cell; `a` ≥ 0 of any shape."""

    @abstractmethod
    def slopes(self, a: Tensor) -> Slopes:
        """`ψ_j'(a)` per cell, finite (zero where it has no limit) at `a = 0`."""

    def moments_and_slopes(self, a: Tensor) -> tuple[tuple[Tensor, ...], Slopes]:
        """Both at once, where they share work."""
        return self.moments(a), self.slopes(a)

    @abstractmethod
    def value(self, sums: Tensor, cells: float) -> Tensor:
        """The value in the criterion's own direction; sums `[..., J]` float64 → `[...]`."""

    def score(self, sums: Tensor, cells: float) -> Tensor:
        """A monotone function of the value that is minimised, in nats where the criterion allows.

        The smoothness penalty is added to the score, so that its strength means the same for all
        built-in criteria: each score is the logarithm of an effective number of occupied cells,
        or differs from one by a constant.
        """
        value = self.value(sums, cells)
        return value if self.direction == "minimize" else -value

    def elementwise(self, sums: Tensor, cells: float) -> Tensor:
        """The score of many parts of the plane with as many cells each: `[..., J]` → `[...]`."""
        return self.score(sums, cells)

    def rows(self, a: Tensor, da: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Sums per frame, `[n, J]` float64, and their derivatives; see `pooled`."""
        return self.pooled(a, frame_sum, da)

    def pooled(
        self, a: Tensor, pool: Pool, da: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Sums over any parts of the plane: `Σ ψ_j(a)` and `Σ ψ_j'(a) ∂a` (None without `da`).

        Args:
            a: `[C, n, F]`.
            pool: from a quantity of each cell `[C, n, F]` to its weighted sums `[...]`.
            da: derivative of `a` with respect to the parameter of its cell, `[C, n, F]`.
        """
        if da is None:
            return torch.stack([pool(m) for m in self.moments(a)], dim=-1), None
        moments, slopes = self.moments_and_slopes(a)
        sums = torch.stack([pool(m) for m in moments], dim=-1)
        return sums, torch.stack([pool(_times(s, da)) for s in slopes], dim=-1)

    def score_gradient(
        self, sums: NDArray[np.float64], cells: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Score and its gradient with respect to the sums `[J]`."""
        with torch.inference_mode(False), torch.enable_grad():  # even if the caller disabled it
            leaf = torch.tensor(sums, dtype=torch.float64, requires_grad=True)
            score = self.score(leaf, cells)
            (gradient,) = torch.autograd.grad(score, leaf)
        return float(score.detach()), gradient.numpy()


class QuasiConvex(Criterion):
    """A criterion of two sums `(A, B)` whose score has convex level sets and falls as B rises.

    `score ≤ h` is then the epigraph of a convex function, `B ≥ b_h(A)`, and the least score over
    mixtures of window lengths is found on one multiplier λ: the sums that minimise `λA − B`.
    """

    in_nats = True

    @abstractmethod
    def multiplier(self, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """`λ = −(∂score/∂A)/(∂score/∂B)` where `B/A = ratio`; increasing."""

    @abstractmethod
    def tangent(self, multiplier: float, least: float) -> tuple[float, float]:
        """`(A, B)` of the lowest score in the half plane `λA − B ≥ least`, for `least > 0`.

        If `least` is the minimum of `λA − B` over all assignments, no assignment scores lower.
        """


def _times(slope: Tensor | float, da: Tensor) -> Tensor:
    return da if isinstance(slope, float) and slope == 1.0 else slope * da


def frame_sum(cells: Tensor) -> Tensor:
    """Sum over channels and bins in float64 (float32 where the device has no float64), `[n]`."""
    return cells.sum(dim=(0, -1), dtype=sum_dtype(cells))


def bin_sum(cells: Tensor, weights: Tensor) -> Tensor:
    """Sum over channels and frames with weights `[n]`, `[F]`, in the dtype of `frame_sum`."""
    return (cells * weights[:, None]).sum(dim=(0, 1), dtype=sum_dtype(cells))


def sum_dtype(cells: Tensor) -> torch.dtype:
    return torch.float32 if cells.device.type == "mps" else torch.float64
