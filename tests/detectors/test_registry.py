from __future__ import annotations

import math
from typing import Any

import pytest
from builders.summaries import error_counts, error_window, profile_of
from builders.watched import BUDGETED, SETTINGS, day, every_detector, layout, profile

from detectors.betting.columns import BudgetedColumns
from detectors.betting.errors import BudgetedErrors
from detectors.betting.watched import Watched
from detectors.distance_table import DISTANCES
from detectors.profile import ReferenceProfile
from detectors.registry import detectors_for
from schemas.finding import Finding, Hysteresis, Kind, Stream, Verdict
from schemas.model_settings import ModelSettings
from schemas.monitor_settings import BUDGETED_ALONE, MONITORS

BUDGETED_CHECKS = {
    *("drift", "missing_rate", "invalid_rate", "unseen_rate"),
    *("error_rate", "fallback_rate", "performance"),
}
NO_THRESHOLD = {*BUDGETED_ALONE, "adwin_features", "adwin_errors"}
TUNABLE = sorted(set(MONITORS) - NO_THRESHOLD)
RATES = ["error_rate", "fallback_rate"]
HEALTH = ["prompt_labels", "label_coverage", "label_lag", "label_shares"]
WHOLE = [*HEALTH, "budget_columns", "budget_errors", "volume"]
VERSIONS = ["budget_version_columns", "budget_version_errors"]


def settings(**keys: Any) -> ModelSettings:
    return ModelSettings.model_validate(
        {"name": "fraud", "task": "binary", "positive_class": "fraud", **keys}
    )


def names(model: ModelSettings, reference: ReferenceProfile | None) -> list[str]:
    return [d.name for d in detectors_for(model, reference)]


def watched(model: ModelSettings, reference: ReferenceProfile | None) -> list[Watched]:
    """Return what the budgeted detectors bet on."""
    banks = [
        bank
        for d in detectors_for(model, reference)
        if isinstance(d, BudgetedColumns | BudgetedErrors)
        for bank in (d._banks, *([d._prompt] if isinstance(d, BudgetedErrors) else []))
    ]
    return [item for bank in banks for item in bank.watched]


def budgeted(model: ModelSettings, reference: ReferenceProfile | None) -> set[str]:
    return {item.check for item in watched(model, reference)}


def findings(model: ModelSettings, check: str) -> list[Finding]:
    [detector] = [d for d in detectors_for(model, profile("binary")) if d.name == check]
    return detector.update(day("binary", detector.stream, 0))


def test_by_default_the_budget_judges_all_but_unlisted_names_and_adwin_gives_evidence() -> None:
    usual = [*WHOLE, *VERSIONS, "adwin_errors", "adwin_features", "unlisted_features", "compare"]
    assert names(settings(), profile("binary")) == usual
    with_segments = [*BUDGETED, "adwin_errors", "adwin_features", "unlisted_features", "compare"]
    assert names(settings(segments=["country"]), profile("binary")) == with_segments
    assert names(settings(segments=["country"], max_segments=0), profile("binary")) == usual
    unknown = [name for name in with_segments if name != "budget_segment_errors"]
    assert names(settings(segments=["city"]), profile("binary")) == unknown
    assert budgeted(settings(), profile("binary")) == BUDGETED_CHECKS


@pytest.mark.parametrize("name", sorted(DISTANCES))
def test_a_threshold_makes_a_distance_a_detector_of_its_own_beside_the_budget(name: str) -> None:
    model = settings(monitors={name: {"threshold": 0.3}})
    assert name in names(model, profile("binary"))
    assert budgeted(model, profile("binary")) == BUDGETED_CHECKS
    off = settings(monitors={name: {"threshold": 0.3, "enabled": False}})
    assert name not in names(off, profile("binary"))


def test_psi_alone_among_the_distances_needs_no_threshold_to_be_tuned() -> None:
    for name in sorted(DISTANCES):
        model = settings(monitors={name: {"min_events": 500}})
        assert (name in names(model, profile("binary"))) is (name == "psi")


