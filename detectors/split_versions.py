"""What is remembered of versions that share the traffic, and how two of them stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

import msgspec
import numpy as np

from detectors.detector import ErrorWindow
from detectors.split_bets import SplitBets, SplitSums
from detectors.split_layout import SplitCell, SplitLayout
from detectors.summary import Summary, Vector
from detectors.version_history import ABSENT_MS
from detectors.version_pairs import PAIRS_MAX, Comparison

EXPECTED_MIN: Final = 30
"""A version is missed where so many ids of it would have come by its share so far."""
LEVEL_IDS: Final = 1_000.0
"""How many ids tell what losses are expected to be; of more, the newest."""

Levels = dict[int, tuple[float, float]]
"""By class of delays: ids, and the sum of their losses."""


class SplitRecord(msgspec.Struct, array_like=True):
    """Two versions, in the order of their names, and what has fallen due of both.

    Parameters
    ----------
    cases
        Ids of each in the cells that have ids of both.
    since_ms, last_ms
        Start of the first and of the last window with such a cell.
    seen_ms
        When the newest ids of each were predicted, as far as known.
    alone
        Ids of each that were predicted after the newest ones of the other.
    told, told_of
        As in `TwoVersions`.
    news
        Whether anything has been added since they were last judged.
    """

    first: str
    second: str
    since_ms: int
    last_ms: int
    cases: tuple[int, int] = (0, 0)
    sums: SplitSums = msgspec.field(default_factory=SplitSums)
    levels: Levels = {}
    seen_ms: tuple[int, int] = (0, 0)
    told: str = ""
    news: bool = False
    alone: tuple[int, int] = (0, 0)
    told_of: str = ""

    def see(self, start_ms: int, layout: SplitLayout, due: Mapping[str, Summary[SplitLayout]]) -> None:
        """Note when the ids of a window were predicted, to a stretch of prediction time."""
        both = (self.first, self.second)
        cells = [
            due[name].vector.reshape(-1, len(SplitCell))[:, SplitCell.N] if name in due else None
            for name in both
        ]
        if all(counts is None for counts in cells):
            return
        times = start_ms - np.array(layout.delays)
        newest = [0 if counts is None else int(times[counts > 0].max(initial=0)) for counts in cells]
        seen = tuple(max(now, was) for now, was in zip(newest, self.seen_ms, strict=True))
        alone = [0, 0]
        for side, counts in enumerate(cells):
            kept = self.alone[side] if seen[1 - side] == self.seen_ms[1 - side] else 0
            further = 0 if counts is None else int(counts[times > seen[1 - side]].sum())
            alone[side] = kept + further
        self.seen_ms, self.alone = (seen[0], seen[1]), (alone[0], alone[1])
        self.news = self.news or bool(self.told)

    def is_live(self, side: int) -> bool:
        """Return whether a version still gets traffic: it does not if the other has for an hour without it, and enough to expect it."""
        other = 1 - side
        expected = self.alone[other] * self.cases[side] / max(self.cases[other], 1)
        return self.seen_ms[other] - self.seen_ms[side] <= ABSENT_MS or expected < EXPECTED_MIN

    def add(self, start_ms: int, layout: SplitLayout, one: Vector, other: Vector) -> None:
        """Add the counts of a window, of the two versions."""
        cells = [vector.reshape(-1, len(SplitCell)) for vector in (one, other)]
        scale = np.array([1.0, layout.steps, layout.steps * layout.steps])
        for group in np.flatnonzero((cells[0][:, SplitCell.N] > 0) & (cells[1][:, SplitCell.N] > 0)).tolist():
            first, second = (tuple((side[group] / scale).tolist()) for side in cells)
            n, loss = self.levels.get(group, (1.0, 0.5))
            self.sums.add(first, second, level=loss / n)
            n, loss = n + first[SplitCell.N] + second[SplitCell.N], loss + first[1] + second[1]
            shrink = min(LEVEL_IDS / n, 1.0)
            self.levels[group] = (n * shrink, loss * shrink)
            self.cases = (self.cases[0] + int(first[0]), self.cases[1] + int(second[0]))
            self.last_ms, self.news = start_ms, True

    def comparison(self, layout: SplitLayout, champion: str, *, alpha: float) -> Comparison:
        """Return how the other version stands against the champion."""
        sums, turned = self.sums, champion == self.second
        one, other = (1, 0) if turned else (0, 1)
        sign = -1.0 if turned else 1.0
        mean = (sums.first_loss / sums.weight, (sums.first_loss - sums.gain) / sums.weight)
        losses = [layout.low + layout.span * share for share in mean]
        live = [self.is_live(side) for side in (0, 1)]
        return Comparison(
            champion,
            self.first if turned else self.second,
            (self.cases[one], self.cases[other]),
            layout.loss,
            losses[one],
            losses[other],
            live[one],
            live[other],
            SplitBets(
                self.cases[other],
                sums.weight,
                sign * sums.gain,
                sums.squares,
                sign * sums.slope,
                alpha,
            ),
            same_ids=False,
        )


class SplitRecords(msgspec.Struct, array_like=True):
    """All versions of a model that share its traffic, two by two.

    Parameters
    ----------
    layout
        Hash of the cells that they are counted in.
    """

    layout: str
    pairs: list[SplitRecord] = []

    def add(self, window: ErrorWindow, layout: SplitLayout) -> None:
        """Take a window in."""
        start_ms, known = window.span.start_ms, {(pair.first, pair.second): pair for pair in self.pairs}
        for pair in self.pairs:
            pair.see(start_ms, layout, window.due)
        for first, second in _together(window.due):
            record = known.get((first, second))
            if record is None:
                if len(self.pairs) >= PAIRS_MAX:
                    continue
                record = SplitRecord(first, second, start_ms, start_ms)
                record.see(start_ms, layout, window.due)
                self.pairs.append(record)
            record.add(start_ms, layout, window.due[first].vector, window.due[second].vector)


def _together(due: Mapping[str, Summary[SplitLayout]]) -> Iterator[tuple[str, str]]:
    """Yield the versions, in the order of their names, that have ids in a cell in common."""
    has = {name: s.vector.reshape(-1, len(SplitCell))[:, SplitCell.N] > 0 for name, s in due.items()}
    for first, second in combinations(sorted(has), 2):
        if (has[first] & has[second]).any():
            yield first, second
