"""Each alert is shown by the figure that its evidence speaks of, in the same unit, within a bound of bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from detectors.classes import ClassNames
from detectors.label_layout import LabelCell, LabelLayout
from detectors.layout import PredictionLayout, error_layout, prediction_layout
from detectors.pair_layout import PairCell, pair_layout
from detectors.profile import CategoricalColumn, NumericColumn, ReferenceProfile
from detectors.rhythm import Rhythm
from detectors.series.figure import Figure
from detectors.series.figures import Figures
from detectors.series.series import Past, series_of
from detectors.summary import Summary
from schemas.alert_wire import wire_json
from schemas.finding import Finding, Kind, Verdict, WindowSpan
from schemas.model_settings import ModelSettings
from schemas.series import BYTES_MAX, POINTS_MAX, Series

SETTINGS: Final = ModelSettings.model_validate(
    {
        "name": "fraud",
        "task": "binary",
        "positive_class": "fraud",
        "monitors": {"mean_amount": {"river": "ADWIN", "signal": "feature:amount", "alert": True}},
    }
)
AGE: Final = NumericColumn("age", (20.0, 40.0, 60.0), (10, 40, 40, 10), 40.0, 20.0, 0.0, 90.0, 40.0)
AMOUNT: Final = replace(AGE, name="amount")
COUNTRY: Final = CategoricalColumn("country", ("DE", "FR"), (60, 40))
PROFILE: Final = ReferenceProfile("fraud", "binary", 100, (AGE, AMOUNT, COUNTRY))
LAYOUT: Final = prediction_layout(PROFILE)
ERRORS: Final = error_layout("binary", PROFILE, SETTINGS.loss)
NAMES: Final = ClassNames(None, "fraud")
HOUR_MS: Final = 3_600_000


def figure_of(kind: Kind, check: str, evidence: dict[str, Any], **place: Any) -> Figure | None:
    figures = Figures(SETTINGS, PROFILE, predictions=LAYOUT, errors=ERRORS, names=NAMES)
    window = WindowSpan(0, 60_000, 10)
    finding = Finding(
        kind=kind,
        check=check,
        model="fraud",
        window=window,
        verdict=Verdict.BREACH,
        score=1.0,
        fire=1.0,
        clear=1.0,
        evidence=evidence,
        **place,
    )
    return figures.of(finding)


def columns(**counts: list[int]) -> Summary[PredictionLayout]:
    """Return a window in which columns have these cells."""
    summary = Summary.empty(LAYOUT)
    for name, cells in counts.items():
        place = next(c for c in LAYOUT.columns if c.column.name == name)
        summary.vector[LAYOUT.cells(place)][: len(cells)] = cells
    return summary


def pairs(**counts: int) -> Summary[Any]:
    summary = Summary.empty(ERRORS)
    summary.pairs |= {
        ("fraud" if key[0] == "f" else "ok", "fraud" if key[1] == "f" else "ok"): n
        for key, n in counts.items()
    }
    summary.vector[:2] = sum(counts.values()), counts.get("fo", 0) + counts.get("of", 0)
    return summary


def labels(**counts: int) -> Summary[Any]:
    summary = Summary.empty(LabelLayout())
    for name, n in counts.items():
        summary.vector[LabelCell[name]] = n
    return summary


def statuses(ok: int, fallback: int, error: int) -> Summary[Any]:
    summary = Summary.empty(LAYOUT)
    summary.vector[:4] = ok + fallback + error, ok, fallback, error
    return summary


def gains(first: int, second: int, n: int) -> Summary[Any]:
    summary = Summary.empty(pair_layout("binary", None))
    summary.vector[[PairCell.LOSS_FIRST, PairCell.LOSS_SECOND, PairCell.N]] = first, second, n
    return summary


MEDIANS: Final[dict[str, Any]] = {
    "profile_median": 40.0,
    "window_median": 50.0,
    "unchanged_within": 0.1,
    "direction": "up",
}
TABLE: Final[list[tuple[Kind, str, dict[str, Any], Any, Any, tuple[str, str, Any, Any]]]] = [
    # kind, check, evidence, feature, window; name, unit, reference and value
    (
        Kind.DATA_DRIFT,
        "drift",
        MEDIANS,
        "age",
        columns(age=[10, 20, 60, 10]),
        ("median", "", 40.0, 46.666666666666664),
    ),
    (Kind.DATA_DRIFT, "drift", {}, "age", columns(age=[1, 1]), ("mean", "", 40.0, 40.0)),
    (
        Kind.DATA_DRIFT,
        "drift",
        {"functional": "spread", "direction": "changed"},
        "age",
        columns(age=[1]),
        ("spread", "", 20.0, 0.0),
    ),
    (
        Kind.DATA_DRIFT,
        "drift",
        {"top_category": "FR", "share_before": 0.4},
        "country",
        columns(country=[1, 3]),
        ("share", "share", 0.4, 0.75),
    ),
    (
        Kind.DATA_DRIFT,
        "drift",
        {"top_category": "(unseen)"},
        "country",
        columns(country=[1, 2, 1]),
        ("share", "share", None, 0.25),
    ),
    (
        Kind.DATA_QUALITY,
        "missing_rate",
        {"rate_before": 0.1},
        "age",
        columns(age=[1, 1, 1, 0, 1]),
        ("missing", "share", 0.1, 0.25),
    ),
    (
        Kind.DATA_QUALITY,
        "unseen_rate",
        {},
        "country",
        columns(country=[1, 1, 2, 9]),
        ("unseen", "share", None, 0.5),
    ),
    (
        Kind.DATA_DRIFT,
        "mean_amount",
        {"mean_before": 41.0},
        "amount",
        columns(amount=[1]),
        ("mean", "", 41.0, 40.0),
    ),
    (
        Kind.ERROR_RATE,
        "error_rate",
        {"rate_before": 0.05},
        None,
        statuses(3, 0, 1),
        ("error_rate", "share", 0.05, 0.25),
    ),
    (Kind.FALLBACK_RATE, "fallback_rate", {}, None, statuses(1, 1, 0), ("fallback_rate", "share", None, 0.5)),
    (
        Kind.VOLUME,
        "volume",
        {"usual_per_hour": 5.0},
        None,
        statuses(10, 0, 0),
        ("events", "per_hour", 5.0, 10.0),
    ),
    (
        Kind.PERFORMANCE,
        "performance",
        {"signal": "wrong:fraud", "wrong_before": 0.1},
        None,
        pairs(ff=3, of=1, oo=9),
        ("wrong_answers", "share", 0.1, 0.25),
    ),
    (
        Kind.PERFORMANCE,
        "performance",
        {"statistic": "error_rate", "reference": 0.2},
        None,
        pairs(ff=1, of=1),
        ("wrong_answers", "share", 0.2, 0.5),
    ),
    (
        Kind.PERFORMANCE,
        "recall_min",
        {"metric": "recall", "recall_before": 0.9},
        None,
        pairs(ff=3, of=1),
        ("recall", "share", 0.9, 0.75),
    ),
    (
        Kind.LABEL_DRIFT,
        "label_drift",
        {"top_category": "fraud", "share_before": 0.1},
        None,
        pairs(ff=1, oo=3),
        ("share", "share", 0.1, 0.25),
    ),
    (
        Kind.ORPHAN_LABELS,
        "orphan_labels",
        {"share_before": 0.0},
        None,
        labels(FIRST=3, ORPHANS=1),
        ("orphan_labels", "share", 0.0, 0.25),
    ),
    (
        Kind.LABEL_COVERAGE,
        "label_coverage",
        {"usual_per_hour": 7.0},
        None,
        labels(FIRST=3),
        ("labels", "per_hour", 7.0, 3.0),
    ),
    (
        Kind.VERSION_REGRESSION,
        "compare",
        {"champion": "7", "challenger": "8"},
        None,
        gains(5, 2, 10),
        ("gain", "", 0.0, 0.3),
    ),
    (
        Kind.VERSION_REGRESSION,
        "compare",
        {"champion": "8", "challenger": "7"},
        None,
        gains(5, 2, 10),
        ("gain", "", 0.0, -0.3),
    ),
]


@pytest.mark.parametrize(("kind", "check", "evidence", "feature", "window", "expected"), TABLE)
def test_an_alert_is_shown_by_the_figure_that_its_evidence_speaks_of(  # noqa: PLR0917 - a table
    kind: Kind, check: str, evidence: dict[str, Any], feature: str | None, window: Summary[Any], expected: Any
) -> None:
    figure = figure_of(kind, check, evidence, feature=feature)
    assert figure is not None
    value, n = figure.read(window, 1.0)
    assert n > 0
    assert (figure.name, figure.unit, figure.reference, value) == (*expected[:3], pytest.approx(expected[3]))


@pytest.mark.parametrize(
    ("kind", "check", "evidence", "feature"),
    [
        (Kind.SCHEMA, "contract", {}, None),
        (Kind.MONITOR_INTEGRITY, "orphans", {}, None),
        (Kind.DATA_DRIFT, "drift", MEDIANS, "nobody knows it"),
        (Kind.DATA_DRIFT, "drift", {"top_category": "(rest)"}, "country"),
        (Kind.LABEL_DRIFT, "label_drift", {"top_category": "(rest)"}, None),
        (Kind.ESTIMATED_PERFORMANCE, "estimated_performance", {"metric": "accuracy"}, None),
        (
            *(Kind.VERSION_REGRESSION, "compare_split"),
            {"champion": "7", "challenger": "8", "ids": "different"},
            None,
        ),
    ],
)
def test_what_no_window_holds_has_no_figure(kind: Kind, check: str, evidence: Any, feature: Any) -> None:
    assert figure_of(kind, check, evidence, feature=feature) is None


@pytest.mark.parametrize(
    ("kind", "check", "evidence", "threshold"),
    [
        (Kind.ERROR_RATE, "error_rate", {"budgeted": True, "threshold": 5.0}, None),
        (Kind.ERROR_RATE, "error_rate", {"budgeted": False, "threshold": 0.08}, 0.08),
        (Kind.PERFORMANCE, "accuracy_min", {"metric": "accuracy", "threshold": 0.9}, 0.9),
        (
            *(Kind.PERFORMANCE, "accuracy_min"),
            {
                "metric": "accuracy",
                "budgeted": True,
                "threshold": 5.0,
                "limit_value": 0.9,
                "wrong_before": 0.1,
            },
            0.9,
        ),
        (
            *(Kind.PERFORMANCE, "error_p05_min"),
            {
                "metric": "error_p05",
                "budgeted": True,
                "threshold": 5.0,
                "limit_value": -2.0,
                "wrong_before": 0.05,
            },
            -2.0,
        ),
        (Kind.PERFORMANCE, "performance", {"metric": "accuracy", "budgeted": True, "threshold": 5.0}, None),
    ],
)
def test_a_threshold_is_shown_where_it_is_one_of_the_figure_and_not_of_the_odds(
    kind: Kind, check: str, evidence: dict[str, Any], threshold: Any
) -> None:
    figure = figure_of(kind, check, evidence)
    assert figure is not None
    assert figure.threshold == threshold


def test_the_band_of_a_median_ends_at_the_ranks_that_count_as_unchanged() -> None:
    figure = figure_of(Kind.DATA_DRIFT, "drift", MEDIANS | {"unchanged_within": 0.2533471}, feature="age")
    assert figure is not None
    assert figure.low == pytest.approx(35.0, abs=1e-4)
    assert figure.high == pytest.approx(45.0, abs=1e-4)


def series(figure: Figure, points: dict[int, Summary[Any]], *, step_ms: int = HOUR_MS) -> Any:
    end_ms = max(points) + step_ms
    past = Past(points, end_ms=end_ms, step_ms=step_ms, empty=Summary.empty(LAYOUT))
    return wire_json(series_of(figure, past, since_ms=end_ms - step_ms, zone="UTC"))


def test_a_gap_is_null_but_a_silence_is_no_traffic_at_all() -> None:
    points = {0: statuses(10, 0, 5), 3 * HOUR_MS: statuses(4, 0, 0)}
    rate, traffic = figure_of(Kind.ERROR_RATE, "error_rate", {}), figure_of(Kind.VOLUME, "volume", {})
    assert rate is not None
    assert traffic is not None
    assert series(rate, points)["values"] == [0.333333, None, None, 0.0]
    assert series(traffic, points)["values"] == [15.0, 0.0, 0.0, 4.0]


def test_what_is_usual_traffic_now_is_not_said_of_other_hours() -> None:
    figure = figure_of(Kind.VOLUME, "volume", {"usual_per_hour": 7.0})
    assert figure is not None
    found = series(figure, {hour * HOUR_MS: statuses(6, 0, 0) for hour in range(5)})
    assert (found["reference"], found["usual"]) == (7.0, [None, None, None, 7.0, 7.0])


def test_one_value_alone_is_no_series() -> None:
    figure = figure_of(Kind.ERROR_RATE, "error_rate", {})
    assert figure is not None
    assert series(figure, {0: statuses(1, 0, 0), HOUR_MS: statuses(0, 0, 0)}) is None


def test_what_is_usual_follows_the_profiles_cycle() -> None:
    day = tuple(0.2533471 * np.sign(hour - 11.5) for hour in range(24))
    profile = replace(
        PROFILE, columns=(replace(AGE, rhythms={"location": Rhythm(season=day)}), AMOUNT, COUNTRY)
    )
    layout = prediction_layout(profile)
    figures = Figures(SETTINGS, profile, predictions=layout, errors=ERRORS, names=NAMES)
    finding = Finding(
        kind=Kind.DATA_DRIFT,
        check="drift",
        model="fraud",
        feature="age",
        window=WindowSpan(0, 1, 1),
        verdict=Verdict.BREACH,
        score=1.0,
        fire=1.0,
        clear=1.0,
        evidence=MEDIANS,
    )
    figure = figures.of(finding)
    assert figure is not None
    points = {hour * HOUR_MS: columns(age=[10, 40, 40, 10]) for hour in range(24)}
    usual = series(figure, points)["usual"]
    assert usual == pytest.approx([35.0] * 12 + [45.0] * 12, abs=1e-3)


def test_the_largest_series_keeps_its_bound() -> None:
    figure = Figure(
        name="wrong_answers",
        unit="per_hour",
        of="\N{GRINNING FACE}" * 300,
        read=lambda _summary, _hours: (-1.234567e-300, 2**53),
        reference=-1.234567e-300,
        low=-1.234567e-300,
        high=-1.234567e-300,
        threshold=-1.234567e-300,
        usual=lambda hours: np.full_like(hours, -1.234567),
    )
    points = {n * HOUR_MS: statuses(1, 0, 0) for n in range(3 * POINTS_MAX)}
    found = series(figure, points)
    read = Series.model_validate(found)
    assert len(read.values) == POINTS_MAX
    assert len(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()) <= BYTES_MAX
