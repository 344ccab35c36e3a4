"""How a partition's pending entries lie in Redis: small hashes whose number grows with the entries.

Redis keeps a small hash (512 fields by default, 128 in many set-ups) as one compact list, in a third of the
memory of a large one, and looks through it from end to end. So the buckets grow by linear hashing [1]_, inside the commit script: with `base` buckets, a power
of two, of which the first `split` are parted, an id of hash h is in bucket h % base, and if that is parted, in
bucket h % (2 base). Whenever there are more than `LOAD` entries per bucket the next one is parted; when all
are, `base` doubles. The fullest buckets are those about to be parted: twice `LOAD`, give or take three
times the root of that, which fits the compact form where 128 fields do.

References
----------
.. [1] W. Litwin, Linear hashing: a new tool for file and table addressing, VLDB 1980.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from consumers.partition_time import SWEEP_WHOLE
from consumers.store import Sweep

BUCKETS: Final = 64
"""Buckets of a new partition."""

LOAD: Final = 48
"""Entries per bucket, on average, beyond which one more bucket is parted."""

ENTRY_TTL_MS: Final = 400 * 86_400_000
"""Pending entries of an application that runs no more leave after this."""


def _reversed_bits() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers below `SWEEP_WHOLE`, each with its bits in reverse order."""
    numbers = np.arange(SWEEP_WHOLE)
    found = np.zeros_like(numbers)
    for bit in range(SWEEP_WHOLE.bit_length() - 1):
        found = found << 1 | (numbers >> bit & 1)
    return found


_PARTS: Final = _reversed_bits()


def packed_sweep(sweep: Sweep | None) -> bytes:
    """Return what the commit script sweeps: parts and cutoffs, or nothing.

    A part is the rest of a bucket's number divided by `SWEEP_WHOLE`. Taken in the order of their reversed
    bits, a bucket that is parted comes just before its other half, so a round of sweeps meets every entry
    once even if the buckets grow meanwhile.
    """
    if sweep is None:
        return msgspec.msgpack.encode([])
    parts = _PARTS[np.arange(sweep.first, sweep.first + sweep.count) % SWEEP_WHOLE]
    return msgspec.msgpack.encode([parts.tolist(), list(sweep.cutoff_ms.items())])
