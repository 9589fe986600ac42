"""A value of every option."""

from pathlib import Path

import pytest

from dstft_cli.errors import UsageError
from dstft_cli.settings import Length, merge


def refused(typed=(), pairs=(), config: Path | None = None) -> str:
    """The one line with which these settings are refused."""
    with pytest.raises(UsageError) as caught:
        merge(dict(typed), pairs, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# one value per option that is not its default, as text, and what it becomes
EXAMPLES = {
    "channel": ("2", 2),
    "sr": ("22050", 22050),
    "offset": ("1.5", 1.5),
    "duration": ("30s", 30.0),
    "highpass": ("20Hz", 20.0),
    "n_fft": ("4096", 4096),
    "win_length": ("46ms", Length(46.0, "ms")),
    "win_length_min": ("256", Length(256.0)),
    "win_length_max": ("2048.5", Length(2048.5)),
    "hop_length": ("0.004s", Length(0.004, "s")),
    "window": ("blackman", "blackman"),
    "normalization": ("none", "none"),
    "power": ("1", 1.0),
    "window_mode": ("time", "time"),
    "hop_mode": ("time", "time"),
    "hop_length_min": ("16", Length(16.0)),
    "hop_length_max": ("2048", Length(2048.0)),
    "smoothness": ("0", 0.0),
    "overlap": ("0.9", 0.9),
    "criterion": ("renyi", "renyi"),
    "scope": ("plane", "plane"),
    "order": ("2.5", 2.5),
    "criterion_fmin": ("300", 300.0),
    "criterion_fmax": ("3.4kHz", 3400.0),
    "optimizer": ("adam", "adam"),
    "search": ("false", False),
    "lr": ("1e-2", 0.01),
    "max_steps": ("0", 0),
    "tolerance": ("1e-5", 1e-5),
    "seed": ("7", 7),
    "device": ("cuda", "cuda"),
    "dtype": ("float64", "float64"),
    "threads": ("2", 2),
    "output": ("some/where", Path("some/where")),
    "png": ("a.png", "a.png"),
    "npy": ("-", "-"),
    "json": ("false", False),
    "emit": ("none", "none"),
    "save": ("stft, parameters", "stft, parameters"),
    "save_stft": ("true", True),
    "force": ("true", True),
    "on_silence": ("skip", "skip"),
    "figures": ("false", False),
    "npy_dtype": ("float16", "float16"),
    "store": ("zarr", "zarr"),
    "view": ("false", False),
    "audio": ("embed", "embed"),
    "npy_hop": ("full", "full"),
    "freq_scale": ("mel", "mel"),
    "fmin": ("20", 20.0),
    "fmax": ("8000", 8000.0),
    "tmin": ("250ms", 0.25),
    "tmax": ("2s", 2.0),
    "time": ("clock", "clock"),
    "time_unit": ("min", "min"),
    "db_range": ("60", 60.0),
    "cmap": ("viridis", "viridis"),
    "colorbar": ("false", False),
    "panels": ("learned, map", "learned, map"),
    "title": ("false", False),
    "size": ("90x60mm", "90x60mm"),
    "dpi": ("300", 300),
    "font": ("serif", "serif"),
    "font_size": ("8pt", 8.0),
    "format": ("svg", "svg"),
    "preset": ("music", "music"),
}
