"""The `dstft` command line: parse, call, print, exit code."""

from dstft_cli.cli.app import main

__all__ = ["main"]
