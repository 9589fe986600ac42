"""The local criterion: every tile of the plane answers for itself.

In tile τ, under window length θ, with the criterion's sums S_τ and the energy E_τ,

    cost_τ(θ) = score(S_τ(θ)) + γ · max(ln E_τ(θ) − median_m ln E_τ(θ_m), 0)          [nats]
    J(θ)      = Σ_τ ω_τ cost_τ(θ_τ) / Σ_τ ω_τ,      ω_τ = (median_m E_τ(θ_m))^⅛

The second term charges leakage: a window too long or too short carries energy into tiles where none
is. ω does not depend on θ, so nothing is gained by making the loud quiet. Its exponent lets soft sounds
speak: loud ones weigh more, but do not decide for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dstft_cli.criteria.base import Criterion
from dstft_cli.criteria.builtin import Entropy, Kurtosis
from dstft_cli.criteria.tiling import Tiling
from dstft_cli.errors import UsageError

LEAKAGE = 2.0  # γ: nats charged per neper of leaked energy
EXPONENT = 0.125  # of a tile's level in its weight
DEPTH = 1e-5  # tiles below this part of the reference level fade out of J (−50 dB)
STEEP = 2.0  # price of a length that a band may not take, per unit of ln θ: finite, so costs stay smooth
TINY = 1e-37  # least value of a sum: so that silence has a finite score, the same for all windows


def check_local(criterion: Criterion) -> None:
    """UsageError where a criterion is not made of sums, and so has no value for a tile."""
    if criterion.ranked:
        raise UsageError(
            f"criterion {criterion.name} ranks all cells of the plane and has no value for a part: "
            "use `scope` plane, or `criterion` entropy or hoyer"
        )


def tile_score(tiling: Tiling, criterion: Criterion, sums: Tensor) -> Tensor:
    """What is minimised in each tile: `[..., B, U, J]` → `[..., B, U]`.

    Args:
        tiling: where the tiles lie.
        criterion: made of sums. The kurtosis of a tile is that of all its cells together.
        sums: integrals of its moments.
    """
    if not criterion.scale_invariant:
        found = [
            criterion.elementwise(sums[..., b, :, :] * tiling.area, share * tiling.area)
            for b, share in enumerate(tiling.shares.tolist())
        ]
        return torch.nan_to_num(torch.stack(found, -2))
    if isinstance(criterion, Entropy):  # its second sum may have either sign
        return criterion.score(torch.stack([sums[..., 0].clamp_min(TINY), sums[..., 1]], -1), 1.0)
    sums = sums.clamp_min(TINY)
    if isinstance(criterion, Kurtosis):
        cells = torch.from_numpy(tiling.shares).to(sums)[:, None]
        return 2 * sums[..., 0].log() - sums[..., 1].log() - cells.log()
    return criterion.score(sums, 1.0)  # no other built-in score depends on the number of cells


@dataclass(frozen=True)
class TileCost:
    """Costs of tiles.

    Attributes:
        cost: under each tabulated length, nats, `[M, B, U]`.
        level: mean power in each, `[B, U]`.
    """

    cost: Tensor
    level: Tensor


def tile_cost(tiling: Tiling, criterion: Criterion, energy: Tensor, sums: Tensor) -> TileCost:
    """The costs of tiles under all tabulated lengths.

    A length that a band may not take costs what its shortest does, and `STEEP` more per unit of ln θ.

    Args:
        tiling: where the tiles lie.
        criterion: whose sums they are.
        energy: integral of |X|², `[M, B, U]`.
        sums: integrals of its moments, `[M, B, U, J]`.
    """
    allowed = torch.from_numpy(tiling.allowed)
    cells = torch.from_numpy(tiling.shares).to(energy)[:, None]
    logs = torch.from_numpy(np.log(tiling.lengths)).to(energy)
    level = energy.clamp_min(TINY).log()
    middle = level.masked_fill(~allowed[:, :, None], torch.nan).nanmedian(0).values
    cost = tile_score(tiling, criterion, sums)
    cost = cost + LEAKAGE * (level - middle).clamp_min_(0)
    least = allowed.int().argmax(0)  # the shortest length of each band, `[B]`
    at_least = cost.gather(0, least[None, :, None].expand(1, -1, cost.shape[2]))
    below = (logs[least][None] - logs[:, None]).clamp_min(0)[:, :, None]
    cost = torch.where(allowed[:, :, None], cost, at_least + STEEP * below)
    return TileCost(cost, middle.exp() / cells)


def tile_weights(level: Tensor, reference: float) -> Tensor:
    """ω of tiles from their level, `[B, U]`.

    Args:
        level: mean power.
        reference: that of the recording, see `reference_level`.
    """
    relative = level / reference
    return relative.pow(EXPONENT) * (relative / (relative + DEPTH))
