"""One finding for one trouble, whichever of its signals show it.

Wrong answers within each true class are signals of their own, and one alert. It is over when none of them fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from detectors.betting.bank import Reading
from detectors.betting.watched import Told, Watched
from schemas.finding import Finding, Kind, Severity, Verdict

Trouble: TypeAlias = tuple[Kind, str, str | None]


def trouble_of(item: Watched | Finding) -> Trouble:
    """Return what a signal, or a finding, is about."""
    return item.kind, item.check, item.feature


def leaders(watched: Sequence[Watched]) -> list[int]:
    """Return for each signal the place of the first one of the same trouble."""
    first: dict[Trouble, int] = {}
    return [first.setdefault(trouble_of(item), place) for place, item in enumerate(watched)]


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

    Attributes
    ----------
    effects
        Of the troubles that fired in the last window, in standard deviations: the largest of their signals'.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = tuple(watched)
        self._leaders = leaders(watched)
        self._worst = [0] * len(self._watched)
        self.effects: dict[Trouble, float] = {}

    def is_open(self, place: int) -> bool:
        """Return whether the trouble of a signal has been told, and not yet that it is over."""
        return self._worst[self._leaders[place]] > 0

    def raised(self, place: int, severity: Severity) -> tuple[Severity, bool]:
        """Return the worst severity of a signal's trouble, this one included, and whether it was milder before."""
        leader = self._leaders[place]
        before = self._worst[leader]
        self._worst[leader] = max(before, severity.rank)
        return list(Severity)[self._worst[leader]], self._worst[leader] > before

    def told(
        self, readings: Sequence[Told], firing: Iterable[Watched], find: Callable[[int, Reading], Finding]
    ) -> list[Finding]:
        """Return one finding for each trouble of a window.

        Parameters
        ----------
        readings
            What the signals show, by their places.
        firing
            What fires after this window.
        find
            Makes the finding of one signal.
        """
        open_troubles = {trouble_of(item) for item in firing}
        findings = one_each([find(place, reading) for place, reading in readings], firing=open_troubles)
        self.effects = {}
        for place, reading in readings:
            trouble = trouble_of(self._watched[place])
            if not reading.resolved:
                self.effects[trouble] = max(self.effects.get(trouble, 0.0), reading.effect, key=abs)
            elif trouble not in open_troubles:
                self._worst[self._leaders[place]] = 0
        return findings

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
