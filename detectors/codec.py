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

from detectors.layout import Layout, PredictionLayout
from detectors.summary import KeyT, Pairs, Summary, SummaryTable
from detectors.worst import WORST_MAX, Worst, merge_worst
from schemas.errors import Stop

SUMMARY_VERSION: Final = 2
_VERSIONS: Final = (1, SUMMARY_VERSION)
"""The first one knows of no unfamiliar events."""
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


_decoder = msgspec.msgpack.Decoder(_SummaryRecord)
_encoder = msgspec.msgpack.Encoder()


def encode_summaries(summaries: Sequence[Summary[LayoutT]]) -> list[bytes]:
    """Return the bytes of many summaries of one layout, at a few calls for all."""
    if not summaries:
        return []
    rows = np.stack([summary.vector for summary in summaries])
    return _encode_rows(summaries[0].layout, rows, [(summary.pairs, summary.worst) for summary in summaries])


def encode_summary(summary: Summary[LayoutT]) -> bytes:
    """Return a summary's bytes; equal summaries give equal bytes."""
    return _encode_rows(summary.layout, summary.vector[None, :], [(summary.pairs, summary.worst)])[0]


def take_encoded(table: SummaryTable[KeyT, LayoutT]) -> list[tuple[KeyT, bytes]]:
    """Return (key, bytes) of every row of a table that changed since the last call, in a fixed order."""
    changed = table.take_dirty()
    if not changed:
        return []
    rows = table.matrix[[row for _, row, _, _ in changed]]
    encoded = _encode_rows(table.layout, rows, [(pairs, worst) for _, _, pairs, worst in changed])
    return [(key, data) for (key, *_), data in zip(changed, encoded, strict=True)]


def _encode_rows(
    layout: Layout, rows: npt.NDArray[np.int64], others: list[tuple[Pairs, Worst]]
) -> list[bytes]:
    """Return the bytes of many vectors of one layout, shape (n, layout.size), at a few calls for all."""
    counts = _sparse_rows(rows[:, : layout.counts])
    sums = _sparse_rows(rows[:, layout.counts :])
    encode, name = _encoder.encode, layout.hash
    return [
        encode(
            _SummaryRecord(
                SUMMARY_VERSION, name, c, s, sorted((p, t, n) for (p, t), n in pairs.items()), list(worst)
            )
        )
        for c, s, (pairs, worst) in zip(counts, sums, others, strict=True)
    ]


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
            f"stored summary: codec version {record.version} is neither 1 nor {SUMMARY_VERSION}; run the release "
            "that wrote it, or start with another app name",
            exit_code=1,
        )
    if record.layout != layout.hash:
        raise Stop(
            f"stored summary: counted on cells {record.layout}, settings say {layout.hash}; "
            "give the changed profile to a new app name, or put the old profile back",
            exit_code=1,
        )
    vector = np.zeros(layout.size, dtype=np.int64)
    try:
        _fill(vector[: layout.counts], record.counts)
        _fill(vector[layout.counts :], record.sums)
    except (IndexError, ValueError) as error:
        raise _damaged(error) from error
    pairs = {(p, t): n for p, t, n in record.pairs}
    return Summary(layout, vector, pairs, merge_worst(record.worst, ()))


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
        f"stored summary: expected codec version 1 or {SUMMARY_VERSION}, found bytes that are not one "
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
