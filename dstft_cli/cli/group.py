"""The `dstft` command and its subcommands, each imported only when it is used."""

from __future__ import annotations

from importlib import import_module

import click

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# name -> (module, object, help); the help stands here so that the list needs no imports
COMMANDS = {
    "optimize": (
        "dstft_cli.cli.optimize",
        "optimize",
        "Learn the best window length for a recording and write its spectrogram.",
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
            ctx.fail(f"no command '{args[0]}': the commands are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Callback of `--version`: the version and those of what the results depend on."""
    if not value or ctx.resilient_parsing:
        return
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from dstft_cli._version import __version__

    parts = []
    for package in ("torch", "soundfile"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    parts.append(f"Python {platform.python_version()}")
    click.echo(f"dstft {__version__} ({', '.join(parts)})")
    ctx.exit()


def version_option() -> click.Option:
    """`--version`, for the group and for every command."""
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=print_version,
        help="Show the version and exit.",
    )


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
