"""Bets on the estimate of each version: silent without a change, heard before labels come, stopped by the version's own labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from builders.scored_traffic import CHANGED, SETTINGS, UNSURE, USUAL, World, drawn, reference
from builders.summaries import MINUTE_MS, NOON_MS

from detectors.betting.budget import VERSIONS_SHARE
from detectors.betting.estimates import BudgetedEstimate, EstimateCheck
from detectors.betting.parts import BudgetedParts
from detectors.betting.setup import budgeted
from detectors.detector import ClosedWindow, ErrorWindow, PredictionWindow
from detectors.layout import ErrorLayout, PredictionLayout, calibrated_answers, prediction_layout
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

MODEL = SETTINGS.models["fraud"]
LAYOUT, CELLS = prediction_layout(reference()), calibrated_answers(reference())
EVENTS = {"7": 160, "8": 40}
Worlds = Mapping[str, World]
SAME = {"7": USUAL, "8": USUAL}


class Watch:
    """The detectors of estimates of one model, fed as the evaluator does."""

    def __init__(self, settings: ModelSettings = MODEL) -> None:
        found = budgeted(settings, reference())
        [self.whole] = [one for one in found if isinstance(one, BudgetedEstimate)]
        [self.check] = [one for one in found if isinstance(one, EstimateCheck)]
        [self.versions] = [
            one for one in found if isinstance(one, BudgetedParts) and one.name == "budget_version_estimates"
        ]

    def minute(self, minute: int, worlds: Worlds, *, labels: Worlds | None = None) -> list[Finding]:
        if labels is not None:
            self.check.update(labelled(minute, labels))
        window = answered(minute, worlds)
        return [*self.whole.update(window), *self.versions.update(window)]

    def again(self) -> Watch:
        """Return the same after a restart."""
        other = Watch()
        other.whole.restore(self.whole.state())
        other.check.restore(self.check.state())
        other.versions.restore(self.versions.state())
        return other


def span(minute: int, n: int) -> WindowSpan:
    start = NOON_MS + minute * MINUTE_MS
    return WindowSpan(start, start + MINUTE_MS, n)


def answered(minute: int, worlds: Worlds) -> PredictionWindow:
    assert CELLS is not None
    overall, versions = Summary.empty(LAYOUT), {}
    for place, (version, world) in enumerate(worlds.items()):
        n = EVENTS[version]
        _, score, _ = drawn(np.random.default_rng([minute, 1, place]), n, world)
        versions[version] = Summary.empty(LAYOUT)
        versions[version].vector[PredictionLayout.EVENTS] = n
        counts = np.bincount(CELLS.cells(score, score >= 0.5), minlength=CELLS.counts)
        versions[version].vector[LAYOUT.answer_cells] = counts
        overall = overall.merge(versions[version])
    n = int(overall.vector[0])
    return ClosedWindow("fraud", Stream.PREDICTIONS, span(minute, n), overall, versions)


def labelled(minute: int, worlds: Worlds) -> ErrorWindow:
    overall, versions = Summary.empty(ErrorLayout("binary")), {}
    for place, (version, world) in enumerate(worlds.items()):
        n = EVENTS[version]
        _, score, truth = drawn(np.random.default_rng([minute, 2, place]), n, world)
        summary = versions[version] = Summary.empty(ErrorLayout("binary"))
        summary.vector[0] = n
        np.add.at(summary.vector, ErrorLayout.LAG + LABEL_LAG_S.index(np.full(n, 60.0)), 1)
        cells = np.minimum((score * 128).astype(np.int64), 127) + 128 * truth
        np.add.at(summary.vector, ErrorLayout.SCORES + cells, 1)
        overall = overall.merge(summary)
    n = int(overall.vector[0])
    return ClosedWindow("fraud", Stream.ERRORS, span(minute, n), overall, versions)


def of_versions(findings: list[Finding]) -> list[Finding]:
    """Return the news about versions."""
    return [f for f in findings if f.version is not None and (f.evidence or f.verdict is Verdict.GONE)]


def test_nothing_is_told_of_versions_that_are_alike_even_of_the_smallest_change_that_matters() -> None:
    least = MODEL.min_effect.model_copy(update={"relative_error": 0.0})
    for settings in (MODEL, MODEL.model_copy(update={"min_effect": least})):
        watch = Watch(settings)
        for minute in range(1_500):
            assert watch.minute(minute, SAME) == []


def test_a_new_version_of_which_worse_is_expected_is_told_before_any_label() -> None:
    watch, found = Watch(), list[Finding]()
    for minute in range(40):
        worlds = {"7": USUAL, "8": UNSURE} if minute >= 20 else {"7": USUAL}
        found += of_versions(watch.minute(minute, worlds))
    [fired] = found
    assert (fired.version, fired.kind, fired.verdict) == ("8", Kind.ESTIMATED_PERFORMANCE, Verdict.BREACH)
    assert fired.window.start_ms - NOON_MS <= 30 * MINUTE_MS
    low, now, high, before = (
        fired.evidence[key] for key in ("low", "accuracy_now", "high", "accuracy_before")
    )
    assert isinstance(low, float)
    assert isinstance(now, float)
    assert isinstance(high, float)
    assert isinstance(before, float)
    assert low < now < high < before


def test_all_versions_alike_are_one_alert_and_that_of_the_whole_model() -> None:
    watch = Watch()
    found = [watch.minute(minute, {"7": UNSURE, "8": UNSURE}) for minute in range(30)]
    assert any(f.version is None for one in found for f in one)
    assert [f for one in found for f in of_versions(one)] == []


def test_its_own_labels_refute_a_version_and_leave_the_other_one_alone() -> None:
    """Both are unsure; of version 8 the scores are wrong as well."""
    sharp = World(UNSURE.spread, CHANGED.steepness)
    watch, found = Watch(), list[Finding]()
    for minute in range(160):
        worlds = {"7": USUAL, "8": sharp}
        found += of_versions(watch.minute(minute, worlds, labels=worlds if minute >= 30 else None))
    fired, gone = found
    assert (fired.version, fired.verdict) == ("8", Verdict.BREACH)
    assert (gone.version, gone.verdict, gone.refuted) == ("8", Verdict.GONE, True)
    assert watch.check.holds(("version", "7"), NOON_MS + 160 * MINUTE_MS, at_once=True) is True


def test_a_restart_changes_nothing() -> None:
    sharp = World(UNSURE.spread, CHANGED.steepness)
    one, other = Watch(), Watch()
    for minute in range(90):
        worlds = {"7": USUAL, "8": sharp if minute > 20 else USUAL}
        labels = worlds if minute > 40 else None
        assert one.minute(minute, worlds, labels=labels) == other.minute(minute, worlds, labels=labels)
        other = other.again()
        assert other.versions.state() == one.versions.state()
        assert other.check.state() == one.check.state()


def test_versions_keep_to_their_share_of_the_budget() -> None:
    """The rates at which all bets of the model may fire add up to the budget, these among them."""
    found = budgeted(MODEL, reference())
    [versions] = [one for one in found if one.name == "budget_version_estimates"]
    [columns] = [one for one in found if one.name == "budget_version_columns"]
    budget = MODEL.false_alarm_budget
    windows = budget.per_ms / MODEL.window_ms / budget.false_alarms
    rate = 0.0
    for detector in (versions, columns):
        assert isinstance(detector, BudgetedParts)
        detector.update(answered(0, SAME))
        rate += sum(windows / np.exp(bar) for part in detector._seats.parts for bar in part.bars)
    assert 0 < rate < VERSIONS_SHARE / 2  # two of four, and the bets on errors have a share of it too
