"""The outputs of one run: a directory, single files and standard output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import permutations
from pathlib import Path
from typing import Any, BinaryIO

from dstft_cli.errors import UsageError, printable
from dstft_cli.results.directory import OutputDirectory, atomic_file
from dstft_cli.results.place import disk_errors, size_of
from dstft_cli.results.record import TRANSFORM, Products, write_json
from dstft_cli.settings import FIGURE_FORMATS, Settings

PICTURE_ENDINGS = (*FIGURE_FORMATS, "jpg", "jpeg", "gif", "webp", "tif", "tiff", "eps", "bmp")


class Output:
    """The places of one run, open for writing; made by `Output.open`."""

    def __init__(self, directory: Path | None, settings: Settings, products: Products) -> None:
        self.directory = directory
        self.draws = settings.draws
        self.holds_figures = directory is not None and settings.figures
        self.holds_view = directory is not None and settings.view
        self._json, self._products = settings.json, products
        targets = {name: getattr(settings, name) for name in products.singles}
        self._targets = {name: str(to) for name, to in targets.items() if to is not None}
        self._folder: OutputDirectory | None = None
        self.singles: dict[str, BinaryIO] = {}  # open files, by option such as `npy`
        self._stdout: Any = None
        self._written: list[str] = []

    @classmethod
    @contextmanager
    def open(
        cls,
        source: str,
        settings: Settings,
        *,
        stdout: BinaryIO | None = None,
        products: Products = TRANSFORM,
        ours: bool = False,
    ) -> Iterator[Output]:
        """Reserves every place for a recording, a file or `-`; files appear after a clean end only."""
        directory = settings.output
        if directory is None and settings.writes_directory:
            stem = "stdin" if source == "-" else Path(source).stem
            directory = Path(f"{stem}-{products.ending}")
        output = cls(directory, settings, products)
        output._refuse_collisions(source, settings.format)
        files = [to for to in (directory, *output._targets.values()) if to not in (None, "-")]
        output._stdout = _Optional(stdout) if files and stdout is not None else stdout
        with ExitStack() as stack:
            if directory is not None:
                folder = OutputDirectory(
                    directory, force=settings.force, known=products.names, ours=ours
                )
                output._folder = stack.enter_context(folder)
            for name, target in output._targets.items():
                file = output._stdout
                if target != "-":
                    single = atomic_file(Path(target), force=settings.force, kind=name)
                    file = stack.enter_context(single)
                    file = _Optional(file) if len(files) > 1 else file  # it may be a pipe
                output.singles[name] = file
            yield output

    def path(self, name: str) -> Path:
        assert self._folder is not None
        self._written.append(name)
        return self._folder.path(name)

    def write(self, name: str, content: bytes) -> None:
        with disk_errors(name):
            self.path(name).write_bytes(content)

    def send(self, option: str, content: bytes) -> None:
        if option in self.singles:
            target = self._targets[option]
            _send(self.singles[option], content, "standard output" if target == "-" else target)

    def emit(self, text: str) -> None:
        """Code for another library, to standard output."""
        _send(self._stdout, text.encode(), "the emitted call")

    def write_record(self, record: dict[str, Any]) -> None:
        """The record, with paths and sizes, to the directory and with `--json` to standard output."""
        outputs, sizes = {}, {}
        if self._folder is not None and self.directory is not None:
            for name in self._written:
                outputs[name] = str(self.directory / name)
                sizes[name] = size_of(self._folder.path(name))
            outputs[self._products.record] = str(self.directory / self._products.record)
        record["outputs"] = outputs | self._targets
        record["sizes"] = sizes
        if self._folder is not None:
            write_json(self._folder.path(self._products.record), record)
        if self._json:
            write_json(self._stdout, record)

    def _refuse_collisions(self, source: str, picture_format: str) -> None:
        singles = {
            f"`{name}` {printable(target)}": Path(target)
            for name, target in self._targets.items()
            if target != "-"
        }
        for named, path in singles.items():
            if source != "-" and path.exists() and Path(source).exists() and path.samefile(source):
                raise UsageError(f"{named} is the recording itself: name another file")
            if named.startswith("`png`"):
                check_ending(named, path, picture_format)
        places = dict(singles)
        if self.directory is not None:
            places[f"`output` {printable(self.directory)}"] = self.directory
        for (one, path), (other, around) in permutations(places.items(), 2):
            real = path.resolve()
            if around.resolve() in (real, *real.parents):
                raise UsageError(
                    f"{one} lies in {other}, which is written as a whole: name another"
                )


def check_ending(named: str, path: Path, picture_format: str) -> None:
    """Raises UsageError if a picture would have the ending of another format."""
    ending = path.suffix.lower().removeprefix(".")
    if ending in PICTURE_ENDINGS and ending != picture_format:
        raise UsageError(
            f"{named} would hold a picture in {picture_format}: choose a name that ends in "
            f".{picture_format}, or another `format`"
        )


class _Optional:
    """A stream beside files: if its reader leaves, the rest is dropped and the files are written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file: BinaryIO | None = file

    def write(self, data: bytes | memoryview) -> int:
        if self._file is not None:
            try:
                return self._file.write(data)
            except BrokenPipeError:
                self._file = None
        return len(data)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            if self._file is not None:
                self._file.flush()


def _send(file: BinaryIO, content: bytes, what: str) -> None:
    with disk_errors(what):
        file.write(content)
        file.flush()
