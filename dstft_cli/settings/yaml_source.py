"""Settings as text from YAML, with the line each stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstft_cli.errors import UsageError

_LARGEST = 1 << 20  # bytes: no settings file is that long, a recording given by mistake is
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")
}


@dataclass(frozen=True)
class Entry:
    """One `key: value` line; the value is text as written, or None for YAML's null."""

    key: str
    value: str | None
    line: int


def read_entries(path: Path) -> list[Entry]:
    """The top-level entries of a YAML file, in order.

    Raises:
        UsageError: the file is unreadable, no YAML mapping of plain values, or has a key twice.
    """
    entries: dict[str, Entry] = {}
    root = _compose(_read_text(path), lambda line: f"{path}:{line}")
    if root is None or root.tag.endswith(":null"):
        return []
    if root.id != "mapping":
        raise UsageError(f"{path}: holds no settings: write one 'key: value' a line")
    for key_node, value_node in root.value:
        line = key_node.start_mark.line + 1
        where = f"{path}:{line}"
        key = _scalar(key_node, where)
        if key is None:
            raise UsageError(f"{where}: a key is missing: write 'key: value'")
        if key in entries:
            raise UsageError(
                f"{where}: {key} is given twice, first on line {entries[key].line}: keep one"
            )
        entries[key] = Entry(key, _scalar(value_node, f"{where}: {key}"), line)
    return list(entries.values())


def parse_scalar(text: str, where: str) -> str | None:
    """One YAML value as text, or None for null; `where` starts the error message.

    Raises:
        UsageError: not valid YAML, or not a single plain value.
    """
    if text.strip() == "-":  # standard output here, an empty list in YAML
        return "-"
    node = _compose(text, lambda line: where)
    return None if node is None else _scalar(node, where)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file: check --config") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory: give --config a YAML file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read: {reason}: check --config") from None
    if len(data) > _LARGEST:
        raise UsageError(f"{path}: is above 1 MiB, so no settings file: give --config a YAML file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text: give --config a YAML file") from None


def _compose(text: str, where: Callable[[int], str]) -> Any:
    """The node tree: nothing is constructed, so no tag can run anything."""
    import yaml

    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
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


def _scalar(node: Any, where: str) -> str | None:
    if node.id != "scalar":
        raise UsageError(f"{where}: must be a single value, not a {node.id}")
    if node.tag not in _PLAIN_TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise UsageError(f"{where}: tag {tag} is not allowed: write a plain value")
    return None if node.tag.endswith(":null") else str(node.value)
