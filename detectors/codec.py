"""Bytes for what is kept between windows: a versioned msgpack form, and never a pickle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Generic, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.layout import ErrorLayout, Layout, PredictionLayout
from detectors.sparse import Sparse, add_sparse, entries_of, sparse_rows
from detectors.summary import Beside, KeyT, Summary, SummaryTable, Vector, Weights, merge_weights
from detectors.weight_cells import WeightCells
from detectors.worst import WORST_MAX, merge_worst
from schemas.errors import Stop

SUMMARY_VERSION: Final = 3
_PLAIN: Final = 2
_VERSIONS: Final = (1, _PLAIN, SUMMARY_VERSION)
"""The first one knows of no unfamiliar events, the second one of no cells of numbers and no weights; what has none of
these is still written as the second one."""
_LOW_BITS: Final = 32

LayoutT = TypeVar("LayoutT", bound=Layout)


_Event = tuple[float, Annotated[str, msgspec.Meta(max_length=128)]]


class _SummaryRecord(msgspec.Struct, array_like=True):
    version: int
    layout: str
    counts: Sparse
    sums: Sparse
    pairs: list[tuple[str, str, int]]
    worst: Annotated[list[_Event], msgspec.Meta(max_length=WORST_MAX)] = []


class _Further(msgspec.Struct, array_like=True):
    """The cells behind those that every release has had."""

    layout: str
    counts: Sparse
    sums: Sparse


class _WeightsRecord(msgspec.Struct, array_like=True):
    """Weights; a pair's is cut in two, as it may not fit 64 bits."""

    size: int
    sums: Sparse
    cells: Sparse
    pairs: list[tuple[str, str, int, int]]


class _LongRecord(_SummaryRecord, array_like=True):
    further: _Further | None = None
    weights: _WeightsRecord | None = None


_decoder = msgspec.msgpack.Decoder(_LongRecord)
_encoder = msgspec.msgpack.Encoder()


def encode_summaries(summaries: Sequence[Summary[LayoutT]]) -> list[bytes]:
    """Return the bytes of many summaries of one layout, at a few calls for all."""
    if not summaries:
        return []
    rows = np.stack([summary.vector for summary in summaries])
    return _encode_rows(summaries[0].layout, rows, [_beside(summary) for summary in summaries])


def encode_summary(summary: Summary[LayoutT]) -> bytes:
    """Return a summary's bytes; equal summaries give equal bytes."""
    return _encode_rows(summary.layout, summary.vector[None, :], [_beside(summary)])[0]


def _beside(summary: Summary[LayoutT]) -> Beside:
    return summary.pairs, summary.worst, summary.weights


def take_encoded(table: SummaryTable[KeyT, LayoutT]) -> list[tuple[KeyT, bytes]]:
    """Return (key, bytes) of every row of a table that changed since the last call, in a fixed order."""
    changed = table.take_dirty()
    if not changed:
        return []
    rows = table.matrix[[row for _, row, _ in changed]]
    encoded = _encode_rows(table.layout, rows, [beside for _, _, beside in changed])
    return [(key, data) for (key, *_), data in zip(changed, encoded, strict=True)]


def take_all(table: SummaryTable[KeyT, LayoutT]) -> dict[KeyT, bytes]:
    """Return the bytes of every row of a table that says anything, and forget them all."""
    places = table.places()
    rows = table.matrix[[row for _, row, _ in places]]
    counted: list[bool] = np.any(rows, axis=1).tolist()
    told = [
        at
        for at, (_, _, (pairs, _, weights)) in enumerate(places)
        if counted[at] or pairs or weights is not None
    ]
    encoded = _encode_rows(table.layout, rows[told], [places[at][2] for at in told])
    table.clear()
    return {places[at][0]: data for at, data in zip(told, encoded, strict=True)}


