"""Every option declared once, with its unit; YAML, `--set` and the command line merge here."""

from dstft_cli.settings.declarations import OPTIONS, RUN_GROUPS, Declaration
from dstft_cli.settings.fit_arguments import fit_arguments
from dstft_cli.settings.length import Length
from dstft_cli.settings.merge import merge, settings_in_record
from dstft_cli.settings.model import Settings
from dstft_cli.settings.option import Option
from dstft_cli.settings.sweep import ALL, SWEEP_OPTIONS, SweepSettings

RUN_OPTIONS = tuple(name for name in OPTIONS if OPTIONS[name].option.group in RUN_GROUPS)

__all__ = [
    "ALL",
    "OPTIONS",
    "RUN_GROUPS",
    "RUN_OPTIONS",
    "SWEEP_OPTIONS",
    "Declaration",
    "Length",
    "Option",
    "Settings",
    "SweepSettings",
    "fit_arguments",
    "merge",
    "settings_in_record",
]
