"""Settings as the keyword arguments of the functions that compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dstft_cli.settings.declarations import Declaration
from dstft_cli.settings.length import Length
from dstft_cli.settings.model import Settings

_GROUPS = ("transform", "learned", "criterion", "optimizer", "compute")
_OF_THE_RUN = ("seed", "threads")  # which sets them for all that is computed in it


def fit_arguments(
    settings: Settings, options: Mapping[str, Declaration], sample_rate: float
) -> dict[str, Any]:
    """What `optimize` or `sweep` is to be called with: lengths in samples, `n_fft auto` as None.

    Args:
        settings: of the run.
        options: of the command; those of them count that decide about the transform.
        sample_rate: of the recording, Hz.
    """
    found: dict[str, Any] = {}
    for name, declaration in options.items():
        if declaration.option.group in _GROUPS and name not in _OF_THE_RUN:
            value = getattr(settings, name)
            found[name] = value.samples(sample_rate) if isinstance(value, Length) else value
    if found["n_fft"] == "auto":
        found["n_fft"] = None
    return found
