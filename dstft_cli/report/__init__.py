"""One HTML page of all results below a directory.

| what | where |
|---|---|
| which directories hold results | `result_directories` (`find`) |
| what one `result.json` says, checked | `read_summary` (`entry`) |
| a small picture of `spectrogram.png` | `thumbnail` (`thumbnail`) |
| names as text and as addresses | `displayed`, `relative_url` (`names`) |
| columns, rows, the page around them | `columns`, `page`, `style.css`, `script.js` |
| the page as a file | `write_report`, `build_report` (`build`) |
"""

from pathlib import Path

from dstft_cli.report.build import Report, build_report

__all__ = ["Report", "build_report", "write_report"]


def write_report(
    directory: Path,
    *,
    output: Path | None = None,
    title: str | None = None,
    force: bool = False,
) -> Path:
    """Writes a self-contained HTML page of all results in `directory` and below it.

    Args:
        directory: searched for directories with a `result.json`; links to directories are not
            followed.
        output: the page; None: `report.html` in `directory`.
        title: of the page; None: `Results in NAME`.
        force: replace an existing file.

    Returns:
        The path of the page.

    Raises:
        InputError: there is no such directory, or no result in it or below it.
        UsageError: the page exists and `force` is not given, or its place is a directory.
        OutputError: it cannot be written.
    """
    return build_report(directory, output=output, title=title, force=force).output
