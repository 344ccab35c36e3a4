"""A detector of river that may alert, from its settings to what people hear."""

from __future__ import annotations

from builders.summaries import error_counts, error_window

from alerts.announce import AlertContext
from alerts.policy import AlertBook, step
from detectors.reference import reference_of
from detectors.river_monitor import river_monitors
from schemas.alert import AlertEvent, AlertType
from schemas.model_settings import ModelSettings


def told(*, alert: bool, wrong: list[int]) -> list[tuple[int, AlertEvent]]:
    """Return the events that people hear about, by window of 100 labels."""
    monitor = {"river": "HDDMA", "signal": "error", "alert": alert}
    settings = ModelSettings.model_validate(
        {"name": "fraud", "task": "binary", "positive_class": "fraud", "monitors": {"err_hddm": monitor}}
    )
    [detector] = river_monitors(settings, reference_of(settings, None))
    book, heard = AlertBook(), []
    for index, count in enumerate(wrong):
        findings = detector.update(error_window(error_counts(100, count), index))
        book, events = step(book, findings, context=AlertContext(app="test"))
        heard += [(index, event) for event in events if isinstance(event, AlertEvent)]
    return heard


def test_one_detection_fires_at_once_and_resolves_after_clear_readings() -> None:
    [(first, firing), (last, resolved)] = told(alert=True, wrong=[10, 11] * 20 + [30, 31] * 20)
    assert (firing.type, resolved.type) == (AlertType.FIRING, AlertType.RESOLVED)
    assert 40 <= first <= 44
    assert last == first + 3
    assert firing.data.check == "err_hddm"
    assert firing.data.title == "fraud: error_rate rose, rate 10.5% to 30%"
    assert firing.data.evidence["budgeted"] is False


def test_without_alert_nobody_hears_of_it() -> None:
    assert told(alert=False, wrong=[10, 11] * 20 + [30, 31] * 20) == []
