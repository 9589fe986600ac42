"""One recording from its file to its results; each command's work is in the file of its name.

| file | what it does |
|---|---|
| `job` | `dstft optimize`, and what it shares with `apply` and `sweep`: outcome, threads, callbacks |
| `sweep`, `apply`, `reconstruct` | the other commands |
| `preflight` | what is refused before any work, and what pictures cannot show |
| `recording` | the recording as the settings ask for it |
| `learned`, `transfer` | parameters learned before, and how they fit another recording |
| `places` | every place that a run writes to, opened before the work |
| `passes`, `output` | the transform once more for what is written; arrays and pictures |
| `summary` | the lines for a person |

Nothing is imported here, so that a command loads only what it needs.
"""
