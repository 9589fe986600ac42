"""All options, each declared once, and how they are read: command line, YAML, `--set`, Python."""

from dstft_cli.settings.option import Declaration, Length
from dstft_cli.settings.rules import PRESET
from dstft_cli.settings.settings import (
    ALL,
    CRITERIA,
    EXPERIMENTS,
    FIGURE_FORMATS,
    OPTIONS,
    PICTURE_OPTIONS,
    RUN_OPTIONS,
    STORES,
    SUBTYPES,
    SWEEP_OPTIONS,
    Settings,
    SweepSettings,
)
from dstft_cli.settings.sources import merge, settings_in_record

__all__ = [
    "ALL",
    "CRITERIA",
    "EXPERIMENTS",
    "FIGURE_FORMATS",
    "OPTIONS",
    "PICTURE_OPTIONS",
    "PRESET",
    "RUN_OPTIONS",
    "STORES",
    "SUBTYPES",
    "SWEEP_OPTIONS",
    "Declaration",
    "Length",
    "Settings",
    "SweepSettings",
    "merge",
    "settings_in_record",
]
