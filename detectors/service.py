"""How the service answers: shares of requests without an answer, and of answers by the fallback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from detectors.bounds import FAMILY_ALPHA, critical_rate
from detectors.detector import Evidence, PredictionWindow, State
from detectors.layout import STATUSES, PredictionLayout
from detectors.state_values import value_in
from schemas.finding import (
    Finding,
    Hysteresis,
    Kind,
    Severity,
    Stream,
    Verdict,
    WindowSpan,
    verdict_of,
)

Rate: TypeAlias = Literal["error_rate", "fallback_rate"]

THRESHOLD: Final = 0.05
EVENTS_MIN: Final = 100
SEVERE_RATE: Final = 0.5
USUAL_EVENTS_MAX: Final = 1_000_000
"""The usual rate forgets half of what it has seen when it has seen so many events."""


@dataclass(slots=True)
class _Count:
    """Events, and how many of them are bad."""

    n: int = 0
    bad: int = 0

    @property
    def rate(self) -> float | None:
        """Share of bad events, None without events."""
        return self.bad / self.n if self.n else None


class StatusRate:
    """Share of predictions of status `error`, or of status `fallback`.

    Fires when the share is so far above the threshold that chance alone would reach it in fewer than one
    window of ten thousand at a true share of the threshold. There is no reference for it in a profile;
    `rate_before` of the evidence is the share over the clear windows so far. Events are added up until there
    are `events_min` of them.

    Parameters
    ----------
    rate
        `error_rate` or `fallback_rate`.
    threshold
        Share that is still good.
    events_min
        Events that a judgement needs.
    hysteresis
        Windows to fire and to resolve.

    Examples
    --------
    >>> from detectors.detector import ClosedWindow
    >>> from detectors.layout import prediction_layout
    >>> from detectors.summary import Summary
    >>> summary = Summary.empty(prediction_layout(None))
    >>> summary.vector[:4] = 1000, 800, 0, 200
    >>> window = ClosedWindow("fraud", Stream.PREDICTIONS, WindowSpan(0, 60_000, 1000), summary)
    >>> [finding] = StatusRate().update(window)
    >>> finding.verdict, finding.score, round(finding.fire, 3)
    (<Verdict.BREACH: 'breach'>, 0.2, 0.082)

    References
    ----------
    The bound is Chernoff's (Annals of Mathematical Statistics 23, 1952); see `detectors.bounds`.
    """

    stream: Final = Stream.PREDICTIONS
    standing: Final = ()

    def __init__(
        self,
        *,
        rate: Rate = "error_rate",
        threshold: float = THRESHOLD,
        events_min: int = EVENTS_MIN,
        hysteresis: Hysteresis | None = None,
    ) -> None:
        self.name: str = rate
        self._cell = PredictionLayout.STATUS + STATUSES.index(rate.removesuffix("_rate"))
        self._threshold = threshold
        self._events_min = events_min
        self._hysteresis = hysteresis or Hysteresis()
        self._reset()

    def _reset(self) -> None:
        self._pool, self._usual = _Count(), _Count()
        self._start_ms: int | None = None

    def update(self, window: PredictionWindow) -> list[Finding]:
        """Take one window in; one finding."""
        vector = window.overall.vector
        self._pool.n += int(vector[PredictionLayout.EVENTS])
        self._pool.bad += int(vector[self._cell])
        if self._start_ms is None:
            self._start_ms = window.span.start_ms
        finding = self._finding(window, self._start_ms)
        if self._pool.n >= self._events_min:
            if finding.verdict is Verdict.CLEAR:
                self._remember()
            self._pool, self._start_ms = _Count(), None
        return [finding]

    def _remember(self) -> None:
        self._usual.n += self._pool.n
        self._usual.bad += self._pool.bad
        while self._usual.n > USUAL_EVENTS_MAX:
            self._usual = _Count(self._usual.n // 2, self._usual.bad // 2)

    def _finding(self, window: PredictionWindow, start_ms: int) -> Finding:
        n, rate = self._pool.n, self._pool.rate or 0.0
        fire = float(critical_rate(self._threshold, max(n, 1), alpha=FAMILY_ALPHA))
        clear = (self._threshold + fire) / 2
        is_error = self.name == "error_rate"
        worst, usual = (Severity.CRITICAL, Severity.ERROR) if is_error else (Severity.ERROR, Severity.WARNING)
        return Finding(
            kind=Kind.ERROR_RATE if is_error else Kind.FALLBACK_RATE,
            check=self.name,
            model=window.model,
            window=WindowSpan(start_ms, window.span.end_ms, n),
            verdict=verdict_of(rate, fire=fire, clear=clear, enough=n >= self._events_min),
            score=rate,
            fire=fire,
            clear=clear,
            severity=worst if rate >= SEVERE_RATE else usual,
            hysteresis=self._hysteresis,
            evidence=self._evidence(rate, fire),
        )

    def _evidence(self, rate: float, fire: float) -> Evidence:
        before = self._usual.rate
        return {
            "statistic": self.name,
            "value": rate,
            "threshold": fire,
            "reference": self._threshold,
            "effect": None if before is None else rate - before,
            "direction": "up",
            "budgeted": False,
            "rate_before": before,
            "rate_now": rate,
            "n": self._pool.n,
        }

    def state(self) -> State:
        """Return the pool and the usual rate."""
        return {
            "pool_n": self._pool.n,
            "pool_bad": self._pool.bad,
            "pool_start_ms": self._start_ms,
            "usual_n": self._usual.n,
            "usual_bad": self._usual.bad,
        }

    def restore(self, state: State) -> None:
        """Take up a remembered state.

        Raises
        ------
        ValueError
            If the state is not one of this detector.
        """
        start_ms = state.get("pool_start_ms")
        if start_ms is not None and not isinstance(start_ms, int):
            raise ValueError(f"expected pool_start_ms as an integer or null, got {type(start_ms).__name__}")
        self._pool = _Count(value_in(state, "pool_n", int), value_in(state, "pool_bad", int))
        self._usual = _Count(value_in(state, "usual_n", int), value_in(state, "usual_bad", int))
        self._start_ms = start_ms
