"""Builders of findings, contexts and events for the tests of the alerts room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alerts.policy import AlertBook, AlertContext, step
from schemas.alert import AlertOwner, AlertReproduce
from schemas.finding import Finding, Hysteresis, Kind, Severity, Verdict, WindowSpan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.alert import AlertEvent
    from schemas.finding import JsonValue

MINUTE_MS: Final = 60_000
NOON_MS: Final = 1_793_534_400_000
"""2026-11-01 12:00 UTC: the start of window 0."""

ONE_OF_ONE: Final = Hysteresis(breaches=1, windows=1, clears=2)
LETTERS: Final[Mapping[str, Verdict]] = {
    "B": Verdict.BREACH,
    "-": Verdict.BETWEEN,
    "C": Verdict.CLEAR,
    "?": Verdict.UNKNOWN,
    "G": Verdict.GONE,
}

CONTEXT: Final = AlertContext(
    app="prod",
    owner=AlertOwner(
        team="payments-ml", contact="@payments-ml", escalation=("payments-oncall", "ml-platform")
    ),
    runbook="https://wiki.example/fraud-model",
    fallback="rules-v3",
    links={"Report": "https://reports.example/fraud?window=0&model=fraud"},
    reproduce=AlertReproduce(
        command="watchkeeper replay --config watchkeeper.yaml",
        config_hash="c0ffee",
        profile_hash="5eed",
        offsets={"predictions/0": [10, 20]},
        versions={"watchkeeper": "0.1.0"},
    ),
)


def span(index: int) -> WindowSpan:
    """Return the minute window with that number, counted from noon."""
    return WindowSpan(NOON_MS + index * MINUTE_MS, NOON_MS + (index + 1) * MINUTE_MS, 1200)


def finding(
    index: int = 0,
    verdict: Verdict = Verdict.BREACH,
    *,
    kind: Kind = Kind.DATA_DRIFT,
    check: str = "rank",
    model: str = "fraud",
    version: str | None = None,
    feature: str | None = "amount",
    segment: str | None = None,
    severity: Severity = Severity.WARNING,
    score: float = 51_234.567,
    hysteresis: Hysteresis = ONE_OF_ONE,
    onset_ms: int | None = None,
    evidence: Mapping[str, JsonValue] | None = None,
    evidence_only: bool = False,
) -> Finding:
    """Return a finding of window `index`."""
    return Finding(
        kind=kind,
        check=check,
        model=model,
        version=version,
        feature=feature,
        segment=segment,
        window=span(index),
        verdict=verdict,
        score=score,
        fire=43_200.0,
        clear=1_000.0,
        severity=severity,
        hysteresis=hysteresis,
        onset_ms=onset_ms,
        evidence=MEDIAN_EVIDENCE if evidence is None else evidence,
        evidence_only=evidence_only,
    )


MEDIAN_EVIDENCE: Final[Mapping[str, JsonValue]] = {
    "statistic": "e-value",
    "value": 51_234.567,
    "threshold": 43_200.0,
    "reference": 42.0,
    "effect": 0.4321987,
    "direction": "up",
    "budgeted": True,
    "profile_median": 42.0,
    "window_median": 61.0,
}


def run_letters(
    letters: str, *, hysteresis: Hysteresis, severities: str = ""
) -> tuple[AlertBook, list[AlertEvent]]:
    """Return book and events after one window per letter (see `LETTERS`); severities as w, e, c."""
    levels = {"w": Severity.WARNING, "e": Severity.ERROR, "c": Severity.CRITICAL}
    book, events = AlertBook(), []
    for index, letter in enumerate(letters):
        level = levels[severities[index]] if severities else Severity.WARNING
        reading = finding(index, LETTERS[letter], hysteresis=hysteresis, severity=level)
        book, new = step(book, [reading], context=CONTEXT)
        events += new
    return book, events


def fired(**changes: object) -> AlertEvent:
    """Return the event of a finding that fires at once."""
    _, events = step(AlertBook(), [finding(**changes)], context=CONTEXT)  # type: ignore[arg-type] # forwarded as given
    return events[0]


def resolved() -> AlertEvent:
    """Return the event of an alert that fired and came back."""
    return run_letters("BCC", hysteresis=ONE_OF_ONE)[1][1]
