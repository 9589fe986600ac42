"""What `view.html` plays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dstft_cli.audio import Signal, opus
from dstft_cli.plot.pixels import AUDIO_RATE
from dstft_cli.view.html import as_base64, relative_url

LONGEST = 600.0  # s, that a page holds


@dataclass(frozen=True)
class Sound:
    """An address, `data:` or relative; empty where there is no sound."""

    source: str = ""
    begin: float = 0.0  # of the sound in the recording, s
    words: str = ""  # why there is none

    @property
    def link(self) -> bool:
        return bool(self.source) and not self.source.startswith("data:")


def sound_of(signal: Signal, how: str, directory: Path) -> Sound:
    """The sound of a page in `directory`: `how` is `embed`, `link` or `none`."""
    if how == "none":
        return Sound(words="No sound: made with --audio none.")
    if signal.peak == 0 or signal.sample_rate < AUDIO_RATE:
        return Sound(words="No sound: nothing can be heard.")
    if how == "link":
        if signal.path == "-":
            return Sound(words="No sound: it came from standard input.")
        place = Path(os.path.abspath(signal.path))
        return Sound(relative_url(place, Path(os.path.realpath(directory))))
    if signal.seconds > LONGEST:
        return Sound(
            words=f"No sound: longer than {LONGEST / 60:g} minutes. Try dstft view --audio link."
        )
    data = opus(signal.samples, signal.sample_rate, signal.peak)
    if data is None:
        return Sound(words="No sound: the installed libsndfile cannot write Opus.")
    return Sound(f"data:audio/ogg;base64,{as_base64(data)}", signal.offset)
