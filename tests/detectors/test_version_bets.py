"""Versions with references of their own, window by window: one budget, no false alarm by a roll-out, and what is remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pytest
from builders.bets import EVENTS, drawn
from builders.summaries import MINUTE_MS, NOON_MS
from builders.version_profiles import NEW, OLD, SETTINGS, profile

from detectors.apart import Apart
from detectors.betting.columns import BudgetedColumns
from detectors.betting.errors import BudgetedErrors
from detectors.betting.estimates import BudgetedEstimate
from detectors.betting.parts import BudgetedParts
from detectors.betting.setup import budgeted_by_version
from detectors.betting.volume import BudgetedVolume
from detectors.betting.watched import WatchedBanks
from detectors.detector import OTHERS, ClosedWindow, Detector, PredictionWindow
from detectors.reference import on_own_scale, reference_of, reference_of_version
from detectors.registry import detectors_for
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, Kind, Stream, Verdict, WindowSpan
from schemas.model_settings import ModelSettings

MODEL: Final = SETTINGS.models["fraud"]
MAIN: Final = reference_of(MODEL, profile(OLD))
OWN: Final = reference_of_version(profile(NEW, OLD), MAIN)
GENEROUS: Final = 20
QUIET: Final = dict.fromkeys(
    ("volume", "adwin_features", "adwin_errors", "compare", "unlisted_features"), False
)


def sharp(windows: int) -> ModelSettings:
    """Return a model to which every change matters, with twenty false alarms to spend."""
    return ModelSettings.model_validate(
        {
            "name": "fraud",
            "task": "binary",
            "positive_class": "fraud",
            "monitors": QUIET,
            "classes": {"fraud": ["fraud"], "ok": ["ok"]},
            "min_effect": {"sd": 0, "share": 0, "relative_error": 0},
            "false_alarm_budget": {"false_alarms": GENEROUS, "per": f"{windows}m"},
        }
    )


def window(minute: int, of_7: np.ndarray[Any, Any], of_8: np.ndarray[Any, Any]) -> PredictionWindow:
    """Return a window of what both versions counted on the cells of the model."""
    layout, start = MAIN.predictions, NOON_MS + minute * MINUTE_MS

    def closed(counted: np.ndarray[Any, Any], version: str) -> PredictionWindow:
        n = int(counted[0])
        span, summary = WindowSpan(start, start + MINUTE_MS, n), Summary(layout, counted)
        return ClosedWindow("fraud", Stream.PREDICTIONS, span, summary, {version: summary} if n else {})

    whole = closed(of_7 + of_8, "")
    old, new = closed(of_7, "7"), closed(of_8, "8")
    moved = on_own_scale(new.overall, OWN.predictions)
    own: PredictionWindow = ClosedWindow("fraud", new.stream, new.span, moved, {"8": moved})
    versions = {**old.versions, **new.versions}
    apart = {OTHERS: old, "8": own}
    return ClosedWindow("fraud", whole.stream, whole.span, whole.overall, versions, apart=apart)


def traffic(
    seed: int, windows: int, share: Callable[[int], float], drift: dict[int, Any] | None = None
) -> list[PredictionWindow]:
    """Return windows in which each version meets what its profile was built from; `drift` is what version 8 meets instead."""
    rng = np.random.default_rng(seed)
    found = []
    for minute in range(windows):
        n = int(rng.binomial(EVENTS, share(minute)))
        [old] = drawn(rng, MAIN.predictions, 1, n=EVENTS - n)
        [new] = drawn(rng, OWN.predictions, 1, n=n, chances=drift)
        found.append(window(minute, old, new))
    return found


def alarms(detectors: Sequence[Detector[Any]], windows: Sequence[PredictionWindow]) -> list[Finding]:
    """Return the findings with which something began to fire."""
    begun: list[Finding] = []
    firing: set[Any] = set()
    for one in windows:
        for detector in detectors:
            for finding in _told(detector, one):
                if finding.verdict is not Verdict.BREACH:
                    firing.discard(finding.identity)
                elif finding.identity not in firing:
                    firing.add(finding.identity)
                    begun.append(finding)
    return begun


def wandering(seed: int) -> Callable[[int], float]:
    """Return a share of version 8 that goes up and down at will, with hours of none and of all."""
    rng = np.random.default_rng(seed)
    steps = np.repeat(rng.choice([0.0, 0.02, 0.2, 0.5, 0.9, 1.0], 400), 20)
    return lambda minute: float(steps[minute % len(steps)])


def test_whatever_share_a_version_has_false_alarms_stay_within_the_one_budget() -> None:
    windows = 400
    model = sharp(windows)
    seen = traffic(3, windows, wandering(4))
    own = alarms(detectors_for(model, profile(OLD), {"8": OWN}), seen)
    assert len(own) <= GENEROUS
    drift = {
        f.feature for f in alarms(detectors_for(model, profile(OLD)), seen[:200]) if f.kind is Kind.DATA_DRIFT
    }
    assert drift >= {"x", "country"}, "against one profile the roll-out is drift"


def test_a_version_that_drifts_from_its_own_profile_is_named_and_the_other_is_not() -> None:
    place = next(i for i, c in enumerate(OWN.predictions.columns) if c.column.name == "x")
    moved = np.roll([*OWN.predictions.columns[place].column.counts], 8)
    drift = {place: [*(moved / moved.sum()), 0.0, 0.0]}
    seen = traffic(5, 120, lambda _: 0.3, drift)
    found = alarms(detectors_for(MODEL, profile(OLD), {"8": OWN}), seen)
    assert {(f.feature, f.version) for f in found if f.kind is Kind.DATA_DRIFT} == {("x", "8")}


def test_all_references_share_one_budget() -> None:
    rest, own = budgeted_by_version(MODEL, MAIN, {"8": OWN, "9": OWN})
    assert rate_of(rest) + sum(map(rate_of, own.values())) == pytest.approx(1.0)
    assert rate_of(own["8"]) == pytest.approx(1 / 3)
    assert [d.name for d in own["8"]] == [
        *("budget_columns", "budget_errors", "budget_estimate", "estimate_check"),
        *("budget_segment_columns", "budget_segment_errors"),
    ]


def rate_of(detectors: Sequence[Detector[Any]]) -> float:
    """Return the false alarms that detectors allow in 30 days, with every place of a part taken."""
    banks: list[WatchedBanks] = []
    found = 0.0
    for detector in detectors:
        if isinstance(detector, BudgetedParts):
            versions, segments = [str(n) for n in range(4)], [f"channel={n}" for n in ("shop", "web")]
            is_segment = detector._kind == "segment"
            detector._seats.seat(segments if is_segment else versions)
            # What is kept for segments that nobody has seen is never spent.
            found += rate(detector._seats.banks) * (MODEL.max_segments / 2 if is_segment else 1)
        elif isinstance(detector, BudgetedErrors):
            banks += [detector._banks, detector._prompt]
        elif isinstance(detector, BudgetedColumns | BudgetedEstimate):
            banks.append(detector._banks)
        elif isinstance(detector, BudgetedVolume):
            banks.append(detector._bets.banks)
        elif detector.stream is Stream.LABELS:
            found += sum(30 * 24 / math.exp(bar) for bar in getattr(detector, "_bars", []))
    return found + sum(map(rate, banks))


def rate(one: WatchedBanks) -> float:
    return sum(43_200 / math.exp(level) for bank in one._banks for level in bank._bars)


def watching() -> list[Detector[Any]]:
    return detectors_for(MODEL, profile(OLD), {"8": OWN})


def test_states_read_back_go_on_as_if_nothing_had_happened() -> None:
    seen = traffic(6, 40, lambda minute: min(minute / 10, 1.0))
    first, second = watching(), watching()
    alarms(first, seen[:20])
    states_from_bytes(second, states_to_bytes(first))
    assert states_to_bytes(second) == states_to_bytes(first)
    for one in seen[20:]:
        told = [[_told(detector, one) for detector in every] for every in (first, second)]
        assert told[0] == told[1]
    assert states_to_bytes(second) == states_to_bytes(first)
    broken = next(d for d in second if isinstance(d, Apart))
    with pytest.raises(ValueError, match="expected what has been told of versions"):
        broken.restore({**broken.state(), "apart": b"\xc1"})


def test_a_detector_whose_versions_are_gone_starts_over_once_it_has_said_so() -> None:
    place = next(i for i, c in enumerate(OWN.predictions.columns) if c.column.name == "country")
    drift = {place: [0.99, 0.01, 0.0, 0.0, 0.0]}
    watched = watching()
    columns = next(d for d in watched if d.name == "budget_columns@8")
    new = columns.state()
    begun = alarms([columns], traffic(7, 20, lambda _: 0.4, drift))
    assert {(f.feature, f.version) for f in begun} == {("country", "8")}
    gone = [f for one in traffic(8, 90, lambda _: 0.0)[20:] for f in columns.update(one)]
    assert [(f.verdict, f.identity) for f in gone] == [(Verdict.GONE, begun[0].identity)]
    assert columns.state() == new


def test_a_profile_that_is_taken_up_keeps_what_was_gathered_and_closes_what_nobody_can_see_end() -> None:
    before = detectors_for(MODEL, profile(OLD))
    begun = alarms(before, traffic(9, 40, lambda _: 0.9))
    assert {f.feature for f in begun} >= {"x", "country"}
    after = watching()
    states_from_bytes(after, states_to_bytes(before))
    columns = next(d for d in after if d.name == "budget_columns")
    told = [f for one in traffic(10, 50, lambda _: 0.5)[40:] for f in columns.update(one)]
    assert {f.feature for f in told} >= {"x", "country"}, "it still fires, as the others may be off too"
    gone = [f for one in traffic(11, 130, lambda _: 1.0)[50:] for f in columns.update(one)]
    assert {f.feature for f in gone} >= {"x", "country"}
    assert {(f.verdict, f.version) for f in gone} == {(Verdict.GONE, None)}


def test_a_profile_that_is_taken_up_after_the_roll_out_closes_what_was_told_of_it() -> None:
    before = detectors_for(MODEL, profile(OLD))
    begun = alarms(before, traffic(9, 30, lambda _: 1.0))
    after = watching()
    states_from_bytes(after, states_to_bytes(before))
    told = [f for one in traffic(10, 100, lambda _: 1.0)[30:] for d in after for f in _told(d, one)]
    found = [finding for finding in told if finding.verdict in (Verdict.BREACH, Verdict.GONE)]
    assert {f.verdict for f in found} == {Verdict.GONE}
    assert {f.identity for f in found} == {f.identity for f in begun}


def _told(detector: Detector[Any], one: PredictionWindow) -> list[Finding]:
    return detector.update(one) if detector.stream is Stream.PREDICTIONS else []
