"""One HTML page of all results below a directory: `write_report`."""

from dstft_cli.report.report import Report, build_report, write_report

__all__ = ["Report", "build_report", "write_report"]
