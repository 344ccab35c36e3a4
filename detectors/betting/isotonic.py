"""How often something happens at each score, as a function that never falls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def isotonic(hits: Floats, n: Floats) -> Floats:
    """Return the share of hits per cell, the nearest that never falls from one cell to the next.

    Parameters
    ----------
    hits, n
        Shape (cells,): hits, and all events, in order of the score. A cell without events takes its
        neighbour's share.

    References
    ----------
    The pooling of adjacent violators: Ayer and others, "An empirical distribution function for sampling with
    incomplete information", Annals of Mathematical Statistics 26 (1955).

    Examples
    --------
    >>> isotonic(np.array([1.0, 3.0, 2.0, 0.0]), np.array([10.0, 10.0, 10.0, 0.0])).tolist()
    [0.1, 0.25, 0.25, 0.25]
    """
    blocks: list[tuple[float, float, int]] = []
    for hit, size in zip(hits.tolist(), n.tolist(), strict=True):
        blocks.append((hit, size, 1))
        while len(blocks) > 1 and _share(blocks[-2]) >= _share(blocks[-1]):
            last = blocks.pop()
            before = blocks.pop()
            blocks.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return np.concatenate([np.full(cells, hit / size if size else 0.0) for hit, size, cells in blocks])


def _share(block: tuple[float, float, int]) -> float:
    """Return a block's share; an empty block joins the one before."""
    return block[0] / block[1] if block[1] else -1.0
