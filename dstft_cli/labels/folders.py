"""The folders of the classes, looked at before anything imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dstft_cli.audio import probe
from dstft_cli.errors import InputError, counted, printable

LEAST = 2  # recordings of a class


def class_files(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """All files below each folder, a class each; below each of its folders, where there is one.

    Raises:
        InputError: there are not two classes, each with two files that look like recordings.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{printable(folder)} is no folder: give one of recordings for each class"
            )
    if len(folders) == 1:
        place = printable(folders[0])
        folders = [path for path in _visible(folders[0].iterdir()) if path.is_dir()]
        if len(folders) < 2:
            raise InputError(
                f"{place} holds {counted(len(folders), 'folder')}: at least two classes are needed, a "
                "folder of recordings each"
            )
    names = [printable(folder.resolve().name) for folder in folders]
    if len(set(names)) < len(names):  # such as one/train and two/train
        names = [printable(folder) for folder in folders]
    files = {
        name: [path for path in _visible(folder.rglob("*")) if path.is_file()]
        for name, folder in zip(names, folders, strict=True)
    }
    for name, own in files.items():
        usable, errors = 0, list[str]()
        for path in own:
            try:
                usable += probe(path) is not None
            except InputError as error:
                errors.append(f"left out: {error}")
            if usable == LEAST:
                break
        check_count(name, usable, errors)
    return files


def check_count(name: str, count: int, warnings: Sequence[str]) -> None:
    """InputError if a class has too few recordings, with the first reason."""
    if count < LEAST:
        raise InputError(
            f"{name} has {counted(count, 'recording')} that can be used: at least two are needed, "
            f"one to learn from and one held out{''.join(f'; {text}' for text in warnings[:1])}"
        )


def _visible(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if not path.name.startswith("."))
