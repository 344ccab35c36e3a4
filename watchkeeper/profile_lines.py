"""Reads the text files that a reference profile is built from: bytes, lines, and what goes wrong with them."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from schemas.errors import Stop
from schemas.kafka_settings import MESSAGE_BYTES_MAX

UNREADABLE_SHARE_MAX: Final = 0.1
BATCH_ROWS: Final = 8192
BATCH_BYTES: Final = 4_000_000
_GZIP_MAGIC: Final = b"\x1f\x8b"

Advance = Callable[[float], None]
"""Told how much of the input has been read, 0 to 1."""


@dataclass(frozen=True, slots=True)
class OpenInput:
    """An open file, decompressed.

    Parameters
    ----------
    stream
        Its bytes.
    progress
        Gives the share of the file read so far.
    """

    stream: IO[bytes]
    progress: Callable[[], float]


@contextlib.contextmanager
def open_input(path: Path) -> Iterator[OpenInput]:
    """Open a file, plain or gzip whatever its name.

    Raises
    ------
    Stop
        The file cannot be opened, or turns out damaged while it is read.
    """
    try:
        with path.open("rb") as raw:
            size_bytes = max(os.fstat(raw.fileno()).st_size, 1)
            is_gzip = raw.peek(2)[:2] == _GZIP_MAGIC
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
            yield OpenInput(stream, lambda: min(raw.tell() / size_bytes, 1.0))
    except (OSError, EOFError, zlib.error) as error:
        raise Stop(
            f"{path}: expected a readable file, but: {reason(error)}; check the path and the file"
        ) from error


def reason(error: Exception) -> str:
    """Return on one line why a file cannot be read."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).partition("\n")[0]


def batches_of_lines(opened: OpenInput) -> Iterator[list[tuple[int, bytes]]]:
    """Yield lists of (line number from 1, line); blank lines are left out.

    A line longer than any event is cut off, which leaves something that no JSON decoder accepts.
    """
    batch: list[tuple[int, bytes]] = []
    size_bytes = 0
    number = 0
    while line := opened.stream.readline(MESSAGE_BYTES_MAX + 1):
        number += 1
        if len(line) > MESSAGE_BYTES_MAX:
            _skip_line(opened.stream)
        if line.strip():
            batch.append((number, line))
            size_bytes += len(line)
        if len(batch) == BATCH_ROWS or size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(MESSAGE_BYTES_MAX)) and not rest.endswith(b"\n"):
        pass


@dataclass(frozen=True, slots=True)
class LinePlaces:
    """Says where the rows of a batch stand in a text file.

    Parameters
    ----------
    numbers
        Line numbers from 1, one per row.
    """

    path: Path
    numbers: Sequence[int]

    def __call__(self, row: int) -> str:
        """Return file and line of a row of the batch."""
        return f"{self.path}:{self.numbers[row]}"


class LineTally:
    """Counts the lines of a file that cannot be used.

    Parameters
    ----------
    path
        The file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restart()

    def restart(self) -> None:
        """Begin again at the file's first line."""
        self.lines = 0
        self.unreadable = 0
        self._first = ""

    def refuse(self, number: int, message: str) -> None:
        """Count a line, which `lines` must count too."""
        self._first = self._first or f"line {number}: {message}"
        self.unreadable += 1

    def check(self) -> None:
        """Raise `Stop` if more lines are unreadable than one in ten."""
        if self.unreadable > UNREADABLE_SHARE_MAX * self.lines:
            raise Stop(
                f"{self._path}: {self.unreadable:,} of {self.lines:,} lines cannot be used, expected at most 10 %; "
                f"first {self._first}; mend or remove them"
            )

    def warnings(self) -> list[str]:
        """Return a sentence about the unreadable lines, if there are any."""
        if not self.unreadable:
            return []
        return [f"{self._path}: left out {self.unreadable:,} of {self.lines:,} lines; first {self._first}"]
