"""Streams of closed windows drawn from known distributions, cell by cell, so that thousands cost little."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from builders.summaries import prediction_window

from detectors.layout import PredictionLayout, prediction_layout
from detectors.profile import CategoricalColumn, Column, NumericColumn, ReferenceProfile
from detectors.summary import Summary
from schemas.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from detectors.detector import PredictionWindow

BINS: Final = 64


@dataclass(frozen=True, slots=True)
class Reality:
    """A profile, and the true chance of every cell of every column of it."""

    profile: ReferenceProfile
    layout: PredictionLayout
    chances: list[npt.NDArray[np.float64]]

    def window(self, rng: np.random.Generator, n: int, index: int) -> PredictionWindow:
        """Draw one window of n events."""
        summary = Summary.empty(self.layout)
        summary.vector[[PredictionLayout.EVENTS, PredictionLayout.STATUS]] = n
        for cells, chance in zip(self.layout.columns, self.chances, strict=True):
            summary.vector[self.layout.cells(cells)] = rng.multinomial(n, chance)
        return prediction_window(summary, index)


def reality(rng: np.random.Generator, *, columns: int, rows: int, missing: float = 0.0) -> Reality:
    """Draw columns, two thirds of them numbers, and a profile of so many rows of them."""
    kinds = [_number if i % 3 else _category for i in range(columns)]
    drawn = [kind(rng, f"x{i}", rows, missing) for i, kind in enumerate(kinds)]
    profile = ReferenceProfile("fraud", "binary", rows, tuple(column for column, _ in drawn))
    return Reality(profile, prediction_layout(profile), [chance for _, chance in drawn])


def _number(rng: np.random.Generator, name: str, rows: int, missing: float) -> tuple[Column, Any]:
    gone = int(rng.binomial(rows, missing))
    present = rows - gone
    # Bins that a sample fills equally have chances that are about that sample's share, not equal to it.
    counts = np.full(BINS, present // BINS) + (np.arange(BINS) < present % BINS)
    chance = rng.dirichlet(counts) * (1 - missing)
    edges = tuple(np.linspace(-2, 2, BINS - 1).tolist())
    column = NumericColumn(name, edges, tuple(counts.tolist()), 0.0, 1.0, -3.0, 3.0, 0.0, missing=gone)
    return column, np.append(chance, [missing, 0.0])


def _category(rng: np.random.Generator, name: str, rows: int, missing: float) -> tuple[Column, Any]:
    size = int(rng.choice([1, 2, 3, 10, 50, 200]))
    true = rng.dirichlet(np.full(size, 0.7)) * (1 - missing)
    counts = rng.multinomial(rows, np.append(true, missing))
    order = np.argsort(-counts[:-1], kind="stable")
    kept = order[counts[order] > 0]
    names = tuple(f"k{place}" for place in kept.tolist())
    column = CategoricalColumn(name, names, tuple(counts[kept].tolist()), missing=int(counts[-1]))
    unseen = max(0.0, 1 - missing - float(true[kept].sum()))
    chance = np.concatenate([true[kept], [unseen, missing, 0.0]])
    return column, chance / chance.sum()


@dataclass(slots=True)
class Watch:
    """Counts breaches, and alerts by each finding's own M of N, over informed windows."""

    breaches: int = 0
    alerts: list[Finding] = field(default_factory=list)
    _recent: dict[Any, deque[bool]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.verdict is Verdict.UNKNOWN or finding.evidence_only:
                continue
            breach = finding.verdict is Verdict.BREACH
            recent = self._recent[finding.identity]
            recent.append(breach)
            while len(recent) > finding.hysteresis.windows:
                recent.popleft()
            self.breaches += breach
            if breach and sum(recent) >= finding.hysteresis.breaches:
                self.alerts.append(finding)
