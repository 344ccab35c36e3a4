"""Chapter 4, findings to alerts: evidence against chance adds up, what passes the budget is told once, in words.

The detectors of a model share one budget: at most one false alarm in thirty days, over everything that is watched.
Each thing that is watched is a game against chance. While all is well nobody can win it for long; when something has
changed its fortune multiplies from window to window, and at a fortune that the budget sets it becomes a finding.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.announce import AlertContext
from alerts.compose import alone
from alerts.policy import AlertBook, step
from alerts.render_text import render_text
from detectors.detector import ClosedWindow, PredictionWindow
from detectors.layout import prediction_layout
from detectors.profile import CategoricalColumn, ReferenceProfile
from detectors.registry import detectors_for
from detectors.rhythm import BET_SIZES, Rhythm
from detectors.summary import Summary
from schemas.alert import AlertEvent, AlertOwner, AlertType
from schemas.finding import Finding, Stream, Verdict, WindowSpan
from schemas.model_parts import FalseAlarmBudget
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MonitorSettings

NOON_MS = 1_793_534_400_000
MINUTE_MS = 60_000

CALM = Rhythm(inflation=(1.0,) * 2 * len(BET_SIZES), rate=500 / MINUTE_MS)
"""What a profile of rows with times knows of a share without cycles, of events that are independent of each other."""
COUNTRY = CategoricalColumn(
    "country", categories=("DE", "FR"), counts=(700, 300), rhythms={"=DE": CALM, "=FR": CALM}
)
PROFILE = ReferenceProfile("fraud", "binary", n=1000, columns=(COUNTRY,))
LAYOUT = prediction_layout(PROFILE)
UNTOLD = {"unlisted_features": MonitorSettings(enabled=False)}
"""What is no game of chance, but a threshold that speaks in every window: it has no part in this chapter."""
SETTINGS = ModelSettings.model_validate(
    {"name": "fraud", "task": "binary", "positive_class": "fraud", "monitors": UNTOLD}
)
CONTEXT = AlertContext(app="guide", owner=AlertOwner(team="payments-ml"), fallback="rules-v3")

USUAL, SHIFTED, CHANGED = (350, 150), (290, 210), (100, 400)
"""Events with DE and with FR in a window of 500: as in the profile, somewhat off, and quite different."""


def window(minute: int, countries: tuple[int, int]) -> PredictionWindow:
    summary = Summary.empty(LAYOUT)
    summary.vector[LAYOUT.EVENTS] = summary.vector[LAYOUT.STATUS] = sum(countries)
    summary.vector[LAYOUT.cells(LAYOUT.columns[0])] = np.array([*countries, 0, 0, 0])
    start_ms = NOON_MS + minute * MINUTE_MS
    span = WindowSpan(start_ms, start_ms + MINUTE_MS, sum(countries))
    return ClosedWindow("fraud", Stream.PREDICTIONS, span, summary)


def judge(*windows: tuple[int, int], settings: ModelSettings = SETTINGS) -> list[list[Finding]]:
    """Return what the model's detectors say of each minute."""
    detectors = [d for d in detectors_for(settings, PROFILE) if d.stream is Stream.PREDICTIONS]
    return [
        [finding for detector in detectors for finding in detector.update(window(minute, countries))]
        for minute, countries in enumerate(windows)
    ]


def first_finding(*windows: tuple[int, int], settings: ModelSettings = SETTINGS) -> tuple[int, Finding]:
    """Return the minute whose window was enough, and what was found in it."""
    judged = enumerate(judge(*windows, settings=settings))
    return next((minute, findings[0]) for minute, findings in judged if findings)


def tell(*windows: tuple[int, int]) -> list[AlertEvent]:
    """Return the events that people hear about."""
    book, told = AlertBook(), []
    for findings in judge(*windows):
        book, events = step(book, findings, context=CONTEXT)
        told += events
    return told


def test_while_all_is_well_nothing_is_said() -> None:
    assert judge(*[USUAL] * 20) == [[]] * 20


