"""Windows and their derivatives, the transform and its derivatives, the inverse."""

from dstft_cli.stft.autograd import differentiable_stft
from dstft_cli.stft.bank import FrequencyBank, frequency_bank
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.cells import CellOperator, Pairs, cell_spectra, pairs_of
from dstft_cli.stft.frames import Frames, Samples
from dstft_cli.stft.functional import spectra, stft, stft_derivatives
from dstft_cli.stft.inverse import Inverse, inverse_of, istft
from dstft_cli.stft.least_squares import LeastSquaresInverse
from dstft_cli.stft.module import DSTFT
from dstft_cli.stft.transform import Transform
from dstft_cli.stft.windows import window, window_and_slope, window_derivatives

__all__ = [
    "DSTFT",
    "CellOperator",
    "Frames",
    "FrequencyBank",
    "Inverse",
    "LeastSquaresInverse",
    "Pairs",
    "Samples",
    "Transform",
    "cell_spectra",
    "differentiable_stft",
    "frequency_bank",
    "inverse_of",
    "istft",
    "map_in_order",
    "pairs_of",
    "spectra",
    "stft",
    "stft_derivatives",
    "window",
    "window_and_slope",
    "window_derivatives",
]
