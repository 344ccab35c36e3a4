"""Everybody who takes part; a contender more is one line more."""

from __future__ import annotations

from typing import Final

from benchmarks.detect.contender import Maker
from benchmarks.detect.ours import OURS
from benchmarks.detect.peers_river import RIVER, SLOW
from benchmarks.detect.peers_scan import SCANS
from benchmarks.detect.peers_windows import WINDOWS

CONTENDERS: Final[tuple[Maker, ...]] = (
    *OURS,
    *RIVER,
    *SLOW,
    *WINDOWS,
    *SCANS,
)
"""In the order of the tables' columns."""

SLOW_NAMES: Final = frozenset(make().name for make in SLOW)
"""Those that are too slow for all of it, see `measure.measure`."""


def named(only: str | None) -> tuple[Maker, ...]:
    """Return the contenders whose names are listed, comma by comma; all if None.

    Raises
    ------
    ValueError
        A name is nobody's.
    """
    if only is None:
        return CONTENDERS
    known = {make().name.lower(): make for make in CONTENDERS}
    asked = [name.strip().lower() for name in only.split(",")]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise ValueError(f"no contender {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in asked)
