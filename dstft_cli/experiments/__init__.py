"""The experiments behind the method's claims, each from a seed to a table, a picture and a record.

| experiment | question |
|---|---|
| `windows` | what do learned windows gain over every whole window length, and at what cost? |
| `hops` | what does it gain to move the frames, and what does coverage cost? |
| `tracking` | a window learned with a network that follows a tone, against a grid of windows |
| `classification` | the same for a network that tells sounds apart, one's own recordings included |

`run_experiments` runs them and writes; each file `NAME.py` has a function `run`, and a `Size` that
tests make smaller.
"""

from dstft_cli.experiments.findings import Cell, Findings, Table
from dstft_cli.experiments.reproduce import Reproduced, run_experiments

__all__ = ["Cell", "Findings", "Reproduced", "Table", "run_experiments"]
