"""`dstft completion SHELL`: the script that teaches a shell to complete `dstft`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from dstft_cli.cli.entry import COMPLETE_VARIABLE
from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.options import GroupedCommand, SettingType
from dstft_cli.cli.version import version_option
from dstft_cli.errors import UsageError

SHELLS = ("bash", "zsh", "fish")


def run(shell: str) -> None:
    """The body of the command."""
    if shell not in SHELLS:
        raise UsageError(f"completion for {shell!r}: the shells are {', '.join(SHELLS)}")
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    # not kind.source(), which runs bash to look at its version
    click.echo(ShellComplete.source(kind(root, {}, "dstft", COMPLETE_VARIABLE)))


completion = GroupedCommand(
    name="completion",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["shell"], metavar="|".join(SHELLS), type=SettingType(SHELLS)),
        version_option(),
    ],
    help="Print the script with which a shell completes dstft.\n\n"
    "It completes commands, options, their choices and file names. For this session: "
    'eval "$(dstft completion bash)", the same with zsh, or dstft completion fish | source. For '
    "all: write the script to a file that the shell reads when it starts, such as "
    "~/.local/share/bash-completion/completions/dstft or ~/.config/fish/completions/dstft.fish.",
)
