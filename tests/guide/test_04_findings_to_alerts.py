"""Chapter 4, findings to alerts: a closed window is judged, trouble that lasts is told once, in words."""

from __future__ import annotations

import numpy as np

from alerts.announce import AlertContext
from alerts.policy import AlertBook, step
from alerts.render_text import render_text
from detectors.detector import ClosedWindow, PredictionWindow
from detectors.layout import prediction_layout
from detectors.profile import CategoricalColumn, ReferenceProfile
from detectors.registry import detectors_for
from detectors.summary import Summary
from schemas.alert import AlertEvent, AlertOwner, AlertType
from schemas.finding import Finding, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

NOON_MS = 1_793_534_400_000
MINUTE_MS = 60_000

COUNTRY = CategoricalColumn("country", categories=("DE", "FR"), counts=(700, 300))
PROFILE = ReferenceProfile("fraud", "binary", n=1000, columns=(COUNTRY,))
LAYOUT = prediction_layout(PROFILE)
SETTINGS = ModelSettings.model_validate({"name": "fraud", "task": "binary", "positive_class": "fraud"})
CONTEXT = AlertContext(app="guide", owner=AlertOwner(team="payments-ml"), fallback="rules-v3")

USUAL, CHANGED = (350, 150), (100, 400)
"""Events with DE and with FR in a window of 500."""


def window(minute: int, countries: tuple[int, int]) -> PredictionWindow:
    summary = Summary.empty(LAYOUT)
    summary.vector[LAYOUT.EVENTS] = summary.vector[LAYOUT.STATUS] = sum(countries)
    summary.vector[LAYOUT.cells(LAYOUT.columns[0])] = np.array([*countries, 0, 0, 0])
    start_ms = NOON_MS + minute * MINUTE_MS
    span = WindowSpan(start_ms, start_ms + MINUTE_MS, sum(countries))
    return ClosedWindow("fraud", Stream.PREDICTIONS, span, summary)


def judge(*windows: tuple[int, int]) -> list[list[Finding]]:
    """Return what the model's detectors say of each minute."""
    detectors = [d for d in detectors_for(SETTINGS, PROFILE) if d.stream is Stream.PREDICTIONS]
    return [
        [finding for detector in detectors for finding in detector.update(window(minute, countries))]
        for minute, countries in enumerate(windows)
    ]


def tell(*windows: tuple[int, int]) -> list[AlertEvent]:
    """Return the events that people hear about."""
    book, told = AlertBook(), []
    for findings in judge(*windows):
        book, events = step(book, findings, context=CONTEXT)
        told += events
    return told


def test_every_detector_says_something_of_every_window_good_news_too() -> None:
    (findings,) = judge(USUAL)
    assert {f.check for f in findings} == {
        "psi",
        "missing_rate",
        "invalid_rate",
        "unseen_rate",
        "error_rate",
        "fallback_rate",
    }
    assert {f.verdict for f in findings} == {Verdict.CLEAR}


def test_a_finding_carries_its_size_in_natural_units() -> None:
    (findings,) = judge(CHANGED)
    (drift,) = (f for f in findings if f.verdict is Verdict.BREACH)
    assert (drift.check, drift.feature) == ("psi", "country")
    assert drift.evidence["top_category"] in ("DE", "FR")
    assert {drift.evidence["share_before"], drift.evidence["share_now"]} in ({0.7, 0.2}, {0.3, 0.8})


def test_one_odd_window_is_told_to_nobody() -> None:
    assert tell(USUAL, CHANGED, USUAL, USUAL, USUAL) == []


def test_trouble_that_lasts_is_told_once_and_its_end_once() -> None:
    fired, resolved = tell(USUAL, CHANGED, CHANGED, CHANGED, CHANGED, USUAL, USUAL, USUAL, USUAL)
    assert (fired.type, resolved.type) == (AlertType.FIRING, AlertType.RESOLVED)
    assert fired.data.alert_id == resolved.data.alert_id
    assert (fired.data.revision, resolved.data.revision) == (0, 1)
    began, noticed = fired.data.since, fired.data.detected_at
    assert (noticed - began).total_seconds() == 180, "since the first of the three windows that it took"


def test_equal_windows_give_equal_bytes() -> None:
    once, again = (tell(CHANGED, CHANGED, CHANGED) for _ in range(2))
    assert [e.to_json_bytes() for e in once] == [e.to_json_bytes() for e in again]


def test_the_message_says_what_where_since_when_and_what_to_do() -> None:
    (fired,) = tell(CHANGED, CHANGED, CHANGED)
    text = render_text(fired)
    assert text.splitlines()[0].startswith("ERROR fraud: values of country are spread differently, share of ")
    for part in ("2026-11-01 12:00:00 UTC", "Do now", "payments-ml", "rules-v3"):
        assert part in text
