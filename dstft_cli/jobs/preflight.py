"""What can be refused before torch is imported: a missing recording, a place that is taken."""

from __future__ import annotations

from pathlib import Path

from dstft_cli.settings import OPTIONS, Settings
from dstft_cli.writers import PRODUCTS, OutputDirectory


def output_directory(source: str, settings: Settings, ending: str = "dstft") -> Path | None:
    """Where results go: `STEM-dstft` here unless told otherwise; nowhere where data is piped."""
    if settings.output is not None:
        return settings.output
    if settings.json or settings.emit != "none":
        return None
    if "-" in (getattr(settings, name) for name in PRODUCTS[ending].singles):
        return None
    stem = "stdin" if source == "-" else Path(source).stem
    return Path(f"{stem}-{ending}")


def refuse_early(source: str, settings: Settings, ending: str = "dstft") -> None:
    """Refuses what the run itself would refuse some seconds later, in its words.

    Args:
        source: a file, or `-` for standard input, of which nothing is read.
        settings: of the run.
        ending: of the directory's name, where none is given.

    Raises:
        InputError: there is no such recording, or its header is none.
        UsageError: it has no such channel, the place of the results is taken, pictures cannot show
            the frequencies asked for, or there is no such colour map.
    """
    from dstft_cli.audio import probe
    from dstft_cli.plot.scale import frequency_range

    rate = probe(source, channel=settings.channel, sample_rate=settings.sr)
    directory = output_directory(source, settings, ending)
    if directory is not None:
        known = PRODUCTS[ending].names
        OutputDirectory(directory, force=settings.force, known=known).check()
    if rate is not None and (settings.png is not None or (directory and settings.figures)):
        s = settings
        frequency_range(rate / 2, rate / 2048, s.freq_scale, s.fmin, s.fmax)
    if settings.cmap != OPTIONS["cmap"].default:  # else matplotlib need not be imported yet
        from dstft_cli.plot import check_cmap

        check_cmap(settings.cmap)
