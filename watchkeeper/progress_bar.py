"""A progress bar for people who wait."""

from __future__ import annotations

import sys
from typing import Final

_CHARS: Final = 40


class ProgressBar:
    """A bar on standard error; nothing at all where that is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def show(self, percent: int) -> None:
        """Draw the bar at a percentage."""
        if self._shown:
            done = "#" * (_CHARS * percent // 100)
            sys.stderr.write(f"\rreading [{done:<{_CHARS}}] {percent:3d} %")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
