"""Drift of features and answers: how far a window's values lie from the reference profile's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from detectors.bounds import FAMILY_ALPHA
from detectors.column_pool import ColumnPool
from detectors.detector import Evidence, PredictionWindow, State
from detectors.distance_table import DISTANCES, Comparison, DistanceName
from detectors.distances import expected_psi
from detectors.drift_evidence import DriftEvidence
from detectors.layout import PredictionLayout
from detectors.profile import OUTPUT_PREFIX
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict, verdict_of

Floats = npt.NDArray[np.float64]

THRESHOLD: Final = 0.2
EVENTS_MIN: Final = 200
REFERENCE_MIN: Final = 100
"""With fewer values in the profile a column is not compared at all."""

CLEAR_SHARE: Final = 0.8
"""A distance below this share of the one that fires clears."""

SEVERE_PSI: Final = 1.0
"""From here on hardly any value is where it was: a unit, an encoding or a source has changed."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Figures of all columns, each of shape (columns,).

    Parameters
    ----------
    figures
        By distance; NaN where a column has no such distance.
    """

    figures: Mapping[DistanceName, Floats]
    fire: Floats
    expected_psi: Floats


class DistanceDrift:
    """Population stability index, or another distance, of every column against the profile.

    The profile's cells are put together to about ten groups of equal weight, so that the index has the same
    noise in every column; distances that know an order take all bins of a number instead. A column fires when its distance reaches the threshold and also what chance alone
    would reach in one window out of ten thousand, over all columns together: with few events the second is
    the larger one, and no setting lowers it. Windows are added up until a column has `events_min` values, so
    a quiet model is watched too, only later. Missing and invalid values are not counted: they are a question
    of quality and not of drift.

    Parameters
    ----------
    layout
        The profile's columns. Names that begin with `output.` give prediction drift, the others data drift.
    distance
        `psi`, from 0 up (0.1 is small, 0.25 is large by custom), or another one of
        `detectors.distance_table`. Columns that have no such distance are not compared.
    threshold
        The user's distance that fires; None for that of `psi`.
    events_min
        Values of a column that a judgement needs.
    hysteresis
        Windows to fire and to resolve.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.layout import prediction_layout
    >>> from detectors.profile import CategoricalColumn, ReferenceProfile
    >>> from detectors.summary import Summary
    >>> from schemas.finding import WindowSpan
    >>> column = CategoricalColumn("country", categories=("DE", "FR"), counts=(700, 300))
    >>> layout = prediction_layout(ReferenceProfile("fraud", "binary", 1000, (column,)))
    >>> summary = Summary.empty(layout)
    >>> summary.vector[layout.cells(layout.columns[0])] = 100, 400, 0, 0, 0
    >>> window = ClosedWindow("fraud", Stream.PREDICTIONS, WindowSpan(0, 60_000, 500), summary)
    >>> [finding] = DistanceDrift(layout).update(window)
    >>> finding.verdict, round(finding.score, 2), finding.evidence["top_category"]
    (<Verdict.BREACH: 'breach'>, 1.11, 'FR')

    References
    ----------
    The index and its chi-square law: Yurdakul and Naranjo, "Statistical properties of the population
    stability index", Journal of Risk Model Validation 14 (2020). The sources of the other distances and of
    what chance alone gives stand with them: `detectors.distances`, `detectors.count_distances`,
    `detectors.ordered_distances`.

    Notes
    -----
    The bound by chance holds for independent events. Cost: a handful of array operations over all cells, and
    one small object per column.
    """

    stream: Final = Stream.PREDICTIONS
    standing: Final = ()

    def __init__(
        self,
        layout: PredictionLayout,
        *,
        distance: DistanceName = "psi",
        threshold: float | None = None,
        events_min: int = EVENTS_MIN,
        hysteresis: Hysteresis | None = None,
    ) -> None:
        self.name: DistanceName = distance
        self._distance = DISTANCES[distance]
        self._threshold = THRESHOLD if threshold is None else threshold
        self._hysteresis = hysteresis or Hysteresis()
        self._columns = layout.columns
        self._comparison = Comparison(layout)
        groups = self._comparison.groups
        self._n_reference = groups.totals(groups.reference)
        self._pool = ColumnPool(layout, values_min=events_min, present_only=True)
        self._evidence = DriftEvidence(layout)

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; one finding per column that has this distance."""
        if not self._columns:
            return []
        self._pool.add(window)
        ready = self._pool.ready
        judged = self._judge()
        findings = [
            self._finding(window, place, judged, known=bool(ready[place]))
            for place in np.flatnonzero(~np.isnan(judged.figures[self.name])).tolist()
        ]
        self._pool.clear(ready)
        return findings

    def _judge(self) -> _Judged:
        comparison = self._comparison
        comparison.take(self._pool.vector)
        figures = {name: distance.measure(comparison) for name, distance in DISTANCES.items()}
        compared = max(int(np.isfinite(figures[self.name]).sum()), 1)
        chance = self._distance.by_chance(comparison, FAMILY_ALPHA / compared)
        return _Judged(
            figures=figures,
            fire=np.maximum(chance, self._threshold),
            expected_psi=expected_psi(comparison.groups.sizes, comparison.n, comparison.n_reference),
        )

    def _finding(self, window: PredictionWindow, place: int, judged: _Judged, *, known: bool) -> Finding:
        name = self._columns[place].column.name
        figures: dict[str, float] = {
            name: float(found[place]) for name, found in judged.figures.items() if not np.isnan(found[place])
        }
        score, fire = figures[self.name], float(judged.fire[place])
        reason = self._reason(place, ready=known)
        verdict = verdict_of(score, fire=fire, clear=CLEAR_SHARE * fire, enough=reason is None)
        evidence: Evidence = {
            "statistic": self.name,
            "value": score,
            "threshold": fire,
            "reference": 0.0,
            "budgeted": False,
            "n": int(self._pool.n[place]),
            "n_reference": int(self._n_reference[place]),
            "expected_psi": float(judged.expected_psi[place]),
            **figures,
        }
        if reason is not None:
            evidence["reason"] = reason
        elif verdict is not Verdict.CLEAR:
            evidence |= self._evidence.of(place, self._pool.vector)
        return Finding(
            kind=Kind.PREDICTION_DRIFT if name.startswith(OUTPUT_PREFIX) else Kind.DATA_DRIFT,
            check=self.name,
            model=window.model,
            feature=name,
            window=self._pool.span(place, window),
            verdict=verdict,
            score=score,
            fire=fire,
            clear=CLEAR_SHARE * fire,
            severity=Severity.ERROR if figures["psi"] >= SEVERE_PSI else Severity.WARNING,
            hysteresis=self._hysteresis,
            evidence=evidence,
        )

    def _reason(self, place: int, *, ready: bool) -> str | None:
        """Return why a column cannot be judged, or None."""
        n, n_reference = int(self._pool.n[place]), int(self._n_reference[place])
        if n_reference < REFERENCE_MIN:
            return f"not enough data: the profile has {n_reference} values of {REFERENCE_MIN}"
        return None if ready else f"not enough data: {n} values so far"

    def state(self) -> State:
        """Return the columns that are still collecting values."""
        return self._pool.state()

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._pool.restore(state)
