"""One finding for one trouble, whichever of its signals show it.

Wrong answers within each true class are signals of their own, and one alert. It is over when none of them fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from detectors.betting.watched import Watched
from schemas.finding import Finding, Kind, Verdict

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
