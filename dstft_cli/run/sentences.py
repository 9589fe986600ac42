"""The sentence for every kind of note that a fit returns.

Parameters are named in backticks; the command line shows flags instead (`errors.as_flags`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dstft_cli.errors import as_flags
from dstft_cli.records import LARGEST_FFT, Note

_BLURS = "longer windows are too long for a signal of this length"


def warnings_of(notes: Iterable[Note]) -> tuple[str, ...]:
    """One line for each note, with the flags of the command line."""
    return tuple(as_flags(sentence(note)) for note in notes)


def sentence(note: Note) -> str:
    """The text of a note, in one line; parameters in backticks."""
    text = _SENTENCES[note.kind]
    if isinstance(text, tuple):
        text = text[0] + text[1 if note.parameter else 2]
    elif not isinstance(text, str):
        text = text(note)
    names = " and ".join(f"`{name}`" for name in note.parameter.split())
    return text.format(
        names=names,
        value=_number(note.value),
        limit=_number(note.limit),
        detail=note.detail,
        share="" if note.value is None else f"{note.value:.0%}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _window(note: Note, which: str) -> str:
    share = f"{note.detail} of the sound's energy chose the {which} window"
    one = f"the learned window is the {which}"
    return f"{share if note.detail else one} allowed, {{value}} samples: "


def _hops(note: Note, which: str) -> str:
    found = f"{note.detail} of the learned hops are" if note.detail else "the learned hop is"
    return f"{found} the {which} allowed, {{value}} samples: "


def _length_on_lower_bound(note: Note) -> str:
    found = _window(note, "shortest")
    if not note.parameter:
        return found + "a shorter one holds no sample, so no option helps"
    target = "" if note.limit is None else ", to {limit} or less"
    return f"{found}for real clicks lower {{names}}{target}; against rumble set `highpass`"


def _length_on_upper_bound(note: Note) -> str:
    found = _window(note, "longest")
    value, most = note.value or 0.0, note.limit or 0.0
    if value >= LARGEST_FFT:
        return found + "no larger n_fft is possible"
    if not note.parameter:
        return f"{found}{_BLURS}, so no option helps"
    first = f"to {2 * value:.0f} first, " if 2 * value < most else ""
    name, *others = note.parameter.split()
    keep = "; keep `hop_length` for short windows" if "hop_length" in others else ""
    both = " and `n_fft`" if "n_fft" in others else ""
    return f"{found}raise `{name}`{both}, {first}{{limit}} at most{keep}"


def _hop_on_lower_bound(note: Note) -> str:
    remedy = (
        "lower {names}" if note.parameter else "closer frames show nothing new, so no option helps"
    )
    return _hops(note, "shortest") + remedy


def _hop_on_upper_bound(note: Note) -> str:
    found = _hops(note, "longest")
    if note.parameter == "hop_length_max":
        return found + "raise {names}, to {limit} at most"
    if note.parameter:
        return found + "windows allow {limit} at most; raise {names}, to 0.9 at most"
    return found + "windows allow {limit} at most, so no option helps much"


def _hop_unmoved(note: Note) -> str:
    found = "the learned frames are no better than the start, hop {value} samples: "
    if note.parameter == "hop_length":
        return found + "raise {names}, to {limit} at most: sparse frames gain more"
    return found + "{names} fixed is as good"


def _best_is_shortest(note: Note) -> str:
    found = "{detail}: the best window length is the shortest of the sweep, {value} samples: "
    if not note.parameter:
        return found + "a shorter window holds no sample"
    if "criterion" in note.parameter:
        return found + "shorter ones do not resolve the criterion's band: widen it with {names}"
    return found + "lower {names} to look further"


def _best_is_longest(note: Note) -> str:
    found = "{detail}: the best window length is the longest of the sweep, {value} samples: "
    if note.parameter:
        return found + "raise {names} to look further, to {limit} at most"
    if note.limit is None:
        return found + "a longer one is not possible"
    if (note.value or 0.0) > note.limit:
        return found + "a quarter of the recording is {limit}, and no longer window tells more"
    return found + "a longer window would be above a quarter of the recording"


# three texts: the beginning, then the end with and without a parameter
_SENTENCES: dict[str, str | tuple[str, str, str] | Callable[[Note], str]] = {
    "band_too_narrow": (
        "the criterion's band needs n_fft {value}, too long for this signal: widen it {limit} times "
        "with {names}"
    ),
    "best_is_longest": _best_is_longest,
    "best_is_shortest": _best_is_shortest,
    "criterion_left_out": (
        "the criterion {detail} in the directory is code, so it was not run and has no value: to run "
        "it, name it with {names}"
    ),
    "descent_stuck": ("the descent did not improve on its start: lower `lr`, or use `search`"),
    "gaps": (
        "hop length {value} samples leaves gaps between windows: lower {names}, to {limit} at most, "
        "to reconstruct the signal"
    ),
    "hop_on_lower_bound": _hop_on_lower_bound,
    "hop_on_upper_bound": _hop_on_upper_bound,
    "hop_unmoved": _hop_unmoved,
    "learned_elsewhere": "{detail}",
    "length_on_lower_bound": _length_on_lower_bound,
    "length_on_upper_bound": _length_on_upper_bound,
    "lengths_alike": (
        "all window lengths from {value} to {limit} samples score alike, as in noise: set {names} "
        "fixed, or choose `offset` and `duration`"
    ),
    "lost_tail": (
        "no window covers the last {value} samples (the last one ends at {limit}): lower {names} to "
        "reconstruct them"
    ),
    "name_not_drawn": (
        "no installed font has all characters of the recording's name, so pictures leave it out: install "
        "a font for {detail}"
    ),
    "non_finite": (
        "the criterion became NaN or infinite; the best step before is kept: lower `order` or "
        "`power`, or use `dtype` float64"
    ),
    "not_local": (
        "{detail} ranks all cells of the plane and has no value for a part: with {names} plane it is shown"
    ),
    "nothing_to_learn": (
        "only windows of {value} samples are allowed, so no length is learned: change {names}"
    ),
    "overlap_too_wide": (
        "overlap {value} is above {limit}, so the signal may not be reconstructed: lower {names}"
    ),
    "positions_by_plane": (
        "hops are learned by the criterion of the whole plane, after the lengths",
        ": {names} plane learns both together",
        "",
    ),
    "quiet_frames_rewarded": (
        "with normalization {detail} the criterion may reward windows that make frames quiet: use "
        "{names} energy"
    ),
    "silent": (
        "every sample is zero: the spectrogram is its floor, and the criterion has no value"
    ),
    "recording_short": (
        "the shortest window, {value} samples, is longer than the recording, {detail}: what is learned "
        "means nothing"
    ),
    "spread_rewarded": (
        "{share} of the windows are the shortest allowed: {detail} may prefer sound spread out of "
        "the band: try {names} entropy"
    ),
    "windows_too_long": (
        "windows of {value} samples or more are too long for a signal of {detail} samples: lower {names}, "
        "to {limit} at most"
    ),
}
