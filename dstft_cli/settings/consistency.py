"""Settings that contradict each other, as far as that shows without the sample rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from dstft_cli.names import ONE_LENGTH
from dstft_cli.settings.length import Length

if TYPE_CHECKING:
    from dstft_cli.settings.model import Settings


class ContradictionError(PydanticCustomError):
    """Two settings that exclude each other; `template` names each as `{field}`.

    Whoever knows where the settings came from fills the template anew with better labels.
    """

    kind = "contradiction"

    def __new__(cls, settings: Settings, template: str, *names: str) -> ContradictionError:
        labels = {name: f"{name} {getattr(settings, name)}" for name in names}
        context: dict[str, Any] = {"template": template, "names": list(names), **labels}
        return super().__new__(cls, cls.kind, template, context)


def check_consistent(settings: Settings) -> None:
    """Refuses settings that cannot hold together.

    Raises:
        ContradictionError: naming the settings, their values and the remedy.
    """
    _check_lengths(settings)
    _check_criterion(settings)
    _check_outputs(settings)
    _check_emit(settings)
    pairs = ("fmin", "fmax"), ("criterion_fmin", "criterion_fmax"), ("highpass", "criterion_fmax")
    for lower, upper in pairs:
        low, high = getattr(settings, lower), getattr(settings, upper)
        if low is not None and high is not None and low >= high:
            raise ContradictionError(
                settings,
                f"{{{lower}}} is not below {{{upper}}}: lower the first or raise the second",
                lower,
                upper,
            )


def _check_lengths(settings: Settings) -> None:
    n_fft = None if settings.n_fft == "auto" else Length(float(settings.n_fft))
    pairs = [
        ("win_length_min", settings.win_length_min, "win_length_max", settings.win_length_max),
        ("win_length_min", settings.win_length_min, "n_fft", n_fft),
        ("win_length_max", settings.win_length_max, "n_fft", n_fft),
        ("win_length", settings.win_length, "n_fft", n_fft),
        ("hop_length_min", settings.hop_length_min, "hop_length_max", settings.hop_length_max),
        ("hop_length_min", settings.hop_length_min, "hop_length", settings.hop_length),
        ("hop_length", settings.hop_length, "hop_length_max", settings.hop_length_max),
    ]
    for longer, length, shorter, limit in pairs:
        if length is not None and limit is not None and length.exceeds(limit):
            raise ContradictionError(
                settings,
                f"{{{longer}}} is above {{{shorter}}}: lower the first or raise the second",
                longer,
                shorter,
            )


def _check_criterion(settings: Settings) -> None:
    order, criterion = settings.order, settings.criterion
    if criterion == "renyi" and order == 1:
        raise ContradictionError(
            settings,
            "{order} is excluded for {criterion}: use criterion entropy, which is its limit at 1",
            "order",
            "criterion",
        )
    if criterion == "lp" and order is not None and order > 1:
        raise ContradictionError(
            settings,
            "{order} is too high for {criterion}: use an order above 0 and at most 1",
            "order",
            "criterion",
        )


def _check_outputs(settings: Settings) -> None:
    if settings.output is not None and str(settings.output) == "-":
        raise ContradictionError(
            settings,
            "{output} would be a directory of that name: for standard output use json, npy - or png -",
            "output",
        )
    streams = settings.streams
    if len(streams) > 1:
        raise ContradictionError(
            settings,
            f"{{{streams[0]}}} and {{{streams[1]}}} would both fill standard output: "
            "give one of them a path or leave it out",
            *streams[:2],
        )


def _check_emit(settings: Settings) -> None:
    if settings.emit == "none":
        return
    if settings.window_mode not in ONE_LENGTH:
        raise ContradictionError(
            settings,
            "{emit} prints one call with one window, and with {window_mode} it varies: "
            "use window mode constant, or leave the first out",
            "emit",
            "window_mode",
        )
    if settings.hop_mode != "fixed":
        raise ContradictionError(
            settings,
            "{emit} prints a call with a whole hop from the first sample on, and {hop_mode} learns "
            "another: use hop mode fixed, or leave the first out",
            "emit",
            "hop_mode",
        )
    if settings.n_fft != "auto" and int(settings.n_fft) % 2 and settings.emit != "scipy":
        raise ContradictionError(
            settings,
            "{n_fft} is odd, for which {emit} places frames otherwise: use an even one, or scipy",
            "n_fft",
            "emit",
        )
