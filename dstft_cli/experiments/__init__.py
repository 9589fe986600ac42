"""The experiments of the method: each makes a table, a picture and a record from a seed.

| experiment | content |
|---|---|
| `windows` | gain and cost of learned windows against every whole window length |
| `hops` | gain of moved frames, and the cost of coverage |
| `tracking` | a window learned with a network that follows a tone, against a grid of windows |
| `classification` | the same for a network that classifies sounds, also your own recordings |

`run_experiments` runs them and writes the results. Each file `NAME.py` has a function `run` and a `Size`,
smaller in tests.
"""

from dstft_cli.experiments.reproduce import run_experiments

__all__ = ["run_experiments"]
