"""Fitting the transform to a signal."""

from dstft_cli.fit.device import resolve_device
from dstft_cli.fit.optimize import optimize

__all__ = ["optimize", "resolve_device"]
