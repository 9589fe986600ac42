"""What can be refused before torch is imported: a missing recording, a place that is taken."""

from __future__ import annotations

from pathlib import Path

from dstft_cli.results import PRODUCTS, OutputDirectory
from dstft_cli.settings import OPTIONS, Settings


def output_directory(source: str, settings: Settings, ending: str = "dstft") -> Path | None:
    """Where results go: `STEM-dstft` here unless told otherwise; nowhere where data is piped."""
    if settings.output is not None:
        return settings.output
    if not settings.writes_directory:
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

    s = settings
    rate = probe(source, channel=s.channel, sample_rate=s.sr, highpass=s.highpass)
    directory = output_directory(source, settings, ending)
    if directory is not None:
        known = PRODUCTS[ending].names
        OutputDirectory(directory, force=settings.force, known=known).check()
    check_pictures(settings, rate)


def check_pictures(settings: Settings, sample_rate: float | None) -> None:
    """Refuses what pictures cannot show, where there are any.

    Args:
        settings: of the run.
        sample_rate: of the recording, Hz; None where it is not known yet.

    Raises:
        UsageError: there is no such colour map, or `fmin` and `fmax` do not fit the recording.
    """
    if not settings.draws:
        return
    if settings.cmap != OPTIONS["cmap"].default:  # else matplotlib need not be imported yet
        from dstft_cli.plot import check_cmap

        check_cmap(settings.cmap)
    if sample_rate is not None:
        from dstft_cli.plot import frequency_range

        s, top = settings, sample_rate / 2
        spacing = 0.0  # of bins: not known before the fit, and no reason to refuse
        frequency_range(top, spacing, s.freq_scale, s.fmin, s.fmax)
