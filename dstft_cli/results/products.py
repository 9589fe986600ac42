"""What each command writes: the files of its directory, and the single files beside it."""

from __future__ import annotations

from dataclasses import dataclass

from dstft_cli.names import FIGURE_FORMATS


@dataclass(frozen=True)
class Products:
    """The files of one command.

    Attributes:
        ending: of its directory's name, where none is given: STEM-ENDING.
        record: the JSON file that tells of the run.
        names: every file that it may write into its directory.
        singles: options that each name one more file, or `-` for standard output.
    """

    ending: str
    record: str
    names: frozenset[str]
    singles: tuple[str, ...]


def _figures(*names: str) -> frozenset[str]:
    return frozenset(f"{name}.{ending}" for name in names for ending in FIGURE_FORMATS)


TRANSFORM = Products(
    "dstft",
    "result.json",
    _figures("spectrogram", "comparison", "trajectory")
    | {"spectrogram.npy", "stft.npy", "parameters.npz", "trajectory.csv", "result.json"},
    ("npy", "png"),
)
"""Of `dstft optimize`, and of all that write a transform as it does."""

SWEEP = Products(
    "sweep", "sweep.json", _figures("sweep") | {"sweep.csv", "sweep.json"}, ("png", "csv")
)
"""Of `dstft sweep`."""

PRODUCTS = {products.ending: products for products in (TRANSFORM, SWEEP)}
