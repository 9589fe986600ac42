"""A file or standard input becomes a `Signal`: samples [channels, N] and their sample rate.

The only room that imports soundfile (libsndfile) and soxr.
"""

from dstft_cli.audio.decode import load
from dstft_cli.audio.signal import Samples, Signal
from dstft_cli.audio.spool import SpooledSamples

__all__ = ["Samples", "Signal", "SpooledSamples", "load"]
