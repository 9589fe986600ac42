"""The output directory: filled under a hidden name beside its place, renamed when complete."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results.exchange import exchange, one_at_a_time
from dstft_cli.results.leftovers import claim, clear_dead
from dstft_cli.results.place import (
    DISK_FULL,
    beside,
    disk_errors,
    make_parents,
    real_place,
    remove_empty,
    shown,
    written_meanwhile,
)
from dstft_cli.results.products import TRANSFORM

# File browsers leave these in any folder that is looked at; nobody misses them.
BROWSER_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
REPORT = "report.html"  # what `dstft report` writes; drawn again from what is there


class OutputDirectory:
    """A directory that appears whole or not at all.

    `with OutputDirectory(path, force=False) as out:` creates a hidden `.NAME.XXXXXXXX.partial`
    beside the place; files go to `out.path(name)`; a clean end of the block, or `out.commit()`,
    renames it. After an exception or an interrupt nothing is left. Parents are created, and removed
    again on failure. An empty directory at the place is taken; a link to a directory is followed
    and stays. A killed process leaves at most the hidden directory, or what it replaced under that
    name; the next run into the same place removes either.

    Args:
        path: the place.
        force: replace what `dstft` wrote there before. The old directory is kept until the new one
            stands, and a directory with any other file in it is never touched.
        known: names that may be written, and that `force` may replace.

    Raises (on entering, before any work is done):
        UsageError: the place exists, holds foreign files, is no directory, or is in use as the
            current directory, as a parent of it or as a mount point.
        OutputError: the place cannot be created. Also raised by `commit`, where another run has
            written the place meanwhile, and for a disk that fills up anywhere in the block.
    """

    def __init__(
        self, path: Path, *, force: bool, known: Collection[str] = TRANSFORM.names
    ) -> None:
        self.place = Path(path)
        self.force = force
        self.known = frozenset(known)
        self._final = self.place
        self._partial: Path | None = None
        self._parents: list[Path] = []
        self._replaced: tuple[int, int] | None = None
        self._claim: int | None = None

    def path(self, name: str) -> Path:
        """Where to write file `name` now; ValueError for a name that is not a known one."""
        if name not in self.known:
            raise ValueError(
                f"{name!r} is not among the files of this directory: {sorted(self.known)}"
            )
        if self._partial is None:
            raise ValueError(f"{self.place} is not open for writing")
        return self._partial / name

    def final(self, name: str) -> Path:
        """Where file `name` is going to be once the directory is committed."""
        return self.place / name

    def check(self) -> None:
        """Raises what entering would for the place as it is, and creates nothing."""
        with disk_errors(self.place):
            self._final = real_place(self.place)
            self._check_place()

    def __enter__(self) -> OutputDirectory:
        self.check()
        with disk_errors(self.place):
            try:
                self._parents = make_parents(self._final.parent)
                partial = beside(self._final, "partial")
                self._partial = partial
                partial.mkdir()  # not mkdtemp, whose 0700 would outlive the rename
                self._claim = claim(partial)
                clear_dead(self._final)
            except BaseException:
                self._discard()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()
            return
        partial = self._partial
        self._discard()
        if partial is not None and isinstance(error, OSError) and error.errno in DISK_FULL:
            named = Path(os.fsdecode(error.filename)) if error.filename is not None else partial
            if partial in (named, *named.parents):
                with disk_errors(self.place / named.relative_to(partial)):
                    raise error

    def commit(self) -> None:
        """Renames the directory to its place; a second call does nothing."""
        if self._partial is None:
            return
        try:
            with disk_errors(self.place):
                if self.force and _holds_anything(self._final):
                    self._swap(self._partial)
                else:
                    self._rename(self._partial)
        except BaseException:
            self._discard()
            raise
        self._partial = None
        self._release()

    def _check_place(self) -> None:
        place, final = self.place, self._final
        try:
            status = final.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if not stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{shown(place)} is not a directory: choose another place with -o")
        here = Path(os.path.realpath(os.curdir))
        if final in (here, *here.parents):
            raise UsageError(
                f"{shown(place)} is the current directory or holds it: "
                "name a new directory with -o, which is created"
            )
        if os.path.ismount(final):
            raise UsageError(
                f"{shown(place)} is a mount point: name a new directory in it with -o, "
                f"such as {shown(place / 'dstft')}"
            )
        if not _holds_anything(final):
            return
        if not self.force:
            raise UsageError(
                f"{shown(place)} exists: use --force to replace it or -o for another place"
            )
        try:
            self._refuse_foreign(final)
        except FileNotFoundError as error:
            raise written_meanwhile(place) from error
        if not os.access(final, os.W_OK | os.X_OK):
            if not _is_still(final, status):  # swapped by another run between two looks
                raise written_meanwhile(place)
            raise OutputError(
                f"cannot replace {shown(place)}: permission denied: choose another place with -o"
            )
        self._replaced = (status.st_dev, status.st_ino)

    def _refuse_foreign(self, folder: Path) -> None:
        with os.scandir(folder) as entries:
            foreign = sorted(
                entry.name
                for entry in entries
                if not entry.is_file(follow_symlinks=False)
                or entry.name not in self.known | BROWSER_NAMES | {REPORT}
            )
        if foreign:
            raise UsageError(
                f"{shown(self.place)} holds {foreign[0]!r}, which dstft did not write: "
                "choose another -o"
            )

    def _rename(self, partial: Path) -> None:
        if os.name == "nt":  # POSIX renames onto an empty directory, Windows onto none
            with suppress(OSError):
                self._final.rmdir()
        try:
            partial.rename(self._final)
        except OSError as error:
            if _holds_anything(self._final):
                raise written_meanwhile(self.place) from error
            raise

    def _swap(self, partial: Path) -> None:
        with one_at_a_time(self._final.parent):
            self._refuse_other(self._final)
            held = claim(self._final)  # under the hidden name nobody shall take it for dead
            try:
                if not exchange(partial, self._final):
                    self._swap_in_steps(partial)
                    return
                try:
                    self._refuse_foreign(partial)  # a file may have been put there meanwhile
                except BaseException:
                    exchange(partial, self._final)
                    raise
            finally:
                if held is not None:
                    os.close(held)
        _remove_files(partial)

    def _refuse_other(self, folder: Path) -> None:
        """Raises unless this is the directory that stood there when the run began."""
        try:
            status = folder.stat()
        except FileNotFoundError as error:
            raise written_meanwhile(self.place) from error
        if (status.st_dev, status.st_ino) != self._replaced:
            raise written_meanwhile(self.place)

    def _swap_in_steps(self, partial: Path) -> None:
        """Where names cannot be exchanged: a kill between the steps leaves the old one hidden."""
        aside = beside(self._final, "old")
        try:
            try:
                self._final.rename(aside)
            except FileNotFoundError as error:
                raise written_meanwhile(self.place) from error
            self._refuse_other(aside)
            self._refuse_foreign(aside)  # a file may have been put there since the run began
            self._rename(partial)
        except BaseException:
            if not os.path.lexists(self._final) and aside.exists():
                aside.rename(self._final)
            raise
        _remove_files(aside)

    def _release(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _discard(self) -> None:
        self._release()
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial = None
        remove_empty(self._parents)


def _is_still(place: Path, status: os.stat_result) -> bool:
    try:
        now = place.lstat()
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) == (status.st_dev, status.st_ino)


def _holds_anything(place: Path) -> bool:
    """Whether something stands at `place`, an empty directory aside."""
    try:
        with os.scandir(place) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return os.path.lexists(place)


def _remove_files(folder: Path) -> None:
    """Removes a replaced directory; a leftover must not fail a run whose result stands."""
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            entry.unlink()
        folder.rmdir()
