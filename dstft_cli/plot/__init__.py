"""Pictures of results. matplotlib is imported when the first of them is drawn, not before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dstft_cli.plot.pool import PixelPool, PooledCurve, pool_curve

if TYPE_CHECKING:
    from dstft_cli.plot.figures import draw_comparison, draw_spectrogram
    from dstft_cli.plot.style import check_cmap
    from dstft_cli.plot.trajectory import draw_trajectory

_DRAWING = {
    "check_cmap": "style",
    "draw_comparison": "figures",
    "draw_spectrogram": "figures",
    "draw_trajectory": "trajectory",
}

__all__ = [
    "PixelPool",
    "PooledCurve",
    "check_cmap",
    "draw_comparison",
    "draw_spectrogram",
    "draw_trajectory",
    "pool_curve",
]


def __getattr__(name: str) -> Any:
    if name in _DRAWING:
        return getattr(import_module(f"dstft_cli.plot.{_DRAWING[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
