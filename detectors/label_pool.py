"""The newest error windows, enough of them for a given number of labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from detectors.codec import decode_summary, encode_summaries
from detectors.detector import ErrorWindow
from detectors.layout import ErrorLayout
from detectors.summary import Summary
from schemas.errors import Stop

PIECES: Final = 16
"""About so many pieces make up a full pool: its start moves on by a sixteenth of it at a time."""


@dataclass(slots=True)
class Pooled:
    """Some consecutive windows in one.

    Parameters
    ----------
    start_ms
        Start of the oldest of them, epoch milliseconds.
    data
        The summary's bytes, empty until somebody asks for them: most pieces of a pool are not the newest.
    """

    start_ms: int
    summary: Summary[ErrorLayout]
    data: bytes = field(default=b"", compare=False)

    @property
    def n(self) -> int:
        """Number of joined predictions."""
        return int(self.summary.vector[0])


class LabelPool:
    """Error windows of the recent past, added up to pieces so that few are kept.

    Parameters
    ----------
    layout
        Of the windows.
    labels
        The pool keeps the newest windows that hold at least so many.
    pieces
        About so many make up a full pool.

    Notes
    -----
    Memory is bounded: every piece but the newest holds its share of `labels` or more, so there are at most
    two more than `pieces`, of one summary each.
    """

    def __init__(self, layout: ErrorLayout, *, labels: int, pieces: int = PIECES) -> None:
        self._layout = layout
        self._labels, self._size = labels, pieces
        self._pieces: list[Pooled] = []

    def add(self, window: ErrorWindow) -> None:
        """Take a window in, and let go of what is too old."""
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.n * self._size < self._labels:
            self._pieces[-1] = Pooled(last.start_ms, last.summary.merge(window.overall))
        else:
            self._pieces.append(Pooled(window.span.start_ms, window.overall))
        held = sum(piece.n for piece in self._pieces)
        while len(self._pieces) > 1 and held - self._pieces[0].n >= self._labels:
            held -= self._pieces.pop(0).n

    def __iter__(self) -> Iterator[Pooled]:
        """Iterate over the pieces, oldest first."""
        return iter(self._pieces)

    def newest(self, labels: int) -> Pooled | None:
        """Return the newest pieces that hold at least so many labels as one, None if all hold fewer."""
        summary = Summary.empty(self._layout)
        for piece in reversed(self._pieces):
            summary = summary.merge(piece.summary)
            if summary.vector[0] >= labels:
                return Pooled(piece.start_ms, summary)
        return None

    def to_bytes(self) -> bytes:
        """Return the pool for `restore`."""
        write([self])
        return msgspec.msgpack.encode([(p.start_ms, p.data) for p in self._pieces])

    def restore(self, data: bytes) -> None:
        """Take up a remembered pool.

        Raises
        ------
        ValueError
            If the bytes are not a pool of this layout.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=list[tuple[int, bytes]])
            self._pieces = [Pooled(start, decode_summary(self._layout, piece)) for start, piece in stored]
        except (msgspec.DecodeError, Stop) as error:
            raise ValueError(f"expected pooled error windows: {error}") from error


def write(pools: Iterable[LabelPool]) -> None:
    """Work out the bytes of pools of one layout: of many at once that is cheaper than of each."""
    fresh = [piece for pool in pools for piece in pool if not piece.data]
    for piece, data in zip(fresh, encode_summaries([piece.summary for piece in fresh]), strict=True):
        piece.data = data
