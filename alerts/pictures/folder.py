"""A folder that somebody's web server shows: pictures go in whole, under names that nobody guesses, and leave when they are old."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.errors import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

TIDY_S: Final = 3_600.0
"""Time between two looks for old pictures."""
_OURS: Final = re.compile(r"[0-9a-f]{40}\.png(\.part)?")


class PictureFolder:
    """Keeps pictures as files for some days.

    Parameters
    ----------
    path
        The folder; it must be there.
    keep_s
        How long a picture stays after it was last written.
    now_s
        Wall clock, seconds since the epoch, as the file system has it.

    Raises
    ------
    Stop
        There is no such folder, or nothing can be written into it.
    """

    def __init__(self, path: Path, *, keep_s: float, now_s: Callable[[], float]) -> None:
        if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
            raise Stop(
                f"notify.pictures.folder: expected a folder that can be written to, found none at {path}; "
                "make it, and give its rights to the user that runs Watchkeeper"
            )
        self._path = path
        self._keep_s = keep_s
        self._now_s = now_s
        self._tidied_s: float | None = None

    def put(self, name: str, data: bytes) -> None:
        """Write a picture by way of a temporary neighbour, so that nobody is shown half of it.

        Raises
        ------
        OSError
            It cannot be written.
        """
        part = self._path / f"{name}.part"
        try:
            part.write_bytes(data)
            part.chmod(0o644)
            part.replace(self._path / name)
        finally:
            part.unlink(missing_ok=True)
        if self._tidied_s is None or self._now_s() - self._tidied_s >= TIDY_S:
            self._tidied_s = self._now_s()
            self._tidy()

    def _tidy(self) -> None:
        """Delete our own old files, and nobody else's."""
        oldest_s = self._now_s() - self._keep_s
        for file in self._path.iterdir():
            if _OURS.fullmatch(file.name) and file.stat().st_mtime < oldest_s:
                file.unlink(missing_ok=True)
