"""No code comes from data: what the package never calls."""

import ast
import re
from pathlib import Path

import dstft_cli

ROOT = Path(dstft_cli.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# a name that is called, or imported from its module
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "subprocess", "pty",
    "commands", "code", "xml", "ftplib", "http", "socket", "urllib.request", "telnetlib",
}  # fmt: skip
FORBIDDEN_ATTRIBUTES = {
    "os": {"system", "popen", "execv", "execve", "execl", "execlp", "execvp", "spawnv", "spawnl"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"},
    "torch": {"load", "hub"},
    "pickle": {"load", "loads"},
    "tempfile": {"mktemp"},
}
# module:object, the user's own criterion, and the package's own parts, which are imported when used
IMPORTERS = {"criteria/__init__.py", "__init__.py", "cli/app.py"}


def findings(source: str, path: str = "") -> list[str]:
    """What in a file could run code that comes from data, or reach a shell or the network."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [module or "", *(f"{module}.{alias.name}" for alias in node.names)]
            if module is None:
                names = [alias.name for alias in node.names]
            for name in names:
                if name in FORBIDDEN_MODULES or name.split(".")[0] in FORBIDDEN_MODULES:
                    found.append(f"{line}: imports {name}")
                if name in ("importlib.import_module", "importlib") and path not in IMPORTERS:
                    found.append(f"{line}: imports {name}")
                owner, _, attribute = name.rpartition(".")
                if attribute in FORBIDDEN_ATTRIBUTES.get(owner, ()):
                    found.append(f"{line}: imports {name}")
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            found.append(f"{line}: {node.id}")
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in FORBIDDEN_ATTRIBUTES.get(owner, ()):
                found.append(f"{line}: {owner}.{node.attr}")
        if isinstance(node, ast.Call):
            found += [f"{line}: {what}" for what in _unsafe_arguments(node)]
    return found


def _unsafe_arguments(call: ast.Call) -> list[str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    found = []
    for name, safe in (("shell", False), ("allow_pickle", False)):
        value = keywords.get(name)
        if value is not None and not (isinstance(value, ast.Constant) and value.value is safe):
            found.append(f"{name} is not {safe}")
    called = ast.unparse(call.func)
    reads = called in ("np.load", "numpy.load", "np.lib.format.read_array")
    if reads and "allow_pickle" not in keywords:
        found.append(f"{called} does not say allow_pickle=False")
    if called.startswith("yaml.") and call.args[1:] + list(keywords.values()):
        loader = ast.unparse((call.args[1:] + list(keywords.values()))[0])
        if "SafeLoader" not in loader and loader not in ("fast or yaml.SafeLoader", "loader"):
            found.append(f"{called} with {loader}")
    return found


def test_no_code_comes_from_data():
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        assert findings(path.read_text(encoding="utf-8"), name) == [], name


CODE = [
    "eval(text)",
    "exec(text)",
    "import pickle",
    "from pickle import load",
    "import subprocess",
    "import os\nos.system(text)",
    "from os import popen",
    "import yaml\nyaml.load(text)",
    "import yaml\nyaml.compose(text, Loader=yaml.Loader)",
    "import numpy as np\nnp.load(path)",
    "import numpy as np\nnp.load(path, allow_pickle=True)",
    "import numpy as np\nnp.load(path, allow_pickle=pickled)",
    "run(command, shell=True)",
    "from importlib import import_module",
    "import torch\ntorch.load(path)",
    "from urllib.request import urlopen",
    "import tempfile\ntempfile.mktemp()",
]


def test_what_would_be_found():
    for source in CODE:
        assert findings(source), source


def test_settings_are_read_with_the_safe_loader_alone():
    source = (ROOT / "settings/sources.py").read_text(encoding="utf-8")
    loaders = set(re.findall(r"\b(?:C?[A-Z][A-Za-z]*)?Loader\b", source)) - {"Loader"}
    assert loaders <= {"SafeLoader", "CSafeLoader"}
