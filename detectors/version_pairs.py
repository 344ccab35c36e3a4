"""What is remembered of versions that answered the same ids, and how each pair stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np

from detectors.detector import ErrorWindow, is_own
from detectors.pair_layout import PairCell, PairLayout
from detectors.paired_bets import Decision, GainBets, PairedBets
from detectors.summary import Vector

PAIRS_MAX: Final = 16
"""Pairs that are followed; of more, those that were there first."""
VERSIONS_MAX: Final = 64
"""Versions whose first live answer is remembered; of more, those seen last."""
GONE_MS: Final = 3 * 86_400_000
"""A pair without an id for so long, in event time, is over."""
LIVE_MS: Final = 86_400_000
"""A version is live if the newest of its ids that were not in the shadow are not older than this."""
_NEVER: Final = -1


class TwoVersions(Protocol):
    """Two versions, in the order of their names, that have been compared.

    Parameters
    ----------
    since_ms, last_ms
        Start of the first and of the last window with ids of theirs.
    told, told_of
        What has been told of them and stands, and of which; empty for nothing.
    """

    first: str
    second: str
    since_ms: int
    last_ms: int
    told: str
    told_of: str


TwoT = TypeVar("TwoT", bound=TwoVersions)


class PairRecord(msgspec.Struct, array_like=True):
    """Two versions, in the order of their names, and all they have answered together.

    Parameters
    ----------
    cells
        Entries of `PairLayout` that are not 0.
    live_ms
        When each was last live among these ids.
    told, told_of
        As in `TwoVersions`.
    """

    first: str
    second: str
    cells: dict[int, int]
    since_ms: int
    last_ms: int
    live_ms: tuple[int, int] = (_NEVER, _NEVER)
    told: str = ""
    told_of: str = ""

    def add(self, start_ms: int, vector: Vector) -> None:
        """Add the counts of a window."""
        for cell in np.flatnonzero(vector).tolist():
            self.cells[cell] = self.cells.get(cell, 0) + int(vector[cell])
        self.last_ms = start_ms
        live = (int(vector[PairCell.LIVE_FIRST]), int(vector[PairCell.LIVE_SECOND]))
        one, other = (start_ms if n else was for n, was in zip(live, self.live_ms, strict=True))
        self.live_ms = (one, other)

    def is_live(self) -> tuple[bool, bool]:
        """Return whether each of the two is live."""
        one, other = (self.last_ms - ms < LIVE_MS and ms != _NEVER for ms in self.live_ms)
        return one, other


class PairRecords(msgspec.Struct, array_like=True):
    """All pairs of a model.

    Parameters
    ----------
    layout
        Hash of the cells that they are counted in.
    live
        By version: start of the first window with labels of its live answers, minus their number, and start of the last one.
    """

    layout: str
    pairs: list[PairRecord] = []
    live: dict[str, tuple[int, int, int]] = {}

    def add(self, window: ErrorWindow) -> None:
        """Take a window in."""
        start_ms = window.span.start_ms
        for version, summary in window.versions.items():
            n = int(summary.vector[0])
            if is_own(version) and n > 0:
                first_ms, minus, _ = self.live.get(version, (start_ms, -n, start_ms))
                self.live[version] = (first_ms, minus, start_ms)
        for version in sorted(self.live, key=lambda v: (self.live[v][2], v))[:-VERSIONS_MAX]:
            del self.live[version]
        known = {(pair.first, pair.second): pair for pair in self.pairs}
        for names, counted in window.pairs.items():
            pair = known.get(names)
            if not counted.vector[PairCell.N]:
                continue
            if pair is None:
                if len(self.pairs) >= PAIRS_MAX:
                    continue
                pair = PairRecord(*names, {}, start_ms, start_ms)
                self.pairs.append(pair)
            pair.add(start_ms, counted.vector)

    def champion_of(self, pair: TwoVersions, named: str | None) -> str | None:
        """Return which of two versions is the champion.

        Parameters
        ----------
        named
            The champion of the settings; None for the version that was live first.

        Returns
        -------
        str or None
            None where the one of the settings is neither of the two.
        """
        both = (pair.first, pair.second)
        if named is not None:
            return named if named in both else None
        return min(both, key=self._seniority)

    def told_pairs(self, some: Iterable[TwoT], named: str | None) -> list[TwoT]:
        """Return those of some pairs that count: each challenger's with the newest of those that were live before it."""
        newest: dict[str, tuple[tuple[bool, int, int, str], TwoT]] = {}
        for pair in some:
            champion = self.champion_of(pair, named)
            if champion is None:
                continue
            challenger = pair.second if champion == pair.first else pair.first
            rank = self._seniority(champion)
            if challenger not in newest or rank > newest[challenger][0]:
                newest[challenger] = (rank, pair)
        return [newest[challenger][1] for challenger in sorted(newest)]

    def _seniority(self, version: str) -> tuple[bool, int, int, str]:
        first_ms, minus, _ = self.live.get(version, (0, 0, 0))
        return (version not in self.live, first_ms, minus, version)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a challenger stands against its champion.

    Parameters
    ----------
    cases
        Ids of each that have a label, and count here.
    champion_loss, challenger_loss
        Mean losses on these ids, in the unit of `loss`.
    champion_live, challenger_live
        Whether each is live.
    bets
        On the gain of the challenger.
    same_ids
        Whether both have answered the same ids.
    """

    champion: str
    challenger: str
    cases: tuple[int, int]
    loss: str
    champion_loss: float
    challenger_loss: float
    champion_live: bool
    challenger_live: bool
    bets: GainBets
    same_ids: bool = True

    @property
    def n(self) -> int:
        """The ids that it takes more of to know more: pairs, or those of the challenger."""
        return self.cases[1]

    @property
    def gain(self) -> float:
        """Mean gain of the challenger."""
        return self.bets.mean

    def action(self, decision: Decision) -> str:
        """Return what to do about a decision; empty for nothing.

        A challenger that is better and has taken over already needs nothing, and neither does one that shared the traffic, was worse,
        and gets none any more.
        """
        if decision is Decision.BETTER:
            return "promote" if self.champion_live or not self.challenger_live else ""
        if decision is Decision.WORSE:
            if self.challenger_live:
                return "roll_back"
            return "keep" if self.same_ids else ""
        return ""


def comparison_of(layout: PairLayout, pair: PairRecord, champion: str, *, alpha: float) -> Comparison:
    """Return how the other version of a pair stands against its champion."""
    turned = champion == pair.second
    places = [cell for cell in sorted(pair.cells) if cell >= PairLayout.GAINS]
    gains = layout.gains[[cell - PairLayout.GAINS for cell in places]]
    counts = np.array([pair.cells[cell] for cell in places], dtype=np.float64)
    n = pair.cells.get(PairCell.N, 0)
    losses = [
        layout.low + layout.span * pair.cells.get(cell, 0) / (n * layout.steps)
        for cell in (PairCell.LOSS_FIRST, PairCell.LOSS_SECOND)
    ]
    live = pair.is_live()
    one, other = (1, 0) if turned else (0, 1)
    return Comparison(
        champion,
        pair.first if turned else pair.second,
        (n, n),
        layout.loss,
        losses[one],
        losses[other],
        live[one],
        live[other],
        PairedBets(-gains if turned else gains, counts, alpha),
    )