@pytest.mark.parametrize("name", sorted(BUDGETED_CHECKS - {"drift"}))
@pytest.mark.parametrize("key", ["threshold", "min_events", "breaches", "windows", "clears"])
def test_a_check_that_is_tuned_in_any_way_leaves_the_budget_for_its_own_detector(name: str, key: str) -> None:
    value = {"threshold": 0.4, "windows": 6, "breaches": 2}.get(key, 7)
    model = settings(monitors={name: {key: value}})
    assert name in names(model, profile("binary"))
    assert budgeted(model, profile("binary")) == BUDGETED_CHECKS - {name}


@pytest.mark.parametrize("name", TUNABLE)
def test_what_is_tuned_says_that_no_budget_holds_it(name: str) -> None:
    found = findings(settings(monitors={name: {"threshold": 0.3}}), name)
    assert {f.evidence["budgeted"] for f in found} == {False}


@pytest.mark.parametrize("name", MONITORS)
def test_every_monitor_can_be_switched_off(name: str) -> None:
    model = settings(monitors={name: False})
    assert name not in names(model, profile("binary"))
    assert budgeted(model, profile("binary")) == BUDGETED_CHECKS - {name}


def test_where_silence_is_a_label_versions_are_compared_too() -> None:
    assert "compare" in names(settings(labels={"implicit": {"class": "ok", "after": "1h"}}), None)


def test_with_all_of_them_switched_off_nothing_is_left() -> None:
    assert names(settings(monitors=dict.fromkeys(MONITORS, False)), profile("binary")) == ["prompt_labels"]


def test_without_a_profile_only_what_needs_no_reference_is_watched() -> None:
    alone = [*HEALTH, "budget_columns", "volume", "budget_version_columns"]
    assert names(settings(), None) == [*alone, "adwin_errors", "compare"]
    assert budgeted(settings(), None) == set(RATES)
    rules = settings(metrics={"accuracy": {"min": 0.8}, "f1": {"min": 0.7}})
    assert names(rules, None) == [*WHOLE, "budget_version_columns", "metrics", "adwin_errors", "compare"]
    assert budgeted(rules, None) == {*RATES, "accuracy_min"}
    limit = settings(monitors={"performance": {"threshold": 0.2}})
    assert names(limit, None) == [*alone, "performance", "adwin_errors", "compare"]


def test_a_profile_without_labels_has_no_performance_to_compare_with() -> None:
    unlabelled = profile_of({"x": [1.0] * 200})
    assert "budget_errors" not in names(settings(), unlabelled)
    assert "performance" not in names(settings(monitors={"performance": {"clears": 4}}), unlabelled)


def test_adwin_on_a_regression_needs_the_spread_of_its_errors() -> None:
    price = SETTINGS["regression"]
    assert "adwin_errors" in names(price, profile("regression"))
    assert "adwin_errors" not in names(price, None)


@pytest.mark.parametrize("name", TUNABLE)
def test_the_tuning_of_every_monitor_reaches_its_findings(name: str) -> None:
    tuned = {"breaches": 1, "windows": 7, "clears": 9, "threshold": 0.4, "min_events": 1_000_000}
    found = findings(settings(monitors={name: tuned}), name)
    assert {f.hysteresis for f in found} == {Hysteresis(1, 7, 9)}
    assert {f.verdict for f in found} == {Verdict.UNKNOWN}


def test_the_smallest_effects_that_matter_are_heeded_by_bets_and_by_thresholds() -> None:
    effects = {"share": 0.5, "relative_error": 3.0, "sd": 2.0}
    usual, coarse = (watched(settings(**keys), profile("binary")) for keys in ({}, {"min_effect": effects}))
    for fine, rough in zip(usual, coarse, strict=True):
        if fine.kind not in (Kind.ERROR_RATE, Kind.FALLBACK_RATE):
            assert (rough.signal.slack > fine.signal.slack).all(), fine.signal.name
    tuned = {"missing_rate": {"windows": 4}, "performance": {"windows": 4}}
    near, far = settings(monitors=tuned), settings(monitors=tuned, min_effect=effects)
    assert findings(far, "missing_rate")[0].fire > findings(near, "missing_rate")[0].fire + 0.3
    [accurate], [rough_one] = findings(near, "performance"), findings(far, "performance")
    assert rough_one.fire > 2 * accurate.fire


