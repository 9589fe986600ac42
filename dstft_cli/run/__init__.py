"""One recording, from its file to its results. Each command has a file of its name.

| file | what it does |
|---|---|
| `optimize` | `dstft optimize` in eight steps, and `dstft_cli.optimize` |
| `sweep`, `apply`, `reconstruct` | the other commands |
| `recording` | loads the recording; warnings and text about it |
| `output` | arrays, parameters and pictures of a transform |
| `emit` | code for another library |
| `sentences` | the sentence for each note of the fit |
| `summary` | the lines for a person |

Nothing is imported here: a command loads only what it needs.
"""
