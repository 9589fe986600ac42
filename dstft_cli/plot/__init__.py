"""Pictures of results. matplotlib is imported when the first one is drawn."""

from dstft_cli.plot.pixels import PixelGrid, PixelPool, frequency_range, scale_for, time_range

__all__ = ["PixelGrid", "PixelPool", "frequency_range", "scale_for", "time_range"]
