"""A result becomes files: whole or not at all, and never over what something else has written.

| file | written by |
|---|---|
| which files each command writes | `TRANSFORM`, `SWEEP` (`products`) |
| the directory itself | `OutputDirectory` (`directory`) |
| what killed runs left beside it | `clear_leftovers` (`leftovers`) |
| one file beside its place | `atomic_file` (`single`) |
| `spectrogram.npy`, `stft.npy` | `NpyStream` (`npy`), `open_stft` (`stft_npy`) |
| `parameters.npz` | `write_parameters`, `read_parameters` (`parameters_npz`) |
| `trajectory.csv` | `write_trajectory` (`trajectory_csv`) |
| `sweep.csv`, `sweep.json` | `sweep_csv`, `sweep_record` (`sweep_csv`) |
| the call of `--emit` | `emitted_call` (`emit`) |
| `result.json` | `result_record`, `write_json`, `read_record`, `peak_memory_mb` (`result_json`, `memory`) |

A disk that fills up is an `OutputError` of one line wherever it happens (`place.disk_errors`); a
closed pipe stays a `BrokenPipeError`, for the command line to end quietly.
"""

from dstft_cli.results.directory import OutputDirectory
from dstft_cli.results.emit import check_emitted, check_global, emitted_call
from dstft_cli.results.leftovers import clear_leftovers
from dstft_cli.results.memory import peak_memory_mb
from dstft_cli.results.npy import NpyStream
from dstft_cli.results.parameters_npz import StoredParameters, read_parameters, write_parameters
from dstft_cli.results.place import disk_errors, shown
from dstft_cli.results.products import PRODUCTS, SWEEP, TRANSFORM, Products
from dstft_cli.results.result_json import read_record, result_record, write_json
from dstft_cli.results.single import atomic_file
from dstft_cli.results.stft_npy import StoredTransform, open_stft
from dstft_cli.results.sweep_csv import sweep_csv, sweep_record
from dstft_cli.results.trajectory_csv import write_trajectory

__all__ = [
    "PRODUCTS",
    "SWEEP",
    "TRANSFORM",
    "NpyStream",
    "OutputDirectory",
    "Products",
    "StoredParameters",
    "StoredTransform",
    "atomic_file",
    "check_emitted",
    "check_global",
    "clear_leftovers",
    "disk_errors",
    "emitted_call",
    "open_stft",
    "peak_memory_mb",
    "read_parameters",
    "read_record",
    "result_record",
    "shown",
    "sweep_csv",
    "sweep_record",
    "write_json",
    "write_parameters",
    "write_trajectory",
]
