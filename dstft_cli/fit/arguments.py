"""Arguments of the public functions, held to their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dstft_cli.criteria import Criterion
from dstft_cli.errors import UsageError
from dstft_cli.names import DTYPES, HOP_MODES, OPTIMIZERS, WINDOW_MODES


def check_above_zero(given: Mapping[str, Any], names: Iterable[str]) -> None:
    """UsageError for one of these that is given and not above 0, naming it."""
    for name in names:
        value = given[name]
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name.replace('_', ' ')} {value:g}: above 0 is allowed")


def check_overlap(overlap: float) -> None:
    """UsageError where windows could not overlap by this share."""
    if not 0 < overlap <= 1:
        raise UsageError(f"overlap {overlap:g}: above 0 and up to 1 is allowed")


def check_arguments(**given: Any) -> None:
    """UsageError for an argument of `optimize` out of its range, naming it."""
    choices = {
        "window_mode": WINDOW_MODES,
        "hop_mode": HOP_MODES,
        "optimizer": OPTIMIZERS,
        "dtype": DTYPES,
    }
    for name, valid in choices.items():
        if given[name] not in valid:
            words = name.replace("_", " ")
            raise UsageError(f"{words} {given[name]!r} is unknown: use {', '.join(valid)}")
    check_overlap(given["overlap"])
    above_zero = ("power", "sample_rate", "tolerance", "lr", "threads")
    lengths = (f"{of}_length{end}" for of in ("win", "hop") for end in ("", "_min", "_max"))
    check_above_zero(given, (*above_zero, *lengths))
    for name in ("smoothness", "max_steps"):
        if given[name] is not None and not 0 <= given[name] < math.inf:
            raise UsageError(f"{name.replace('_', ' ')} {given[name]:g}: 0 or above is allowed")
    for name in ("win_length_min", "win_length_max"):
        if given["window_mode"] == "fixed" and given[name] is not None:
            raise UsageError(
                f"{name.replace('_', ' ')} {given[name]:g} has no effect with window mode fixed: "
                "leave it out, or use another window mode"
            )
    n_fft = given["n_fft"]
    if n_fft is not None and not (math.isfinite(n_fft) and n_fft == int(n_fft)):
        raise UsageError(f"n_fft {n_fft:g}: a whole number of samples is needed")


def check_criterion(criterion: Criterion, window_mode: str, hop_mode: str) -> None:
    """UsageError where a criterion cannot tell what these modes would learn."""
    if "frequency" in window_mode and criterion.per_frame:
        raise UsageError(
            f"criterion {criterion.name} is a mean over frames and does not part into "
            "frequencies: use concentration, or window mode time"
        )
    if hop_mode != "fixed" and criterion.ranked:
        raise UsageError(
            f"criterion {criterion.name} ranks all cells, and frames that move change "
            "their weight in every rank: use hoyer or entropy, or hop mode fixed"
        )
