"""Arguments of the public functions, held to their ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dstft_cli.errors import UsageError


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
