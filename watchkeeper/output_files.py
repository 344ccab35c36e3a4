"""Writing results: whole or not at all, and a clear word where a path does not work."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import Stop


def check_outputs(outputs: Mapping[str, Path | str | None], inputs: Sequence[Path | str | None]) -> None:
    """Refuse an output that would take the place of an input or of another output, before anything is done.

    Parameters
    ----------
    outputs
        Paths by option; None for those that are not asked for, and `-` for stdout.
    inputs
        Paths that are read; None and `-` for none.

    Raises
    ------
    Stop
        There is one; the message names its option.
    """
    taken = {os.path.realpath(path) for path in inputs if path is not None and str(path) != "-"}
    for option, path in outputs.items():
        if path is None or _is_device(Path(path)):
            continue
        place = "-" if str(path) == "-" else os.path.realpath(path)
        if place in taken:
            raise Stop(f"{option}: {path} is read or written already; give another name")
        taken.add(place)


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def write_text(path: Path, text: str) -> None:
    """Write a file by way of a temporary neighbour, so that nobody sees half of it; `-` is stdout.

    What is there and no file, such as `/dev/null`, is written to as it is.

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
        if _is_device(path):
            path.write_text(text, "utf-8")
        else:
            part.write_text(text, "utf-8")
            part.replace(path)
    except OSError as error:
        raise Stop(f"{path}: cannot write: {error.strerror}; check the path and its rights") from error
    finally:
        part.unlink(missing_ok=True)
