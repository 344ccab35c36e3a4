"""Bytes for what is kept between windows: a versioned msgpack form, and never a pickle.

A vector of counts is mostly zeros, so it is written as the distances between its non-zero entries and
their values, each in the narrowest integer type that holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.layout import ErrorLayout, Layout, PredictionLayout
from detectors.summary import Beside, KeyT, Summary, SummaryTable, Weights
from detectors.weight_cells import WeightCells
from detectors.worst import WORST_MAX, merge_worst
from schemas.errors import Stop

SUMMARY_VERSION: Final = 3
_PLAIN: Final = 2
_VERSIONS: Final = (1, _PLAIN, SUMMARY_VERSION)
"""The first one knows of no unfamiliar events, the second one of no cells of numbers and no weights; what has none of
these is still written as the second one."""
_LOW_BITS: Final = 32
_WIDTHS: Final = ("<i1", "<i2", "<i4", "<i8")
_GAPS: Final = ("<u1", "<u2", "<u4")

LayoutT = TypeVar("LayoutT", bound=Layout)


class _Sparse(msgspec.Struct, array_like=True):
    gap_width: int
    gaps: bytes
    value_width: int
    values: bytes


_Event = tuple[float, Annotated[str, msgspec.Meta(max_length=128)]]


class _SummaryRecord(msgspec.Struct, array_like=True):
    version: int
    layout: str
    counts: _Sparse
    sums: _Sparse
    pairs: list[tuple[str, str, int]]
    worst: Annotated[list[_Event], msgspec.Meta(max_length=WORST_MAX)] = []


class _Further(msgspec.Struct, array_like=True):
    """The cells behind those that every release has had."""

    layout: str
    counts: _Sparse
    sums: _Sparse


class _WeightsRecord(msgspec.Struct, array_like=True):
    """Weights; a pair's is cut in two, as it may not fit 64 bits."""

    size: int
    sums: _Sparse
    cells: _Sparse
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


def _encode_rows(layout: Layout, rows: npt.NDArray[np.int64], others: list[Beside]) -> list[bytes]:
    """Return the bytes of many vectors of one layout, shape (n, layout.size), at a few calls for all."""
    counts = _sparse_rows(rows[:, : layout.counts])
    sums = _sparse_rows(rows[:, layout.counts : layout.known])
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
    counts, sums = _sparse_rows(behind[:, :middle]), _sparse_rows(behind[:, middle:])
    some: list[bool] = np.any(behind, axis=1).tolist()
    name = layout.further_hash
    return [_Further(name, c, s) if has else None for c, s, has in zip(counts, sums, some, strict=True)]


def _weights_record(cells: WeightCells, weights: Weights) -> _WeightsRecord:
    row = weights.vector[None, :]
    [sums], [parts] = _sparse_rows(row[:, : cells.counts]), _sparse_rows(row[:, cells.counts :])
    pairs = sorted((p, t, n >> _LOW_BITS, n & ((1 << _LOW_BITS) - 1)) for (p, t), n in weights.pairs.items())
    return _WeightsRecord(cells.known, sums, parts, pairs)


def decode_summary(layout: LayoutT, data: bytes) -> Summary[LayoutT]:
    """Read a summary's bytes.

    Raises
    ------
    Stop
        If the bytes are damaged, of another codec version, or counted on other cells (another profile).
    """
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
    found = (record.layout, layout.further_hash if record.further is None else record.further.layout)
    if found != (layout.hash, layout.further_hash):
        raise Stop(
            f"stored summary: counted on cells {'/'.join(filter(None, found))}, settings say "
            f"{'/'.join(filter(None, (layout.hash, layout.further_hash)))}; "
            "give the changed profile to a new app name, or put the old profile back",
            exit_code=1,
        )
    vector = np.zeros(layout.size, dtype=np.int64)
    try:
        _fill(vector[: layout.counts], record.counts)
        _fill(vector[layout.counts : layout.known], record.sums)
        if record.further is not None:
            _fill(vector[layout.known : layout.further], record.further.counts)
            _fill(vector[layout.further :], record.further.sums)
        weights = None if record.weights is None else _weights(layout, record.weights)
    except (IndexError, ValueError) as error:
        raise _damaged(error) from error
    pairs = {(p, t): n for p, t, n in record.pairs}
    return Summary(layout, vector, pairs, merge_worst(record.worst, ()), weights)


def _weights(layout: Layout, record: _WeightsRecord) -> Weights:
    if not isinstance(layout, ErrorLayout) or record.size != layout.weights.known:
        raise ValueError("weights of other cells")
    vector = np.zeros(layout.weights.size, dtype=np.int64)
    _fill(vector[: layout.weights.counts], record.sums)
    _fill(vector[layout.weights.counts :], record.cells)
    return Weights(vector, {(p, t): (high << _LOW_BITS) + low for p, t, high, low in record.pairs})


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
            where, values = _entries(record.counts)
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
        where, values = _entries(record.counts)
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


def _sparse_rows(rows: npt.NDArray[np.int64]) -> list[_Sparse]:
    """Return the non-zero entries of each row: distances in the layout's, values in the row's own width."""
    n, size = rows.shape
    gap_width = 0 if size <= 0xFF else 1 if size <= 0xFFFF else 2
    row, column = np.nonzero(rows)
    values = rows[row, column]
    ends = np.searchsorted(row, np.arange(1, n + 1)).tolist()
    starts = [0, *ends[:-1]]
    gaps = np.diff(column, prepend=0)
    firsts = [start for start, end in zip(starts, ends, strict=True) if start < end]
    gaps[firsts] = column[firsts]
    gap_bytes = gaps.astype(_GAPS[gap_width]).tobytes()
    gap_size = np.dtype(_GAPS[gap_width]).itemsize
    widths = _widths(values, row, n)
    by_width = {width: values.astype(_WIDTHS[width]).tobytes() for width in set(widths)}
    return [
        _Sparse(
            gap_width,
            gap_bytes[start * gap_size : end * gap_size],
            width,
            by_width[width][start << width : end << width],
        )
        for start, end, width in zip(starts, ends, widths, strict=True)
    ]


def _widths(values: npt.NDArray[np.int64], row: npt.NDArray[np.intp], n: int) -> list[int]:
    """Return, per row, the place in `_WIDTHS` of the narrowest type for all its values."""
    largest = np.zeros(n, dtype=np.int64)
    np.maximum.at(largest, row, np.abs(values))
    return [int(width) for width in np.searchsorted([0x7F, 0x7FFF, 0x7FFF_FFFF], largest)]


def _fill(part: npt.NDArray[np.int64], sparse: _Sparse) -> None:
    where, values = _entries(sparse)
    part[where] = values


def _entries(sparse: _Sparse) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    where = np.cumsum(np.frombuffer(sparse.gaps, dtype=_GAPS[sparse.gap_width]).astype(np.int64))
    return where, np.frombuffer(sparse.values, dtype=_WIDTHS[sparse.value_width]).astype(np.int64)
