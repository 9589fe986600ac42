"""The contract of the command line: commands, files, exit codes and values, whatever is inside.

Nothing here looks into the package but through `main` and the names that `dstft_cli` exports.
"""
