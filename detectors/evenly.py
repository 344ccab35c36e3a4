"""Counts of hits as a row of single events: the same row whatever partitions and batches they came in."""

from __future__ import annotations

from typing import Final

EVENTS_MAX: Final = 1_000
"""A longer row is told by so many events, in the same proportion."""


def evenly(n: int, hits: int, carried: float) -> tuple[list[bool], float]:
    """Return n events of which so many are hits, spread evenly (Bresenham, IBM Systems Journal 4, 1965).

    Parameters
    ----------
    n, hits
        Counts of a window; beyond `EVENTS_MAX` events both are scaled down.
    carried
        The part of a hit, from 0 up to below 1, that scaling left over before.

    Returns
    -------
    tuple
        The events, and the part of a hit left over now: rare hits in large windows come late, none is lost.

    Examples
    --------
    >>> evenly(6, 2, 0.0)
    ([False, False, True, False, False, True], 0.0)
    >>> events, carried = evenly(100_000, 150, 0.0)
    >>> len(events), sum(events), carried
    (1000, 1, 0.5)
    """
    told = min(n, EVENTS_MAX)
    share = hits * told / max(n, 1) + carried
    whole = min(int(share), told)
    events = [(i + 1) * whole // told > i * whole // told for i in range(told)]
    return events, share - whole
