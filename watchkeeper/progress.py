"""How far long work has come, on one line of a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

REDRAW_S: Final = 0.1
QUIET_S: Final = 0.5
"""Work that is done sooner shows nothing."""

_BAR_CHARS: Final = 24
_ERASE: Final = "\r\x1b[K"


class Progress:
    """A line on a terminal that is drawn over itself: count, share, rate, time.

    Writes nothing where `stream` is no terminal.

    Parameters
    ----------
    label
        What is going on.
    total
        The count at the end; None if nobody knows.
    clock
        Monotonic seconds.
    """

    def __init__(
        self, label: str, total: int | None = None, *, stream: TextIO, clock: Callable[[], float]
    ) -> None:
        self._label = label
        self._total = total
        self._stream = stream
        self._clock = clock
        self._count = 0
        self._began_s = clock()
        self._due_s = self._began_s + QUIET_S
        self._is_shown = stream.isatty()
        self._is_drawn = False

    def advance(self, count: int) -> None:
        """Add to the count; draws at most every `REDRAW_S`."""
        self._count += count
        if self._is_shown and (now_s := self._clock()) >= self._due_s:
            self._due_s = now_s + REDRAW_S
            self._draw(now_s)

    def reach(self, count: int) -> None:
        """Set the count; draws as `advance` does."""
        self.advance(count - self._count)

    def close(self) -> None:
        """Draw the end and leave the line; a second call does nothing."""
        if self._is_drawn:
            self._draw(self._clock())
            self._stream.write("\n")
            self._stream.flush()
        self._is_shown = self._is_drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _draw(self, now_s: float) -> None:
        columns = shutil.get_terminal_size().columns
        line = progress_line(self._label, self._count, self._total, elapsed_s=now_s - self._began_s)
        self._stream.write(_ERASE + line[: columns - 1])
        self._stream.flush()
        self._is_drawn = True


def progress_line(label: str, count: int, total: int | None, *, elapsed_s: float) -> str:
    """Return what the line says.

    Examples
    --------
    >>> progress_line("replay", 1_200_000, None, elapsed_s=10.0)
    'replay  1,200,000  120,000/s  0:00:10'
    >>> progress_line("rows", 250, 1000, elapsed_s=5.0)
    'rows  [######------------------]  25%  250  50/s  0:00:05  0:00:15 left'
    """
    rate = count / elapsed_s if elapsed_s > 0 else 0.0
    parts = [f"{count:,}", f"{rate:,.0f}/s", _clock_text(elapsed_s)]
    if total:
        share = min(1.0, count / total)
        full = int(share * _BAR_CHARS)
        parts = [f"[{'#' * full}{'-' * (_BAR_CHARS - full)}]", f"{share:.0%}", *parts]
        if rate and count < total:
            parts.append(f"{_clock_text((total - count) / rate)} left")
    return "  ".join([label, *parts])


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
