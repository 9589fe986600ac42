"""One recording, from its file to its results.

| file | what it does |
|---|---|
| `optimize` | `dstft optimize` in eight steps, `dstft_cli.optimize`, and `dstft sweep` |
| `apply` | `dstft apply` and `dstft reconstruct` |
| `plot` | `dstft plot` |
| `recording` | loads the recording; warnings and text about it |
| `output` | arrays, parameters and pictures of a transform |
| `emit` | code for another library |
| `sentences` | the sentence for each note of the fit |

Nothing is imported here: a command loads only what it needs.
"""
