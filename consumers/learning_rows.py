"""Predictions that are kept whole while a model has no reference: what one is learned from.

A partition keeps them beside the windows that they were counted in, in the same commit, as blobs whose segment is
no segment. Once there is a reference, the features of those that came before the partition knew of it are counted
from here, so that no window lacks any.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from consumers.columns import PredictionColumns
from consumers.plan import ModelPlan
from consumers.windows import WindowBlob
from detectors.codec import layout_hash_of
from schemas.errors import Stop
from schemas.finding import Stream

ROWS_MAX: Final = 100_000
"""A reference is learned from so many predictions at most; of more, every so many-th id is kept."""
ROW_BYTES_MAX: Final = 16_384
"""A larger event is counted and not kept."""
WAITING_MAX: Final = 200_000
"""Predictions of one partition and model that wait for the evaluator at most; more are counted and not kept."""

_SEGMENT: Final = "rows@"
_GAP: Final = f"{_SEGMENT}gap"
"""A real segment has an equals sign in its name."""
_rows_decoder = msgspec.msgpack.Decoder(list[bytes])


def is_rows(blob: WindowBlob) -> bool:
    """Return whether a stored blob holds kept predictions, and not a summary."""
    return blob.segment.startswith(_SEGMENT) and "=" not in blob.segment


def gap_in(model: str, start_ms: int) -> WindowBlob:
    """Return the mark of a window whose first predictions were not kept, as there was a reference then."""
    return WindowBlob(
        model, Stream.PREDICTIONS, start_ms, "", _GAP, zlib.compress(msgspec.msgpack.encode([]))
    )


def foreign_starts(blobs: Sequence[WindowBlob], layout_hash: str) -> list[int]:
    """Return the starts of windows by prediction time, over all segments, that were counted on other cells.

    Parameters
    ----------
    layout_hash
        Of what is counted without a reference.
    """
    counted = (blob for blob in blobs if blob.stream is Stream.PREDICTIONS and not blob.segment)
    return sorted({blob.start_ms for blob in counted if layout_hash_of(blob.data) != layout_hash})


def are_whole(blobs: Sequence[WindowBlob], layout_hash: str) -> bool:
    """Return whether all of a window's predictions were counted without a reference, and so kept."""
    return not foreign_starts(blobs, layout_hash) and all(blob.segment != _GAP for blob in blobs)


def rows_of(blobs: Sequence[WindowBlob]) -> Iterator[bytes]:
    """Iterate over the kept predictions of some blobs.

    Raises
    ------
    Stop
        Damaged bytes.
    """
    for blob in blobs:
        try:
            yield from _rows_decoder.decode(zlib.decompress(blob.data))
        except (zlib.error, msgspec.DecodeError) as error:
            raise Stop(
                f"stored predictions to learn from: found bytes that are not such ({error}); start with an empty app "
                "name or restore the store",
                exit_code=1,
            ) from error


class RowKeeper:
    """Keeps the predictions of one learning model in one partition.

    Parameters
    ----------
    plan
        A model that learns (`ModelPlan.learning`).
    """

    def __init__(self, plan: ModelPlan) -> None:
        learn = plan.settings.learning
        self._model = plan.name
        self._window_ms = plan.window_ms
        self._every = max(1, -(-(learn.events if learn is not None else 0) // ROWS_MAX))
        self._waiting: deque[tuple[int, int]] = deque()
        self._kept = 0

    def evaluated(self, until_ms: int) -> None:
        """Take note that windows up to the one that starts at `until_ms` have been evaluated."""
        while self._waiting and self._waiting[0][0] <= until_ms:
            self._kept -= self._waiting.popleft()[1]

    def keep(self, columns: PredictionColumns, *, offset: int) -> list[WindowBlob]:
        """Return blobs of what is kept of predictions that were counted in windows.

        Parameters
        ----------
        offset
            First offset of the batch: no two batches of a partition share it.
        """
        starts = columns.time_ms // self._window_ms * self._window_ms
        rows: dict[int, list[bytes]] = {}
        for start, key, line in zip(starts.tolist(), columns.ids, columns.raw or (), strict=True):
            if int.from_bytes(key[-4:], "little") % self._every == 0 and len(line) <= ROW_BYTES_MAX:
                rows.setdefault(start, []).append(line)
        blobs = []
        for start in sorted(rows):
            if self._kept >= WAITING_MAX:
                break
            self._waiting.append((start, len(rows[start])))
            self._kept += len(rows[start])
            data = zlib.compress(msgspec.msgpack.encode(rows[start]), 1)
            blobs.append(
                WindowBlob(self._model, Stream.PREDICTIONS, start, "", f"{_SEGMENT}{offset:020d}", data)
            )
        return blobs
