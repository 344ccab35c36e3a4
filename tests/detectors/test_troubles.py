from __future__ import annotations

import numpy as np
import pytest

from detectors.betting.feature_signals import rate_signal
from detectors.betting.troubles import Trouble, leaders, one_each
from detectors.betting.watched import Watched
from schemas.finding import Finding, Kind, Severity, Verdict, WindowSpan

WRONG: Trouble = (Kind.PERFORMANCE, "performance", None)


def watched(name: str, *, check: str = "performance", feature: str | None = None) -> Watched:
    cells, bad = np.array([0, 1], dtype=np.intp), np.array([False, True])
    slack = np.full((1, 2), 0.01)
    signal = rate_signal(name, "performance", cells, bad, share=0.1, slack=slack, minimum=0.01)
    return Watched(signal, Kind.PERFORMANCE, check, feature)


def said(
    verdict: Verdict, severity: Severity = Severity.ERROR, *, score: float = 9.0, news: bool = False
) -> Finding:
    return Finding(
        kind=Kind.PERFORMANCE,
        check="performance",
        model="fraud",
        window=WindowSpan(0, 60_000, 100),
        verdict=verdict,
        score=score,
        fire=5.0,
        clear=5.0,
        severity=severity,
        evidence={"signal": "wrong:ok"} if news else {},
    )


BREACH, OVER = said(Verdict.BREACH), said(Verdict.CLEAR, score=1.0, news=True)


def test_signals_of_one_trouble_have_the_first_of_them_as_their_leader() -> None:
    found = [watched("a"), watched("b", check="accuracy_min"), watched("c"), watched("d", feature="x")]
    assert leaders(found) == [0, 1, 0, 3]


@pytest.mark.parametrize(
    ("findings", "firing", "told"),
    [
        ([], {WRONG}, []),
        ([BREACH], {WRONG}, [BREACH]),
        ([OVER], set(), [OVER]),
        ([OVER], {WRONG}, []),
        ([OVER, BREACH], {WRONG}, [BREACH]),
        ([OVER, OVER], set(), [OVER]),
        ([BREACH, said(Verdict.BREACH, news=True)], {WRONG}, [said(Verdict.BREACH, news=True)]),
        (
            [said(Verdict.BREACH, Severity.CRITICAL), said(Verdict.BREACH, news=True)],
            {WRONG},
            [said(Verdict.BREACH, Severity.CRITICAL)],
        ),
        ([BREACH, said(Verdict.BREACH, score=30.0)], {WRONG}, [said(Verdict.BREACH, score=30.0)]),
    ],
)
def test_a_trouble_is_told_once_by_its_worst_signal_and_is_over_when_none_fires(
    findings: list[Finding], firing: set[Trouble], told: list[Finding]
) -> None:
    assert one_each(findings, firing=firing) == told
    assert one_each(findings[::-1], firing=firing) == told


def test_what_one_trouble_says_leaves_others_alone() -> None:
    other = Finding(
        kind=Kind.PERFORMANCE,
        check="accuracy_min",
        model="fraud",
        window=BREACH.window,
        verdict=Verdict.CLEAR,
        score=1.0,
        fire=5.0,
        clear=5.0,
    )
    assert one_each([BREACH, other], firing={WRONG}) == [BREACH, other]
