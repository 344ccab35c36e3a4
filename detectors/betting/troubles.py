"""One finding for one trouble, whichever of its signals show it.

Wrong answers within each true class are signals of their own, and one alert. It is over when none of them fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from detectors.betting.bank import Reading
from detectors.betting.watched import AT_ONCE, LN_10, Said, Watched, WatchedBanks
from detectors.detector import ClosedWindow, Evidence
from schemas.finding import Finding, Kind, Severity, Topic, Verdict, WindowSpan

Trouble: TypeAlias = tuple[Kind, str, str | None]


class Open(NamedTuple):
    """What has been told and is not over, and how bad it has been."""

    kind: Kind
    check: str
    severity: Severity
    feature: str | None = None
    version: str | None = None
    segment: str | None = None

    @property
    def topic(self) -> Topic:
        """What it is about."""
        return Topic(self.kind, self.check, self.feature, self.segment, self.version)

    def gone(self, window: ClosedWindow[Any]) -> Finding:
        """Return the finding that nobody can see it end, as nothing comes any more that it is about."""
        return Finding(
            kind=self.kind,
            check=self.check,
            model=window.model,
            version=self.version,
            feature=self.feature,
            segment=self.segment,
            window=WindowSpan(window.span.start_ms, window.span.end_ms, 0),
            verdict=Verdict.GONE,
            score=0.0,
            fire=0.0,
            clear=0.0,
            severity=self.severity,
            hysteresis=AT_ONCE,
        )


def trouble_of(item: Watched | Finding) -> Trouble:
    """Return what a signal, or a finding, is about."""
    return item.kind, item.check, item.feature


def leaders(watched: Sequence[Watched]) -> list[int]:
    """Return for each signal the place of the first one of the same trouble."""
    first: dict[Trouble, int] = {}
    return [first.setdefault(trouble_of(item), place) for place, item in enumerate(watched)]


def finding_of(
    item: Watched,
    reading: Reading,
    window: ClosedWindow[Any],
    *,
    severity: Severity,
    evidence: Evidence,
) -> Finding:
    """Return what a window says of one signal that fires, or has just stopped."""
    since_ms = reading.since_ms if reading.since_ms >= 0 else window.span.start_ms
    return Finding(
        kind=item.kind,
        check=item.check,
        model=window.model,
        feature=item.feature,
        window=window.span,
        verdict=Verdict.CLEAR if reading.resolved else Verdict.BREACH,
        score=reading.log_evidence / LN_10,
        fire=reading.bar / LN_10,
        clear=reading.bar / LN_10,
        severity=severity,
        hysteresis=AT_ONCE,
        onset_ms=None if reading.resolved else since_ms,
        dated_anew=reading.dated_anew,
        evidence=evidence,
    )


def evidence_of(reading: Reading) -> Evidence:
    """Return the figures of a bet which every alert of one shows."""
    return {
        "statistic": "log10_e_value",
        "value": reading.log_e_value / LN_10,
        "threshold": reading.bar / LN_10,
        "budgeted": True,
    }


def effects_of(banks: Iterable[WatchedBanks]) -> dict[Trouble, float]:
    """Return how far each trouble that fires is off, in standard deviations: the most that a signal of it shows."""
    found: dict[Trouble, float] = {}
    for one in banks:
        for place, effect in one.effects():
            trouble = trouble_of(one.watched[place])
            found[trouble] = max(found.get(trouble, 0.0), effect, key=abs)
    return found


def standing_of(banks: Iterable[WatchedBanks]) -> set[Topic]:
    """Return the troubles that fire, as `detectors.detector.Detector.standing` wants them."""
    return {
        Topic(*trouble_of(one.watched[place]))
        for one in banks
        for place in np.flatnonzero(one.firing).tolist()
    }


def one_each(findings: Sequence[Finding], *, firing: Iterable[Trouble]) -> list[Finding]:
    """Return the worst finding of each trouble; none that says it is over while a signal of it still fires.

    Parameters
    ----------
    findings
        Of one window, one per signal.
    firing
        Troubles of which some signal fires after this window.
    """
    open_troubles = set(firing)
    worst: dict[Trouble, Finding] = {}
    for finding in findings:
        trouble = trouble_of(finding)
        if finding.verdict is Verdict.CLEAR and trouble in open_troubles:
            continue
        other = worst.get(trouble)
        worst[trouble] = finding if other is None else max(other, finding, key=_badness)
    return list(worst.values())


def _badness(finding: Finding) -> tuple[bool, int, bool, float]:
    is_breach = finding.verdict is Verdict.BREACH
    return is_breach, finding.severity.rank, bool(finding.evidence), finding.score - finding.fire


class Troubles:
    """The troubles that signals stand for, and the worst severity that each has had since it began.

    Severity may rise while a trouble lasts, and falls only when it is over.

    Parameters
    ----------
    watched
        The signals.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = tuple(watched)
        self._leaders = leaders(watched)
        self._worst = [0] * len(self._watched)

    def is_open(self, place: int) -> bool:
        """Return whether the trouble of a signal has been told, and not yet that it is over."""
        return self._worst[self._leaders[place]] > 0

    def raised(self, place: int, severity: Severity) -> tuple[Severity, bool]:
        """Return the worst severity of a signal's trouble, this one included, and whether it was milder before."""
        leader = self._leaders[place]
        before = self._worst[leader]
        self._worst[leader] = max(before, severity.rank)
        return list(Severity)[self._worst[leader]], self._worst[leader] > before

    @property
    def open(self) -> list[Open]:
        """What has been told and is not over, by the first signal of each trouble."""
        found = [
            (self._watched[place], list(Severity)[rank]) for place, rank in enumerate(self._worst) if rank
        ]
        return [Open(item.kind, item.check, severity, item.feature) for item, severity in found]

    def told(self, said: Said, find: Callable[[int, Reading], Finding]) -> list[Finding]:
        """Return one finding for each trouble of a window; `find` makes that of one signal."""
        open_troubles = {trouble_of(self._watched[place]) for place in np.flatnonzero(said.firing)}
        findings = one_each([find(place, reading) for place, reading in said.readings], firing=open_troubles)
        for place, reading in said.readings:
            if reading.resolved and trouble_of(self._watched[place]) not in open_troubles:
                self._worst[self._leaders[place]] = 0
        return findings

    def forget(self) -> None:
        """Let what has been told be over."""
        self._worst = [0] * len(self._watched)

    def ranks(self) -> list[int]:
        """Return the worst severities for `take`, by signal."""
        return list(self._worst)

    def take(self, ranks: list[int]) -> None:
        """Take remembered severities up.

        Raises
        ------
        ValueError
            If they are not those of these signals.
        """
        if len(ranks) != len(self._worst) or not set(ranks) <= {severity.rank for severity in Severity}:
            raise ValueError(f"expected {len(self._worst)} severities as worst")
        self._worst = list(ranks)
