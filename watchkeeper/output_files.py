"""Writing results: whole or not at all, and a clear word where a path does not work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from schemas.errors import Stop


def write_text(path: Path, text: str) -> None:
    """Write a file by way of a temporary neighbour, so that nobody sees half of it; `-` is stdout.

    Raises
    ------
    Stop
        If the path cannot be written.
    """
    if str(path) == "-":
        sys.stdout.write(text)
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, "utf-8")
        part.replace(path)
    except OSError as error:
        raise Stop(f"{path}: cannot write: {error.strerror}; check the path and its rights") from error
    finally:
        part.unlink(missing_ok=True)
