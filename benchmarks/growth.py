"""How a cost grows: `y ∝ x^p`, the exponent fitted on logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Growth:
    """A cost against a size.

    Attributes:
        axis: what is varied, the panel of the plot.
        name: of the series within the panel.
        quantity: `time, s` or `memory, MB`.
        x, y: > 0, two values or more.
    """

    axis: str
    name: str
    quantity: str
    x: Sequence[float]
    y: Sequence[float]

    def exponent(self) -> float:
        """Slope of the least-squares line through `(ln x, ln y)`."""
        return exponent(self.x, self.y)

    def last_exponent(self) -> float:
        """Slope between the two largest sizes, where what a start costs weighs least."""
        return exponent(self.x[-2:], self.y[-2:])

    def line(self) -> tuple[Sequence[float], list[float]]:
        """The fitted power law at the ends of `x`."""
        p, c = np.polyfit(np.log(self.x), np.log(self.y), 1)
        ends = (min(self.x), max(self.x))
        return ends, [float(np.exp(c) * x**p) for x in ends]


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """`p` of the power law `y ∝ x^p` that fits best on logarithms.

    Args:
        x, y: > 0; two or more, not all x equal.

    Raises:
        ValueError: there is no such line.
    """
    if len(x) != len(y) or len(set(x)) < 2:
        raise ValueError(f"{len(x)} sizes and {len(y)} costs: two different sizes are needed")
    if min(x) <= 0 or min(y) <= 0:
        raise ValueError("sizes and costs must be above 0")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