def test_limits_that_are_shares_of_wrong_answers_belong_to_the_budget_unless_performance_is_tuned() -> None:
    rules = {"accuracy": {"min": 0.8}, "recall": {"min": 0.7}, "precision": {"min": 0.6}, "f1": {"min": 0.5}}
    limits = {"accuracy_min", "recall_min", "precision_min"}
    for performance in (True, False):
        model = settings(metrics=rules, monitors={"performance": performance})
        checks = budgeted(model, profile("binary"))
        assert checks == (BUDGETED_CHECKS if performance else BUDGETED_CHECKS - {"performance"}) | limits
        assert {f.check for f in findings(model, "metrics")} == {"f1_min"}
    tuned = settings(metrics=rules, monitors={"performance": {"min_events": 50}})
    assert budgeted(tuned, profile("binary")) == BUDGETED_CHECKS - {"performance"}
    assert {f.check for f in findings(tuned, "metrics")} == limits | {"f1_min"}


def test_the_weights_of_the_settings_deal_the_budget_out() -> None:
    weights = {"data_quality": 50, "service": 0}
    plain = settings(features={"amount": {"weight": 10}})
    heavy = settings(false_alarm_budget={"false_alarms": 10, "per": "30d", "weights": weights})

    def bars(model: ModelSettings) -> dict[str, float]:
        [columns] = [d for d in detectors_for(model, profile("binary")) if isinstance(d, BudgetedColumns)]
        names = [item.signal.name for item in columns._banks.watched]
        found = dict.fromkeys(names, math.nan)
        for members, bank in zip(columns._banks._places, columns._banks._banks, strict=True):
            for place, bar in zip(members, bank._bars.tolist(), strict=True):
                found[names[place]] = bar
        return found

    usual = bars(settings())
    assert bars(plain)["drift:amount"] < usual["drift:amount"], "more budget, less evidence needed"
    assert bars(plain)["drift:country"] > usual["drift:country"]
    assert bars(heavy)["missing_rate:amount"] < usual["missing_rate:amount"] - math.log(10)
    assert bars(heavy)["error_rate"] == math.inf, "a group without weight never alarms"


def test_the_positive_class_is_found_through_the_classes_of_the_settings() -> None:
    model = settings(
        classes={"fraud": [1, True], "ok": [0]},
        positive_class=1,
        metrics={"recall": {"min": 0.9}},
        monitors={"performance": {"clears": 3, "windows": 6}},
    )
    [limits] = [d for d in detectors_for(model, None) if d.name == "metrics"]
    summary = error_counts(400, 100)
    summary.pairs |= {("fraud", "fraud"): 100, ("ok", "fraud"): 100, ("ok", "ok"): 200}
    [found] = limits.update(error_window(summary))
    assert found.evidence["recall_now"] == 0.5
    untuned = model.model_copy(update={"monitors": {}})
    [errors] = [d for d in detectors_for(untuned, None) if d.name == "budget_errors"]
    told = [f for index in range(3) for f in errors.update(error_window(summary, index))]
    assert {f.check for f in told} == {"recall_min"}


def test_streams_are_those_that_the_detectors_read() -> None:
    streams = {name: d.stream for name, d in every_detector("binary").items()}
    errors = {"budget_errors", "performance", "metrics", "adwin_errors"}
    errors |= {"budget_version_errors", "budget_segment_errors", "compare"}
    assert {name for name, stream in streams.items() if stream is Stream.ERRORS} == errors
    assert layout("binary").columns
