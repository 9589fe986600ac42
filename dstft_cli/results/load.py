"""`dstft_cli.load`: a directory of results as arrays with coordinates, of which only parts are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import InputError, printable
from dstft_cli.records import FloatArray
from dstft_cli.results.parameters import StoredParameters, read_parameters
from dstft_cli.results.place import check_readable
from dstft_cli.results.record import read_record
from dstft_cli.results.store import UNITS, open_zarr

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class StoredResult:
    """What `dstft optimize` or `dstft apply` wrote.

    Arrays are mapped from .npy files, or zarr arrays: a slice reads what it needs. Times count from the
    start of the recording, also where `--offset` chose a part of it.

    Attributes:
        spectrogram: magnitudes, `[F, T]` or `[C, F, T]`; None if it was not saved.
        stft: the complex transform, `[F, S]` or `[C, F, S]`; None if it was not saved.
        times: frame centres of `spectrogram`, s, `[T]`.
        stft_times: frame centres of `stft`, s, `[S]`; those of `spectrogram` if it has all frames.
        frequencies: Hz, `[F]`.
        window_length: samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`; `[B, U]` on tiles.
        tile_frequencies, tile_times: Hz, `[B]`, and s, `[U]`, where lengths are kept on tiles, else None.
            `parameters.length_map.at` has the lengths of all cells.
        parameters: everything that defines the transform.
        attrs: the record of the run, as in `result.json`.
    """

    spectrogram: Any
    stft: Any
    times: FloatArray
    stft_times: FloatArray
    frequencies: FloatArray
    window_length: NDArray[Any]
    tile_frequencies: FloatArray | None
    tile_times: FloatArray | None
    parameters: StoredParameters
    attrs: dict[str, Any]

    def to_xarray(self) -> xarray.Dataset:
        """The arrays and window lengths, with their axes and units; ImportError without xarray."""
        import xarray

        same = len(self.times) == len(self.stft_times)
        coords = {"frequency": self.frequencies, "time": self.times}
        variables: dict[str, Any] = {}
        for name, time in (("spectrogram", "time"), ("stft", "time" if same else "stft_time")):
            array = getattr(self, name)
            if isinstance(array, np.ndarray):
                variables[name] = ("channel", "frequency", time)[-array.ndim :], array
            elif array is not None:  # a zarr array, which would be read as a whole
                stored = xarray.open_zarr(array.store.root)[name]
                variables[name] = stored.rename({"time": time}).variable
        if self.stft is not None and not same:
            coords["stft_time"] = self.stft_times
        dims = ("frequency", "time")
        if self.tile_frequencies is not None and self.tile_times is not None:
            dims = ("tile_frequency", "tile_time")
            coords |= dict(zip(dims, (self.tile_frequencies, self.tile_times), strict=True))
        kept = [axis for axis, size in enumerate(self.window_length.shape) if size > 1]
        lengths = self.window_length.reshape([self.window_length.shape[axis] for axis in kept])
        own = {"units": "samples", "long_name": "window length"}
        variables["window_length"] = ([dims[axis] for axis in kept], lengths, own)
        p = self.parameters
        about = {"sample_rate": p.sample_rate, "n_fft": p.n_fft, "window": p.window}
        axes = {
            name: (name, values, {"units": UNITS[name.rpartition("_")[2]]})
            for name, values in coords.items()
        }
        return xarray.Dataset(variables, axes, about | {"normalization": p.normalization})


def load(directory: str | os.PathLike[str]) -> StoredResult:
    """The result in a directory of `dstft optimize` or `dstft apply`.

    Raises:
        InputError: it holds no result, one without parameters, or a damaged one.
        UsageError: it holds zarr arrays, and zarr is not installed.
    """
    place = Path(directory)
    attrs = read_record(place / "result.json")
    p = read_parameters(place / "parameters.npz")
    tiles = p.length_map
    with np.load(place / "parameters.npz", allow_pickle=False) as stored:
        times = stored["times"]
        lengths = stored["window_length"] if tiles is None else tiles.lengths
    return StoredResult(
        _array(place, "spectrogram"),
        _array(place, "stft"),
        times,
        p.times,
        p.frequencies,
        lengths,
        None if tiles is None else tiles.frequencies,
        None if tiles is None else p.offset + tiles.times / p.sample_rate,
        p,
        attrs,
    )


def _array(place: Path, name: str) -> Any:
    path = place / f"{name}.zarr"
    if path.is_dir():
        return open_zarr(path)
    path = place / f"{name}.npy"
    if not os.path.lexists(path):
        return None
    check_readable(path)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            f"{printable(path)} is not an .npy of dstft or is damaged: run dstft optimize again"
        ) from error
