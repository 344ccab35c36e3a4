"""What a model keeps does not grow with its events."""

from __future__ import annotations

import gc

from benchmarks.growth import Growth, fed, in_memory, kept_bytes, past_bytes

GROWTH = Growth(batch=500, pace_s=10.8, lag=8, switch=15_000, window="1h")
"""So that the horizon, the memory, the two days of kept windows and the first round of the sweep are over early."""


def test_neither_stored_bytes_nor_objects_grow_once_the_horizon_is_over() -> None:
    stores = in_memory()
    kept: dict[int, int] = {}
    objects: dict[int, int] = {}
    for events in fed(GROWTH, stores):
        if events >= 50_000 and events % 10_000 < 1_000:
            gc.collect()
            kept[events], objects[events] = kept_bytes(*stores), len(gc.get_objects())
        if events >= 120_000:
            break
    assert len(kept) >= 5
    first, *_, last = kept
    assert last > 2 * first
    assert kept[last] < 1.1 * kept[first]
    assert objects[last] < 1.05 * objects[first]
    assert 0 < past_bytes(stores[1]) < 50 * (last // 2) * GROWTH.pace_s, "days and hours alone"
