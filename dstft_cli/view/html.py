"""Templates of HTML pages, and the text and the addresses in them.

Jinja2 escapes every text from outside. The policy of a page allows only its own style and script, by
checksum.
"""

from __future__ import annotations

import base64
import hashlib
import os
import unicodedata
from importlib.resources import files
from pathlib import Path, PurePath
from urllib.parse import quote

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from dstft_cli._version import __version__
from dstft_cli.errors import printable

_JOINERS = "\u200c\u200d"  # within words of several scripts, and within emoji


def page_environment(package: str) -> Environment:
    """The templates of a package, with `style` and `script`, the text of its files, and `version`."""
    environment = Environment(loader=PackageLoader(package, "."), autoescape=True)
    # `Markup` is our own text
    environment.finalize = lambda v: displayed(v) if type(v) is str else v
    environment.filters["base64"] = as_base64
    environment.filters["checksum"] = lambda text: (
        f"sha256-{as_base64(hashlib.sha256(text.encode()).digest())}"
    )
    # as text with \n line ends, from which browsers compute the checksum
    for name in ("style.css", "script.js"):
        text = files(package).joinpath(name).read_text(encoding="utf-8")
        environment.globals[name.partition(".")[0]] = Markup(text)
    environment.globals["version"] = __version__
    return environment


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def displayed(text: str) -> str:
    """`text` on one line that can be encoded, invisible characters escaped."""
    if text.isprintable():  # as the address of sound within a page, of megabytes
        return text
    return "".join(
        c if c in _JOINERS or unicodedata.category(c) == "Zs" else printable(c) for c in text
    )


def relative_url(target: Path, start: Path) -> str:
    """The address of `target` for a page in `start`, both absolute; a `file:` one between drives."""
    try:
        path = os.path.relpath(target, start)
    except ValueError:
        return target.as_uri()
    # quote escapes a colon too: `a:b` would be an address of scheme `a`
    return quote(os.fsencode(PurePath(path).as_posix()))
