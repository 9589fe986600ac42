"""`python -m benchmarks`: which benchmarks to run, and how long ones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

NAMES = ("speed", "startup", "optimum", "layer", "memory", "batch")
LONG = ("memory", "batch")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmarks named, or all but the long ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"{', '.join(NAMES)} (all but {' and '.join(LONG)})",
    )
    parser.add_argument("--seconds", type=float, default=180, help="signal of speed, layer (180)")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions, median taken (7)")
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=[10, 60], help="recordings of memory (10 60)"
    )
    parser.add_argument(
        "--peer-seconds",
        type=float,
        default=240,
        help="of optimum: longest descent of the peer library, which takes up to 3.5 GB of memory "
        "(240; 0: without the peer)",
    )
    parser.add_argument("--clips", type=int, default=200, help="recordings of batch (200)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"benchmark {unknown[0]!r} is unknown: use {', '.join(NAMES)}")
    if options.seconds <= 0 or options.rounds < 1 or min(options.minutes) <= 0:
        parser.error("--seconds and --minutes must be above 0, --rounds at least 1")
    if options.peer_seconds < 0:
        parser.error("--peer-seconds must be 0 or above")
    if options.clips < 20:
        parser.error("--clips must be at least 20")
    for name in options.names or [name for name in NAMES if name not in LONG]:
        if name == "memory":
            from benchmarks import memory

            memory.run(options.minutes)
        elif name == "batch":
            from benchmarks import batch

            batch.run(options.clips)
        elif name == "speed":
            from benchmarks import speed

            speed.run(options.seconds, options.rounds)
        elif name == "layer":
            from benchmarks import layer

            layer.run(options.seconds, options.rounds)
        elif name == "startup":
            from benchmarks import startup

            startup.run(options.rounds)
        else:
            from benchmarks import optimum

            optimum.run(options.rounds, options.peer_seconds)


if __name__ == "__main__":
    main()
