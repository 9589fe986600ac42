"""Pictures of results. matplotlib is imported when the first of them is drawn, not before."""

from __future__ import annotations

from typing import Any

from dstft_cli.plot.curve import PooledCurve, pool_curve
from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.pool import PixelPool

__all__ = ["PixelGrid", "PixelPool", "PooledCurve", "check_cmap", "pool_curve"]


def __getattr__(name: str) -> Any:
    if name == "check_cmap":
        from dstft_cli.plot.style import check_cmap

        return check_cmap
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
