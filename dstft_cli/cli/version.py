"""`--version`: the versions of dstft and of the libraries behind it, without importing them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _print_version(value: bool) -> None:
    if not value:
        return
    import platform

    from dstft_cli._version import __version__

    parts = [
        package_version("torch"),
        package_version("soundfile"),
        libsndfile_version(),
        f"Python {platform.python_version()}",
    ]
    typer.echo(f"dstft {__version__} ({', '.join(parts)})")
    raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
    ),
]


def package_version(package: str) -> str:
    """`NAME VERSION` of an installed package, or `no NAME`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def libsndfile_version() -> str:
    """`libsndfile VERSION`, read from the library itself: soundfile would import NumPy."""
    import ctypes

    library = _library()
    if library is None:
        return "no libsndfile"
    try:
        ask = ctypes.CDLL(library).sf_version_string
    except (OSError, AttributeError):
        return "no libsndfile"
    ask.restype = ctypes.c_char_p
    answer = ask() or b"libsndfile"
    return str(answer.decode("ascii", "replace").replace("-", " ", 1))


def _library() -> str | None:
    """The library in soundfile's wheel, or that of the system."""
    from ctypes.util import find_library
    from importlib.util import find_spec

    spec = find_spec("_soundfile_data")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    bundled = [] if folder is None else sorted(folder.glob("libsndfile*.*"))
    known = [str(path) for path in bundled if path.suffix in (".so", ".dylib", ".dll")]
    return known[0] if known else find_library("sndfile")
