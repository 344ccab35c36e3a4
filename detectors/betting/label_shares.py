"""The budgeted detector of labels that are not as they usually are: without a prediction, repeated, revised, late."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.betting.bank import Reading
from detectors.betting.calendar import HOUR_MS, HOURS_PER_DAY
from detectors.betting.feature_signals import rate_signal
from detectors.betting.label_flow import LEARN_LABELS_MIN, LabelFlow
from detectors.betting.signal import quantile_for, rate_slack
from detectors.betting.troubles import evidence_of, finding_of, standing_of
from detectors.betting.watched import Watched, WatchedBanks
from detectors.detector import Evidence, LabelWindow, State
from detectors.label_layout import RECEIVED, LabelCell, LabelLayout
from detectors.state_values import integers_in, value_in
from schemas.finding import Finding, Kind, Severity, Stream, Topic

SEVERE_SHARE: Final = 0.25
"""Beyond this share it is an error and not a warning."""

Vector = npt.NDArray[np.int64]
_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the labels that should be small.

    Parameters
    ----------
    check
        The monitor's name.
    cell
        Where it is counted.
    """

    check: str
    kind: Kind
    cell: LabelCell


SHARES: Final = (
    Share("orphan_labels", Kind.ORPHAN_LABELS, LabelCell.ORPHANS),
    Share("label_duplicates", Kind.DATA_QUALITY, LabelCell.DUPLICATES),
    Share("label_conflicts", Kind.DATA_QUALITY, LabelCell.CONFLICTS),
    Share("label_corrections", Kind.DATA_QUALITY, LabelCell.CORRECTIONS),
    Share("late_labels", Kind.LABEL_LAG, LabelCell.LATE),
)


def share_signals(shares: Collection[Share], counts: Vector | None = None, *, least: float) -> list[Watched]:
    """Return what is bet on: that each share has risen.

    Parameters
    ----------
    counts
        Shape (2 * shares,): usual labels of each kind, and all others; None before they are known, for signals
        that tell only what shares of a budget they want.
    least
        The smallest rise of a share that matters.
    """
    z = quantile_for(max(len(shares), 1))
    found: list[Watched] = []
    for place, item in enumerate(shares):
        bad, good = (0, 1) if counts is None else counts[2 * place : 2 * place + 2].tolist()
        n = max(bad + good, 1)
        share = np.array([bad / n])
        slack = rate_slack(share, (None,), n=n, z=z, minimum=np.array([least]))
        signal = rate_signal(
            item.check,
            "labels",
            np.arange(2 * place, 2 * place + 2, dtype=np.intp),
            np.array([True, False]),
            share=float(share[0]),
            slack=slack,
            minimum=least,
        )
        found.append(Watched(signal, item.kind, item.check))
    return found


class BudgetedLabelShares:
    """Bets that shares of labels have risen above what was usual over the first label horizon.

    Parameters
    ----------
    shares
        Those of `SHARES` that are watched.
    bars
        Log evidence at which each fires.
    flow
        How labels are counted.
    least
        The smallest rise of a share that matters.
    """

    name: Final = "label_shares"
    stream: Final = Stream.LABELS

    def __init__(
        self, shares: Collection[Share], bars: list[float], flow: LabelFlow, *, least: float
    ) -> None:
        self._shares, self._bars, self._flow, self._least = tuple(shares), bars, flow, least
        self._total = np.zeros(LabelLayout().size, dtype=np.int64)
        self._since_ms = self._last_ms = _NEVER
        self._banks: WatchedBanks | None = None
        self._worst: dict[int, int] = {}

    @property
    def standing(self) -> set[Topic]:
        """See `detectors.detector.Detector`."""
        return set() if self._banks is None else standing_of([self._banks])

    def update(self, window: LabelWindow) -> list[Finding]:
        """Take one window in; a finding for each share that fires or has just stopped."""
        vector, start_ms = window.overall.vector, window.span.start_ms
        if start_ms <= self._last_ms or not vector[list(RECEIVED)].any():
            return []
        self._last_ms = start_ms
        if self._banks is None:
            self._learn(vector, start_ms)
            return []
        before = self._banks.firing
        readings = self._banks.update(self._counts(vector), start_ms=start_ms, hour=None)
        watched = self._banks.watched
        return [
            self._finding(window, watched[place], place, reading, is_new=not before[place])
            for place, reading in readings
        ]

    def _learn(self, vector: Vector, start_ms: int) -> None:
        if self._since_ms == _NEVER:
            self._since_ms = start_ms
        self._total += vector
        is_long = start_ms + self._flow.length_ms - self._since_ms >= self._flow.learning_ms
        if is_long and int(self._total[LabelCell.FIRST]) >= LEARN_LABELS_MIN:
            self._go()

    def _go(self) -> None:
        """Begin to watch, by what has been learned."""
        watched = share_signals(self._shares, self._counts(self._total), least=self._least)
        reference = f"{self._since_ms} {int(self._total.sum())}"
        self._banks = WatchedBanks(watched, self._bars, window_ms=self._flow.length_ms, reference=reference)

    def _counts(self, vector: Vector) -> Vector:
        received = int(vector[list(RECEIVED)].sum())
        counts = np.zeros(2 * len(self._shares), dtype=np.int64)
        for place, item in enumerate(self._shares):
            bad = max(int(vector[item.cell]), 0)
            counts[2 * place : 2 * place + 2] = bad, max(received - bad, 0)
        return counts

    def _finding(
        self, window: LabelWindow, item: Watched, place: int, reading: Reading, *, is_new: bool
    ) -> Finding:
        counts = self._counts(window.overall.vector)[2 * place : 2 * place + 2]
        seen = float(counts[0] / max(counts.sum(), 1))
        was = 0 if is_new else self._worst.get(place, 0)
        severity = Severity.ERROR if seen >= SEVERE_SHARE else Severity.WARNING
        self._worst[place] = max(was, severity.rank)
        is_told = is_new or reading.resolved or self._worst[place] > was
        evidence = self._evidence(place, reading, seen) if is_told else {}
        return finding_of(
            item, reading, window, severity=list(Severity)[self._worst[place]], evidence=evidence
        )

    def _evidence(self, place: int, reading: Reading, seen: float) -> Evidence:
        bad, good = self._counts(self._total)[2 * place : 2 * place + 2].tolist()
        return {
            **evidence_of(reading),
            "reference": bad / max(bad + good, 1),
            "direction": "up",
            "share_before": bad / max(bad + good, 1),
            "share_now": seen,
            "learned_labels": bad + good,
            "learned_days": self._flow.learning_ms / HOUR_MS / HOURS_PER_DAY,
        }

    def state(self) -> State:
        """Return what is usual, and the evidence against it."""
        return {
            "total": self._total.tolist(),
            "since_ms": self._since_ms,
            "last_ms": self._last_ms,
            "banks": b"" if self._banks is None else self._banks.to_bytes(),
            "worst": [self._worst.get(place, 0) for place in range(len(self._shares))],
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state; evidence about other shares starts over.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        total, worst = integers_in(state, "total"), integers_in(state, "worst")
        if len(total) != len(self._total):
            raise ValueError(f"expected {len(self._total)} counts of labels, got {len(total)}")
        banks = value_in(state, "banks", bytes)
        self._total = np.array(total, dtype=np.int64)
        self._since_ms, self._last_ms = value_in(state, "since_ms", int), value_in(state, "last_ms", int)
        self._banks, self._worst = None, {}
        if banks:
            self._go()
            if self._banks is not None and self._banks.restore(banks):
                self._worst = dict(enumerate(worst))
