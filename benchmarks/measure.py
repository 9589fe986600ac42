"""Timing in turns, medians and ratios, and claims about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Claim:
    """A figure that the project promises not to exceed, or, with `at_least`, to reach."""

    text: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        verdict = "met" if self.met else "NOT MET"
        sign = "≥" if self.at_least else "≤"
        return (
            f"{verdict:<7}  {self.text}: {self.value:.5g} {self.unit}, "
            f"claimed {sign} {self.limit:.5g}"
        )


def in_turns(
    tasks: Mapping[str, Callable[[], object]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Runs every task once per round, in order.

    Args:
        tasks: name and what is timed.
        rounds: >= 1.
        warm_up: run every task once before, unmeasured.

    Returns:
        Wall seconds of each task, one per round.
    """
    for task in tasks.values() if warm_up else ():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def median_ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    """Median over rounds of seconds divided by the reference of the same round."""
    return median(a / b for a, b in zip(seconds, reference, strict=True))
