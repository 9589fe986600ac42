"""Two tables: settings that contradict each other, and settings without effect.

A setting has a rank: what was typed overrides a file, a file overrides a preset. Of two settings that
contradict each other the lower one is dropped. With equal ranks they are an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import combinations, starmap
from typing import TYPE_CHECKING, Any

from dstft_cli.errors import UsageError
from dstft_cli.settings.option import SAVED, Length

if TYPE_CHECKING:
    from dstft_cli.settings.settings import Settings

# ranks: the higher overrides the lower
PRESET, IN_FILE, IN_MATRIX, TYPED = range(4)
_LEVELS = {PRESET: 0, IN_FILE: 1, IN_MATRIX: 1, TYPED: 2}

ONE_LENGTH = ("fixed", "constant")  # window modes without lengths that vary
_DESCENT = ("lr", "optimizer", "search", "max_steps", "tolerance")
_PICTURES = (
    *("freq_scale", "fmin", "fmax", "tmin", "tmax", "time", "time_unit", "db_range", "cmap"),
    *("colorbar", "panels", "title", "size", "dpi", "font", "font_size", "format"),
)


@dataclass(frozen=True)
class Contradiction:
    names: tuple[str, ...]  # of the settings
    # called with the settings and the sample rate (Hz, None: not known yet)
    holds: Callable[[Any, float | None], bool]
    text: str  # `{name}` is replaced by a setting and its value; empty: the fit checks equal ranks
    # values that a setting takes if it has a lower rank than the others or was not given, or functions
    # of the settings that give them; by default its default
    instead: Mapping[str, Any] = field(default_factory=dict)


def _ordered(low: str, high: str) -> Contradiction:
    """A rule: the length `low` must not be above `high`, a frequency must be below."""

    def holds(s: Any, rate: float | None) -> bool:
        first, second = getattr(s, low), getattr(s, high)
        if None in (first, second) or second in ("auto", "none"):
            return False
        if isinstance(first, Length):
            longest = second if isinstance(second, Length) else Length(float(second))
            return first.exceeds(longest, rate)
        return bool(first >= second)

    word = "above" if "length" in low else "not below"
    text = f"{{{low}}} is {word} {{{high}}}: lower the first or raise the second"
    return Contradiction((low, high), holds, text)


def _overlapping(limit: str) -> Contradiction:
    """A rule: windows of length `limit` must overlap at this hop."""

    def holds(s: Any, rate: float | None) -> bool:
        hop, shortest = s.hop_length, getattr(s, limit)
        if None in (hop, shortest) or shortest == "auto":
            return False
        shortest = shortest if isinstance(shortest, Length) else Length(float(shortest))
        return bool(replace(hop, value=hop.value / s.overlap).exceeds(shortest, rate))

    return Contradiction(("hop_length", limit, "overlap"), holds, "")


def _streams(first: str, second: str) -> Contradiction:
    text = f"{{{first}}} and {{{second}}} both go to standard output: drop one"
    return Contradiction(
        (first, second), lambda s, rate: first in s.streams and second in s.streams, text
    )


def _shorthand(name: str, word: str) -> Contradiction:
    """A rule: the setting `name` says whether `word` is in `save`; each follows the other."""

    def holds(s: Any, rate: float | None) -> bool:
        return bool(s.writes_directory and (word in s.save) != getattr(s, name))

    def changed(s: Any) -> str:
        return ",".join(w for w in SAVED if (w in s.save) != (w == word))

    text = f"{{save}} and {{{name}}} contradict each other on {word}: drop one"
    return Contradiction(
        ("save", name), holds, text, {"save": changed, name: lambda s: word in s.save}
    )


CONTRADICTIONS = (
    _shorthand("save_stft", "stft"),
    _shorthand("figures", "pictures"),
    Contradiction(  # no pictures, no page, unless it is asked for
        ("figures", "view"),
        lambda s, rate: not s.figures and s.view and s.ranks.get("save", PRESET) == PRESET,
        "",
        {"view": False},
    ),
    _shorthand("view", "view"),
    _ordered("win_length_min", "win_length_max"),
    _ordered("win_length_min", "n_fft"),
    _ordered("win_length_max", "n_fft"),
    _ordered("win_length", "n_fft"),
    _ordered("win_length_min", "win_length"),
    _ordered("win_length", "win_length_max"),
    _ordered("hop_length_min", "hop_length_max"),
    _ordered("hop_length_min", "hop_length"),
    _ordered("hop_length", "hop_length_max"),
    *map(_overlapping, ("win_length_min", "win_length_max", "n_fft")),
    _ordered("fmin", "fmax"),
    _ordered("tmin", "tmax"),
    _ordered("criterion_fmin", "criterion_fmax"),
    _ordered("highpass", "criterion_fmax"),
    Contradiction(
        ("order", "criterion"),
        lambda s, rate: s.criterion == "renyi" and s.order == 1,
        "{order} is not defined for {criterion}: use `criterion` entropy, the limit at 1",
    ),
    Contradiction(
        ("order", "criterion"),
        lambda s, rate: s.criterion == "lp" and s.order is not None and s.order > 1,
        "{order} is too high for {criterion}: use an order above 0 and at most 1",
    ),
    Contradiction(
        ("criterion", "scope"),
        lambda s, rate: s.criterion == "gini" and s.scope == "local",
        "{criterion} ranks all cells of the plane and has no value for a part: use `scope` plane",
    ),
    Contradiction(
        ("output",),
        lambda s, rate: str(s.output) == "-",
        "{output} is not a directory: for standard output use `json`, `npy` - or `png` -",
    ),
    *starmap(_streams, combinations(("png", "npy", "csv", "json", "emit"), 2)),
    Contradiction(
        ("emit", "window_mode"),
        lambda s, rate: s.emit != "none" and s.window_mode not in ONE_LENGTH,
        "{emit} needs a single window, not {window_mode}: use `window_mode` constant, or drop `emit`",
        {"window_mode": "constant"},
    ),
    Contradiction(
        ("emit", "hop_mode"),
        lambda s, rate: s.emit != "none" and s.hop_mode != "fixed",
        "{emit} needs a fixed hop, not {hop_mode}: use `hop_mode` fixed, or drop `emit`",
    ),
    Contradiction(
        ("emit", "criterion"),
        lambda s, rate: s.emit != "none" and s.criterion == "all",
        "{emit} is for one length, not one for each criterion: name one `criterion`",
    ),
    Contradiction(
        ("n_fft", "emit"),
        lambda s, rate: (
            s.emit not in ("none", "scipy", "r", "raven") and s.n_fft != "auto" and s.n_fft % 2 == 1
        ),
        "{n_fft} is odd, and {emit} centres odd frames differently: use an even n_fft, or `emit` scipy",
    ),
)


def _of_tiles(s: Any) -> bool:
    """Whether the lengths are those of the tiles of the local criterion."""
    return bool(s.scope == "local" and s.window_mode == "time-frequency")


def _plain(s: Any) -> bool:
    return bool(s.optimizer == "auto" and s.search and s.hop_mode == "fixed")


def _searched(s: Any) -> bool:
    """Whether all lengths come from the search, without a descent."""
    exact = ":" not in s.criterion and s.criterion != "gini"
    modes = ("time-frequency", *["frequency"] * exact)
    return s.scope == "plane" and _plain(s) and s.window_mode in modes


def _first_stream(s: Any) -> tuple[str, ...]:
    return tuple(s.streams[:1])


def _left_out(*names: str) -> Callable[[Any], tuple[str, ...]]:
    """Because of the highest of these settings, unless the first is on."""

    def causes(s: Any) -> tuple[str, ...]:
        highest = max(names, key=lambda name: s.ranks.get(name, -1))
        return _first_stream(s) if getattr(s, names[0]) else (highest,)

    return causes


# names without effect, when, and because of which (called with the settings)
WITHOUT_EFFECT: tuple[tuple[tuple[str, ...], Callable[[Any], bool], Any], ...] = (
    (("smoothness",), lambda s: s.window_mode in ONE_LENGTH, ("window_mode",)),
    # tiles overlap as they are
    (("smoothness",), _of_tiles, ("window_mode", "scope")),
    (("win_length_min", "win_length_max"), lambda s: s.window_mode == "fixed", ("window_mode",)),
    (("hop_length_min", "hop_length_max"), lambda s: s.hop_mode == "fixed", ("hop_mode",)),
    (_DESCENT, lambda s: s.window_mode == s.hop_mode == "fixed", ("window_mode", "hop_mode")),
    (("max_steps", "tolerance"), _searched, ("window_mode",)),
    # steps of tiles end by their number
    (("tolerance",), lambda s: _of_tiles(s) and _plain(s), ("window_mode", "optimizer")),
    (("order",), lambda s: s.criterion not in ("renyi", "lp"), ("criterion",)),
    (("lr",), lambda s: s.optimizer in ("auto", "lbfgs"), ("optimizer",)),
    (("save", "save_stft", "store"), lambda s: not s.writes_directory, _first_stream),
    (("npy_dtype",), lambda s: s.npy is None and not s.writes_directory, _first_stream),
    (("npy_dtype",), lambda s: s.npy is None and "spectrogram" not in s.save, ("save",)),
    (("store",), lambda s: "spectrogram" not in s.save and not s.save_stft, ("save",)),
    (("npy_hop",), lambda s: not s.writes_directory and s.npy is None, _first_stream),
    (
        ("audio",),
        lambda s: not (s.view and s.writes_directory),
        _left_out("view", "figures", "save"),
    ),
    (_PICTURES, lambda s: not s.draws, _left_out("figures", "save")),
)


def settle(
    settings: Settings,
    *,
    sample_rate: float | None = None,
    label: Callable[[str], str] | None = None,
    keep: Collection[str] = (),
) -> tuple[Settings, Mapping[str, tuple[str, ...]]]:
    """Settings that hold together, and the names without effect, each with its causes."""
    defaults: dict[str, Any] = {part.name: part.default for part in fields(settings)}
    idle: dict[str, tuple[str, ...]] = {}
    while True:
        found = {name: causes for name, causes in _idle(settings, defaults) if name not in keep}
        idle |= found
        settings = replace(settings, **{name: defaults[name] for name in found})
        overridden = ""
        for rule in CONTRADICTIONS:
            if not all(hasattr(settings, name) for name in rule.names):
                continue  # a name of `dstft sweep`
            if rule.holds(settings, sample_rate):
                overridden = _overridden(rule, settings, defaults)
                if not overridden and rule.text:
                    names = {name: f"`{name}` {getattr(settings, name)}" for name in rule.names}
                    names |= {name: label(name) for name in rule.names} if label else {}
                    raise UsageError(rule.text.format_map(names))
            if overridden:
                break
        if not overridden:
            return settings, idle
        value = rule.instead.get(overridden, defaults[overridden])
        if callable(value):  # the value that follows from others has the lowest rank from here on
            value = value(settings)
            settings = replace(settings, ranks={**settings.ranks, overridden: PRESET})
        settings = replace(settings, **{overridden: value})


def _overridden(rule: Contradiction, settings: Settings, defaults: Mapping[str, Any]) -> str:
    """The setting of the rule with the lowest rank; empty if all ranks are equal."""
    levels = {
        name: _LEVELS[settings.ranks.get(name, TYPED)]
        for name in rule.names
        if getattr(settings, name) != defaults[name]
    }
    for name in set(rule.instead) - set(levels):  # a default yields, however it came
        levels[name] = _LEVELS[settings.ranks[name]] if name in settings.ranks else -1
    if len(set(levels.values())) < 2:
        return ""
    return min(levels, key=lambda name: levels[name])


def _idle(settings: Settings, defaults: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for names, holds, causes in WITHOUT_EFFECT:
        if holds(settings):
            for name in names:
                if getattr(settings, name) != defaults[name]:
                    yield name, causes(settings) if callable(causes) else causes
