"""Performance on real labels: whether the model is wrong more often, or by more, than in its profile."""

from __future__ import annotations

from typing import Final

from detectors.confusion import UsualConfusion
from detectors.detector import ErrorWindow, Evidence, State
from detectors.label_pool import LabelPool, Pooled
from detectors.layout import ErrorLayout
from detectors.loss_levels import AbsoluteErrors, Level, LossLevels, WrongAnswers
from detectors.onset import change_point
from detectors.profile import ReferenceProfile
from detectors.state_values import value_in
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict, verdict_of

LABELS_MIN: Final = 200
LONG_POOL: Final = 5
"""The second, longer look back holds so many times the labels of the first: it sees smaller changes."""


class PerformanceDrop:
    """Error rate of a classification, or mean absolute error of a regression, against the profile.

    Labels trickle in, so the loss is taken over the newest windows that hold `labels_min` of them, and once
    more over those that hold five times as many: the first is quick, the second sees smaller changes. The
    worse of the two decides. It fires when the loss is beyond what chance reaches in one of ten thousand
    pools at the highest loss that the profile leaves believable, grown by the smallest change that matters.
    Only a worse loss is trouble.

    Parameters
    ----------
    layout
        Of the error windows.
    profile
        Its `accuracy` or `mae`, `labelled` and `error_sd` are the reference; None needs a `threshold`.
    positive
        The positive class of a binary model, for the evidence.
    threshold
        Error rate, or mean absolute error in the target's unit, that is still good.
    relative_error
        Smallest growth of the loss that matters, as a share of it.
    labels_min
        Labels that a judgement needs.
    hysteresis
        Windows to fire and to resolve; only windows with new labels count.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.summary import Summary
    >>> from schemas.finding import WindowSpan
    >>> layout = ErrorLayout("binary")
    >>> profile = ReferenceProfile("fraud", "binary", 5000, (), labelled=5000, metrics={"accuracy": 0.95})
    >>> summary = Summary.empty(layout)
    >>> summary.vector[:2] = 400, 60
    >>> window = ClosedWindow("fraud", Stream.ERRORS, WindowSpan(0, 60_000, 400), summary)
    >>> [finding] = PerformanceDrop(layout, profile).update(window)
    >>> finding.verdict, finding.evidence["accuracy_before"], finding.evidence["accuracy_now"]
    (<Verdict.BREACH: 'breach'>, 0.95, 0.85)

    References
    ----------
    The bound on error rates is Chernoff's (Annals of Mathematical Statistics 23, 1952).

    Notes
    -----
    Pools of neighbouring windows overlap, so breaches come in rows: the chance above is per pool, and M of N
    confirms that a change lasts, not that it is real.
    """

    name: Final = "performance"
    stream: Final = Stream.ERRORS
    standing: Final = ()

    def __init__(  # noqa: PLR0913 - the tuning of a monitor
        self,
        layout: ErrorLayout,
        profile: ReferenceProfile | None,
        *,
        positive: str | None = None,
        threshold: float | None = None,
        relative_error: float = 0.1,
        labels_min: int = LABELS_MIN,
        hysteresis: Hysteresis | None = None,
    ) -> None:
        self._is_regression = layout.task == "regression"
        self._metric = "mae" if self._is_regression else "accuracy"
        levels = AbsoluteErrors if self._is_regression else WrongAnswers
        self._levels: LossLevels = levels(profile, threshold=threshold, relative_error=relative_error)
        self._positive = positive
        self._labels_min = labels_min
        self._hysteresis = hysteresis or Hysteresis()
        self._pool = LabelPool(layout, labels=LONG_POOL * labels_min)
        self._usual = UsualConfusion()

    def update(self, window: ErrorWindow) -> list[Finding]:
        """Take one window in; one finding."""
        if window.span.n > 0:
            self._pool.add(window)
        pools = [self._pool.newest(self._labels_min), self._pool.newest(LONG_POOL * self._labels_min)]
        judged = [(pool, self._levels.of(pool.summary)) for pool in pools if pool is not None]
        if not judged or window.span.n <= 0:
            return [self._not_enough(window)]
        pool, level = max(judged, key=lambda pair: pair[1].excess)
        finding = self._finding(window, pool, level)
        if finding.verdict is Verdict.CLEAR:
            self._usual.add(window.overall.pairs)
        return [finding]

    def _not_enough(self, window: ErrorWindow) -> Finding:
        held = sum(piece.n for piece in self._pool)
        reason = "no new labels" if held >= self._labels_min else f"not enough data: {held} labels so far"
        return Finding(
            kind=Kind.PERFORMANCE,
            check=self.name,
            model=window.model,
            window=window.span,
            verdict=Verdict.UNKNOWN,
            score=0.0,
            fire=1.0,
            clear=1.0,
            hysteresis=self._hysteresis,
            evidence={"metric": self._metric, "budgeted": False, "n": held, "reason": reason},
        )

    def _finding(self, window: ErrorWindow, pool: Pooled, level: Level) -> Finding:
        verdict = verdict_of(level.value, fire=level.fire, clear=level.clear, enough=True)
        bad = verdict is Verdict.BREACH
        return Finding(
            kind=Kind.PERFORMANCE,
            check=self.name,
            model=window.model,
            window=window.span,
            verdict=verdict,
            score=level.value,
            fire=level.fire,
            clear=level.clear,
            severity=Severity.CRITICAL if level.value >= level.severe else Severity.ERROR,
            hysteresis=self._hysteresis,
            onset_ms=self._onset_ms() if bad else None,
            evidence=self._evidence(pool, level),
        )

    def _onset_ms(self) -> int | None:
        """Return the start of the piece of the pool with which the loss most likely rose."""
        pieces = [piece for piece in self._pool if piece.n > 0]
        place = change_point([self._levels.of(p.summary).value for p in pieces], [p.n for p in pieces])
        return None if place is None else pieces[place].start_ms

    def _evidence(self, pool: Pooled, level: Level) -> Evidence:
        before = self._levels.reference
        evidence: Evidence = {
            "statistic": "mean_absolute_error" if self._is_regression else "error_rate",
            "value": level.value,
            "threshold": level.fire,
            "reference": before,
            "effect": None if before is None else level.value - before,
            "direction": "up" if self._is_regression else "down",
            "budgeted": False,
            "metric": self._metric,
            "n": pool.n,
            "n_reference": self._levels.n_reference,
            "pooled_from_ms": pool.start_ms,
        }
        if self._is_regression:
            return evidence | {"mae_before": before, "mae_now": level.value}
        return evidence | {
            "accuracy_before": None if before is None else 1 - before,
            "accuracy_now": 1 - level.value,
            **self._usual.shift(pool.summary.pairs, positive=self._positive),
        }

    def state(self) -> State:
        """Return the pooled labels and the usual confusion."""
        return {"pool": self._pool.to_bytes(), "usual": self._usual.to_bytes()}

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        self._pool.restore(value_in(state, "pool", bytes))
        self._usual.restore(value_in(state, "usual", bytes))
