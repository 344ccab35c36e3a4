"""What explains a fall: features that moved with it, worst parts, and dated facts."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.summaries import (
    INVALID,
    MINUTE_MS,
    NOON_MS,
    Values,
    error_counts,
    error_window,
    prediction_window,
    predictions,
    profile_of,
    regressed,
    span,
)

from detectors.causes.explainer import Explainer
from detectors.causes.facts import BEFORE_MS, FACTS_MAX, VERSION_CHANGE, Fact, FactLog
from detectors.causes.feature_figures import FIGURES, FeatureFigures
from detectors.causes.feature_history import AHEAD_MAX, FeatureHistory
from detectors.causes.grid import BLOCKS
from detectors.causes.loss_history import IDLE_LEVEL
from detectors.detector import ErrorWindow, PredictionWindow
from detectors.layout import ErrorLayout, PredictionLayout, prediction_layout
from detectors.profile import ReferenceProfile
from detectors.rhythm import Rhythm
from detectors.sketch import LABEL_LAG_S
from detectors.state_codec import states_from_bytes, states_to_bytes
from detectors.summary import Summary
from schemas.finding import Finding, JsonValue, Kind, Stream, Verdict
from schemas.model_settings import ModelSettings

GOLDEN = Path(__file__).parents[1] / "golden" / "detectors" / "causes-v1.msgpack"
SETTINGS = ModelSettings.model_validate(
    {"name": "fraud", "task": "binary", "positive_class": "fraud", "segments": ["channel"], "max_segments": 3}
)
BREAK, NOW = 20, 26
N, LABELS = 150, 300


def usual(rng: np.random.Generator, n: int) -> dict[str, Values]:
    return {
        "amount": rng.normal(42, 10, n).tolist(),
        "age": rng.normal(40, 5, n).tolist(),
        "stuck": rng.normal(0, 1, n).tolist(),
        "income": rng.lognormal(8, 1, n).tolist(),
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.6, 0.3, 0.1]).tolist(),
    }


@cache
def profile() -> ReferenceProfile:
    return profile_of(usual(np.random.default_rng(1), 5_000), labelled=5_000, metrics={"accuracy": 0.9})


def layout() -> PredictionLayout:
    return prediction_layout(profile())


def predicted(minute: int, columns: dict[str, Values]) -> PredictionWindow:
    return prediction_window(predictions(layout(), columns), minute)


@cache
def minutes(broken: tuple[str, ...] = (), seed: int = 5) -> list[PredictionWindow]:
    """Return windows in which some features are not what they were from BREAK on."""
    rng = np.random.default_rng(seed)
    return [
        predicted(minute, worse(usual(rng, N), broken) if minute >= BREAK else usual(rng, N))
        for minute in range(NOW)
    ]


def worse(columns: dict[str, Values], broken: tuple[str, ...]) -> dict[str, Values]:
    bad: dict[str, Values] = {
        "amount": [100 * value for value in columns["amount"]],  # type: ignore[operator] # numbers
        "age": [value + 2 for value in columns["age"]],  # type: ignore[operator] # numbers
        "stuck": [0.0] * N,
        "income": [None if place % 4 else value for place, value in enumerate(columns["income"])],
        "country": ["XX" if value == "DE" else value for value in columns["country"]],
    }
    return columns | {name: bad[name] for name in broken}


def labelled(
    minute: int, wrong: int, *, lag_s: int = 1, parts: dict[str, tuple[int, int]] | None = None
) -> ErrorWindow:
    """Return a window of LABELS labels; `parts` has labels and wrong answers by segment."""
    cell = int(LABEL_LAG_S.index(np.array([float(lag_s)]))[0])
    summary = error_counts(LABELS, wrong)
    summary.vector[ErrorLayout.LAG + cell] = LABELS
    segments = {name: error_counts(n, bad) for name, (n, bad) in (parts or {}).items()}
    return replace(error_window(summary, minute), segments=segments)


def fall(
    explainer: Explainer, windows: list[PredictionWindow], *, before: int = 30, after: int = 120
) -> Explainer:
    for minute, window in enumerate(windows):
        explainer.take(window)
        explainer.take(labelled(minute, after if minute >= BREAK else before + minute % 3))
    return explainer


def explained(
    explainer: Explainer, *, minute: int = NOW - 1, since: int = BREAK, **changes: Any
) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": Kind.PERFORMANCE, "check": "performance", **changes}
    finding = Finding(
        model="fraud",
        window=span(minute, N),
        verdict=Verdict.BREACH,
        score=2.0,
        fire=1.0,
        clear=1.0,
        **fields,
    )
    found = explainer.explain(finding, NOON_MS + since * MINUTE_MS)
    assert found is not None
    return dict(found)


def fresh(importances: dict[str, float] | None = None) -> Explainer:
    return Explainer(SETTINGS, layout(), replace(profile(), importances=importances or {}))


def named(found: dict[str, Any]) -> list[tuple[JsonValue, JsonValue]]:
    return [(feature["name"], feature["figure"]) for feature in found["features"]]


@pytest.mark.parametrize(
    ("broken", "figure"),
    [
        ("amount", "location"),
        ("age", "location"),
        ("stuck", "spread"),
        ("income", "missing"),
        ("country", "bad"),
    ],
)
def test_whatever_way_a_feature_breaks_it_is_named_and_no_other(broken: str, figure: str) -> None:
    assert named(explained(fall(fresh(), minutes((broken,))))) == [(broken, figure)]


def test_noise_names_no_feature() -> None:
    for seed in (6, 7):
        found = explained(fall(fresh(), minutes((), seed)))
        assert (found["features"], found["moved"], found["looked_at"]) == ([], 0, 5)


def test_importances_decide_the_order_of_features_that_moved() -> None:
    windows = minutes(("amount", "age"))
    equal = explained(fall(fresh(), windows))
    weighed = explained(fall(fresh({"amount": 0.01, "age": 0.9, "country": 0.09}), windows))
    assert [name for name, _ in named(equal)] == ["amount", "age"]
    assert [name for name, _ in named(weighed)] == ["age", "amount"]
    assert (equal["importance"], weighed["importance"]) == ("equal", "profile")
    assert equal["features"][0]["importance"] == pytest.approx(1 / 5)


def test_a_feature_that_has_always_been_off_does_not_line_up_with_the_fall() -> None:
    rng = np.random.default_rng(3)
    windows = [predicted(minute, worse(usual(rng, N), ("amount",))) for minute in range(NOW)]
    assert explained(fall(fresh(), windows))["features"] == []


def test_the_association_is_the_correlation_with_the_loss_and_is_not_told_of_too_few_blocks() -> None:
    explainer = fall(fresh(), minutes(("amount",)))
    [feature] = explained(explainer)["features"]
    assert (feature["association"] > 0.95, feature["n"]) == (True, BLOCKS)
    [feature] = explained(fall(fresh(), minutes(("amount",))[: BREAK + 1]), minute=BREAK)["features"]
    assert feature["association"] is None, "one block since the onset is no row of blocks"


def test_a_fall_that_a_feature_does_not_go_with_has_a_low_association() -> None:
    explainer = fresh()
    for minute, window in enumerate(minutes(("amount",))):
        explainer.take(window)
        explainer.take(labelled(minute, 120 if minute % 2 else 30))
    [feature] = explained(explainer)["features"]
    assert abs(feature["association"]) < 0.3


def test_without_a_window_since_the_onset_nothing_is_said_of_features() -> None:
    explainer = fresh()
    explainer.take(labelled(0, 100))
    assert explained(explainer, minute=0, since=0)["features"] is None


def test_without_a_profile_nothing_is_said_of_features() -> None:
    explainer = Explainer(SETTINGS, prediction_layout(None), None)
    explainer.take(labelled(0, 100))
    found = explained(explainer, minute=0, since=0)
    assert (found["features"], found["moved"], found["looked_at"]) == (None, None, 0)


def test_labels_that_come_late_are_lined_up_by_the_time_of_their_predictions() -> None:
    explainer, late = fresh(), 6
    for minute in range(NOW + late):
        if minute < NOW:
            explainer.take(minutes(("amount",))[minute])
        if minute >= late:
            explainer.take(labelled(minute, 120 if minute - late >= BREAK else 30, lag_s=60 * late))
    found = explained(explainer, minute=NOW + late - 1, since=BREAK + late)
    assert found["onset"] == "2026-11-01T12:20:00.000Z"
    assert found["label_delay_s"] == pytest.approx(60 * late, rel=0.02)
    assert named(found) == [("amount", "location")]


def test_where_delays_differ_what_may_lie_on_either_side_of_the_onset_is_not_compared() -> None:
    explainer = fresh()
    for minute, window in enumerate(minutes(("amount",))):
        explainer.take(window)
        labels = labelled(minute, 120 if minute >= BREAK + 3 else 30, lag_s=60)
        late = labelled(minute, 0, lag_s=360).overall
        late.vector[:] //= 2  # a third of all labels
        explainer.take(replace(labels, overall=labels.overall.merge(late)))
    found = explained(explainer, since=BREAK + 3)
    assert (found["onset_from"], found["onset"]) == ("2026-11-01T12:17:00.000Z", "2026-11-01T12:22:00.000Z")
    [feature] = found["features"]
    assert (feature["name"], feature["since"]) == ("amount", "2026-11-01T12:20:00.000Z")
    assert abs(feature["before"]) < 0.2, "a window of the fall among those before would make it more"


def test_an_estimate_is_explained_by_windows_of_predictions_alone() -> None:
    explainer = fresh()
    for window in minutes(("amount",)):  # no label has come, so they wait
        explainer.take(window)
    found = explained(explainer, kind=Kind.ESTIMATED_PERFORMANCE, check="estimated_performance")
    assert named(found) == [("amount", "location")]
    assert (found["label_delay_s"], found["features"][0]["association"]) == (None, None)


def test_other_kinds_are_not_explained() -> None:
    finding = Finding(
        kind=Kind.DATA_DRIFT,
        check="drift",
        model="fraud",
        window=span(1, N),
        verdict=Verdict.BREACH,
        score=2.0,
        fire=1.0,
        clear=1.0,
    )
    assert fresh().explain(finding, NOON_MS) is None


def parts_of(minute: int, web_wrong: int) -> ErrorWindow:
    return labelled(minute, 27 + web_wrong, parts={"channel=web": (30, web_wrong), "channel=app": (270, 27)})


def test_the_segment_that_makes_most_of_the_extra_loss_is_named_and_what_was_always_bad_is_not() -> None:
    explainer = fresh()
    for minute in range(NOW):
        explainer.take(parts_of(minute, 20 if minute >= BREAK else 3))
    [part] = explained(explainer)["segments"]
    assert part["segment"] == "channel=web"
    assert part["share_of_excess"] == pytest.approx(1.0)
    assert part["share_of_labels"] == pytest.approx(0.1)
    assert (part["loss_before"], part["loss_now"]) == (pytest.approx(0.1), pytest.approx(2 / 3))

    always_bad = fresh()
    for minute in range(NOW):
        always_bad.take(parts_of(minute, 20))
    assert explained(always_bad)["segments"] == []


def test_the_extra_loss_of_a_regression_is_its_absolute_error() -> None:
    settings = ModelSettings.model_validate({"name": "price", "task": "regression", "segments": ["channel"]})
    known = profile_of({}, model="price", task="regression", labelled=500, metrics={"mae": 1.0}, error_sd=1.0)
    explainer = Explainer(settings, prediction_layout(known), known)
    for minute in range(NOW):
        web, app = (
            regressed([9.0 if minute >= BREAK else 1.0] * 40, [0.0] * 40),
            regressed([1.0] * 160, [0.0] * 160),
        )
        window = error_window(web.merge(app), minute)
        explainer.take(replace(window, segments={"channel=web": web, "channel=app": app}))
    found = explained(explainer)
    [part] = found["segments"]
    assert (found["loss"], part["segment"], part["loss_before"], part["loss_now"]) == (
        *("absolute_error", "channel=web", pytest.approx(1.0), pytest.approx(9.0)),
    )


def test_an_alert_about_a_part_names_no_parts() -> None:
    explainer = fresh()
    for minute in range(NOW):
        explainer.take(parts_of(minute, 20 if minute >= BREAK else 3))
    assert explained(explainer, segment="channel=app")["segments"] == []


def test_parts_without_labels_for_long_make_room_for_others() -> None:
    explainer = fresh()
    for name in "abcdefg":
        explainer.take(labelled(0, 30, parts={f"channel={name}": (30, 3)}))
    late = BLOCKS * 4**IDLE_LEVEL
    explainer.take(labelled(late, 30))
    explainer.take(labelled(late + 1, 200, parts={"channel=new": (60, 60)}))
    assert [
        part["segment"] for part in explained(explainer, minute=late + 1, since=late + 1)["segments"]
    ] == ["channel=new"]


def fact(minute: int, *, key: str = "", told: int = 0, **changes: Any) -> Fact:
    since_ms = NOON_MS + minute * MINUTE_MS
    plain: dict[str, Any] = {
        "key": key or f"{minute}",
        "kind": "data_quality",
        "check": "missing_rate",
        "title": "fraud: x",
        "stream": Stream.PREDICTIONS,
        "since_ms": since_ms,
        "told_ms": since_ms + told * MINUTE_MS,
    }
    return Fact(**plain | changes)


def test_what_came_before_is_told_nearest_first_and_what_came_after_is_not() -> None:
    explainer = fall(fresh(), minutes())
    explainer.note([fact(5), fact(19), fact(BREAK + 3), fact(15, kind="performance"), fact(18, told=60)])
    explainer.note([fact(12, kind=VERSION_CHANGE, check="traffic", version="8")])
    assert [(f["since"][14:16], f["kind"]) for f in explained(explainer)["before"]] == [
        *(("19", "data_quality"), ("12", "version_change"), ("05", "data_quality"))
    ]


def test_what_was_over_for_a_day_is_forgotten_and_what_ends_later_is_not_over_yet() -> None:
    onset = NOON_MS + BREAK * MINUTE_MS
    log = FactLog()
    log.note([fact(-3000, over_ms=onset - BEFORE_MS - 1, over_told_ms=onset), fact(1)])
    log.note([fact(1, over_ms=onset + 1, over_told_ms=onset + 9 * MINUTE_MS)])

    def known(until_ms: int) -> list[Fact]:
        return log.before(onset_ms=onset, since_ms=onset, until_ms=until_ms, streams=tuple(Stream))

    assert [f.over_ms for f in known(onset + MINUTE_MS)] == [None]
    assert [f.over_ms for f in known(onset + 9 * MINUTE_MS)] == [onset + 1]


def test_an_alert_on_predictions_hears_nothing_of_labels() -> None:
    explainer = fall(fresh(), minutes())
    explainer.note([fact(5, kind="label_lag", check="label_lag", stream=Stream.LABELS), fact(6)])
    assert [f["check"] for f in explained(explainer)["before"]] == ["missing_rate", "label_lag"]
    found = explained(explainer, kind=Kind.PREDICTION_DRIFT, check="drift")
    assert [f["check"] for f in found["before"]] == ["missing_rate"]


def test_the_log_is_bounded_and_what_is_not_over_stays_longest() -> None:
    log = FactLog()
    log.note([fact(0, key="open")])
    log.note([fact(n, over_ms=1, over_told_ms=1, key=f"{n}") for n in range(1, 3 * FACTS_MAX)])
    log.note([fact(n) for n in range(1_000, 1_000 + FACTS_MAX - 1)])
    far = NOON_MS + 10_000 * MINUTE_MS
    kept = log.before(onset_ms=NOON_MS, since_ms=far, until_ms=far, streams=tuple(Stream))
    assert len(kept) == FACTS_MAX
    assert kept[0].key == "open"


def test_a_figure_is_taken_against_what_is_usual_at_its_hour() -> None:
    column = profile().columns[0]
    season = tuple(float(np.sin(hour)) for hour in range(24))
    daily = replace(
        column, rhythms={"location": Rhythm(season=season), "missing": Rhythm(season=(0.5,) * 24)}
    )
    figures = FeatureFigures(prediction_layout(replace(profile(), columns=(daily,))))
    plain = FeatureFigures(prediction_layout(replace(profile(), columns=(column,))))
    summary = predictions(
        prediction_layout(replace(profile(), columns=(column,))), usual(np.random.default_rng(1), N)
    )
    gap = plain.of(summary.vector, hour=30.2) - figures.of(summary.vector, hour=30.2)
    assert gap[FIGURES.index("missing"), 0] == pytest.approx(0.5)
    assert gap[FIGURES.index("location"), 0] == pytest.approx(np.sin(6), rel=0.1)


def test_a_block_is_the_mean_of_the_windows_in_it_by_their_events() -> None:
    history = FeatureHistory(layout(), window_ms=MINUTE_MS)
    rng = np.random.default_rng(2)
    sizes = [10, 400, 50, 0, 30, 30, 30, 30]
    windows = [
        prediction_window(
            predictions(layout(), usual(rng, n) | {"amount": [INVALID] * (n // 2) + [42.0] * (n - n // 2)}), m
        )
        for m, n in enumerate(sizes)
    ]
    for window in windows:
        history.add(window)
    blocks = history.as_of(NOON_MS + 4 * MINUTE_MS).of(1)
    assert blocks.events.tolist() == [460]
    whole = windows[0].overall.merge(windows[1].overall).merge(windows[2].overall)
    expected = FeatureFigures(layout()).of(whole.vector, hour=0)
    assert blocks.figures[0] == pytest.approx(expected, abs=0.01)


def test_blocks_do_not_show_how_far_ahead_windows_were_read() -> None:
    ahead, in_step = (FeatureHistory(layout(), window_ms=MINUTE_MS) for _ in range(2))
    for window in minutes():
        ahead.add(window)
        in_step.add(window)
        in_step.settle(window.span.end_ms - 3 * MINUTE_MS)
    for until in (NOON_MS + 23 * MINUTE_MS, NOON_MS + NOW * MINUTE_MS):
        mine, theirs = ahead.as_of(until), in_step.as_of(until)
        assert mine.places.tolist() == theirs.places.tolist()
        assert mine.means.tolist() == theirs.means.tolist()


def test_memory_is_bounded_by_what_is_stated() -> None:
    history = FeatureHistory(layout(), window_ms=MINUTE_MS)
    window = minutes()[0]
    base = len(history.to_bytes()) - 768 * len(history.names)
    for minute in range(3 * AHEAD_MAX):
        history.add(replace(window, span=span(minute, N)))
    waiting = len(history.to_bytes())
    assert waiting <= base + (768 + 768) * len(history.names) + 32 * AHEAD_MAX
    history.settle(NOON_MS + 3 * AHEAD_MAX * MINUTE_MS)
    assert len(history.to_bytes()) <= base + 768 * len(history.names)


def lived() -> Explainer:
    explainer = fall(fresh(), minutes(("amount",)))
    explainer.take(parts_of(NOW, 20))
    explainer.take(predicted(NOW + 2, usual(np.random.default_rng(9), 50)))  # waits
    explainer.note(
        [fact(5, over_ms=NOON_MS, over_told_ms=NOON_MS + 7, feature="amount", segment="s", version="v")]
    )
    return explainer


def test_it_goes_on_from_its_bytes_as_if_never_stopped() -> None:
    explainer, again = lived(), fresh()
    states_from_bytes([again], states_to_bytes([explainer]))
    assert states_to_bytes([again]) == states_to_bytes([explainer])
    for one in (explainer, again):
        one.take(labelled(NOW + 4, 100))
    assert explained(again, minute=NOW + 4) == explained(explainer, minute=NOW + 4)


def test_version_1_loads_for_ever() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_bytes(states_to_bytes([lived()]))
    again = fresh()
    states_from_bytes([again], GOLDEN.read_bytes())
    assert states_to_bytes([again]) == GOLDEN.read_bytes()
    mine, theirs = explained(lived(), minute=NOW), explained(again, minute=NOW)
    assert named(theirs) == named(mine) == [("amount", "location")]
    assert theirs["before"] == mine["before"]


def test_features_of_another_profile_start_over_and_the_rest_goes_on() -> None:
    other = profile_of({"size": [float(n % 50) for n in range(500)]})
    explainer = Explainer(SETTINGS, prediction_layout(other), other)
    states_from_bytes([explainer], states_to_bytes([lived()]))
    found = explained(explainer)
    assert (found["features"], len(found["before"])) == (None, 1)


@pytest.mark.parametrize("part", ["features", "by_arrival", "by_prediction", "facts"])
@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x93\x90\xc4\x00\xc4\x00"])
def test_bytes_of_something_else_are_refused(part: str, damage: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        fresh().restore({**lived().state(), part: damage})


def test_a_summary_without_columns_is_taken_in_as_nothing() -> None:
    explainer = fresh()
    explainer.take(replace(minutes()[0], overall=Summary.empty(layout()), span=span(0, 0)))
    explainer.take(replace(labelled(0, 0), span=span(0, 0)))
    assert states_to_bytes([explainer]) == states_to_bytes([fresh()])
