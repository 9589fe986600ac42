"""The benchmarks by name: what each takes of the options, imported when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from benchmarks.report import Report


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        title: of its section.
        arguments: of its `run`, after the report, from the options.
        page: whether it is on the page where no names are given.
    """

    title: str
    arguments: Callable[[argparse.Namespace], Sequence[Any]]
    page: bool = True


CATALOGUE = {
    "evaluation": Benchmark(
        "One evaluation: criterion and gradient", lambda o: (o.seconds, o.rounds)
    ),
    "speed": Benchmark("Gradients and whole fits", lambda o: (o.seconds, o.rounds)),
    "optimum": Benchmark(
        "The optimum, and the way there", lambda o: (min(o.rounds, 5), o.peer_seconds)
    ),
    "picture": Benchmark("What the pictures show", lambda o: (o.recordings,)),
    "layer": Benchmark("The layer of a neural network", lambda o: (o.seconds, o.rounds)),
    "scaling": Benchmark(
        "Growth", lambda o: (o.longest, o.scaling_seconds, o.points, o.clips // 4)
    ),
    "startup": Benchmark("Start-up", lambda o: (o.rounds,)),
    "memory": Benchmark("Long recordings", lambda o: (o.minutes,), page=False),
    "batch": Benchmark("Batches", lambda o: (o.clips,), page=False),
}


def measure(report: Report, name: str, options: argparse.Namespace) -> bool:
    """Runs one benchmark; a failure is told, and keeps none of the others from running.

    Returns:
        Whether it ran to its end.
    """
    benchmark = CATALOGUE[name]
    report.begin(name, benchmark.title)
    try:
        import_module(f"benchmarks.{name}").run(report, *benchmark.arguments(options))
    except Exception as error:
        report.missing(f"FAILED: {type(error).__name__}: {error}")
        return False
    return True
