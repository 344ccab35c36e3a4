"""How labels come: silent while all is as usual, whatever the traffic; early when they stay away, come late or contradict."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from builders.label_flow import Flow, LabelWatch, by_night, hour_of, spread_over_days

from detectors.betting.label_coverage import BudgetedCoverage
from detectors.betting.label_lag import BudgetedLag
from detectors.betting.label_shares import BudgetedLabelShares
from detectors.label_layout import LabelCell
from schemas.alert import AlertStatus

DAY = 24
NIGHTLY: dict[str, Any] = {"delay": by_night, "nightly": True}
WAYS: dict[str, dict[str, Any]] = {"people": {}, "nightly": NIGHTLY, "sparse": {"per_hour": 5.0}}


def quiet_week(hour: int) -> float:
    return 0.4 if 40 * DAY <= hour < 46 * DAY else 1.0


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_told_while_labels_come_as_usual_and_when_only_traffic_falls(way: str) -> None:
    cases: list[tuple[int, dict[str, Any]]] = [(1, {}), (2, {"traffic": quiet_week})]
    for seed, more in cases:
        watch = LabelWatch().feed(Flow(58, seed=seed, **WAYS[way], **more).windows)
        assert watch.heard == []


@pytest.mark.parametrize(("way", "hours"), [("people", 6), ("nightly", 50), ("sparse", 60)])
def test_labels_that_stop_are_one_alert_that_ends_when_the_backlog_comes(way: str, hours: int) -> None:
    flow = Flow(60, seed=5, **WAYS[way])
    flow.held_back(40 * DAY, 54 * DAY)
    fired, over = LabelWatch().feed(flow.windows).heard
    assert (fired.kind, fired.check, fired.severity) == ("label_coverage", "label_coverage", "error")
    assert 40 * DAY < hour_of(fired) <= 40 * DAY + hours
    assert fired.title.startswith("fraud: fewer labels come than usual, ")
    assert (over.status, over.evidence["reason"]) == (AlertStatus.RESOLVED, "recovered")
    assert 54 * DAY < hour_of(over) <= 55.5 * DAY


def test_labels_that_stop_for_good_and_predictions_with_them_are_told_when_predictions_come_again() -> None:
    flow = Flow(46, seed=6)
    flow.windows[40 * DAY : 42 * DAY] = 0
    flow.held_back(42 * DAY, 45 * DAY, flushed=False)
    (fired,) = LabelWatch().feed(flow.windows).fired()
    assert hour_of(fired) <= 42 * DAY + 6


def test_labels_that_take_more_than_twice_as_long_are_told() -> None:
    made = [0]

    def later(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
        made[0] += 1
        return np.minimum(spread_over_days(rng, n) * (2.5 if made[0] > 40 * DAY else 1.0), 335.0)

    (fired,) = LabelWatch().feed(Flow(50, seed=9, delay=later).windows).fired("label_lag")
    assert 41 * DAY < hour_of(fired) < 45 * DAY
    assert fired.title.startswith("fraud: labels arrive later, share of labels within ")


@pytest.mark.parametrize(
    ("cell", "check", "kind"),
    [
        (LabelCell.ORPHANS, "orphan_labels", "orphan_labels"),
        (LabelCell.DUPLICATES, "label_duplicates", "data_quality"),
        (LabelCell.CONFLICTS, "label_conflicts", "data_quality"),
        (LabelCell.CORRECTIONS, "label_corrections", "data_quality"),
        (LabelCell.LATE, "late_labels", "label_lag"),
    ],
)
def test_a_share_of_odd_labels_is_told_where_it_matters(cell: LabelCell, check: str, kind: str) -> None:
    for more, told in ((0.01, False), (0.1, True)):
        flow, rng = Flow(54, seed=7), np.random.default_rng(3)
        flow.windows[:, cell] = rng.binomial(flow.windows[:, LabelCell.FIRST], 0.01)
        changed = flow.windows[40 * DAY : 50 * DAY]
        changed[:, cell] += rng.binomial(changed[:, LabelCell.FIRST], more)
        heard = LabelWatch().feed(flow.windows).heard
        assert [(d.check, d.kind, d.status) for d in heard] == (
            [(check, kind, "firing"), (check, kind, "resolved")] if told else []
        )
        if told:
            assert hour_of(heard[0]) <= 40 * DAY + 12
            assert "share 0.9" in heard[0].title


def test_a_restored_detector_goes_on_as_if_nothing_had_happened() -> None:
    flow = Flow(45, seed=8)
    flow.held_back(40 * DAY, 44 * DAY)
    whole, first, second = LabelWatch(), LabelWatch(), LabelWatch()
    whole.feed(flow.windows)
    for cut in (20 * DAY + 5, 41 * DAY):
        first, second = LabelWatch(), LabelWatch()
        first.feed(flow.windows[:cut])
        for old, new in zip(first.detectors, second.detectors, strict=True):
            new.restore(old.state())
            assert new.state() == old.state()
        second.book = first.book
        second.feed(flow.windows[cut:], first=cut)
        assert first.heard + second.heard == whole.heard


def test_states_of_something_else_are_refused_or_start_over() -> None:
    watch = LabelWatch().feed(Flow(20, seed=1).windows)
    kinds = (BudgetedCoverage, BudgetedLag, BudgetedLabelShares)
    for detector, kind in zip(watch.detectors, kinds, strict=True):
        assert isinstance(detector, kind)
        state = detector.state()
        with pytest.raises(ValueError, match="expected"):
            detector.restore({})
        for key, value in state.items():
            if isinstance(value, bytes) and value:
                with pytest.raises(ValueError, match="expected"):
                    detector.restore({**state, key: b"\xc1"})


def test_each_monitor_can_be_switched_off() -> None:
    checks = (
        *("label_coverage", "label_lag", "late_labels", "orphan_labels"),
        *("label_duplicates", "label_conflicts", "label_corrections"),
    )
    assert LabelWatch(monitors=dict.fromkeys(checks, False)).detectors == []
