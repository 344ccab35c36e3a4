from __future__ import annotations

from typing import Any

import pytest
from builders.summaries import (
    INVALID,
    classified,
    error_window,
    prediction_window,
    predictions,
    profile_of,
    regressed,
)
from builders.watched import SETTINGS, profile

from detectors.detector import ClosedWindow
from detectors.layout import prediction_layout
from detectors.reference import reference_of
from detectors.registry import detectors_for
from detectors.river_monitor import RiverMonitor, river_monitors
from detectors.state_codec import states_from_bytes, states_to_bytes
from schemas.errors import Stop
from schemas.finding import Finding, Hysteresis, Kind, Severity, Stream, Verdict
from schemas.model_parts import Learn
from schemas.model_settings import ModelSettings

PROFILE = profile_of(
    {
        "age": [20.0, 30.0, 40.0, 50.0] * 50,
        "country": ["DE", "DE", "FR", None] * 50,
        "output.score": [0.1, 0.2, 0.3, 0.4] * 50,
    },
    metrics={"accuracy": 0.9},
    labelled=200,
)
DUMMY = {"trigger_method": "fixed", "t_0": 2}
"""Finds a change at the second reading, whatever it is: the evidence then shows what was read."""


def model(task: str = "binary", **monitors: Any) -> ModelSettings:
    keys = {} if task == "regression" else {"positive_class": "fraud"}
    return ModelSettings.model_validate({"name": "fraud", "task": task, **keys, "monitors": monitors})


def made(signal: str, river: str = "DummyDriftDetector", task: str = "binary", **keys: Any) -> RiverMonitor:
    settings = {"river": river, "signal": signal, "min_events": 1, "direction": "both", **keys}
    if river == "DummyDriftDetector":
        settings["parameters"] = DUMMY
    reference = profile("regression") if task == "regression" else PROFILE
    named = model(task, m=settings).model_copy(update={"name": reference.model})
    [monitor] = river_monitors(named, reference_of(named, reference))
    return monitor


def told(monitor: RiverMonitor, *windows: ClosedWindow[Any]) -> Finding:
    findings = [finding for window in windows for finding in monitor.update(window)]
    assert findings[-1].verdict is Verdict.BREACH
    return findings[-1]


def day(index: int, columns: dict[str, Any], **statuses: int) -> ClosedWindow[Any]:
    return prediction_window(predictions(prediction_layout(PROFILE), columns, **statuses), index)


CALM = day(0, {"age": [30.0] * 10, "country": ["DE"] * 5 + ["FR"] * 5, "output.score": [0.1] * 10})
BROKEN = day(
    1,
    {
        "age": [50.0] * 6 + [None] * 3 + [INVALID],
        "country": ["DE"] * 2 + ["XX"] * 6 + [None] * 2,
        "output.score": [0.3] * 10,
    },
    error=5,
    fallback=5,
)

READ = [
    ("feature:age", Kind.DATA_DRIFT, "age", "mean", 30.0, 50.0),
    ("feature:output.score", Kind.PREDICTION_DRIFT, "output.score", "mean", 0.1, 0.3),
    ("share:country=DE", Kind.DATA_DRIFT, "country", "share", 0.5, 0.25),
    ("missing:age", Kind.DATA_QUALITY, "age", "rate", 0.0, 13 / 20),
    ("invalid:age", Kind.DATA_QUALITY, "age", "rate", 0.0, 1 / 20),
    ("unseen:country", Kind.DATA_QUALITY, "country", "rate", 0.0, 0.75),
    ("error_rate", Kind.ERROR_RATE, None, "rate", 0.0, 0.25),
    ("fallback_rate", Kind.FALLBACK_RATE, None, "rate", 0.0, 0.25),
]


@pytest.mark.parametrize("case", READ, ids=[signal for signal, *_ in READ])
def test_each_signal_is_read_in_the_unit_that_people_know(
    case: tuple[str, Kind, str | None, str, float, float],
) -> None:
    signal, kind, feature, figure, before, now = case
    finding = told(made(signal), CALM, BROKEN)
    assert (finding.kind, finding.check, finding.feature) == (kind, "m", feature)
    assert finding.evidence[f"{figure}_before"] == pytest.approx(before, abs=1e-4)
    assert finding.evidence[f"{figure}_now"] == pytest.approx(now, abs=1e-4)
    assert finding.evidence["direction"] == ("up" if now > before else "down")


def test_a_detector_of_events_sees_which_values_lie_in_the_upper_half() -> None:
    monitor = made("feature:age", river="DDM", parameters={"warm_start": 5})
    finding = told(monitor, CALM, day(1, {"age": [50.0, 20.0] * 5}))
    assert finding.evidence["share_before"] == 0.0
    assert finding.evidence["share_now"] == 0.5


def test_errors_are_read_as_a_rate_or_as_the_mean_absolute_error() -> None:
    right, wrong = (
        classified(["ok"] * 4, ["ok"] * 4, positive="fraud"),
        classified(["ok"] * 4, ["fraud"] * 4, positive="fraud"),
    )
    finding = told(made("error"), error_window(right, 0), error_window(wrong, 1))
    assert (finding.kind, finding.evidence["metric"]) == (Kind.PERFORMANCE, "error_rate")
    assert (finding.evidence["rate_before"], finding.evidence["rate_now"]) == (0.0, 1.0)
    near, far = regressed([1.0, 2.0], [2.0, 1.0]), regressed([1.0, 2.0], [4.0, 9.0])
    finding = told(made("error", task="regression"), error_window(near, 0), error_window(far, 1))
    assert finding.evidence["metric"] == "mae"
    assert (finding.evidence["mae_before"], finding.evidence["mae_now"]) == (1.0, 5.0)


