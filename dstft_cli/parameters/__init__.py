"""Window lengths and frame centres: shapes, bounds, coverage, and what a descent moves."""

from dstft_cli.parameters.centers import (
    FreeCenters,
    FreeHop,
    HopRange,
    Placed,
    centered_centers,
    quadrature_weights,
    uniform_centers,
    weights_pull_back,
)
from dstft_cli.parameters.free import FreeLengths, Neighbours
from dstft_cli.parameters.lengths import (
    REACH,
    SHORTEST_SHARE,
    LengthBounds,
    length_bounds,
)
from dstft_cli.parameters.patches import Patches, choose_patches

__all__ = [
    "REACH",
    "SHORTEST_SHARE",
    "FreeCenters",
    "FreeHop",
    "FreeLengths",
    "HopRange",
    "LengthBounds",
    "Neighbours",
    "Patches",
    "Placed",
    "centered_centers",
    "choose_patches",
    "length_bounds",
    "quadrature_weights",
    "uniform_centers",
    "weights_pull_back",
]
