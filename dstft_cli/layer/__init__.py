"""The transform as a layer of a neural network, from a result and as a plain module."""

from dstft_cli.layer.frozen import FrozenSTFT
from dstft_cli.layer.layer import DSTFT

__all__ = ["DSTFT", "FrozenSTFT"]
