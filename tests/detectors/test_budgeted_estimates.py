"""Bets on estimates: silent without a change, sure of a shift, stopped by labels, and the same after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
from builders.scored_traffic import CHANGED, SETTINGS, UNSURE, USUAL, World, drawn, reference
from builders.summaries import MINUTE_MS, NOON_MS

from detectors.betting.estimates import CHANGES_KEPT, BudgetedEstimate, EstimateCheck, Trust
from detectors.betting.setup import budgeted
from detectors.detector import ClosedWindow, Detector, ErrorWindow, PredictionWindow
from detectors.layout import ErrorLayout, PredictionLayout, calibrated_answers, prediction_layout
from detectors.sketch import LABEL_LAG_S
from detectors.summary import Summary
from schemas.finding import Finding, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

MODEL = SETTINGS.models["fraud"]
PROMPT_S = 60.0


def detectors(settings: ModelSettings = MODEL) -> tuple[BudgetedEstimate, EstimateCheck]:
    found: list[Detector[Any]] = budgeted(settings, reference())
    [bets] = [one for one in found if isinstance(one, BudgetedEstimate)]
    [check] = [one for one in found if isinstance(one, EstimateCheck)]
    return bets, check


def span(minute: int, n: int) -> WindowSpan:
    start = NOON_MS + minute * MINUTE_MS
    return WindowSpan(start, start + MINUTE_MS, n)


def answered(minute: int, world: World = USUAL, *, n: int = 200) -> PredictionWindow:
    layout, cells = prediction_layout(reference()), calibrated_answers(reference())
    assert cells is not None
    _, score, _ = drawn(np.random.default_rng([minute, 1]), n, world)
    summary = Summary.empty(layout)
    summary.vector[PredictionLayout.EVENTS] = n
    summary.vector[layout.answer_cells] = np.bincount(
        cells.cells(score, score >= 0.5), minlength=cells.counts
    )
    return ClosedWindow("fraud", Stream.PREDICTIONS, span(minute, n), summary)


def labelled(minute: int, world: World = USUAL, *, n: int = 200, lag_s: float = PROMPT_S) -> ErrorWindow:
    _, score, truth = drawn(np.random.default_rng([minute, 2]), n, world)
    summary = Summary.empty(ErrorLayout("binary"))
    summary.vector[0] = n
    lags = LABEL_LAG_S.index(np.full(n, lag_s))
    np.add.at(summary.vector, ErrorLayout.LAG + lags, 1)
    cells = np.minimum((score * 128).astype(np.int64), 127) + 128 * truth
    np.add.at(summary.vector, ErrorLayout.SCORES + cells, 1)
    return ClosedWindow("fraud", Stream.ERRORS, span(minute, n), summary)


def told(findings: list[list[Finding]]) -> list[Verdict]:
    return [
        finding.verdict
        for found in findings
        for finding in found
        if finding.evidence or finding.verdict is Verdict.GONE
    ]


def test_nothing_is_told_while_nothing_changes_even_of_the_smallest_change_that_matters() -> None:
    sharp = MODEL.model_copy(
        update={"min_effect": MODEL.min_effect.model_copy(update={"relative_error": 0.0})}
    )
    for settings in (MODEL, sharp):
        bets, check = detectors(settings)
        for minute in range(1_500):
            assert bets.update(answered(minute)) == []
            assert check.update(labelled(minute)) == []
        assert not bets._trust.changes


def test_a_shift_to_unsure_inputs_is_told_at_once_with_its_interval_and_ends_with_it() -> None:
    bets, _ = detectors()
    found = [bets.update(answered(minute, UNSURE if 20 <= minute < 40 else USUAL)) for minute in range(80)]
    assert told(found) == [Verdict.BREACH, Verdict.CLEAR]
    fired = next(place for place, one in enumerate(found) if one)
    assert 20 <= fired <= 22
    evidence = found[fired][0].evidence
    low, now, high = (evidence[key] for key in ("low", "accuracy_now", "high"))
    assert isinstance(low, float)
    assert isinstance(now, float)
    assert isinstance(high, float)
    _, score, truth = drawn(np.random.default_rng(0), 200_000, UNSURE)
    assert low < now < high
    assert low < float(((score >= 0.5) == truth).mean()) < high
    assert evidence["rests_on_labels"] == 20_000


def test_labels_that_refute_it_close_the_alert_and_keep_it_closed_until_they_bear_it_out_again() -> None:
    bets, check = detectors()
    found: list[list[Finding]] = []
    for minute in range(200):
        world = World(UNSURE.spread, CHANGED.steepness if minute < 80 else USUAL.steepness)
        check.update(labelled(minute, world))
        found.append(bets.update(answered(minute, world)))
    assert told(found) == [Verdict.BREACH, Verdict.GONE, Verdict.BREACH]
    gone = next(place for place, one in enumerate(found) if one and one[0].verdict is Verdict.GONE)
    again = next(place for place, one in enumerate(found) if place > gone and one)
    assert gone < 30
    assert again > 80


def test_labels_that_are_not_prompt_count_once_the_stream_is_as_old_as_they_took() -> None:
    for age, refuted in ((100, False), (400, True)):
        bets, check = detectors()
        for minute in range(age):
            check.update(labelled(minute, CHANGED, lag_s=3 * 3600.0))
        assert bool(bets._trust.changes) is refuted


def test_a_restart_changes_nothing() -> None:
    worlds = [World(UNSURE.spread, CHANGED.steepness if minute > 30 else 2.0) for minute in range(60)]
    whole, parts = detectors(), detectors()
    expected: list[list[Finding]] = []
    found: list[list[Finding]] = []
    for minute, world in enumerate(worlds):
        bets, check = detectors()
        bets.restore(parts[0].state())
        check.restore(parts[1].state())
        parts = bets, check
        for pair, heard in ((whole, expected), (parts, found)):
            pair[1].update(labelled(minute, world))
            heard.append(pair[0].update(answered(minute, world)))
    assert found == expected
    assert Verdict.GONE in told(found)


def test_trust_keeps_the_newest_changes_and_which_way_they_went() -> None:
    trust = Trust(after_ms=10)
    for at in range(CHANGES_KEPT + 5):
        trust.change(at * 100)
    assert len(trust.changes) <= CHANGES_KEPT
    last = (CHANGES_KEPT + 4) * 100
    assert (trust.refuted(last + 9), trust.refuted(last + 10)) == (False, True)
