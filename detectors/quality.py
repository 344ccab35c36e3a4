"""Quality of the inputs: shares of missing, invalid and unknown values of every feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from detectors.bounds import FAMILY_ALPHA, PROFILE_ALPHA, critical_rate, upper_rate
from detectors.column_groups import unseen_rows
from detectors.column_pool import ColumnPool
from detectors.detector import Evidence, PredictionWindow, State
from detectors.layout import ColumnCells, PredictionLayout
from detectors.profile import CategoricalColumn, is_feature
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, verdict_of

Floats = npt.NDArray[np.float64]
BadValue: TypeAlias = Literal["missing_rate", "invalid_rate", "unseen_rate"]

EVENTS_MIN: Final = 100
SHARE_MIN: Final = 0.02
SEVERE_RATE: Final = 0.9
"""From here on the feature is as good as gone."""

_FAST: Final = Hysteresis(breaches=2, windows=3, clears=3)

HYSTERESIS: Final[Mapping[BadValue, Hysteresis]] = {
    "missing_rate": _FAST,
    "invalid_rate": _FAST,
    "unseen_rate": Hysteresis(),
}
"""Missing and invalid values are rarely an accident, so they need fewer windows."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Figures of all watched columns, each of shape (columns,)."""

    bad: npt.NDArray[np.int64]
    rate: Floats
    fire: Floats


