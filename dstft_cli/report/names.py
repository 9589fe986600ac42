"""Names of files as text that a page can show, and as addresses that a browser can open."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath
from urllib.parse import quote

# control characters, surrogates, marks that turn the direction of text, line and paragraph ends
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # within words of several scripts, and within emoji


def displayed(text: str) -> str:
    """`text` on one line, whatever it holds: what has no look of its own is escaped.

    Bytes of a file name that are not UTF-8 reach Python as lone surrogates and become `\\udcXX`, so
    that the text can always be encoded.
    """
    if text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode("ascii")
        if sign not in _JOINERS and unicodedata.category(sign) in _HIDDEN
        else sign
        for sign in text
    )


def relative_url(target: Path, start: Path) -> str:
    """The address of `target` for a page in the directory `start`; both absolute.

    A `file:` address where there is no relative one, as between drives on Windows.
    """
    try:
        path = os.path.relpath(target, start)
    except ValueError:
        return target.as_uri()
    # quote escapes a colon too, so that `a:b` is no address of a scheme `a`
    return quote(os.fsencode(PurePath(path).as_posix()))
