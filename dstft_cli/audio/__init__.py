"""Reads a file or standard input as a `Signal`, samples [channels, N] with a sample rate; writes audio.

Only this room imports soundfile (libsndfile), audioread (ffmpeg) and soxr.
"""

from dstft_cli.audio.blocks import filtered
from dstft_cli.audio.clock import recorded_at
from dstft_cli.audio.read import ONLY_DC, Samples, Signal, load, probe
from dstft_cli.audio.source import content_digest, is_sound
from dstft_cli.audio.spool import SpooledSamples
from dstft_cli.audio.write import audio_format, opus, write_audio

__all__ = [
    "ONLY_DC",
    "Samples",
    "Signal",
    "SpooledSamples",
    "audio_format",
    "content_digest",
    "filtered",
    "is_sound",
    "load",
    "opus",
    "probe",
    "recorded_at",
    "write_audio",
]
