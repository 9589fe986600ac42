"""Settings that another one leaves without effect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING

from dstft_cli import names
from dstft_cli.settings.consistency import ContradictionError

if TYPE_CHECKING:
    from dstft_cli.settings.model import Settings

# a learning rate before its optimizer, which it needs
_OF_THE_DESCENT = ("lr", "optimizer", "search", "max_steps", "tolerance")
_OF_PICTURES = ("freq_scale", "fmin", "fmax", "db_range", "cmap", "format")


class NoEffectError(ContradictionError):
    """A setting, named first, that the others leave without effect."""

    kind = "no effect"


def check_effects(settings: Settings) -> None:
    """Refuses a setting, other than by default, that has no effect.

    Raises:
        NoEffectError: naming it, those that leave it without effect, and the remedy.
    """
    _check_learned(settings)
    _check_descent(settings)
    if settings.criterion not in ("renyi", "lp"):
        why = "{criterion}, which has none: leave it out, or use criterion renyi or lp"
        _refuse(settings, ["order"], why, "criterion")
    if settings.optimizer in ("auto", "lbfgs"):
        why = (
            "{optimizer}, which needs no learning rate: leave it out, or use optimizer adam or sgd"
        )
        _refuse(settings, ["lr"], why, "optimizer")
    _check_outputs(settings)


def _check_learned(settings: Settings) -> None:
    if settings.window_mode in names.ONE_LENGTH:
        why = (
            "{window_mode}, whose one length never changes: "
            "leave it out, or use window_mode time, frequency or time-frequency"
        )
        _refuse(settings, ["smoothness"], why, "window_mode")
    if settings.window_mode == "fixed":
        why = (
            "{window_mode}, which learns no window length: "
            "leave it out, or use another window_mode; win_length is the length that is kept"
        )
        _refuse(settings, ["win_length_min", "win_length_max"], why, "window_mode")
    if settings.hop_mode == "fixed":
        why = "{hop_mode}, which learns no hop: leave it out, or use hop_mode constant or time"
        _refuse(settings, ["hop_length_min", "hop_length_max"], why, "hop_mode")


def _check_descent(settings: Settings) -> None:
    if settings.window_mode == settings.hop_mode == "fixed":
        why = (
            "{window_mode} and {hop_mode}, which learn nothing: "
            "leave it out, or use another window_mode or hop_mode"
        )
        _refuse(settings, _OF_THE_DESCENT, why, "window_mode", "hop_mode")
    plain = settings.optimizer == "auto" and settings.search and settings.hop_mode == "fixed"
    exact = settings.criterion in names.CRITERIA and settings.criterion != "gini"
    searched = settings.window_mode == "frequency" and exact
    if plain and (searched or settings.window_mode == "time-frequency"):
        why = "{window_mode}, which is searched and does not descend: leave it out, or name an optimizer"
        _refuse(settings, ["max_steps", "tolerance"], why, "window_mode")


def _check_outputs(settings: Settings) -> None:
    if not settings.writes_directory:
        piped = settings.streams[0]
        why = f"{{{piped}}}, and no directory is asked for: leave it out, or name one with output"
        _refuse(settings, ["save_stft"], why, piped)
    if not settings.draws:
        cause = settings.streams[0] if settings.figures else "figures"
        why = f"{{{cause}}}, and no picture is asked for: leave it out, or ask for one with png"
        _refuse(settings, _OF_PICTURES, why, cause)


def _refuse(settings: Settings, names: Iterable[str], why: str, *causes: str) -> None:
    """NoEffectError for the first of these settings that is not at its default."""
    defaults = {field.name: field.default for field in fields(settings)}
    for name in names:
        if getattr(settings, name) != defaults[name]:
            raise NoEffectError(settings, f"{{{name}}} has no effect with {why}", name, *causes)