def test_a_shift_that_one_window_cannot_tell_from_chance_is_found_when_its_evidence_has_added_up() -> None:
    assert judge(USUAL, SHIFTED, USUAL, USUAL) == [[]] * 4
    minute, found = first_finding(USUAL, USUAL, *[SHIFTED] * 10)
    assert 3 <= minute <= 6, "one window of it is not enough, five are"
    assert found.score >= found.fire, (
        "powers of ten: the odds against chance, and those that the budget asks for"
    )
    assert found.onset_ms == NOON_MS + 2 * MINUTE_MS, "and they say when it began"


def test_a_big_change_is_found_in_its_first_window() -> None:
    minute, found = first_finding(USUAL, USUAL, CHANGED)
    assert minute == 2
    assert (found.check, found.feature, found.verdict) == ("drift", "country", Verdict.BREACH)
    assert found.score > 3 * found.fire


def test_more_false_alarms_allowed_ask_for_less_evidence() -> None:
    often = SETTINGS.model_copy(update={"false_alarm_budget": FalseAlarmBudget(false_alarms=100)})
    strict, loose = (first_finding(*[SHIFTED] * 10, settings=s) for s in (SETTINGS, often))
    assert loose[1].fire == pytest.approx(strict[1].fire - 2), "a hundred times as many, two powers of ten"
    assert loose[0] < strict[0]


def test_a_finding_carries_its_size_in_natural_units() -> None:
    _, found = first_finding(CHANGED)
    assert found.evidence["top_category"] in ("DE", "FR")
    assert {found.evidence["share_before"], found.evidence["share_now"]} in ({0.7, 0.2}, {0.3, 0.8})
    assert found.evidence["budgeted"] is True


def test_what_fires_is_confirmed_by_every_window_and_cleared_when_it_is_surely_over() -> None:
    judged = judge(USUAL, *[CHANGED] * 4, *[USUAL] * 10)
    verdicts = [finding.verdict for findings in judged for finding in findings]
    assert verdicts == [*[Verdict.BREACH] * (len(verdicts) - 1), Verdict.CLEAR]
    assert len(verdicts) >= 4 + 3, "at least three good windows, so that it does not flicker"
    assert judged[-1] == [], "and then nothing is said again"


def test_trouble_is_told_once_and_its_end_once() -> None:
    fired, resolved = tell(USUAL, *[SHIFTED] * 8, *[USUAL] * 10)
    assert (fired.type, resolved.type) == (AlertType.FIRING, AlertType.RESOLVED)
    assert fired.data.alert_id == resolved.data.alert_id
    assert (fired.data.revision, resolved.data.revision) == (0, 1)
    assert fired.data.since == datetime(2026, 11, 1, 12, 1, tzinfo=UTC), "since the first window that was off"
    assert fired.data.detected_at > fired.data.since + timedelta(minutes=1), "and noticed when it was certain"


def test_a_threshold_of_your_own_is_a_second_opinion_outside_the_budget() -> None:
    tuned = SETTINGS.model_copy(update={"monitors": {**UNTOLD, "psi": MonitorSettings(threshold=0.25)}})
    (findings,) = judge(USUAL, settings=tuned)
    (psi,) = findings
    assert (psi.check, psi.verdict, psi.evidence["budgeted"]) == ("psi", Verdict.CLEAR, False)
    assert (psi.hysteresis.breaches, psi.hysteresis.windows) == (3, 5), "told after three windows of five"


def test_equal_windows_give_equal_bytes() -> None:
    once, again = (tell(CHANGED, CHANGED, CHANGED) for _ in range(2))
    assert [e.to_json_bytes() for e in once] == [e.to_json_bytes() for e in again]


def test_the_message_says_what_where_since_when_how_sure_and_what_to_do() -> None:
    (fired,) = tell(CHANGED, CHANGED, CHANGED)
    text = render_text(alone(fired))
    assert text.splitlines()[0].startswith("ERROR fraud: values of country are spread differently, share of ")
    for part in ("2026-11-01 12:00:00 UTC", "to 1 against chance", "Do now", "payments-ml", "rules-v3"):
        assert part in text
