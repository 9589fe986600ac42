"""Learn the best short-time Fourier transform for a recording.

`optimize` learns window lengths, `load` reads a directory of results. `dstft_cli.stft` has the transform
`stft`, its derivatives `stft_derivatives` and its inverse `istft`. A name is imported at first use, so
that `dstft --help` needs no torch.

    >>> import numpy as np
    >>> from dstft_cli import optimize
    >>> chirp = np.sin(np.cumsum(np.linspace(0.1, 1.5, 8000)))
    >>> result = optimize(chirp, sample_rate=8000, n_fft=512, window_mode="constant")
    >>> result.window_length.shape
    (1, 1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dstft_cli._version import __version__

if TYPE_CHECKING:
    from dstft_cli.criteria import Criterion
    from dstft_cli.errors import DstftError, InputError, OutputError, UsageError
    from dstft_cli.layer import DSTFT
    from dstft_cli.records import Result, StopReason, Trajectory
    from dstft_cli.results.load import StoredResult, load
    from dstft_cli.run.optimize import optimize
    from dstft_cli.stft import istft, stft_derivatives, window

_WHERE = {
    name: module
    for module, names in {
        "layer": "DSTFT",
        "stft.functional": "istft stft_derivatives",
        "stft.transform": "window",
        "criteria": "Criterion",
        "errors": "DstftError InputError OutputError UsageError",
        "records": "Result StopReason Trajectory",
        "results.load": "StoredResult load",
        "run.optimize": "optimize",
    }.items()
    for name in names.split()
}
__all__ = [
    "DSTFT",
    "Criterion",
    "DstftError",
    "InputError",
    "OutputError",
    "Result",
    "StopReason",
    "StoredResult",
    "Trajectory",
    "UsageError",
    "__version__",
    "istft",
    "load",
    "optimize",
    "stft_derivatives",
    "window",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"dstft_cli.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
