"""Frames of the arrays of a run, and how many bytes it will write, before torch is imported."""

from __future__ import annotations

import math

import numpy as np

from dstft_cli.audio import Signal
from dstft_cli.errors import UsageError
from dstft_cli.settings import Settings
from dstft_cli.settings.option import Length, number_text
from dstft_cli.settings.rules import PRESET, TYPED

BYTES_PER_SAMPLE = 32  # of sound and channel, which the float32 spectrogram takes by default
TOLD_FROM = 200e6  # bytes; less is written without a word
_OF_PICTURES, _OF_MAP = 3e6, 1.2  # bytes: of all pictures; of lengths per cell, per sample
_OF_VIEW, _MOST_OF_VIEW = 6.0, 10e6  # bytes of the page, per sample and at most


def array_step(settings: Settings, sample_rate: float, n_fft: int, hop: float) -> int:
    """How many frames of the transform, `hop` samples apart, make one of the spectrogram.

    By default as few as keep the float32 array within `BYTES_PER_SAMPLE` of each channel. All frames are
    written where their hop is given or learned, or the whole transform is saved.
    """
    if isinstance(settings.npy_hop, Length):
        return max(round(settings.npy_hop.samples(sample_rate) / hop), 1)
    if _is_full(settings):
        return 1
    most = 4 * (n_fft // 2) / BYTES_PER_SAMPLE  # samples: the hop of an array of this size
    return max(math.ceil(most / hop - 1e-6), 1)


def _is_full(settings: Settings) -> bool:
    s = settings
    chosen = s.hop_length is not None and s.ranks.get("hop_length", TYPED) != PRESET
    return s.npy_hop == "full" or s.save_stft or chosen or s.hop_mode != "fixed"


def planned_bytes(
    settings: Settings,
    sample_rate: float,
    channels: int,
    samples: int,
    lengths: tuple[int, float] | None = None,
) -> float | None:
    """About how many bytes a run will write into its directory.

    Args:
        settings: of the run.
        sample_rate: of the transform, Hz.
        channels: of the transform.
        samples: per channel, at that rate.
        lengths: FFT size and hop, samples; None: guessed where the settings leave them open.

    Returns:
        The bytes, 0 without a directory; None where lengths contradict each other.
    """
    s, width = settings, np.dtype(settings.npy_dtype).itemsize
    if not s.writes_directory:
        return 0.0
    of_array, of_stft = width * BYTES_PER_SAMPLE / 4, 0.0  # bytes per sample
    if s.npy_hop != "auto" or _is_full(s):
        from dstft_cli.fit.n_fft import lengths_before  # imports torch
        from dstft_cli.run.optimize import request_of

        try:
            request = request_of(s, sample_rate, device="cpu")
            n_fft, hop = lengths or lengths_before(request, samples)
        except UsageError:
            return None
        of_array = width * (n_fft / 2) / (hop * array_step(s, sample_rate, n_fft, hop))
        of_stft = 8 * (n_fft / 2) / hop
    arrays = of_array * ("spectrogram" in s.save) + of_stft * s.save_stft
    of_map = _OF_MAP * ("parameters" in s.save and s.window_mode == "time-frequency")
    of_view = min(_OF_VIEW * samples, _MOST_OF_VIEW) * s.view
    return (arrays * channels + of_map) * samples + _OF_PICTURES * s.figures + of_view


def size_note(
    settings: Settings, signal: Signal, lengths: tuple[int, float] | None = None
) -> str | None:
    """What is told before a run writes much."""
    channels, samples = signal.samples.shape
    size = planned_bytes(settings, signal.sample_rate, channels, samples, lengths)
    if size is None or size < TOLD_FROM:
        return None
    return (
        f"about {size_text(size)} will be written: `npy_dtype` float16 halves the spectrogram, `save` "
        "leaves parts out"
    )


def size_text(size: float) -> str:
    """Bytes in three digits: `254 MB`, `2.03 GB`."""
    unit, of = ("GB", 1e9) if size >= 0.9995e9 else ("MB", 1e6)
    return f"{number_text(size / of, 3)} {unit}"
