"""Pictures of results. matplotlib is imported when the first of them is drawn, not before."""

from __future__ import annotations

from dstft_cli.plot.pixels import PixelGrid, PixelPool, frequency_range, scale_for

__all__ = ["PixelGrid", "PixelPool", "can_draw", "check_cmap", "frequency_range", "scale_for"]


def check_cmap(name: str) -> str:
    """`name` if matplotlib has such a colour map; UsageError, which names the nearest, if not."""
    from dstft_cli.plot import axes

    return axes.check_cmap(name)


def can_draw(title: str) -> bool:
    """Whether pictures show this title in full: False where no font has the glyphs of its name."""
    from dstft_cli.plot import axes

    return axes.can_draw(title)