def _encode_rows(layout: Layout, rows: npt.NDArray[np.int64], others: list[Beside]) -> list[bytes]:
    """Return the bytes of many vectors of one layout, shape (n, layout.size), at a few calls for all."""
    counts = sparse_rows(rows[:, : layout.counts])
    sums = sparse_rows(rows[:, layout.counts : layout.known])
    further = _further_rows(layout, rows)
    encode, name = _encoder.encode, layout.hash
    found: list[bytes] = []
    for c, s, more, (pairs, worst, weights) in zip(counts, sums, further, others, strict=True):
        named = sorted((p, t, n) for (p, t), n in pairs.items())
        weighed = None
        if weights is not None and isinstance(layout, ErrorLayout):
            weighed = _weights_record(layout.weights, weights)
        if more is None and weighed is None:
            found.append(encode(_SummaryRecord(_PLAIN, name, c, s, named, list(worst))))
        else:
            found.append(encode(_LongRecord(SUMMARY_VERSION, name, c, s, named, list(worst), more, weighed)))
    return found


def _further_rows(layout: Layout, rows: npt.NDArray[np.int64]) -> list[_Further | None]:
    behind = rows[:, layout.known :]
    if not behind.any():
        return [None] * len(rows)
    middle = layout.further - layout.known
    counts, sums = sparse_rows(behind[:, :middle]), sparse_rows(behind[:, middle:])
    some: list[bool] = np.any(behind, axis=1).tolist()
    name = layout.further_hash
    return [_Further(name, c, s) if has else None for c, s, has in zip(counts, sums, some, strict=True)]


def _weights_record(cells: WeightCells, weights: Weights) -> _WeightsRecord:
    row = weights.vector[None, :]
    [sums], [parts] = sparse_rows(row[:, : cells.counts]), sparse_rows(row[:, cells.counts :])
    pairs = sorted((p, t, n >> _LOW_BITS, n & ((1 << _LOW_BITS) - 1)) for (p, t), n in weights.pairs.items())
    return _WeightsRecord(cells.known, sums, parts, pairs)


def decode_summary(layout: LayoutT, data: bytes) -> Summary[LayoutT]:
    """Read a summary's bytes.

    Raises
    ------
    Stop
        If the bytes are damaged, of another codec version, or counted on other cells (another profile).
    """
    return sum_summaries(layout, [data], [0])[0]


def sum_summaries(layout: LayoutT, encoded: Sequence[bytes], groups: Sequence[int]) -> list[Summary[LayoutT]]:
    """Read the bytes of many summaries and merge those of a group, at a few calls for all.

    Parameters
    ----------
    groups
        That of each, from 0 on, all of them there.

    Returns
    -------
    list of Summary
        By group.

    Raises
    ------
    Stop
        If bytes are damaged, of another codec version, or counted on other cells (another profile).
    """
    records = [_record(layout, data) for data in encoded]
    own = np.array(groups, dtype=np.int64)
    matrix = np.zeros((max(groups, default=-1) + 1, layout.size), dtype=np.int64)
    found = [Summary(layout, row) for row in matrix]
    try:
        _add_cells(layout, matrix, own, records)
        for group, record in zip(groups, records, strict=True):
            _add_beside(found[group], record)
    except (IndexError, ValueError) as error:
        raise _damaged(error) from error
    return found


class EncodedSums(Generic[KeyT, LayoutT]):
    """Stored summaries of one layout that are read and merged together, by key."""

    def __init__(self, layout: LayoutT) -> None:
        self._layout = layout
        self._places: dict[KeyT, int] = {}
        self._encoded: list[bytes] = []
        self._groups: list[int] = []

    def add(self, key: KeyT, encoded: bytes) -> None:
        """Add a summary's bytes."""
        self._encoded.append(encoded)
        self._groups.append(self._places.setdefault(key, len(self._places)))

    def read(self) -> dict[KeyT, Summary[LayoutT]]:
        """Return the sums; raises `Stop` as `sum_summaries`."""
        if not self._encoded:
            return {}
        return dict(zip(self._places, sum_summaries(self._layout, self._encoded, self._groups), strict=True))


