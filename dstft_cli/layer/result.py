"""The layer of a result: what the constructor takes."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dstft_cli.records import SHORTEST_WINDOW, Result, StoredParameters

MODES = ("constant", "time"), ("frequency", "time-frequency")  # by several bins, several frames


def options_of(result: Result | str | PathLike[str]) -> dict[str, Any]:
    """The options of the layer that computes the transform of a result, or of a directory of one."""
    found: Result | StoredParameters
    if isinstance(result, Result):
        found, samples, lengths = result, result.length, result.window_length
    else:
        from dstft_cli.results import read_result  # a network without a result needs neither
        from dstft_cli.run.stored import read_learned

        found = stored = read_learned(Path(result))
        read_result(Path(result) / "result.json")  # an error where it is that of no run
        samples, lengths, tiles = stored.samples, stored.window_length, stored.length_map
        if tiles is not None:
            lengths = tiles.at(stored.frequencies, stored.frame_centers)
    centers, count = found.frame_centers, len(found.frame_centers)
    hop = float(centers[-1] - centers[0]) / (count - 1) if count > 1 else samples + 1.0
    per_bin, per_frame = (size > 1 for size in lengths.shape)
    uniform = np.allclose(centers, np.arange(count) * hop, rtol=0, atol=1e-6)
    frames: dict[str, Any] = {"frame_centers": torch.tensor(centers), "signal_length": samples}
    if uniform and count == 1 + int(samples // hop):
        frames = {"hop_length": hop, "signal_length": samples if per_frame else None}
    shortest = min(found.n_fft / 32, float(lengths.min()) * (1 - 1e-6))  # as float32 it is another
    return frames | {
        "n_fft": found.n_fft,
        "win_length": torch.tensor(lengths),
        "win_length_min": max(shortest, SHORTEST_WINDOW),
        "window_mode": MODES[per_bin][per_frame],
        "window": found.window,
        "normalization": found.normalization,
    }
