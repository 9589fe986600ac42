"""Settings as text from YAML, with the line each stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstft_cli.errors import UsageError

_MEBIBYTE = 1 << 20
_LARGEST = 1  # MiB: no settings file is that long, a recording given by mistake is
_SLOW_FROM = 1 << 16  # characters: from here on libyaml's speed counts more than PyYAML's wording
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")
}


@dataclass(frozen=True)
class Item:
    """One key of a mapping, with the node of its value."""

    key: str
    node: Any
    line: int


def read_items(path: Path, *, option: str = "--config", largest: int = _LARGEST) -> list[Item]:
    """The top level of a YAML file, in order, as nodes.

    Args:
        path: the file.
        option: what names it on the command line, for the error message.
        largest: size at which it is refused, MiB.

    Raises:
        UsageError: the file is unreadable, no YAML mapping, or has a key twice.
    """
    root = _compose(_read_text(path, option, largest), lambda line: f"{path}:{line}")
    if root is None or root.tag.endswith(":null"):
        return []
    if root.id != "mapping":
        recordings = ", or give a list of recordings to --from" if option == "CONFIG" else ""
        raise UsageError(f"{path}: holds no settings: write one 'key: value' a line{recordings}")
    return items(root, path)


def items(mapping: Any, path: Path) -> list[Item]:
    """Keys and values of a mapping node.

    Raises:
        UsageError: a key is missing, no plain value, or there twice.
    """
    found: dict[str, Item] = {}
    for key_node, value_node in mapping.value:
        line = line_of(key_node)
        where = f"{path}:{line}"
        key = scalar(key_node, where)
        if key is None:
            raise UsageError(f"{where}: a key is missing: write 'key: value'")
        if key in found:
            raise UsageError(
                f"{where}: {key} is given twice, first on line {found[key].line}: keep one"
            )
        found[key] = Item(key, value_node, line)
    return list(found.values())


def line_of(node: Any) -> int:
    """The line a node begins on, from 1."""
    return int(node.start_mark.line) + 1


def parse_scalar(text: str, where: str) -> str | None:
    """One YAML value as text, or None for null; `where` starts the error message.

    Raises:
        UsageError: not valid YAML, or not a single plain value.
    """
    if text.strip() == "-":  # standard output here, an empty list in YAML
        return "-"
    node = _compose(text, lambda line: where)
    return None if node is None else scalar(node, where)


def _read_text(path: Path, option: str, largest: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(largest * _MEBIBYTE + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file: check {option}") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory: {_instead(option)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read: {reason}: check {option}") from None
    if len(data) > largest * _MEBIBYTE:
        raise UsageError(
            f"{path}: is above {largest} MiB, so no settings file: give {option} a YAML file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text: {_instead(option)}") from None


def _instead(option: str) -> str:
    recordings = ", or a list of recordings to --from" if option == "CONFIG" else ""
    return f"give {option} a YAML file{recordings}"


def _compose(text: str, where: Callable[[int], str]) -> Any:
    """The node tree: nothing is constructed, so no tag can run anything."""
    import yaml

    fast = len(text) >= _SLOW_FROM and getattr(yaml, "CSafeLoader", None)
    try:
        return yaml.compose(text, Loader=fast or yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = where(1 if mark is None else mark.line + 1)
        problem = ": ".join(filter(None, [error.context, error.problem])) or "syntax error"
        problem = problem.replace("'\\t'", "a tab")
        raise UsageError(f"{place}: not valid YAML: {problem}: mend this line") from None
    except yaml.YAMLError:
        raise UsageError(f"{where(1)}: not YAML: remove the control characters in it") from None
    except RecursionError:
        raise UsageError(f"{where(1)}: nested too deeply: write one 'key: value' a line") from None


def scalar(node: Any, where: str) -> str | None:
    """A plain value as text, or None for null; `where` starts the error message.

    Raises:
        UsageError: not a single plain value.
    """
    if node.id != "scalar":
        raise UsageError(f"{where}: must be a single value, not a {node.id}")
    if node.tag not in _PLAIN_TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise UsageError(f"{where}: tag {tag} is not allowed: write a plain value")
    return None if node.tag.endswith(":null") else str(node.value)