def _record(layout: Layout, data: bytes) -> _LongRecord:
    try:
        record = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(error) from error
    if record.version not in _VERSIONS:
        raise Stop(
            f"stored summary: codec version {record.version} is none of 1 to {SUMMARY_VERSION}; run the release "
            "that wrote it, or start with another app name",
            exit_code=1,
        )
    further = layout.further_hash if record.further is None else record.further.layout
    if (record.layout, further) != (layout.hash, layout.further_hash):
        found = (record.layout, further)
        raise Stop(
            f"stored summary: counted on cells {'/'.join(filter(None, found))}, settings say "
            f"{'/'.join(filter(None, (layout.hash, layout.further_hash)))}; "
            "give the changed profile to a new app name, or put the old profile back",
            exit_code=1,
        )
    return record


def _add_cells(layout: Layout, matrix: Vector, rows: Vector, records: Sequence[_LongRecord]) -> None:
    """Add the vectors of records to rows of a matrix."""
    counts, known, middle = layout.counts, layout.known, layout.further
    add_sparse(matrix, rows, [r.counts for r in records], first=0, size=counts)
    add_sparse(matrix, rows, [r.sums for r in records], first=counts, size=known - counts)
    if any(r.further is not None for r in records):
        rows = rows[[r.further is not None for r in records]]
        further = [r.further for r in records if r.further is not None]
        add_sparse(matrix, rows, [f.counts for f in further], first=known, size=middle - known)
        add_sparse(matrix, rows, [f.sums for f in further], first=middle, size=layout.size - middle)


def _add_beside(summary: Summary[LayoutT], record: _LongRecord) -> None:
    """Add what a record holds beside its vector; pairs whose counts come to 0 leave."""
    pairs = summary.pairs
    for predicted, true, n in record.pairs:
        total = pairs.get((predicted, true), 0) + n
        if total or not n:
            pairs[predicted, true] = total
        else:
            del pairs[predicted, true]
    if record.worst:
        summary.worst = merge_worst(record.worst, summary.worst)
    if record.weights is not None:
        summary.weights = merge_weights(summary.weights, _weights(summary.layout, record.weights))


def _weights(layout: Layout, record: _WeightsRecord) -> Weights:
    if not isinstance(layout, ErrorLayout) or record.size != layout.weights.known:
        raise ValueError("weights of other cells")
    cells, row = layout.weights, np.zeros(1, dtype=np.int64)
    matrix = np.zeros((1, cells.size), dtype=np.int64)
    add_sparse(matrix, row, [record.sums], first=0, size=cells.counts)
    add_sparse(matrix, row, [record.cells], first=cells.counts, size=cells.size - cells.counts)
    return Weights(matrix[0], {(p, t): (high << _LOW_BITS) + low for p, t, high, low in record.pairs})


def decode_counts(layout: Layout, data: bytes, part: slice) -> npt.NDArray[np.int64]:
    """Read some of the plain counts of a summary, and nothing else; zeros where it was counted on other cells.

    Raises
    ------
    Stop
        If the bytes are damaged.
    """
    vector = np.zeros(part.stop - part.start, dtype=np.int64)
    try:
        record = _decoder.decode(data)
        if record.layout == layout.hash:
            where, values = entries_of(record.counts)
            inside = (where >= part.start) & (where < part.stop)
            vector[where[inside] - part.start] = values[inside]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise _damaged(error) from error
    return vector


def decode_service(layout: PredictionLayout, data: bytes) -> Summary[PredictionLayout]:
    """Read the service figures of a window of predictions, whatever columns it was counted with.

    Raises
    ------
    Stop
        If the bytes are damaged.
    """
    try:
        record = _decoder.decode(data)
        where, values = entries_of(record.counts)
        kept = where < layout.COLUMNS
        vector = np.zeros(layout.size, dtype=np.int64)
        vector[where[kept]] = values[kept]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise _damaged(error) from error
    return Summary(layout, vector)


def _damaged(error: Exception) -> Stop:
    return Stop(
        f"stored summary: expected codec version 1 to {SUMMARY_VERSION}, found bytes that are not one "
        f"({error}); start with an empty app name or restore the store",
        exit_code=1,
    )


def layout_hash_of(data: bytes) -> str:
    """Return the hash of the cells that stored summary bytes were counted on."""
    return _decoder.decode(data).layout
