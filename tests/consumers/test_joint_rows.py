"""Events scored together on the hot path: cells, moments, the worst ids, and the same bits however they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders.joint_rows import Floats, event, profile_of_rows, together
from builders.pipeline import Pipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.columns import PredictionColumns, Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.plan import ModelPlan, plan_model
from detectors.column_figures import moments_of
from detectors.joint import JointScore
from detectors.joint_evidence import joint_evidence
from detectors.layout import PredictionLayout
from detectors.profile import NumericColumn
from detectors.summary import Summary
from schemas.finding import Stream
from schemas.model_settings import ModelSettings

PROFILE = profile_of_rows(together(4_000, 5, seed=1))


def plan_of(**settings: Any) -> ModelPlan:
    return plan_model(ModelSettings.model_validate({"name": "m", "task": "regression", **settings}), PROFILE)


PLAN = plan_of()


def decoded(rows: Floats, **changes: Any) -> PredictionColumns:
    values = [event(i, row, **changes)[1] for i, row in enumerate(rows.tolist())]
    return BatchDecoder({"m": PLAN}, Interner()).decode(Records(values), Records([])).predictions["m"]


def figures(rows: Floats) -> Floats:
    assert PROFILE.joint is not None
    return JointScore(PROFILE.joint).figures(rows)


def figure(name: str) -> NumericColumn:
    column = PROFILE.column(name)
    assert isinstance(column, NumericColumn)
    return column


def overall(pipeline: Pipeline) -> Summary[PredictionLayout]:
    merged = Summary.empty(PLAN.predictions)
    for (_, stream, _, _, segment), found in pipeline.windows().items():
        if stream is Stream.PREDICTIONS and not segment:
            assert isinstance(found.layout, PredictionLayout)
            merged = merged.merge(Summary(PLAN.predictions, found.vector, {}, found.worst))
    return merged


def test_events_are_counted_in_the_cells_of_their_figures() -> None:
    rows = together(300, 5, seed=2)
    rows[::9, 1:3] = np.nan
    rows[7] = np.nan
    cells = decoded(rows).cells
    for place, found in zip((5, 6, 7), figures(rows).T, strict=True):
        where = PLAN.predictions.columns[place]
        edges = np.array(figure(where.column.name).edges)
        expected = edges.searchsorted(found) + where.offset
        expected[np.isnan(found)] = where.missing
        assert np.array_equal(cells[:, place], expected)


def test_a_value_of_a_wrong_type_counts_as_missing_in_the_figures() -> None:
    rows = together(2, 5, seed=3)
    holed = rows.copy()
    holed[:, 2] = np.nan
    odd = decoded(rows, features={f"f{i}": ("x" if i == 2 else v) for i, v in enumerate(rows[0].tolist())})
    assert odd.joint is not None
    assert odd.joint.distance.tolist() == [figures(holed)[0, 0]] * 2


def test_names_of_figures_are_never_looked_up_in_an_event() -> None:
    rows = np.zeros((1, 5))
    sent = {f"f{i}": 0.0 for i in range(5)} | {"joint.distance": 99.0}
    assert np.array_equal(decoded(rows, features=sent).cells, decoded(rows).cells)


def test_windows_hold_the_means_of_the_figures() -> None:
    rows = together(500, 5, seed=4)
    pipeline = Pipeline({"m": PLAN})
    pipeline.feed([event(i, row) for i, row in enumerate(rows.tolist())], [])
    moments = moments_of(PLAN.predictions, overall(pipeline).vector, np.full(8, 500))
    column = figure("joint.distance")
    assert moments.mean[5] * column.sd + column.mean == pytest.approx(figures(rows)[:, 0].mean(), abs=1e-4)


def test_the_ids_of_the_farthest_events_are_kept_and_usual_ones_are_not() -> None:
    rows = together(400, 5, seed=5)
    rows[[17, 300]] = 30.0
    rows[200, :2] = 2.5, -2.5
    pipeline = Pipeline({"m": PLAN}, partitions=3)
    pipeline.feed([event(i, row) for i, row in enumerate(rows.tolist())], [])
    worst = overall(pipeline).worst
    assert {name for _, name in worst} >= {"id-17", "id-300", "id-200"}
    assert worst[0][0] == pytest.approx(figures(rows)[17, 0], abs=1e-3)
    assert all(score > figure("joint.distance").high - 1e-3 for score, _ in worst)
    assert joint_evidence(PROFILE, overall(pipeline))["worst_ids"] == [name for _, name in worst]


def test_shadow_predictions_and_repeated_ones_leave_no_id() -> None:
    far = [30.0] * 5
    pipeline = Pipeline({"m": PLAN})
    pipeline.feed([event(1, far), event(1, far), event(2, far, shadow=True)], [])
    assert [name for _, name in overall(pipeline).worst] == ["id-1"]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 200), max_size=6), st.booleans())
def test_partitions_and_batches_give_the_same_windows_to_the_last_bit(
    partitions: int, sizes: list[int], flood: bool
) -> None:
    rows = together(300, 5, seed=6, correlation=0.0) * (9.0 if flood else 1.5)
    rows[::11] = 4.0  # equal ones
    events = [event(i, row) for i, row in enumerate(rows.tolist())]
    whole, parts = Pipeline({"m": PLAN}), Pipeline({"m": PLAN}, partitions=partitions)
    whole.feed(events, [])
    start = 0
    for size in [*sizes, len(events)]:
        parts.feed(events[start : start + size], [])
        start += size
    assert parts.windows() == whole.windows()
    assert len(overall(whole).worst) == 5


def test_segments_stay_slim() -> None:
    plan = plan_of(segments=["channel"])
    pipeline = Pipeline({"m": plan})
    pipeline.feed([event(1, [30.0] * 5, segments={"channel": "web"})], [])
    segments = [found for key, found in pipeline.windows().items() if key[4]]
    assert [found.vector.size for found in segments] == [plan.service.size]
    assert [found.worst for found in segments] == [()]
    assert plan.service.joint is None
