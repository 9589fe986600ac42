"""Where one run's results go: a directory, single files and standard output."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from dstft_cli.errors import UsageError
from dstft_cli.names import FIGURE_FORMATS
from dstft_cli.results import (
    TRANSFORM,
    OutputDirectory,
    Products,
    atomic_file,
    disk_errors,
    shown,
    write_json,
)
from dstft_cli.run.preflight import output_directory
from dstft_cli.settings import Settings

PICTURE_ENDINGS = (*FIGURE_FORMATS, "jpg", "jpeg", "gif", "webp", "tif", "tiff", "eps", "bmp")


class Places:
    """All places of one run, opened before the work begins so that a bad one fails at once.

    A context manager: what was written appears when its block ends cleanly, and not otherwise.

    Args:
        source: the recording, a file or `-`.
        settings: of the run.
        stdout: standard output, where something is to go there.
        products: what the command writes.

    Attributes:
        directory: the output directory; None where only single files or a stream are asked for.

    Raises:
        UsageError: two outputs share a place, or one would replace the recording itself.
    """

    def __init__(
        self,
        source: str,
        settings: Settings,
        stdout: BinaryIO | None,
        products: Products = TRANSFORM,
    ) -> None:
        self.directory = output_directory(source, settings, products.ending)
        targets = {name: getattr(settings, name) for name in products.singles}
        self._targets = {name: str(to) for name, to in targets.items() if to is not None}
        self._settings = settings
        self._stdout = stdout
        self._products = products
        self._stack = ExitStack()
        self._folder: OutputDirectory | None = None
        self._singles: dict[str, BinaryIO] = {}
        self._written: list[str] = []
        refuse_collisions(source, self._targets, self.directory, settings.format)

    def __enter__(self) -> Places:
        force = self._settings.force
        with ExitStack() as stack:
            if self.directory is not None:
                folder = OutputDirectory(self.directory, force=force, known=self._products.names)
                self._folder = stack.enter_context(folder)
            for name, target in self._targets.items():
                self._singles[name] = (
                    self._stream()
                    if target == "-"
                    else stack.enter_context(atomic_file(Path(target), force=force))
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    @property
    def holds_figures(self) -> bool:
        """Whether pictures go into the directory."""
        return self.directory is not None and self._settings.figures

    @property
    def draws(self) -> bool:
        """Whether any picture is wanted."""
        return self._settings.draws

    def single(self, option: str) -> BinaryIO | None:
        """The open file of an option such as `npy`; None where it is not given."""
        return self._singles.get(option)

    def path(self, name: str) -> Path:
        """Where to write a file of the directory, which there must be, now."""
        assert self._folder is not None
        self._written.append(name)
        return self._folder.path(name)

    def open(self, name: str) -> BinaryIO:
        """A file of the directory, open for writing; the caller closes it."""
        return open(self.path(name), "wb", buffering=1 << 20)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file of the directory."""
        with disk_errors(name):
            self.path(name).write_bytes(content)

    def send(self, option: str, content: bytes) -> None:
        """Writes the file of an option, if it is given."""
        if option in self._singles:
            _send(self._singles[option], content, self._targets[option])

    def to_stdout(self, content: bytes, what: str) -> None:
        """Writes to standard output; `what` it is, for error messages."""
        _send(self._stream(), content, what)

    def write_record(self, record: Mapping[str, Any]) -> None:
        """The record of the run, to the directory and with `--json` to standard output."""
        if self._folder is not None:
            write_json(self._folder.path(self._products.record), record)
        if self._settings.json:
            write_json(self._stream(), record)

    def names(self) -> dict[str, str]:
        """Name and final path of every file written, the record included."""
        names = {}
        if self.directory is not None:
            written = [*self._written, self._products.record]
            names = {name: str(self.directory / name) for name in written}
        return names | self._targets

    def _stream(self) -> BinaryIO:
        assert self._stdout is not None
        return self._stdout


def refuse_collisions(
    source: str, targets: Mapping[str, str], directory: Path | None, picture_format: str
) -> None:
    """UsageError where two outputs share a place, or one would replace the recording itself.

    Args:
        source: the recording, a file or `-`.
        targets: of the options that name single files, `-` for standard output.
        directory: of the results, or None.
        picture_format: of `--png`.
    """
    singles = {f"--{name}": Path(target) for name, target in targets.items() if target != "-"}
    for option, path in singles.items():
        if source != "-" and path.exists() and Path(source).exists() and path.samefile(source):
            raise UsageError(f"{option} {shown(path)} is the recording itself: name another file")
        if directory is not None and directory.resolve() in (
            path.resolve(),
            *path.resolve().parents,
        ):
            raise UsageError(
                f"{option} {shown(path)} lies in the output directory {shown(directory)}, which is "
                "written as a whole: name a file elsewhere"
            )
    if len({path.resolve() for path in singles.values()}) < len(singles):
        both = " and ".join(singles)
        raise UsageError(f"{both} both name {shown(singles['--png'])}: name two files")
    ending = singles["--png"].suffix.lower().removeprefix(".") if "--png" in singles else ""
    if ending in PICTURE_ENDINGS and ending != picture_format:
        raise UsageError(
            f"--png {shown(singles['--png'])} would hold a picture in {picture_format}, the --format of "
            f"this run: choose a name that ends in .{picture_format}, or another of --format "
            f"{', '.join(FIGURE_FORMATS)}"
        )


def _send(file: BinaryIO, content: bytes, what: str) -> None:
    with disk_errors(what):
        file.write(content)
        file.flush()