def test_a_monitor_that_may_alert_fires_at_once_and_says_that_it_is_outside_the_budget() -> None:
    finding = told(made("error_rate", alert=True, clears=5), CALM, BROKEN)
    assert not finding.evidence_only
    assert (finding.severity, finding.hysteresis) == (Severity.WARNING, Hysteresis(1, 1, 5))
    assert finding.evidence["budgeted"] is False
    quiet = told(made("error_rate"), CALM, BROKEN)
    assert quiet.evidence_only
    assert quiet.severity is Severity.INFO


def test_bad_things_are_watched_for_a_rise_and_others_both_ways() -> None:
    usual = {
        signal: model(m={"river": "DDM", "signal": signal}).river_monitors["m"].heeded for signal, *_ in READ
    }
    assert {signal for signal, direction in usual.items() if direction == "both"} == {
        *("feature:age", "feature:output.score", "share:country=DE"),
    }
    assert {direction for direction in usual.values() if direction != "both"} == {"up"}


def test_windows_are_added_up_to_a_reading() -> None:
    monitor = made("error_rate", min_events=25)
    verdicts = [monitor.update(day(i, {}, ok=10))[0].verdict for i in range(6)]
    assert verdicts == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.CLEAR] * 2


MISSING = [
    ("feature:agee", "the profile has no column 'agee'; did you mean \"age\"?"),
    ("missing:nothing", "the profile has no column 'nothing'; known here: age, country, output.score"),
    ("feature:country", "'country' has categories and no mean; watch share:country=CATEGORY"),
    ("share:age=4", "'age' is a number, which has no categories; watch feature:age"),
    ("unseen:age", "'age' is a number, which has no categories; watch feature:age"),
    ("share:country=XX", "the profile of 'country' has no category 'XX'; watch unseen:country"),
]


@pytest.mark.parametrize(("signal", "problem"), MISSING, ids=[signal for signal, _ in MISSING])
def test_what_the_profile_does_not_have_is_refused_with_its_place_and_mend(signal: str, problem: str) -> None:
    with pytest.raises(Stop) as refused:
        detectors_for(model(m={"river": "DDM", "signal": signal}), PROFILE)
    assert str(refused.value) == f"models.fraud.monitors.m.signal: {problem}"
    assert refused.value.exit_code == 2


def test_without_a_profile_columns_and_sizes_of_errors_cannot_be_watched() -> None:
    columns = model(m={"river": "DDM", "signal": "feature:age"})
    errors = model("regression", m={"river": "ADWIN", "signal": "error"})
    assert (
        river_monitors(columns, reference_of(columns, None))
        == river_monitors(errors, reference_of(errors, None))
        == []
    ), "they may be learned yet"
    none = {"learn": Learn(enabled=False)}
    with pytest.raises(Stop, match="expected a profile to find 'age' in; name one under profile"):
        river_monitors(columns.model_copy(update=none), reference_of(columns, None))
    with pytest.raises(Stop, match="knows the spread of the errors; build it with --label"):
        river_monitors(errors.model_copy(update=none), reference_of(errors, None))
    binary = model(m={"river": "DDM", "signal": "error"})
    [monitor] = river_monitors(binary, reference_of(binary, None))
    assert monitor.stream is Stream.ERRORS


def test_a_monitor_that_is_switched_off_is_not_made() -> None:
    off = model(m={"river": "DDM", "signal": "feature:agee", "enabled": False})
    assert river_monitors(off, reference_of(off, PROFILE)) == []


def test_the_monitors_of_river_come_last_and_change_no_other() -> None:
    plain = [d.name for d in detectors_for(SETTINGS["binary"], profile("binary"))]
    asked = SETTINGS["binary"].model_copy(
        update={
            "monitors": SETTINGS["binary"].monitors | model(m={"river": "DDM", "signal": "error"}).monitors
        }
    )
    assert [d.name for d in detectors_for(asked, profile("binary"))] == [*plain, "m"]


@pytest.mark.parametrize(
    "other", [{"river": "EDDM"}, {"signal": "fallback_rate"}, {"direction": "up"}, {"min_events": 2}]
)
def test_a_state_of_other_settings_starts_over_and_says_so_once(other: dict[str, Any]) -> None:
    keys = {"signal": "error_rate", "river": "DDM"}
    first, second = made(**keys), made(**(keys | other))
    first.update(day(0, {}, ok=100))
    states_from_bytes([second], states_to_bytes([first]))
    [finding] = second.update(day(1, {}, ok=100))
    assert finding.evidence["note"] == "started over: its settings or the profile changed"
    assert "note" not in second.update(day(2, {}, ok=100))[0].evidence


def test_alerting_and_clearing_otherwise_keeps_the_state() -> None:
    first, second = made("error_rate", river="DDM"), made("error_rate", river="DDM", alert=True, clears=9)
    first.update(day(0, {}, ok=100))
    states_from_bytes([second], states_to_bytes([first]))
    assert second.state() == first.state()
