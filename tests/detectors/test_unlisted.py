"""Features that the profile does not list: when they are told, by what share, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.summaries import MINUTE_MS, NOON_MS, prediction_window, profile_of

from alerts.identity import Subject
from alerts.lifecycle import Reason
from alerts.wording import Case, words_for
from detectors.detector import PredictionWindow
from detectors.layout import prediction_layout
from detectors.registry import detectors_for
from detectors.summary import Summary
from detectors.unlisted import NAMES_MAX, UnlistedFeatures
from schemas.clock import format_time
from schemas.finding import Finding, Kind, Verdict
from schemas.model_settings import ModelSettings


def window(index: int, **versions: tuple[int, dict[str, int]]) -> PredictionWindow:
    """Return a window of versions (`v7` is 7) with so many events, and so many of them that carry each name."""
    layout = prediction_layout(None)
    whole, parts = Summary.empty(layout), {}
    for version, (n, names) in versions.items():
        part = Summary.empty(layout)
        part.vector[0] = n
        part.pairs |= {(name, ""): carrying for name, carrying in names.items()}
        parts[version.removeprefix("v")] = part
        whole = whole.merge(part)
    return replace(prediction_window(whole, index), versions=parts)


def verdicts(detector: UnlistedFeatures, *windows: PredictionWindow) -> list[Verdict]:
    return [finding.verdict for one in windows for finding in detector.update(one)]


def test_a_new_version_that_carries_a_new_name_is_told_however_small_it_is() -> None:
    detector = UnlistedFeatures()
    detector.update(window(0, v7=(5_000, {})))
    [found] = detector.update(window(1, v7=(5_000, {}), v8=(20, {"zip": 20, "age": 5})))
    assert (found.kind, found.verdict, found.score) == (Kind.SCHEMA, Verdict.BREACH, 1.0)
    assert found.onset_ms == NOON_MS + MINUTE_MS
    assert found.evidence["names"] == ["zip", "age"]
    assert found.evidence["shares"] == {"zip": 1.0, "age": 0.25}
    assert found.evidence["versions"] == ["8"]
    assert found.evidence["first_seen"] == dict.fromkeys(["zip", "age"], format_time(NOON_MS + MINUTE_MS))


def test_since_stays_that_of_the_first_window_and_starts_over_after_a_time_without() -> None:
    detector = UnlistedFeatures()
    both = [window(i, v7=(200, {"zip": 100})) for i in range(3)]
    onsets = [f.onset_ms for one in both for f in detector.update(one)]
    assert onsets == [NOON_MS] * 3
    assert verdicts(detector, window(3, v7=(200, {}))) == [Verdict.CLEAR]
    [again] = detector.update(window(4, v7=(200, {"zip": 100})))
    assert again.onset_ms == NOON_MS + 4 * MINUTE_MS


def test_a_single_strange_event_is_not_told_and_few_events_are_added_up() -> None:
    assert verdicts(UnlistedFeatures(), window(0, v7=(1_000, {"zip": 1}))) == [Verdict.CLEAR]
    lonely = window(0, v7=(1_000, {}), v8=(1, {"zip": 1}))
    assert Verdict.BREACH not in verdicts(UnlistedFeatures(), lonely), "in a version of its own neither"
    detector = UnlistedFeatures()
    few = [window(i, v7=(30, {"zip": 30 if i else 0})) for i in range(4)]
    assert verdicts(detector, *few) == [Verdict.UNKNOWN] * 3 + [Verdict.BREACH]


@pytest.mark.parametrize("share", [0.001, 0.003, 0.005])
@pytest.mark.parametrize("n", [30, 100, 1_000])
def test_a_name_that_half_as_many_events_carry_does_not_come_and_go(share: float, n: int) -> None:
    """As one that a profile which is learned leaves out, because too few events carry it."""
    rng, detector = np.random.default_rng(1), UnlistedFeatures()
    found = [
        verdicts(detector, window(i, v7=(n, {"promo": k} if k else {})))[0]
        for i, k in enumerate(rng.binomial(n, share, size=500).tolist())
    ]
    assert Verdict.BREACH not in found


@pytest.mark.parametrize("share", [0.01, 0.02, 0.1])
def test_a_name_that_is_told_stays_told_while_as_many_carry_it(share: float) -> None:
    rng, detector = np.random.default_rng(1), UnlistedFeatures()
    counts = rng.binomial(20_000, share, size=300).tolist()
    found = verdicts(detector, *(window(i, v7=(20_000, {"promo": k})) for i, k in enumerate(counts)))
    assert Verdict.BREACH in found[:20]
    assert Verdict.CLEAR not in found


def test_answers_of_the_fallback_do_not_count_and_names_are_bounded() -> None:
    layout = {"v7": (200, {f"n{i:03}": 150 for i in range(200)}), "v7+fallback": (200, {"only": 200})}
    [found] = UnlistedFeatures().update(window(0, **layout))
    names = found.evidence["names"]
    assert isinstance(names, list)
    assert len(names) == NAMES_MAX
    assert "only" not in names


def test_it_can_be_switched_off_and_needs_features_to_compare_with() -> None:
    raw: dict[str, Any] = {"name": "fraud", "task": "binary", "positive_class": "fraud"}
    profile = profile_of({"amount": [1.0, 2.0] * 100})

    def names(reference: Any = profile, **more: Any) -> list[str]:
        return [d.name for d in detectors_for(ModelSettings.model_validate(raw | more), reference)]

    assert "unlisted_features" in names()
    assert "unlisted_features" not in names(monitors={"unlisted_features": False})
    assert "unlisted_features" not in names(None)


def test_the_message_names_the_names() -> None:
    [found] = UnlistedFeatures().update(window(0, v8=(200, {"zip": 200, "age": 100})))
    title = words_of(found)
    assert title == "fraud: features that the profile does not list, zip and 1 more in 100% of events"


def words_of(found: Finding) -> str:
    evidence: Any = found.evidence
    subject = Subject(
        kind=found.kind, check=found.check, model="fraud", version=None, feature=None, segment=None
    )
    case = Case(
        subject=subject, reason=Reason.FIRST, evidence=evidence, events=200, lasted_ms=0,
        fallback=None, team=None, contact=None, escalation=(),
    )  # fmt: skip
    return words_for(case).title
