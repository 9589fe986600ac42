"""Learned parameters for a recording of another length or sample rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import InputError
from dstft_cli.fit.centers import centered_centers, uniform_centers
from dstft_cli.fit.plan import MOST_FRAMES, REACH, SMALLEST_FFT
from dstft_cli.fit.problem import check_length
from dstft_cli.names import LARGEST_FFT, SHORTEST_WINDOW
from dstft_cli.results import StoredParameters

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Transferred:
    """Parameters that fit another recording.

    Attributes:
        n_fft: FFT size, samples.
        window_length: samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`.
        hop_length: distance of frame centres where it is uniform, samples.
        frame_centers: samples, `[T]`.
        warnings: what was changed, one line each.
    """

    n_fft: int
    window_length: FloatArray
    hop_length: float
    frame_centers: FloatArray
    warnings: tuple[str, ...] = ()


def transfer(
    stored: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """The stored parameters for a recording of another length or sample rate.

    Lengths that do not vary with time, on frames of one hop, fit any recording: at another sample
    rate window, hop and n_fft keep their durations, n_fft to the nearest even size, and each
    frequency keeps its length. What varies from frame to frame fits a recording of the same sample
    rate, and of the same duration to within one hop: frames at its end are left out, or go on with
    the last length.

    Args:
        stored: of the recording learned from.
        hop_length: of its frames at the start, samples.
        samples: per channel of the other recording.
        sample_rate: of the other recording, Hz.

    Raises:
        InputError: the parameters do not fit the recording.
    """
    check_length(samples)
    hop = _uniform_hop(stored, hop_length)
    if samples == stored.samples and sample_rate == stored.sample_rate:
        return Transferred(
            stored.n_fft, stored.window_length, hop or hop_length, stored.frame_centers
        )
    if stored.window_length.shape[1] == 1 and hop is not None:
        return _global(stored, hop, samples, sample_rate)
    if sample_rate != stored.sample_rate:
        raise InputError(
            f"the parameters vary from frame to frame at {stored.sample_rate:g} Hz, the recording "
            f"has {sample_rate:g} Hz: resample it with --sr {stored.sample_rate:g}"
        )
    if abs(samples - stored.samples) > hop_length:
        raise InputError(
            f"the parameters vary from frame to frame over {stored.samples / sample_rate:.3f} s, "
            f"the recording lasts {samples / sample_rate:.3f} s: choose as much of it with "
            f"--offset and --duration, or learn with {_steady(stored)}"
        )
    lengths = stored.window_length
    _check_frames(samples, min(hop or hop_length, hop_length))
    centers = stored.frame_centers[stored.frame_centers <= samples]
    if hop is not None and stored.frame_centers[0] == 0:
        centers = uniform_centers(samples, hop)
    if len(centers) == 0:
        raise InputError("the recording ends before the first frame: choose a longer part of it")
    reach = REACH * float(lengths[:, -1].min())
    beyond = centers[-1] + np.arange(1, 1 + int((samples - centers[-1]) / hop_length)) * hop_length
    needed = (beyond - hop_length < samples - 1 - reach) & (beyond < samples)
    centers = np.concatenate([centers, beyond[needed]])
    if lengths.shape[1] > 1:
        more = max(len(centers) - lengths.shape[1], 0)
        lengths = np.pad(lengths, ((0, 0), (0, more)), mode="edge")[:, : len(centers)]
    return Transferred(stored.n_fft, lengths, hop_length, centers)


def _check_frames(samples: float, hop_length: float) -> None:
    if samples / hop_length > MOST_FRAMES:
        raise InputError(
            f"the learned hop, {hop_length:g} samples, makes {samples / hop_length:.3g} frames of the "
            f"recording, above {MOST_FRAMES}: choose a part of it with --duration"
        )


def _steady(stored: StoredParameters) -> str:
    """The modes that keep what varies with time from doing so."""
    if stored.window_length.shape[1] == 1:
        return "--hop-mode constant"
    return "--window-mode constant or frequency"


def _uniform_hop(stored: StoredParameters, hop_length: float) -> float | None:
    """The hop of all frames, samples, or None where it varies."""
    centers = stored.frame_centers
    if len(centers) == 1:
        return hop_length
    hop = float(centers[-1] - centers[0]) / (len(centers) - 1)
    regular = centers[0] + np.arange(len(centers)) * hop
    if not np.allclose(regular, centers, rtol=1e-12, atol=1e-6):
        return None
    return hop_length if abs(hop - hop_length) <= 1e-9 * hop_length else hop


def _global(
    stored: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """Lengths that do not vary with time, at any sample rate."""
    scale = sample_rate / stored.sample_rate
    _check_frames(samples, hop_length * scale)
    place = uniform_centers if stored.frame_centers[0] == 0 else centered_centers
    lengths = stored.window_length
    if sample_rate == stored.sample_rate:
        return Transferred(stored.n_fft, lengths, hop_length, place(samples, hop_length))
    scaled = lengths * scale
    shortest, longest = float(scaled.min()), float(scaled.max())
    n_fft = max(2 * round(stored.n_fft * scale / 2), SMALLEST_FFT)
    if longest > n_fft * (1 + 1e-9):  # a window as long as n_fft, which was rounded down
        n_fft = 2 * math.ceil(longest / 2)
    if shortest < SHORTEST_WINDOW or n_fft > LARGEST_FFT:
        raise InputError(
            f"the window length learned at {stored.sample_rate:g} Hz is {shortest:g} samples at "
            f"{sample_rate:g} Hz, with n_fft {n_fft}: at least {SHORTEST_WINDOW:g}, with n_fft up "
            f"to {LARGEST_FFT}, is possible: resample with --sr {stored.sample_rate:g}"
        )
    if len(scaled) > 1:  # the length of the nearest frequency that was learned
        frequencies = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
        nearest = np.rint(frequencies * stored.n_fft / stored.sample_rate).astype(np.int64)
        scaled = scaled[np.minimum(nearest, len(scaled) - 1)]
    note = (
        f"the parameters were learned at {stored.sample_rate:g} Hz, the recording has "
        f"{sample_rate:g} Hz: lengths are kept in seconds, n_fft {stored.n_fft} becomes {n_fft}"
    )
    hop = hop_length * scale
    return Transferred(n_fft, np.minimum(scaled, n_fft), hop, place(samples, hop), (note,))
