"""Writes commands.md, the help of every command: python docs/commands.py (dstft must be installed)."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

from dstft_cli.cli import main
from dstft_cli.cli.app import COMMANDS

PAGE = Path(__file__).parent / "commands.md"
WIDTH = 100  # characters, whatever the terminal has
HEAD = """# All commands and options

What `--help` prints (`--help-all` for `dstft optimize`), written by `python docs/commands.py`. The
[tutorial](tutorial.md) shows the commands at work.
"""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def help_of(*arguments: str) -> str:
    """What `dstft ARGUMENTS` prints."""
    shown = io.StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH)}), redirect_stdout(shown):
        assert main(arguments) == 0
    lines = [line.rstrip() for line in _COLOUR.sub("", shown.getvalue()).strip().splitlines()]
    return "\n".join(lines)


def page() -> str:
    """The whole page, a section per command."""
    sections = [("dstft", help_of("--help"))]
    for name in COMMANDS:
        flag = "--help-all" if name == "optimize" else "--help"
        sections.append((f"dstft {name}", help_of(name, flag)))
    return HEAD + "".join(f"\n## `{title}`\n\n```text\n{text}\n```\n" for title, text in sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
