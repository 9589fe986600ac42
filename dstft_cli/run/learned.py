"""What a directory of results holds for those who come back to it: parameters and settings."""

from __future__ import annotations

from pathlib import Path

from dstft_cli.errors import InputError
from dstft_cli.results import StoredParameters, read_parameters, read_record, shown
from dstft_cli.settings import OPTIONS, RUN_OPTIONS, Settings, settings_in_record


def read_learned(directory: Path) -> StoredParameters:
    """The parameters in `DIR/parameters.npz`, as `dstft optimize` or `dstft apply` wrote it.

    Raises:
        InputError: there is no such directory, it was not written by dstft, or is damaged.
    """
    place = shown(directory)
    if not directory.exists():
        raise InputError(f"{place}: no such directory: check the path")
    if not directory.is_dir():
        raise InputError(f"{place} is not a directory: name one that dstft optimize has written")
    return read_parameters(directory / "parameters.npz")


def learned_settings(directory: Path) -> Settings:
    """The settings under which the parameters in DIR were learned.

    `RUN_OPTIONS`, which concern one recording, are at their defaults.

    Args:
        directory: with a `result.json`.

    Raises:
        InputError: there is no `result.json`, or it holds no valid settings.
    """
    record = read_record(directory / "result.json")
    try:
        return settings_in_record(
            {
                name: record["settings"][name]
                for name in OPTIONS
                if name not in (*RUN_OPTIONS, "preset")
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{shown(directory / 'result.json')} lacks the settings of a run or is damaged: "
            "run dstft optimize again"
        ) from error


def learned_highpass(directory: Path) -> float | None:
    """Cut-off of the filter that the recording went through which DIR was learned from, Hz; None: none."""
    found = read_record(directory / "result.json")["settings"].get("highpass")
    return float(found) if isinstance(found, (int, float)) else None
