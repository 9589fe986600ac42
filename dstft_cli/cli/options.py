"""Typer options made from the declared settings, and the options that every command has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from dstft_cli.cli import console
from dstft_cli.cli.app import CONTEXT, Command, Version
from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, Declaration
from dstft_cli.settings.option import did_you_mean, option

GENERAL = "General"


def some_text(text: str) -> str:
    """`text`, which must not be empty or only spaces."""
    if not text.strip():
        from pydantic_core import PydanticCustomError  # not for --help

        raise PydanticCustomError("setting", "must not be empty")
    return text


def some_path(text: str) -> Path:
    return Path(some_text(text))


def _remember_verbose(ctx: typer.Context, value: bool) -> bool:
    if value and not ctx.resilient_parsing:
        console.show_log()
    return value


def _show_all(ctx: typer.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        for param in ctx.command.params:
            param.hidden = False  # type: ignore[attr-defined]
        typer.echo(ctx.get_help())
        raise typer.Exit


Quiet = Annotated[bool, option(GENERAL, "Print errors only.", flags=("-q", "--quiet"))]
Verbose = Annotated[
    bool,
    option(
        GENERAL,
        "Tell what is done and why; show a traceback with an error.",
        flags=("-v", "--verbose"),
        is_eager=True,
        callback=_remember_verbose,
    ),
]
HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        is_eager=True,
        callback=_show_all,
        help="Show all options, also those for experts, and exit.",
    ),
]
Config = Annotated[
    Path | None,
    option(
        GENERAL, "YAML file of settings: option names with _ as keys.", "FILE", parser=some_path
    ),
]
SetPairs = Annotated[
    list[str] | None,
    option(
        GENERAL,
        "A setting as in YAML, above --config and below the options. Repeatable.",
        "KEY=VALUE",
        flags=("--set",),
    ),
]
Directory = Annotated[
    Path, typer.Argument(metavar="DIR", parser=some_path, help="Directory written by dstft.")
]
Force = Annotated[bool, copy(OPTIONS["force"].option)]


def command(
    body: Callable[..., None],
    *,
    help: str,
    examples: str = "",
    options: Mapping[str, Declaration] | None = None,
    short: bool = False,
) -> typer.Typer:
    """The Typer app of one command, which takes the settings `options`.

    The body gets its own parameters, of `typed` (settings that were typed, by name), `quiet` and `verbose`
    those that it has.
    With `short`, `--help` hides expert options, and `--help-all` shows them.
    """
    options, asked = options or {}, inspect.signature(body).parameters

    def run(ctx: typer.Context, **values: Any) -> None:
        if values["quiet"] and values["verbose"]:
            raise UsageError("`quiet` and `verbose` exclude each other: drop one")
        given = {name: values.pop(name) for name in options}
        if options:
            sources = {name: ctx.get_parameter_source(name) for name in options}
            typed = {n for n, s in sources.items() if s is not None and s.name == "COMMANDLINE"}
            values["typed"] = {name: given[name] for name in options if name in typed}
        for name, group in groups.items():
            values[name] = group(**{part.name: values.pop(part.name) for part in fields(group)})
        body(**{name: values[name] for name in asked if name in values})

    own, groups = _own_parameters(body)
    everywhere = _EVERYWHERE | ({"help_all": HelpAll} if short else {})
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            _keyword("ctx", typer.Context, inspect.Parameter.empty),
            *(p for p in own if _is_argument(p)),
            *(_parameter(declared, hide=short) for declared in options.values()),
            *(p for p in own if not _is_argument(p) and p.name not in _GIVEN),
            *(_keyword(name, kind, False) for name, kind in everywhere.items()),
        ]
    )
    run.__annotations__ = {}
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    epilog = "Examples:\n\n" + examples if examples else None
    app.command(cls=Command, help=help, epilog=epilog, context_settings=CONTEXT)(run)
    return app


def _own_parameters(body: Callable[..., None]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """The parameters of a body, dataclasses replaced by their fields; and these dataclasses."""
    found: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(body, eval_str=True).parameters.values():
        kind: Any = parameter.annotation
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = kind
            found += inspect.signature(kind, eval_str=True).parameters.values()
        else:
            found.append(parameter.replace(kind=parameter.KEYWORD_ONLY))
    return found, groups


_EVERYWHERE = {"quiet": Quiet, "verbose": Verbose, "version": Version}
_GIVEN = ("typed", "quiet", "verbose")


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, annotation=annotation, default=default)


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(
        isinstance(e, ArgumentInfo) for e in getattr(parameter.annotation, "__metadata__", ())
    )


def _parameter(declared: Declaration, hide: bool) -> inspect.Parameter:
    """A setting as a parameter that Typer reads: text, which `settings` checks."""
    shown = copy(declared.option)
    shown.help, shown.hidden = help_text(declared), hide and shown.hidden
    words = declared.choices
    if words:
        shown.autocompletion = lambda incomplete: [w for w in words if w.startswith(incomplete)]
    text = None if declared.default is None else declared.default_text
    kind, default = (bool, declared.default) if declared.is_flag else (str, text)
    return _keyword(declared.name, Annotated[kind, shown], default)


def help_text(declared: Declaration) -> str:
    text = str(declared.option.help)
    if len(declared.choices) > 1 and "|" not in str(declared.option.metavar):
        own = ", or your own module:object" if str in declared.members else ""
        text += f" Choices: {', '.join(declared.choices)}{own}."
    if declared.range:
        text += f" {declared.range.capitalize()}."
    return text


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises UsageError unless `value` is a known word; `name` names it in the message."""
    if value not in known:
        hint = did_you_mean(value, known)
        raise UsageError(f"{name} {value}: must be one of {', '.join(known)}{hint}")
