from __future__ import annotations

from typing import Any

import pytest
from builders.summaries import error_counts, error_window, profile_of
from builders.watched import SETTINGS, day, layout, profile

from detectors.distance_table import DISTANCES
from detectors.profile import ReferenceProfile
from detectors.registry import detectors_for
from schemas.finding import Finding, Hysteresis, Stream, Verdict
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import MONITORS

SERVICE = ["error_rate", "fallback_rate"]


def settings(**keys: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {"name": "fraud", "task": "binary", "positive_class": "fraud", **keys}
    )


def names(model: ModelSettings, reference: ReferenceProfile | None) -> list[str]:
    return [d.name for d in detectors_for(model, reference)]


def findings(model: ModelSettings, check: str) -> list[Finding]:
    [detector] = [d for d in detectors_for(model, profile("binary")) if d.name == check]
    return detector.update(day("binary", detector.stream, 0))


EVIDENCE = set(DISTANCES) - {"psi"}


def test_all_monitors_are_on_by_default_but_for_the_distances_that_are_evidence() -> None:
    assert set(names(settings(), profile("binary"))) == set(MONITORS) - EVIDENCE


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_a_threshold_makes_a_distance_a_detector_of_its_own(name: str) -> None:
    model = settings(monitors={name: {"threshold": 0.3}})
    assert name in names(model, profile("binary"))
    off = settings(monitors={name: {"threshold": 0.3, "enabled": False}})
    assert name not in names(off, profile("binary"))


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_a_distance_with_a_threshold_of_the_user_says_that_no_budget_holds_it(name: str) -> None:
    found = findings(settings(monitors={name: {"threshold": 0.3}}), name)
    assert {f.evidence["budgeted"] for f in found} == {False}
    assert {"budgeted" in f.evidence for f in findings(settings(), "psi")} == {False}


@pytest.mark.parametrize("name", MONITORS)
def test_every_monitor_can_be_switched_off(name: str) -> None:
    assert name not in names(settings(monitors={name: False}), profile("binary"))


def test_without_a_profile_only_what_needs_no_reference_is_watched() -> None:
    assert names(settings(), None) == [*SERVICE, "adwin_errors"]
    rules = settings(metrics={"accuracy": {"min": 0.8}})
    assert names(rules, None) == [*SERVICE, "metrics", "adwin_errors"]
    limit = settings(monitors={"performance": {"threshold": 0.2}})
    assert names(limit, None) == [*SERVICE, "performance", "adwin_errors"]


def test_a_profile_without_labels_has_no_performance_to_compare_with() -> None:
    assert "performance" not in names(settings(), profile_of({"x": [1.0] * 200}))


def test_adwin_on_a_regression_needs_the_spread_of_its_errors() -> None:
    price = SETTINGS["regression"]
    assert "adwin_errors" in names(price, profile("regression"))
    assert "adwin_errors" not in names(price, None)


@pytest.mark.parametrize("name", [n for n in MONITORS if not n.startswith("adwin")])
def test_the_tuning_of_every_monitor_reaches_its_findings(name: str) -> None:
    tuned = {"breaches": 1, "windows": 7, "clears": 9, "threshold": 0.4, "min_events": 1_000_000}
    found = findings(settings(monitors={name: tuned}), name)
    assert {f.hysteresis for f in found} == {Hysteresis(1, 7, 9)}
    assert {f.verdict for f in found} == {Verdict.UNKNOWN}


def test_the_smallest_effects_that_matter_are_heeded() -> None:
    usual, coarse = settings(), settings(min_effect={"share": 0.5, "relative_error": 3.0})
    assert findings(coarse, "missing_rate")[0].fire > findings(usual, "missing_rate")[0].fire + 0.3
    [accurate], [rough] = findings(usual, "performance"), findings(coarse, "performance")
    assert rough.fire > 2 * accurate.fire


def test_the_positive_class_is_found_through_the_classes_of_the_settings() -> None:
    model = settings(
        classes={"fraud": [1, True], "ok": [0]}, positive_class=1, metrics={"recall": {"min": 0.9}}
    )
    [limits] = [d for d in detectors_for(model, None) if d.name == "metrics"]
    summary = error_counts(400, 100)
    summary.pairs |= {("fraud", "fraud"): 100, ("ok", "fraud"): 100, ("ok", "ok"): 200}
    [found] = limits.update(error_window(summary))
    assert found.evidence["recall_now"] == 0.5


def test_streams_are_those_that_the_detectors_read() -> None:
    streams = {d.name: d.stream for d in detectors_for(SETTINGS["binary"], profile("binary"))}
    errors = {"performance", "metrics", "adwin_errors"}
    assert {name for name, stream in streams.items() if stream is Stream.ERRORS} == errors
    assert layout("binary").columns
