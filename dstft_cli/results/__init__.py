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

from dstft_cli.results.arrays import MeanFrames as MeanFrames
from dstft_cli.results.arrays import NpyStream as NpyStream
from dstft_cli.results.arrays import StoredTransform as StoredTransform
from dstft_cli.results.arrays import Stream as Stream
from dstft_cli.results.arrays import array_in as array_in
from dstft_cli.results.arrays import mean_frames as mean_frames
from dstft_cli.results.arrays import open_stft as open_stft
from dstft_cli.results.arrays import saved_array as saved_array
from dstft_cli.results.directory import OutputDirectory as OutputDirectory
from dstft_cli.results.directory import atomic_file as atomic_file
from dstft_cli.results.output import Output as Output
from dstft_cli.results.parameters import read_parameters as read_parameters
from dstft_cli.results.parameters import write_parameters as write_parameters
from dstft_cli.results.place import clear_leftovers as clear_leftovers
from dstft_cli.results.place import damaged as damaged
from dstft_cli.results.place import disk_errors as disk_errors
from dstft_cli.results.record import LABELS as LABELS
from dstft_cli.results.record import SWEEP as SWEEP
from dstft_cli.results.record import TRANSFORM as TRANSFORM
from dstft_cli.results.record import VIEW as VIEW
from dstft_cli.results.record import Spread as Spread
from dstft_cli.results.record import StoredRecord as StoredRecord
from dstft_cli.results.record import check_kind as check_kind
from dstft_cli.results.record import peak_memory_mb as peak_memory_mb
from dstft_cli.results.record import read_record as read_record
from dstft_cli.results.record import read_result as read_result
from dstft_cli.results.record import result_record as result_record
from dstft_cli.results.record import sweep_csv as sweep_csv
from dstft_cli.results.record import sweep_record as sweep_record
from dstft_cli.results.record import write_json as write_json
from dstft_cli.results.record import write_trajectory as write_trajectory
