"""Whether labels of segments and versions bear their estimates out, and since when."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.detector import ErrorWindow
from detectors.estimation.parts import Part, is_told
from detectors.estimation.reality import Surprises, are_borne_out

LABELS_KEPT: Final = 4_000
"""Beyond so many labels of a part its older ones count half."""
PARTS_MAX: Final = 100
"""Of more parts those are forgotten that were seen least recently."""
CHANGES_KEPT: Final = 8


class _Stored(msgspec.Struct, array_like=True):
    kind: str
    name: str
    cells: list[int]
    counts: list[float]
    changes: list[tuple[int, bool | None]]


class _Known:
    """The labelled answers of a part, and when what they say has changed."""

    def __init__(self, width: int) -> None:
        self.counts: npt.NDArray[np.float64] = np.zeros(width)
        self.changes: list[tuple[int, bool | None]] = []


class PartTrust:
    """Judges each segment and each version by its own labels, as `detectors.estimation.reality` does the whole model.

    Parameters
    ----------
    surprises
        Of the model.
    """

    def __init__(self, surprises: Surprises) -> None:
        self._surprises = surprises
        self._known: dict[Part, _Known] = {}

    def take(self, window: ErrorWindow) -> None:
        """Take a window in whose labels stand for all."""
        segments: list[Part] = [("segment", name) for name in sorted(window.segments)]
        versions: list[Part] = [("version", name) for name in sorted(window.versions)]
        for part in filter(is_told, segments + versions):
            kind, name = part
            counted = (window.segments if kind == "segment" else window.versions)[name]
            cells = counted.vector[self._surprises.cells]
            if cells.any():
                self._judge(part, cells, window.span.end_ms)
        while len(self._known) > PARTS_MAX:
            del self._known[next(iter(self._known))]

    def _judge(self, part: Part, cells: npt.NDArray[np.int64], end_ms: int) -> None:
        known = self._known.pop(part, None) or _Known(len(cells))
        self._known[part] = known  # the last one again
        known.counts += cells
        if known.counts.sum() > LABELS_KEPT:
            known.counts /= 2
        holds = are_borne_out(self._surprises, known.counts)
        if holds is not (known.changes[-1][1] if known.changes else None):
            known.changes = [*known.changes, (end_ms, holds)][-CHANGES_KEPT:]

    def holds(self, part: Part, at_ms: int) -> bool | None:
        """Return what the labels of a part said at a time; None where too few had come."""
        changes = self._known[part].changes if part in self._known else []
        return next((holds for end_ms, holds in reversed(changes) if end_ms <= at_ms), None)

    def to_bytes(self) -> bytes:
        """Return it for `restore`."""
        stored = []
        for (kind, name), known in self._known.items():
            where = np.flatnonzero(known.counts)
            counts = known.counts[where].tolist()
            stored.append(_Stored(kind, name, where.tolist(), counts, known.changes))
        return msgspec.msgpack.encode(stored)

    def restore(self, data: bytes) -> None:
        """Take up what was remembered; empty bytes are those of a release that knew of no parts.

        Raises
        ------
        ValueError
            If the bytes are not of this.
        """
        self._known = {}
        try:
            for one in msgspec.msgpack.decode(data, type=list[_Stored]) if data else ():
                known = _Known(len(self._surprises.counts))
                known.counts[one.cells] = one.counts
                known.changes = one.changes
                self._known["segment" if one.kind == "segment" else "version", one.name] = known
        except (msgspec.DecodeError, UnicodeDecodeError, IndexError, ValueError) as error:
            raise ValueError(f"expected the labels of parts: {error}") from error
