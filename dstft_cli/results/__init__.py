"""Results as files: written whole or not at all, and read back.

| file | what is in it |
|---|---|
| `output` | `Output`: the directory, the single files and standard output of one run |
| `directory` | `OutputDirectory` and `atomic_file`, which appear when they are complete |
| `place` | locks, leftovers of killed runs, errors of a disk |
| `arrays`, `store` | `spectrogram` and `stft`, frame by frame, as .npy files or zarr folders |
| `parameters` | `parameters.npz` |
| `record` | `result.json`, `sweep.json`, `trajectory.csv`, `sweep.csv` |

A full disk raises `OutputError` with one line. A closed pipe raises `BrokenPipeError`, and the command
line ends quietly.
"""

from dstft_cli.results.arrays import (
    MeanFrames,
    NpyStream,
    StoredTransform,
    Stream,
    array_in,
    mean_frames,
    open_stft,
    saved_array,
)
from dstft_cli.results.directory import OutputDirectory, atomic_file
from dstft_cli.results.output import Output
from dstft_cli.results.parameters import read_parameters, write_parameters
from dstft_cli.results.place import clear_leftovers, disk_errors
from dstft_cli.results.record import (
    LABELS,
    SWEEP,
    TRANSFORM,
    VIEW,
    Spread,
    StoredRecord,
    check_kind,
    peak_memory_mb,
    read_record,
    read_result,
    result_record,
    sweep_csv,
    sweep_record,
    write_json,
    write_trajectory,
)

__all__ = [
    "LABELS",
    "SWEEP",
    "TRANSFORM",
    "VIEW",
    "MeanFrames",
    "NpyStream",
    "Output",
    "OutputDirectory",
    "Spread",
    "StoredRecord",
    "StoredTransform",
    "Stream",
    "array_in",
    "atomic_file",
    "check_kind",
    "clear_leftovers",
    "disk_errors",
    "mean_frames",
    "open_stft",
    "peak_memory_mb",
    "read_parameters",
    "read_record",
    "read_result",
    "result_record",
    "saved_array",
    "sweep_csv",
    "sweep_record",
    "write_json",
    "write_parameters",
    "write_trajectory",
]
