"""Reads a file or standard input as a `Signal`, samples [channels, N] with a sample rate; writes audio.

Only this room imports soundfile (libsndfile), audioread (ffmpeg) and soxr.
"""

from dstft_cli.audio.blocks import filtered as filtered
from dstft_cli.audio.clock import recorded_at as recorded_at
from dstft_cli.audio.read import ONLY_DC as ONLY_DC
from dstft_cli.audio.read import Samples as Samples
from dstft_cli.audio.read import Signal as Signal
from dstft_cli.audio.read import load as load
from dstft_cli.audio.read import probe as probe
from dstft_cli.audio.source import content_digest as content_digest
from dstft_cli.audio.source import is_sound as is_sound
from dstft_cli.audio.spool import SpooledSamples as SpooledSamples
from dstft_cli.audio.write import audio_format as audio_format
from dstft_cli.audio.write import opus as opus
from dstft_cli.audio.write import write_audio as write_audio
