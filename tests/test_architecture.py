"""The map of the rooms: a room imports only from rooms below it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import dstft_cli

ROOT = Path(dstft_cli.__file__).parent
CORE = ["fit", "stft", "criteria", "records"]
FLOORS: list[set[str]] = [  # from top to bottom; rooms of one floor do not know each other
    {"cli"},
    {"batch"},
    {"report", "experiments"},
    {"labels"},
    {"layer"},
    {"run"},
    {"view"},
    {"results", "plot"},
    {"audio"},
    {"settings"},
    *({room} for room in CORE),
    {"errors", "stage", "_version"},
]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}
ONLY_IN = {"matplotlib": {"plot"}, "soundfile": {"audio"}, "soxr": {"audio"}}
ONLY_IN |= {"librosa": {"audio", "plot"}, "typer": {"cli", "settings"}, "rich": {"cli"}}
ONLY_IN |= {"PIL": {"report", "view"}, "zarr": {"results"}, "xarray": {"results"}}
UNKNOWN_TO_CORE = {"typer", "yaml", "pydantic", "pathlib", "os", "sys", "argparse", "rich"}
FILES = [path for path in sorted(ROOT.rglob("*.py")) if not path.name.startswith("__main__")]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def inside() -> Iterator[tuple[Path, ast.Module]]:
    """Every file of a room."""
    return ((path, tree) for path, tree in TREES.items() if room(path) != "__init__")


def imported(tree: ast.Module) -> Iterator[str]:
    """Every module that a file imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_is_on_the_map():
    assert {room(path) for path, _ in inside()} == set(LEVEL)


def test_rooms_import_only_from_rooms_below():
    for path, tree in inside():
        here = room(path)
        for module in imported(tree):
            package, *parts = module.split(".")
            assert here in ONLY_IN.get(package, {here}), f"{path} imports {package}"
            if package == "dstft_cli" and parts[0] != here:
                assert LEVEL[parts[0]] > LEVEL[here], f"{path} imports {module}"


def test_nothing_imports_click():
    for path, tree in inside():
        assert "click" not in {module.split(".")[0] for module in imported(tree)}, path


def test_only_the_command_line_prints():
    for path, tree in inside():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                prints = node.func.id == "print" and room(path) != "cli"
                assert not prints, f"{path}:{node.lineno} prints"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                stream = node.value.id == "sys" and node.attr in ("stdout", "stderr")
                allowed = not stream or room(path) in ("cli", "audio")
                assert allowed, f"{path}:{node.lineno} uses sys.{node.attr}"


def test_the_core_knows_no_files_no_settings_and_no_command_line():
    for path, tree in inside():
        if room(path) not in CORE:
            continue
        known = {module.split(".")[0] for module in imported(tree)}
        assert not known & UNKNOWN_TO_CORE, path
        assert room(path) != "records" or "torch" not in known
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert "--" not in node.value, f"{path}:{node.lineno} names a flag"


def test_arrays_are_not_unpickled_and_yaml_is_read_by_its_safe_loader():
    """Beside what the rules of ruff forbid."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"allow_pickle=(\w+)", text)) <= {"False"}, path
        assert not re.search(r"np\.load\((?!.*allow_pickle)", text), path
        assert set(re.findall(r"yaml\.(\w*Loader)", text)) <= {"SafeLoader", "CSafeLoader"}, path
