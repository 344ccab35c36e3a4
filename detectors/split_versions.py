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
from detectors.version_pairs import LIVE_MS, PAIRS_MAX, Comparison

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
    told
        What has been told of them and stands, empty for nothing.
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
        live = [max(self.seen_ms) - ms < LIVE_MS for ms in self.seen_ms]
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
        seen = {version: _newest_ms(start_ms, layout, summary) for version, summary in window.due.items()}
        for pair in self.pairs:
            one, other = (max(was, seen.get(version, was)) for version, was in _seen(pair))
            pair.seen_ms = (one, other)
        for first, second in _together(window.due):
            record = known.get((first, second))
            if record is None:
                if len(self.pairs) >= PAIRS_MAX:
                    continue
                record = SplitRecord(first, second, start_ms, start_ms, seen_ms=(seen[first], seen[second]))
                self.pairs.append(record)
            record.add(start_ms, layout, window.due[first].vector, window.due[second].vector)


def _seen(pair: SplitRecord) -> Iterator[tuple[str, int]]:
    return zip((pair.first, pair.second), pair.seen_ms, strict=True)


def _newest_ms(start_ms: int, layout: SplitLayout, due: Summary[SplitLayout]) -> int:
    """Return when the newest of the ids that fall due were predicted, to a stretch of prediction time."""
    groups = np.flatnonzero(due.vector.reshape(-1, len(SplitCell))[:, SplitCell.N] > 0)
    return start_ms - layout.delays[groups[0]] if len(groups) else 0


def _together(due: Mapping[str, Summary[SplitLayout]]) -> Iterator[tuple[str, str]]:
    """Yield the versions, in the order of their names, that have ids in a cell in common."""
    has = {name: s.vector.reshape(-1, len(SplitCell))[:, SplitCell.N] > 0 for name, s in due.items()}
    for first, second in combinations(sorted(has), 2):
        if (has[first] & has[second]).any():
            yield first, second
