"""Fitting the transform to a signal."""

from dstft_cli.fit.optimize import DEFAULT_SMOOTHNESS, optimize

__all__ = ["DEFAULT_SMOOTHNESS", "optimize"]
