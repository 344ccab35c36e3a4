"""Errors under the budget: one alert for wrong answers, whichever class they are about, and what it says."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from builders.summaries import classified, error_window, profile_of

from detectors.betting.errors import BudgetedErrors
from detectors.betting.setup import budgeted
from detectors.detector import ErrorWindow
from detectors.profile import ReferenceProfile
from schemas.finding import Finding, Severity, Verdict
from schemas.model_settings import ModelSettings

SETTINGS = ModelSettings.model_validate({"name": "m", "task": "multiclass"})
CLASSES = ("a", "b", "c")


def profile(shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> ReferenceProfile:
    pairs = [
        (said, true, int(4_000 * share * (0.95 if said == true else 0.025)))
        for true, share in zip(CLASSES, shares, strict=True)
        for said in CLASSES
    ]
    return profile_of(
        {"x": [1.0] * 200},
        model="m",
        task="multiclass",
        labelled=4_000,
        metrics={"accuracy": 0.95},
        classes=CLASSES,
        confusion=tuple(pair for pair in pairs if pair[2]),
    )


@lru_cache
def window(
    index: int, *, wrong: tuple[str, ...] = (), share_wrong: float = 0.5, only: str | None = None
) -> ErrorWindow:
    """Return a window of 200 labels; so large a share of the answers about the classes `wrong` is wrong."""
    rng = np.random.default_rng(index)
    truth = [only] * 200 if only else rng.choice(CLASSES, 200, p=[0.6, 0.3, 0.1]).tolist()
    share = {name: share_wrong if name in wrong else 0.05 for name in CLASSES}
    said = [CLASSES[(CLASSES.index(true) + 1) % 3] if rng.random() < share[true] else true for true in truth]
    return error_window(classified(said, truth), index)


def errors(reference: ReferenceProfile | None = None) -> BudgetedErrors:
    found = [d for d in budgeted(SETTINGS, reference or profile()) if isinstance(d, BudgetedErrors)]
    return found[0]


def run(detector: BudgetedErrors, *windows: ErrorWindow) -> list[list[Finding]]:
    return [[f for f in detector.update(w) if f.check == "performance"] for w in windows]


def test_two_classes_that_go_wrong_are_one_alert_that_ends_when_both_are_well() -> None:
    detector = errors()
    both = run(detector, *[window(i, wrong=("a", "b")) for i in range(10)])
    assert max(len(found) for found in both) == 1
    one = run(detector, *[window(i, wrong=("b",)) for i in range(10, 60)])
    assert {f.verdict for found in one for f in found} == {Verdict.BREACH}
    none = run(detector, *[window(i) for i in range(60, 160)])
    assert [f.verdict for found in none for f in found][-1] is Verdict.CLEAR


def test_a_class_that_is_well_again_does_not_end_the_alert_while_the_other_has_no_labels() -> None:
    detector = errors()
    run(detector, *[window(i, wrong=("a", "b")) for i in range(10)])
    quiet = run(detector, *[window(i, only="a") for i in range(10, 60)])
    assert Verdict.CLEAR not in {f.verdict for found in quiet for f in found}
    again = run(detector, *[window(i, wrong=("b",), only="b") for i in range(60, 63)])
    assert [f.verdict for found in again for f in found] == [Verdict.BREACH] * 3


def test_severity_never_falls_before_the_end_and_what_gets_worse_comes_with_evidence() -> None:
    detector = errors()
    life = run(detector, *[window(i, wrong=("a",), share_wrong=0.13) for i in range(30)])
    life += run(detector, *[window(i, wrong=("a",), share_wrong=0.6) for i in range(30, 40)])
    life += run(detector, *[window(i, wrong=("a",), share_wrong=0.12) for i in range(40, 120)])
    told = [f for found in life for f in found]
    ranks = [f.severity.rank for f in told]
    assert ranks == sorted(ranks)
    assert {ranks[0], ranks[-1]} == {Severity.ERROR.rank, Severity.CRITICAL.rank}
    assert all(told[i].evidence for i in range(len(told)) if i == 0 or ranks[i] > ranks[i - 1])


def test_score_and_bar_are_powers_of_ten_as_in_the_evidence() -> None:
    found = next(f for found in run(errors(), *[window(i, wrong=CLASSES) for i in range(5)]) for f in found)
    assert found.fire == pytest.approx(found.evidence["threshold"])


def test_a_changed_mix_of_classes_is_named_by_the_class_that_gave_it_away() -> None:
    reference = profile(shares=(0.6, 0.0, 0.4))
    detector = errors(reference)
    found = [f for i in range(30) for f in detector.update(window(i, only="c")) if f.check == "label_drift"]
    before, now = found[0].evidence["share_before"], found[0].evidence["share_now"]
    assert {"a": (0.6, 0.0), "c": (0.4, 1.0)}[str(found[0].evidence["top_category"])] == pytest.approx(
        (before, now), abs=0.02
    )
