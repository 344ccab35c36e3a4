"""What bets on labels say: severity, the metric before and now, and the mistakes behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detectors.betting.bank import Reading
from detectors.betting.error_cells import ErrorCells
from detectors.betting.error_signals import BIAS, BRIER, CALIBRATION, LABEL_DRIFT, PERFORMANCE
from detectors.betting.limit_signals import SHARES
from detectors.betting.troubles import Troubles, evidence_of, finding_of
from detectors.betting.watched import Said, Watched
from detectors.confusion import UsualConfusion
from detectors.detector import ErrorWindow, Evidence, State
from detectors.label_pool import PIECES, LabelPool
from detectors.layout import DEVIANCE
from detectors.metrics import metrics_of
from detectors.profile import ReferenceProfile
from detectors.state_values import integers_in, value_in
from schemas.finding import Finding, Kind, Severity

EVIDENCE_LABELS: Final = 200
"""The figures of an alert are read from the windows since its change began, but from no fewer labels than these."""
EVIDENCE_REACH: Final = 20_000
"""And from no more than these: a small change is seen in many labels only."""
PART_PIECES: Final = 2
PART_REACH: Final = 2_000
SEVERE_TIMES: Final = 3.0
SEVERE_RATE_MIN: Final = 0.1
SEVERE_EFFECT: Final = 1.0
"""So many times the usual share of wrong answers is critical, from this share on; and a loss that
has grown by so many of its standard deviations."""


class ErrorFindings:
    """Makes findings of readings, with the metrics of the newest labels.

    Parameters
    ----------
    profile
        The reference; None where only limits of metrics are watched.
    cells
        What is counted.
    watched
        What is bet on.
    positive
        The positive class of a binary model.
    of_part
        Of a segment or a version, of which there may be many: the usual confusion is then that of the reference and
        not that of the stream's calm windows, and the newest labels are kept in fewer pieces.
    """

    def __init__(
        self,
        profile: ReferenceProfile | None,
        cells: ErrorCells,
        watched: Sequence[Watched],
        *,
        positive: str | None,
        of_part: bool = False,
    ) -> None:
        self.watched = tuple(watched)
        self.troubles = Troubles(watched)
        self._cells = cells
        self._is_regression = cells.layout.task == "regression"
        self._reference = {} if profile is None else profile.metrics
        self._positive = positive
        self._learns = not of_part
        pieces, reach = (PART_PIECES, PART_REACH) if of_part else (PIECES, EVIDENCE_REACH)
        self.pool = LabelPool(cells.layout, labels=EVIDENCE_LABELS, pieces=pieces, reach=reach)
        self._usual = UsualConfusion()
        if of_part and profile is not None:
            self._usual.add({(said, true): n for said, true, n in profile.confusion})

    def of(self, window: ErrorWindow, said: Said) -> list[Finding]:
        """Take a window in; a finding for each trouble that fires or has just stopped."""
        self.pool.add(window)
        if self._learns and not said.readings:
            self._usual.add(window.overall.pairs)
        return self.troubles.told(said, lambda place, reading: self._finding(window, place, reading))

    def _finding(self, window: ErrorWindow, place: int, reading: Reading) -> Finding:
        item = self.watched[place]
        severity, is_news = self.troubles.raised(place, self._severity(item, reading))
        told = reading.fired or reading.resolved or reading.dated_anew or is_news
        evidence = self._told(item, reading) if told else {}
        return finding_of(item, reading, window, severity=severity, evidence=evidence)

    def _severity(self, item: Watched, reading: Reading) -> Severity:
        if item.kind is not Kind.PERFORMANCE:
            return Severity.WARNING
        if self._is_regression:
            return Severity.CRITICAL if abs(reading.effect) >= SEVERE_EFFECT else Severity.ERROR
        before, now = _shares(item, reading)
        is_severe = now >= max(SEVERE_TIMES * before, SEVERE_RATE_MIN)
        return Severity.CRITICAL if is_severe else Severity.ERROR

    def _told(self, item: Watched, reading: Reading) -> Evidence:
        before, now = _shares(item, reading)
        evidence: Evidence = {
            **evidence_of(reading),
            "signal": item.signal.name,
            "effect": reading.effect,
        }
        if item.check == LABEL_DRIFT:
            share = float(-item.signal.values[:, reading.functional].min())
            moved = reading.effect * float(item.signal.sds[reading.functional])
            name = (*self._cells.classes, "(rest)")[reading.functional]
            shares: Evidence = {"top_category": name, "share_before": share, "share_now": share + moved}
            return evidence | shares | {"direction": "changed"}
        up_is_worse = self._is_regression or item.signal.name in (BRIER, CALIBRATION)
        if item.limit is not None:
            evidence["limit_value"] = item.limit
            up_is_worse = item.check.rsplit("_", 1)[0] not in SHARES
        direction = ("up" if reading.direction > 0 else "down") if up_is_worse else "down"
        if item.limit is not None and item.check.endswith("_min"):
            direction = "down"
        if not up_is_worse:
            evidence |= {"wrong_before": before, "wrong_now": now}
        return evidence | {"direction": direction} | self._metric(item, reading)

    def _metric(self, item: Watched, reading: Reading) -> Evidence:
        """Return the metric of the check before and now, and the mistakes that have become more frequent."""
        check, signal = item.check, item.signal.name
        plain = {
            PERFORMANCE: "mae" if self._is_regression else "accuracy",
            CALIBRATION: "ece",
            BRIER: BRIER,
            BIAS: BIAS,
            DEVIANCE: DEVIANCE,
        }
        metric = plain.get(signal) or plain.get(check) or check.rsplit("_", 1)[0]
        since_ms = None if reading.resolved else reading.since_ms
        pool = self.pool.newest(EVIDENCE_LABELS, since_ms=since_ms) or self.pool.newest(1)
        if pool is None:
            return {"metric": metric}
        now = metrics_of(pool.summary, positive=self._positive).get(metric)
        told: Evidence = {
            "metric": metric,
            f"{metric}_before": self._reference.get(metric),
            f"{metric}_now": now,
            "n": pool.n,
        }
        if self._is_regression:
            return told
        return told | self._usual.shift(pool.summary.pairs, positive=self._positive)

    def state(self) -> State:
        """Return the newest labels, the usual confusion and the worst severities so far."""
        usual = {"usual": self._usual.to_bytes()} if self._learns else {}
        return {"pool": self.pool.to_bytes(), "worst": self.troubles.ranks(), **usual}

    def restore(self, state: State, *, known: bool) -> None:
        """Take up a remembered state; the severities only where the evidence is `known`.

        Raises
        ------
        ValueError
            If the state is not one of these findings.
        """
        worst = integers_in(state, "worst")
        if known:
            self.troubles.take(worst)
        self.pool.restore(value_in(state, "pool", bytes))
        if self._learns:
            self._usual.restore(value_in(state, "usual", bytes))


def _shares(item: Watched, reading: Reading) -> tuple[float, float]:
    """Return the share of bad events in the reference and since the change, of a signal that is a rate."""
    before = float(-item.signal.values[:, 0].min())
    return before, before + reading.effect * float(item.signal.sds[0])
