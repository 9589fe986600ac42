"""The `dstft` command and its subcommands, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click
from click.shell_completion import CompletionItem

from dstft_cli.cli.version import version_option

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# name -> (module, object, help); the help stands here so that the list needs no imports
COMMANDS = {
    "optimize": (
        "dstft_cli.cli.optimize",
        "optimize",
        "Learn the best window length for a recording and write its spectrogram.",
    ),
    "sweep": (
        "dstft_cli.cli.sweep",
        "sweep",
        "Show which n_fft suits a recording, and whether it matters.",
    ),
    "apply": (
        "dstft_cli.cli.apply",
        "apply",
        "Use the window length learned from one recording on another.",
    ),
    "batch": (
        "dstft_cli.cli.batch",
        "batch",
        "Run many recordings and settings; resumes where it was stopped.",
    ),
    "reconstruct": (
        "dstft_cli.cli.reconstruct",
        "reconstruct",
        "Write the audio whose transform was saved.",
    ),
    "report": (
        "dstft_cli.cli.report",
        "report",
        "Show all results below a directory on one HTML page.",
    ),
    "reproduce": (
        "dstft_cli.cli.reproduce",
        "reproduce",
        "Run the method's experiments again: tables and pictures.",
    ),
    "completion": (
        "dstft_cli.cli.completion",
        "completion",
        "Print the script with which bash, zsh or fish completes dstft.",
    ),
}


class LazyGroup(click.Group):
    """A group that lists `COMMANDS` and imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from dstft_cli.settings.option import did_you_mean

            known = f": the commands are {', '.join(COMMANDS)}"
            ctx.fail(f"no command '{args[0]}'{did_you_mean(args[0], tuple(COMMANDS)) or known}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # not Group's own, which imports every command for its help
        commands = [
            CompletionItem(name, help=text)
            for name, (_, _, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _without_command() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


dstft = LazyGroup(
    name="dstft",
    callback=_without_command,
    invoke_without_command=True,
    context_settings=CONTEXT_SETTINGS,
    params=[version_option()],
    help="Learn the best short-time Fourier transform for a recording.\n\n"
    "Example: dstft optimize speech.wav --window-mode time",
)
