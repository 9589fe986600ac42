"""Click options made from the declarations in `settings`, and their help in groups."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from dstft_cli.cli.entry import RunState
from dstft_cli.cli.version import version_option
from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, Declaration
from dstft_cli.settings.option import did_you_mean

GENERAL = "general"
PATHS = {"DIR": "dir", "FILE": "file", "PATH|-": "file", "FILE|-": "file"}  # by metavar


class SettingType(click.types.StringParamType):
    """Text that `settings` checks, so that one place words the errors; shells complete it.

    Args:
        choices: words that complete it, and
        path: what of a file system does: `file`, `dir` or, empty, nothing.
    """

    def __init__(self, choices: tuple[str, ...] = (), path: str = "") -> None:
        self.choices = choices
        self.path = path

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(param, click.Option):  # an empty INPUT is a file that is not there
            refuse_empty(value, param)
        return super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        if self.path:
            return [CompletionItem(incomplete, type=self.path)]
        return [CompletionItem(word) for word in self.choices if word.startswith(incomplete)]


def refuse_empty(value: Any, param: click.Parameter) -> None:
    """UsageError for a value of nothing, or of spaces."""
    if not str(value).strip():
        name = param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
        raise UsageError(f"{name} {str(value)!r}: must not be empty")


class PathType(click.Path):
    """A path that the command itself checks, but that it is one; shells complete it.

    Args:
        kind: `file` or `dir`.
    """

    def __init__(self, kind: str = "file") -> None:
        super().__init__(path_type=Path)
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if param is not None:
            refuse_empty(value, param)
        return super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self._kind)]


class GroupedOption(click.Option):
    """An option that knows its heading in `--help`."""

    def __init__(self, *args: Any, group: str = GENERAL, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose `--help` lists options under their groups' headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            params = self.get_params(ctx)
            known = tuple(name for p in params for name in (*p.opts, *p.secondary_opts))
            hint = did_you_mean(error.option_name.replace("_", "-"), known)
            if any(error.option_name == declared.flag for declared in OPTIONS.values()):
                hint = ""  # it is meant, and of another command
            raise click.UsageError(f"no such option '{error.option_name}'{hint}", ctx) from None
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # or the message would point at the help of `dstft`
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(param, "group", GENERAL), []).append(record)
        for group, records in groups.items():
            with formatter.section(f"{group.capitalize()} options"):
                formatter.write_dl(records, col_max=24)


def setting_option(declaration: Declaration) -> GroupedOption:
    """The click option of one setting; its value is None where it was not given."""
    option, flag = declaration.option, declaration.flag
    names = [declaration.name, *filter(None, [option.short])]
    shared: dict[str, Any] = {
        "default": None,
        "group": option.group,
        "help": help_text(declaration),
    }
    if declaration.is_flag:
        both = f"{flag}/--no-{flag[2:]}" if option.negatable else flag
        # flag_value would turn "not given" into False, which YAML's true could not overrule
        return GroupedOption([*names, both], is_flag=True, **shared)
    metavar = option.metavar or "|".join(option.choices)
    kind = SettingType(option.choices, PATHS.get(metavar, ""))
    return GroupedOption([*names, flag], type=kind, metavar=metavar, **shared)


def help_text(declaration: Declaration) -> str:
    """What the option does, with unit, range and default."""
    option = declaration.option
    notes = [option.unit, option.range]
    if not declaration.is_flag or declaration.default:
        notes.append(f"default: {declaration.default_text}")
    notes = [note for note in notes if note]
    return f"{option.help}  [{'; '.join(notes)}]" if notes else option.help


def setting_options(groups: Collection[str] | None = None) -> list[click.Parameter]:
    """One option per setting, in the order of the declarations; of some groups only, if given."""
    return [
        setting_option(declaration)
        for declaration in OPTIONS.values()
        if groups is None or declaration.option.group in groups
    ]


def file_options() -> list[click.Parameter]:
    """`--config` and `--set`, the other ways to give settings."""
    return [
        GroupedOption(
            ["--config"],
            type=PathType(),
            metavar="FILE",
            help="YAML file of settings: option names with _ as keys.",
        ),
        GroupedOption(
            ["--set", "set_pairs"],
            multiple=True,
            metavar="KEY=VALUE",
            help="A setting as in YAML; above --config, below the options.  [repeatable]",
        ),
    ]


def general_options() -> list[click.Parameter]:
    """`-q`, `-v` and `--version`, which every command has."""
    return [
        GroupedOption(["-q", "--quiet"], is_flag=True, help="Print errors only."),
        GroupedOption(
            ["-v", "--verbose"],
            is_flag=True,
            is_eager=True,
            callback=_remember_verbose,
            help="Tell what is done and why, and print a traceback with an error.",
        ),
        version_option(),
    ]


def _remember_verbose(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    if value:
        ctx.ensure_object(RunState).verbose = True
    return value
