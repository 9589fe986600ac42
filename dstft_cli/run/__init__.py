"""One recording from its file to its results; each command's work is in the file of its name.

| file | what it does |
|---|---|
| `optimize` | `dstft optimize` in eight steps, and `dstft_cli.optimize` |
| `sweep`, `apply`, `reconstruct` | the other commands |
| `recording` | the recording as the settings ask for it, and what is told of it |
| `output` | arrays, parameters and pictures of a transform |
| `emit` | the call of another library |
| `sentences` | what a note of the fit says in words |
| `summary` | the lines for a person |

Nothing is imported here, so that a command loads only what it needs.
"""
