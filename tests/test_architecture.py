"""The map of the rooms: a room imports only from rooms below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dstft_cli

ROOT = Path(dstft_cli.__file__).parent
CORE = ["fit", "criteria", "parameters", "stft", "result"]
FLOORS: list[set[str]] = [  # from top to bottom; rooms of one floor do not know each other
    {"cli"},
    {"batch"},
    {"report"},
    {"experiments"},
    {"jobs"},
    {"writers", "plot"},
    {"audio"},
    {"settings"},
    *({room} for room in CORE),
    {"errors", "names", "_version"},
]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}
ONLY_IN = {"matplotlib": {"plot"}, "soundfile": {"audio"}, "soxr": {"audio"}, "librosa": {"audio"}}
ONLY_IN["PIL"] = {"report"}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module that the file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


INSIDE = [path for path in FILES if room(path) not in ("__init__", "__main__")]
names = pytest.mark.parametrize("path", INSIDE, ids=lambda path: str(path.relative_to(ROOT)))


def test_every_room_is_on_the_map():
    assert {room(path) for path in INSIDE} == set(LEVEL)


@names
def test_imports_only_from_rooms_below(path):
    here = room(path)
    for module in imported(path):
        package, *parts = module.split(".")
        if package in ONLY_IN:
            assert here in ONLY_IN[package], f"{path} imports {package}"
        if package == "dstft_cli" and parts[0] != here:
            assert LEVEL[parts[0]] > LEVEL[here], f"{path} imports {module}"


@names
def test_only_the_command_line_prints(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and room(path) != "cli":
            assert node.func.id != "print", f"{path}:{node.lineno} prints"
        if isinstance(node, ast.Attribute) and room(path) not in ("cli", "audio"):
            assert node.attr not in ("stdout", "stderr") or not (
                isinstance(node.value, ast.Name) and node.value.id == "sys"
            ), f"{path}:{node.lineno} uses sys.{node.attr}"


@names
def test_the_core_knows_no_files_and_no_command_line(path):
    if room(path) in CORE:
        known = {module.split(".")[0] for module in imported(path)}
        assert not known & {"click", "yaml", "pydantic", "pathlib", "os", "sys", "argparse", "rich"}
    if room(path) == "result":
        assert "torch" not in {module.split(".")[0] for module in imported(path)}