class BadValueRate:
    """Share of missing, invalid or unknown values of every feature, against the share in the profile.

    A feature fires when so large a share would happen by chance in fewer than one window of ten thousand,
    over all features together, if its true share were the highest that the profile leaves believable, plus
    the smallest change that matters. Only more bad values are trouble, fewer are not. Events are added up
    until there are `events_min` of them.

    Parameters
    ----------
    layout
        The profile's columns; only features are watched, and for `unseen_rate` numbers neither.
    rate
        Which values are bad. `missing_rate` and `invalid_rate` are shares of all events, `unseen_rate` is
        the share of categories that the profile does not list among the values that are there.
    threshold
        Share that is still good, in place of what the profile says; None for the profile's.
    share_min
        Smallest change that matters, absolute.
    events_min
        Events that a judgement needs.
    hysteresis
        Windows to fire and to resolve; `HYSTERESIS` where not given.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.layout import prediction_layout
    >>> from detectors.profile import NumericColumn, ReferenceProfile
    >>> from detectors.summary import Summary
    >>> from schemas.finding import WindowSpan
    >>> column = NumericColumn("age", (40.0,), (500, 490), 40.0, 9.0, 18.0, 90.0, 40.0, missing=10)
    >>> layout = prediction_layout(ReferenceProfile("fraud", "binary", 1000, (column,)))
    >>> summary = Summary.empty(layout)
    >>> summary.vector[layout.cells(layout.columns[0])] = 200, 200, 100, 0
    >>> window = ClosedWindow("fraud", Stream.PREDICTIONS, WindowSpan(0, 60_000, 500), summary)
    >>> [finding] = BadValueRate(layout).update(window)
    >>> finding.verdict, finding.score, round(finding.fire, 2), finding.evidence["rate_before"]
    (<Verdict.BREACH: 'breach'>, 0.2, 0.08, 0.01)

    References
    ----------
    The bounds are Chernoff's (Annals of Mathematical Statistics 23, 1952); see `detectors.bounds`.

    Notes
    -----
    Cost: a few dozen array operations over the features, and one small object per feature.
    """

    stream: Final = Stream.PREDICTIONS
    standing: Final = ()

    def __init__(  # noqa: PLR0913 - the tuning of a monitor
        self,
        layout: PredictionLayout,
        *,
        rate: BadValue = "missing_rate",
        threshold: float | None = None,
        share_min: float = SHARE_MIN,
        events_min: int = EVENTS_MIN,
        hysteresis: Hysteresis | None = None,
    ) -> None:
        self.name: str = rate
        self._hysteresis = hysteresis or HYSTERESIS[rate]
        watched = [(place, cells) for place, cells in enumerate(layout.columns) if _is_watched(cells, rate)]
        self._columns = [cells for _, cells in watched]
        self._places = np.array([place for place, _ in watched], dtype=np.intp)
        self._cells = PredictionLayout.COLUMNS + np.array(
            [_bad_cell(c, rate) for c in self._columns], np.intp
        )
        self._pool = ColumnPool(layout, values_min=events_min, present_only=rate == "unseen_rate")
        self._reference = [_bad_rows(cells, rate) for cells in self._columns]
        good = upper_rate(
            [bad for bad, _ in self._reference], [n for _, n in self._reference], alpha=PROFILE_ALPHA
        )
        self._good = good + share_min if threshold is None else np.full(len(self._columns), threshold)

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; one finding per watched feature."""
        if not self._columns:
            return []
        self._pool.add(window)
        judged = self._judge()
        findings = [self._finding(window, i, judged) for i in range(len(self._columns))]
        self._pool.clear(self._pool.ready)
        return findings

    def _judge(self) -> _Judged:
        n = np.maximum(self._pool.n[self._places], 1)
        bad = self._pool.vector[self._cells]
        good = np.minimum(self._good, 1.0)
        return _Judged(bad, bad / n, critical_rate(good, n, alpha=FAMILY_ALPHA / len(self._columns)))

    def _finding(self, window: PredictionWindow, i: int, judged: _Judged) -> Finding:
        place = int(self._places[i])
        rate, fire, good = float(judged.rate[i]), float(judged.fire[i]), float(self._good[i])
        enough = bool(self._pool.ready[place])
        clear = (min(good, 1.0) + fire) / 2
        return Finding(
            kind=Kind.DATA_QUALITY,
            check=self.name,
            model=window.model,
            feature=self._columns[i].column.name,
            window=self._pool.span(place, window),
            verdict=verdict_of(rate, fire=fire, clear=clear, enough=enough),
            score=rate,
            fire=fire,
            clear=clear,
            severity=Severity.ERROR if rate >= SEVERE_RATE else Severity.WARNING,
            hysteresis=self._hysteresis,
            evidence=self._evidence(i, judged, enough=enough),
        )

    def _evidence(self, i: int, judged: _Judged, *, enough: bool) -> Evidence:
        bad, n = self._reference[i]
        before, now = bad / n if n else None, float(judged.rate[i])
        evidence: Evidence = {
            "statistic": self.name,
            "value": now,
            "threshold": float(judged.fire[i]),
            "reference": before,
            "effect": None if before is None else now - before,
            "direction": "up",
            "budgeted": False,
            "rate_before": before,
            "rate_now": now,
            "bad_values": int(judged.bad[i]),
            "n": int(self._pool.n[self._places[i]]),
            "n_reference": n,
        }
        return (
            evidence if enough else evidence | {"reason": f"not enough data: {evidence['n']} values so far"}
        )

    def state(self) -> State:
        """Return the features that are still collecting events."""
        return self._pool.state()

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._pool.restore(state)


def _is_watched(cells: ColumnCells, rate: BadValue) -> bool:
    if not is_feature(cells.column.name):
        return False
    return rate != "unseen_rate" or isinstance(cells.column, CategoricalColumn)


def _bad_cell(cells: ColumnCells, rate: BadValue) -> int:
    if rate == "missing_rate":
        return cells.missing
    if rate == "invalid_rate":
        return cells.invalid
    return cells.missing - 1  # `unseen` lies before `missing`; only categories get here


def _bad_rows(cells: ColumnCells, rate: BadValue) -> tuple[int, int]:
    """Return the profile's bad rows of a column, and the rows that they are a share of."""
    column = cells.column
    if rate == "missing_rate":
        return column.missing, column.n
    if rate == "invalid_rate":
        return column.invalid, column.n
    if isinstance(column, CategoricalColumn):
        present = column.n - column.missing - column.invalid
        return min(unseen_rows(column), present), present
    return 0, 0
