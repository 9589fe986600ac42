"""Pictures of results. matplotlib is imported when the first one is drawn."""

from __future__ import annotations

from dstft_cli.plot.pixels import PixelGrid, PixelPool, frequency_range, scale_for

__all__ = ["PixelGrid", "PixelPool", "can_draw", "check_cmap", "frequency_range", "scale_for"]


def check_cmap(name: str) -> str:
    """`name`, or UsageError with the nearest colour maps."""
    from dstft_cli.plot import axes

    return axes.check_cmap(name)


def can_draw(title: str) -> bool:
    """Whether the installed fonts have all glyphs of this title."""
    from dstft_cli.plot import axes

    return axes.can_draw(title)
