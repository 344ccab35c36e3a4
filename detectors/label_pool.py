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
    reach
        How many labels it keeps behind them, in pieces that are the larger the older they are; `labels` for none.

    Notes
    -----
    Memory is bounded: every piece but the newest holds its share of `labels` or more, so there are at most
    two more than `pieces`, of one summary each; and about 3.5 more for every doubling from there to `reach`, for
    two neighbours hold more than half of what is newer.
    """

    def __init__(
        self, layout: ErrorLayout, *, labels: int, pieces: int = PIECES, reach: int | None = None
    ) -> None:
        self._layout = layout
        self._labels, self._size = labels, pieces
        self._reach = labels if reach is None else reach
        self._pieces: list[Pooled] = []

    def add(self, window: ErrorWindow) -> None:
        """Take a window in, and let go of what is too old."""
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.n * self._size < self._labels:
            self._pieces[-1] = Pooled(last.start_ms, last.summary.merge(window.overall))
        else:
            self._pieces.append(Pooled(window.span.start_ms, window.overall))
        self._thin()

    def _thin(self) -> None:
        """Add up old neighbours that are small beside what is newer, and let go of what lies beyond the reach."""
        kept: list[Pooled] = []
        held = newer = 0  # labels of the pieces kept so far, and of those but the last
        for piece in reversed(self._pieces):
            if kept and held >= self._reach:
                break
            if kept and newer >= self._labels and 2 * (kept[-1].n + piece.n) <= newer:
                kept[-1] = Pooled(piece.start_ms, piece.summary.merge(kept[-1].summary))
            else:
                kept.append(piece)
                newer = held
            held += piece.n
        self._pieces = kept[::-1]

    def __iter__(self) -> Iterator[Pooled]:
        """Iterate over the pieces, oldest first."""
        return iter(self._pieces)

    def newest(self, labels: int, *, since_ms: int | None = None) -> Pooled | None:
        """Return the newest pieces that hold at least so many labels as one, None if all hold fewer.

        Parameters
        ----------
        since_ms
            Take also those before them that begin at this time, epoch milliseconds, or later.
        """
        found: Pooled | None = None
        for piece in reversed(self._pieces):
            is_enough = found is not None and found.n >= labels
            if is_enough and (since_ms is None or piece.start_ms < since_ms):
                break
            summary = piece.summary if found is None else found.summary.merge(piece.summary)
            found = Pooled(piece.start_ms, summary)
        return found if found is not None and found.n >= labels else None

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
