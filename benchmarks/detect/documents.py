"""Puts what was measured into a document, between two marks."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- bench-detect:begin -->"
END: Final = "<!-- bench-detect:end -->"
WIDTH: Final = 130


def between_marks(document: str, text: str) -> str:
    """Return a document with the text between its marks replaced.

    Raises
    ------
    ValueError
        The document has not both marks, once each and in order.
    """
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in tail or END in tail:
        raise ValueError(f"expected {BEGIN} and {END} in the document, once each")
    return f"{head}{BEGIN}\n\n{text.strip()}\n\n{END}{tail}"


def write(path: Path, text: str) -> None:
    """Replace what stands between the marks of a file."""
    path.write_text(between_marks(path.read_text(encoding="utf-8"), text), encoding="utf-8")


def wrapped(section: str) -> str:
    """Return a section with its paragraphs broken into lines; headings and tables stay as they are."""
    parts = section.split("\n\n")
    return "\n\n".join(part if part[0] in "#|" else textwrap.fill(part, WIDTH) for part in parts)
