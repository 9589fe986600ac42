"""Files and directories that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dstft_cli.errors import DISK_FULL, OutputError, UsageError, printable
from dstft_cli.results.place import clear, disk_errors, holds_anything, partial_name, reserved, sync
from dstft_cli.results.record import TRANSFORM, is_record, records_in

# File browsers put these into folders; they may be removed.
BROWSER_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
ELSEWHERE, UNLINK = "choose another `output`", "remove the link or choose another place"
REPORT = "report.html"  # written by `dstft report`, which can write it again
OURS = {  # first bytes of files that `force` may replace
    "npy": rb"\x93NUMPY",
    "png": rb"\x89PNG\r\n|%PDF-|<\?xml[^>]*>\s*<!DOCTYPE svg",
    "csv": rb"criterion,direction,phase,|recording,status,",
    "audio": rb"RIFF|RF64|fLaC",
    "view": rb'<!DOCTYPE html>\s+<html lang="en">\s+<head>\s+<meta[^>]*>\s+<meta[^>]*"dstft view ',
}


class OutputDirectory:
    """A directory that appears whole or not at all.

    `with OutputDirectory(path, force=False) as out:` reserves the place; files go to
    `out.path(name)`; a clean end of the block renames them there. After an exception nothing remains.
    Parents are created, and removed again on failure. An empty directory is used. A link to a
    directory is followed and kept. `force` replaces a directory that dstft wrote, once the new one
    stands; one without a record of dstft, or with any other file, is never touched.

    Raises (on entering, before any work is done):
        UsageError: the place exists, or may not be replaced.
        OutputError: it cannot be created, or another run is writing it; at the end, it has changed.
    """

    def __init__(
        self,
        path: Path,
        *,
        force: bool,
        known: Collection[str] = TRANSFORM.names,
        ours: bool = False,
    ) -> None:
        self.place = Path(path)
        self.force = force
        self.known = frozenset(known)  # names that may be written, and that `force` may replace
        self.ours = ours  # dstft wrote the directory, even if its record is damaged
        self._final = self.place
        self._work: Path | None = None
        self._stack = ExitStack()
        self._replaced: tuple[int, int] | None = None

    def path(self, name: str) -> Path:
        """The path to write file `name` to, one of `known`, until the block ends."""
        assert name in self.known
        assert self._work is not None
        return self._work / "new" / name

    def __enter__(self) -> OutputDirectory:
        with ExitStack() as stack:
            with disk_errors(self.place):
                self._final = _real_place(self.place)
                self._check_place(reserved=False)
            stack.enter_context(reserved(self._final, self.place))
            with disk_errors(self.place):
                self._check_place(reserved=True)  # a result of a killed run may have been restored
                work = partial_name(self._final)
                stack.callback(clear, work, self._final)
                work.mkdir()  # not mkdtemp: the directory would keep its mode 0700
                (work / "new").mkdir()
            self._work = work
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        work, self._work = self._work, None
        assert work is not None
        with self._stack:
            if error is None:
                with disk_errors(self.place):
                    self._commit(work)
            elif isinstance(error, OSError) and error.errno in DISK_FULL:
                named = work if error.filename is None else Path(os.fsdecode(error.filename))
                if work in (named, *named.parents):  # otherwise the error is not about this place
                    with disk_errors(self.place):
                        raise error

    def _check_place(self, *, reserved: bool) -> None:
        place, final = self.place, self._final
        try:
            status = final.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode):
            raise _refused(place, "is not a directory")
        here = Path(os.path.realpath(os.curdir))
        if final in (here, *here.parents):
            raise _refused(place, "is the current directory or holds it")
        if os.path.ismount(final):
            inside = printable(place / "dstft")
            raise _refused(place, "is a mount point", f"choose an `output` in it, such as {inside}")
        if not holds_anything(final):
            return
        if not self.force:
            raise _refused(place, "exists", f"use `force` to replace it or {ELSEWHERE}")
        if not reserved:
            return  # another run may be replacing it
        self._refuse_foreign(final)
        if not os.access(final, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._replaced = (status.st_dev, status.st_ino)

    def _refuse_foreign(self, folder: Path) -> None:
        """Raises UsageError unless the folder holds only files of dstft, with a record."""
        with os.scandir(folder) as entries:
            found = {entry.name: _is_whole(entry) for entry in entries}
        own = self.known | BROWSER_NAMES | {REPORT}
        foreign = sorted(name for name, whole in found.items() if not whole or name not in own)
        if foreign:
            name = printable(foreign[0])
            raise _refused(self.place, f"holds '{name}', which dstft did not write")
        if self.ours:
            return
        records = [name for name in self.known if name.endswith(".json")]
        if found.keys() - BROWSER_NAMES and not any(is_record(folder / name) for name in records):
            raise _refused(self.place, "holds no valid record", f"remove it or {ELSEWHERE}")

    def _commit(self, work: Path) -> None:
        new, old = work / "new", work / "old"
        sync(*new.rglob("*"), new)
        if self.force and holds_anything(self._final):
            with suppress(FileNotFoundError):  # removed meanwhile
                os.rename(self._final, old)  # `clear` restores it unless `new` replaces it
                status = old.stat()
                if (status.st_dev, status.st_ino) != self._replaced:
                    raise _changed(self.place)
                self._refuse_foreign(old)  # a file may have appeared there meanwhile
        if os.name == "nt":  # POSIX can rename onto an empty directory, Windows cannot
            with suppress(OSError):
                self._final.rmdir()
        try:
            os.rename(new, self._final)
        except OSError as error:
            if holds_anything(self._final):
                raise _changed(self.place) from error
            raise
        sync(self._final.parent)


@contextmanager
def atomic_file(path: Path, *, force: bool, kind: str = "") -> Iterator[BinaryIO]:
    """Yields a binary file that appears at `path` only if the block ends cleanly.

    Parents are created, and removed again on failure. A link to a file is followed and kept, unless
    it lies in a folder of results. A device or a named pipe is written to directly. `force` replaces an
    existing file: one that begins like those of `OURS[kind]`, any without a kind.
    """
    place = Path(path)
    with disk_errors(place):
        final = _real_place(place)
        direct = _check_file(place, force, kind)
    if direct:
        with disk_errors(place):
            device = open(place, "wb")  # noqa: SIM115, the errors of the block are not those of opening
        with disk_errors(place, only_full=True):
            try:
                yield device
            finally:
                with suppress(BrokenPipeError):  # its reader has left
                    device.close()
        return
    with reserved(final, place), ExitStack() as stack:
        with disk_errors(place):
            _check_file(place, force, kind)
            partial = partial_name(final)
            stack.callback(clear, partial, final)
            file = open(partial, "xb")  # noqa: SIM115
        with disk_errors(place, only_full=True), file:
            yield file
        with disk_errors(place):
            sync(partial)
            if force:
                _check_file(place, force, kind)  # another file may have appeared there meanwhile
                os.replace(partial, final)
            else:
                try:
                    os.link(partial, final)  # unlike a rename, a link never replaces a file
                except OSError as error:  # also of a file system without hard links
                    if os.path.lexists(final):
                        raise _changed(place) from error
                    os.rename(partial, final)
            sync(final.parent)


def _real_place(place: Path) -> Path:
    """`place` absolute, links followed, so that they are kept; UsageError for a foreign link."""
    if os.path.islink(place) and not os.path.exists(place):
        target = printable(os.readlink(place))
        raise _refused(place, f"is a link to {target}, which does not exist", UNLINK)
    for part in (place, *place.parents):
        if os.path.islink(part) and records_in(part.parent):
            raise _refused(part, "is a link in a folder of results", UNLINK)
    return Path(os.path.realpath(place))


def _check_file(place: Path, force: bool, kind: str) -> bool:
    """Whether `place` is a device or a pipe, to be written directly; raises if it must be kept."""
    try:
        status = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(status.st_mode):
        raise _refused(place, "is a directory", "name a file in it")
    if not stat.S_ISREG(status.st_mode):
        return True
    if not force:
        raise _refused(place, "exists", "use `force` to replace it or choose another name")
    if kind and status.st_size:
        with open(place, "rb") as file:
            if not re.match(OURS[kind], file.read(512)):
                what = "exists and dstft did not write it"
                raise _refused(place, what, "choose another name")
    return False


def _is_whole(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a folder that holds the files of a zarr array alone."""
    if not entry.name.endswith(".zarr"):
        return entry.is_file(follow_symlinks=False)
    chunks = Path(entry.path).rglob("*")
    own = (p.is_dir() or p.name == "zarr.json" or p.name.isdigit() for p in chunks)
    return entry.is_dir(follow_symlinks=False) and all(own)


def _refused(place: Path, what: str, remedy: str = ELSEWHERE) -> UsageError:
    return UsageError(f"{printable(place)} {what}: {remedy}")


def _changed(place: Path) -> OutputError:
    return OutputError(
        f"{printable(place)} has changed since this run began and is kept: run again with `force` or "
        "another place"
    )
