"""Valid files that are damaged: small recordings of every container, and settings for one run or many."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import soundfile

RATE = 8000
FORMATS = tuple(
    sorted(set(soundfile.available_formats()) - {"RAW", "SD2"})
)  # of libsndfile, in one file


@cache
def recording(container: str, channels: int = 1) -> bytes:
    """Two tones and a click in this container, with several blocks, pages or frames."""
    n = np.arange(RATE * (6 if container == "OGG" else 1))[:, None]
    x = 0.4 * np.sin(0.3 * n * (1 + np.arange(channels))) + 0.2 * np.sin(1.1 * n)
    x[len(x) // 2] += 0.3
    file = io.BytesIO()
    for rate, sound in ((RATE, x), (RATE, x[:, 0])):  # some know one channel only
        try:
            soundfile.write(file, sound, rate, format=container)
            return file.getvalue()
        except soundfile.LibsndfileError:
            file = io.BytesIO()
    raise ValueError(f"libsndfile does not write {container} at {RATE} Hz")


SETTINGS = b"""# settings of one run
n_fft: 256
hop_length: 1ms
win_length_min: 32
win_length_max: 30ms
window_mode: time   # one length per frame
smoothness: 0.1
criterion: renyi
order: 3
max_steps: 3
figures: no
power: 1.5
threads: 1
"""

BATCH = b"""defaults:
  n_fft: 256
  hop_length: 16
  max_steps: 2
  figures: false
output: results/{criterion}/{stem}-{index:03d}
jobs:
  - input: a.wav
    window_mode: time
    matrix:
      criterion: [entropy, hoyer]
  - input: ["a.wa?"]
    name: again
    win_length: 12ms
"""
