"""Event files in arrival order, merged by event time and dealt out to partitions."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
import numpy as np
import numpy.typing as npt

from consumers.clocks import NEVER, TopicClock
from consumers.times import INVALID_MS, times_ms
from schemas.errors import Stop
from schemas.kafka_settings import MESSAGE_BYTES_MAX

CHUNK: Final = 4000
"""Lines of either file that are taken at a time."""

SKIP_BYTES: Final = 1_000_000

_FAR: Final = 1 << 62


class _Peek(msgspec.Struct, gc=False):
    """The two fields that decide when and where a line is handled."""

    prediction_id: str = ""
    time: str | int = ""


_peek = msgspec.json.Decoder(_Peek)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Lines of both inputs up to one moment.

    Parameters
    ----------
    predictions, labels
        Raw lines.
    prediction_parts, label_parts
        Shape (n,): the partition of each line.
    passed_ms
        Event time that both inputs had passed before this batch; `consumers.clocks.NEVER` at first.
    latest_ms
        The largest watermark of either input, after all lines that have been read.
    """

    predictions: list[bytes]
    labels: list[bytes]
    prediction_parts: npt.NDArray[np.int64]
    label_parts: npt.NDArray[np.int64]
    passed_ms: int
    latest_ms: int = NEVER


@dataclass(slots=True)
class _Lines:
    lines: list[bytes]
    marks: npt.NDArray[np.int64]
    parts: npt.NDArray[np.int64]

    def split(self, at: int) -> tuple[_Lines, _Lines]:
        """Return the first `at` lines and the rest."""
        head = _Lines(self.lines[:at], self.marks[:at], self.parts[:at])
        return head, _Lines(self.lines[at:], self.marks[at:], self.parts[at:])


class _Input:
    """One file, read ahead by a chunk, with the watermark after each line."""

    def __init__(self, stream: BinaryIO, name: str, partitions: int, message_bytes_max: int) -> None:
        self._stream = stream
        self._name = name
        self._partitions = partitions
        self._message_bytes_max = message_bytes_max
        self._clock = TopicClock()
        self._count = 0
        self.ended = False
        self.lines = _Lines([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    def fill(self) -> None:
        """Read on if there is nothing left of the last chunk."""
        if self.ended or self.lines.lines:
            return
        lines: list[bytes] = []
        try:
            while len(lines) < CHUNK and (line := self._line()):
                self._count += 1
                lines.append(line.rstrip(b"\r\n"))
        except (OSError, EOFError, zlib.error) as error:
            raise Stop(
                f"{self._name}:{self._count + 1}: cannot read on: {error}; is the file whole?"
            ) from error
        self.ended = len(lines) < CHUNK
        self.lines = self._mark(lines)

    def _line(self) -> bytes:
        """Return the next line, of one that is too long so much that the decoder sees that it is."""
        line_bytes_max = self._message_bytes_max + len(b"\r\n")
        line = self._stream.readline(line_bytes_max)
        if len(line) == line_bytes_max and not line.endswith(b"\n"):
            while (rest := self._stream.readline(SKIP_BYTES)) and not rest.endswith(b"\n"):
                pass
        return line

    def _mark(self, lines: list[bytes]) -> _Lines:
        bytes_max = self._message_bytes_max
        peeks = [_peek_at(line) if len(line) <= bytes_max else _Peek() for line in lines]
        times = times_ms([peek.time for peek in peeks]) if peeks else np.zeros(0, dtype=np.int64)
        places = np.flatnonzero(times != INVALID_MS)
        marks = np.full(len(lines), self._mark_now(), dtype=np.int64)
        if len(places):
            event = {"": (places, times[places])}
            before = self._clock.observe(event, quiet_ms={"": _FAR}, guarded=True)[""]
            marks[places] = np.append(before[1:], self._mark_now())
        parts = np.zeros(len(lines), dtype=np.int64)
        if self._partitions > 1:
            parts[:] = [zlib.crc32(peek.prediction_id.encode()) % self._partitions for peek in peeks]
        return _Lines(lines, np.maximum.accumulate(marks) if len(marks) else marks, parts)

    def _mark_now(self) -> int:
        clock = self._clock.models.get("")
        return clock.mark_ms if clock is not None else NEVER

    def latest_ms(self) -> int:
        """Return the watermark after everything that has been read."""
        return self._mark_now()

    def reached_ms(self) -> int:
        """Return the watermark after the lines at hand; endlessly far once the file has ended."""
        return _FAR if self.ended else int(self.lines.marks[-1])

    def take(self, until_ms: int) -> _Lines:
        """Return, and let go of, the lines at hand whose watermark is at most `until_ms`."""
        at = int(np.searchsorted(self.lines.marks, until_ms, side="right"))
        head, self.lines = self.lines.split(at)
        return head


def read_events(
    predictions: str, labels: str | None, *, partitions: int, message_bytes_max: int = MESSAGE_BYTES_MAX
) -> Iterator[EventBatch]:
    """Yield both inputs interleaved by event time, each one's own order kept.

    Parameters
    ----------
    predictions, labels
        Paths of JSONL files, `.gz` or not; `-` is standard input; labels may be None.
    partitions
        Number of partitions; an id's lines all go to crc32(id) mod partitions.
    message_bytes_max
        A longer line is not looked into, and comes cut to just above that length.

    Raises
    ------
    Stop
        If an input cannot be read.
    """
    with ExitStack() as stack:
        sides = [
            _Input(stack.enter_context(_open(name)), name, partitions, message_bytes_max)
            for name in (predictions, labels)
            if name is not None
        ]
        passed_ms = NEVER
        while True:
            for side in sides:
                side.fill()
            if all(side.ended and not side.lines.lines for side in sides):
                return
            until_ms = min(side.reached_ms() for side in sides)
            taken = [side.take(until_ms) for side in sides]
            if len(taken) == 1:
                taken.append(_Lines([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)))
            first, second = taken
            latest_ms = max(side.latest_ms() for side in sides)
            yield EventBatch(first.lines, second.lines, first.parts, second.parts, passed_ms, latest_ms)
            passed_ms = until_ms


def _peek_at(line: bytes) -> _Peek:
    try:
        return _peek.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _slow_peek(line)


def _slow_peek(line: bytes) -> _Peek:
    """Look at a line that only the lenient reader understands (NaN in its features)."""
    try:
        value = msgspec.json.decode(
            line.replace(b"NaN", b"null").replace(b"-Infinity", b"null").replace(b"Infinity", b"null")
        )
        return msgspec.convert({key: value[key] for key in ("prediction_id", "time") if key in value}, _Peek)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError):
        return _Peek()


def _open(name: str) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    try:
        if name.endswith(".gz"):
            return cast(BinaryIO, gzip.open(name, "rb"))
        return Path(name).open("rb")
    except OSError as error:
        raise Stop(f"{name}: cannot read the events: {error.strerror}; check the path") from error
