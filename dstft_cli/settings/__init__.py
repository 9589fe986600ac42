"""Every option declared once, with its unit; YAML, `--set` and the command line merge here."""

from dstft_cli.settings.declarations import OPTIONS, RUN_GROUPS, Declaration
from dstft_cli.settings.length import Length
from dstft_cli.settings.merge import merge
from dstft_cli.settings.model import Settings
from dstft_cli.settings.option import Option

__all__ = [
    "OPTIONS",
    "RUN_GROUPS",
    "Declaration",
    "Length",
    "Option",
    "Settings",
    "merge",
]
