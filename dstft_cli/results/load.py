"""`dstft_cli.load`: a directory of results as arrays with coordinates, of which only parts are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.records import FloatArray, StoredParameters
from dstft_cli.results.arrays import array_in
from dstft_cli.results.parameters import DAMAGE, read_parameters
from dstft_cli.results.place import check_readable, damaged
from dstft_cli.results.record import read_record
from dstft_cli.results.store import ATTRIBUTES, UNITS, open_zarr

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
        times: frame centres of `spectrogram`, s, `[T]`; those of `stft` are `parameters.times`, `[S]`.
        frequencies: Hz, `[F]`.
        window_length: samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, or of tiles `[B, U]`, of which
            `parameters.length_map` has the axes.
        parameters: everything that defines the transform.
        attrs: the record of the run, as in `result.json`.
    """

    spectrogram: Any
    stft: Any
    times: FloatArray
    frequencies: FloatArray
    window_length: NDArray[Any]
    parameters: StoredParameters
    attrs: dict[str, Any]

    def to_xarray(self) -> xarray.Dataset:
        """Arrays and window lengths with their axes and units; the arrays are not read yet."""
        import xarray

        p, coords = self.parameters, {"frequency": self.frequencies, "time": self.times}
        frames_of_stft = "time" if len(p.times) == len(self.times) else "stft_time"
        variables: dict[str, Any] = {}
        for name, time in (("spectrogram", "time"), ("stft", frames_of_stft)):
            array = getattr(self, name)
            if isinstance(array, np.ndarray):
                variables[name] = ("channel", "frequency", time)[-array.ndim :], array
            elif array is not None:  # a zarr array, which would be read as a whole
                stored = xarray.open_zarr(array.store.root, drop_variables=list(UNITS))[name]
                variables[name] = stored.rename({"time": time}).variable
        if self.stft is not None:
            coords[frames_of_stft] = p.times
        axes = ("frequency", "time")
        if p.length_map is not None:
            axes = ("tile_frequency", "tile_time")
            seconds = p.offset + p.length_map.times / p.sample_rate
            coords |= {"tile_frequency": p.length_map.frequencies, "tile_time": seconds}
        kept = [axis for axis, size in zip(axes, self.window_length.shape, strict=True) if size > 1]
        lengths = self.window_length.squeeze()
        variables["window_length"] = kept, lengths, {"units": "samples"}
        units = {name: {"units": UNITS[name.rpartition("_")[2]]} for name in coords}
        return xarray.Dataset(
            variables,
            {name: (name, values, units[name]) for name, values in coords.items()},
            {name: getattr(p, name) for name in ATTRIBUTES},
        )


def load(directory: str | os.PathLike[str]) -> StoredResult:
    """The result in a directory of `dstft optimize` or `dstft apply`.

    Raises:
        InputError: it holds no result, one without parameters, or a damaged one.
        UsageError: it holds zarr arrays, and zarr is not installed.
    """
    place = Path(directory)
    attrs = read_record(place / "result.json")
    p = read_parameters(place / "parameters.npz")
    with np.load(place / "parameters.npz", allow_pickle=False) as stored:
        times = stored["times"]
        lengths = stored["window_length"] if p.length_map is None else p.length_map.lengths
    spectrogram, stft = (
        _array(place, name, (len(p.frequencies), frames))
        for name, frames in (("spectrogram", len(times)), ("stft", len(p.times)))
    )
    return StoredResult(spectrogram, stft, times, p.frequencies, lengths, p, attrs)


def _array(place: Path, name: str, plane: tuple[int, int]) -> Any:
    """An array of `[F, T]` or `[C, F, T]`; None if it was not saved."""
    path = array_in(place, name)
    if path.suffix == ".zarr":
        array = open_zarr(path)
    elif not os.path.lexists(path):
        return None
    else:
        check_readable(path)
        try:
            with np.errstate(over="ignore"):  # sizes of a damaged header
                array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, *DAMAGE) as error:
            raise damaged(path, "is not an .npy of dstft or is damaged") from error
    if array.shape[-2:] != plane or array.ndim not in (2, 3):
        raise damaged(path, "does not fit parameters.npz")
    return array
