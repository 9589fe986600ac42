"""Writes commands.md, the help of every command: python docs/commands.py (dstft must be installed)."""

from __future__ import annotations

from pathlib import Path

import click
from dstft_cli.cli.group import COMMANDS, dstft

PAGE = Path(__file__).parent / "commands.md"
WIDTH = 100  # characters, whatever the terminal has
HEAD = """# All commands and options

What `--help` prints, written by `python docs/commands.py`. The [tutorial](tutorial.md) shows the
commands at work.
"""


def help_of(command: click.Command, name: str, parent: click.Context | None) -> str:
    """The text of `--help`."""
    settings = command.context_settings
    return command.get_help(
        click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **settings)
    )


def page() -> str:
    """The whole page, a section per command."""
    root = click.Context(dstft, info_name="dstft")
    sections = [("dstft", help_of(dstft, "dstft", None))]
    for name in COMMANDS:
        command = dstft.get_command(root, name)
        assert command is not None
        sections.append((f"dstft {name}", help_of(command, name, root)))
    blocks = [f"\n## `{title}`\n\n```text\n{text}\n```\n" for title, text in sections]
    return HEAD + "".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
