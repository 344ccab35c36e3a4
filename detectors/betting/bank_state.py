"""Bytes for what a bank of signals remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.betting.inertia import Inertia


class _Stored(msgspec.Struct, array_like=True):
    shape: list[int]
    arrays: list[bytes]
    inertia: bytes


def bank_bytes(arrays: Sequence[npt.NDArray[Any]], inertia: Inertia | None) -> bytes:
    """Return the bytes of a bank's arrays and of the inertia that it measures."""
    parts = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays]
    measured = b"" if inertia is None else inertia.to_bytes()
    return msgspec.msgpack.encode(_Stored(list(arrays[0].shape), parts, measured))


def restore_bank(arrays: Sequence[npt.NDArray[Any]], inertia: Inertia | None, data: bytes) -> None:
    """Fill a bank's arrays from their bytes.

    Raises
    ------
    ValueError
        Bytes of something else, or of other signals.
    """
    try:
        stored = msgspec.msgpack.decode(data, type=_Stored)
    except msgspec.DecodeError as error:
        raise ValueError(f"expected the state of signals: {error}") from error
    sizes = [array.nbytes for array in arrays]
    if stored.shape != list(arrays[0].shape) or [len(part) for part in stored.arrays] != sizes:
        raise ValueError(f"expected the state of {arrays[0].shape[0]} signals, found another")
    if (inertia is None) != (not stored.inertia):
        raise ValueError("expected the state of signals of the same reference")
    for array, part in zip(arrays, stored.arrays, strict=True):
        array[...] = np.frombuffer(part, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    if inertia is not None:
        inertia.restore(stored.inertia)
