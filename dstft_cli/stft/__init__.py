"""Windows, the transform and its derivatives, its inverse, and the local criterion as a loss."""

from dstft_cli.stft.autograd import differentiable_stft
from dstft_cli.stft.bank import CellOperator, MatrixBank, few_lengths
from dstft_cli.stft.frames import Frames, Samples, map_in_order
from dstft_cli.stft.functional import (
    inverse_of,
    istft,
    map_spectra,
    spectra,
    stft,
    stft_derivatives,
)
from dstft_cli.stft.least_squares import LeastSquaresInverse
from dstft_cli.stft.local_criterion import local_criterion
from dstft_cli.stft.overlap_add import Inverse
from dstft_cli.stft.transform import Transform, window

__all__ = [
    "CellOperator",
    "Frames",
    "Inverse",
    "LeastSquaresInverse",
    "MatrixBank",
    "Samples",
    "Transform",
    "differentiable_stft",
    "few_lengths",
    "inverse_of",
    "istft",
    "local_criterion",
    "map_in_order",
    "map_spectra",
    "spectra",
    "stft",
    "stft_derivatives",
    "window",
]
