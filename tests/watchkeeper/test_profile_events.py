"""Profiles of prediction events: the same decisions as in a stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.profile_tables import NAMED, ZIP_RULE, Row, events, model, table, truths, write_csv, write_jsonl

from consumers.columns import Records
from consumers.decode import BatchDecoder
from consumers.interning import Interner
from consumers.plan import plan_model
from detectors.profile import JOINT_COLUMNS, CategoricalColumn
from watchkeeper.profile_command import build_profile


def test_events_with_labels_give_the_profile_of_the_table_they_were_made_from(tmp_path: Path) -> None:
    rows = table(10_000)
    settings = model(features=ZIP_RULE)
    x, y = tmp_path / "x.jsonl.gz", tmp_path / "y.jsonl.gz"
    write_jsonl(x, events(rows))
    write_jsonl(y, truths(rows))
    from_events, warnings = build_profile(settings, x, labels_path=y)
    from_table, _ = build_profile(settings, write_csv(tmp_path / "t.csv", rows), **NAMED)
    assert replace(from_events, span_ms=0).to_json() == from_table.to_json()  # the table has no times
    assert warnings == []


def test_a_stream_counts_the_reference_exactly_as_the_profile_does(tmp_path: Path) -> None:
    """The profile's own events, counted by the hot path on the profile's own bins."""
    rows = events(table(3_000))
    for i, row in enumerate(rows[:300]):
        row["features"] |= {
            "amount": [None, "many", 10**400, float("nan"), True][i % 5],
            "country": [None, [1], ""][i % 3],
        }
        if i % 4 == 0:
            row["output"] = {"score": row["output"]["score"]}
    path = write_jsonl(tmp_path / "x.jsonl", rows)
    settings = model(features={**ZIP_RULE, "amount": {"type": "numeric"}})
    profile, _ = build_profile(settings, path)
    plan = plan_model(settings, profile)
    decoded = BatchDecoder({"fraud": plan}, Interner()).decode(
        Records(path.read_bytes().splitlines()), Records([])
    )
    assert not decoded.prediction_rejects
    cells = decoded.predictions["fraud"].cells
    for place, where in enumerate(plan.predictions.columns):
        counted = np.bincount(cells[:, place] - where.offset, minlength=where.size).tolist()
        column = where.column
        other = [column.other] if isinstance(column, CategoricalColumn) else []
        in_profile = [*column.counts, *other, column.missing, column.invalid]
        if column.name in JOINT_COLUMNS:  # half of the rows are what they are learned from
            assert (np.array(counted) >= in_profile).all()
            assert sum(in_profile) == 1_500
        else:
            assert counted == in_profile, column.name
    assert {column.n for column in profile.columns if column.name not in JOINT_COLUMNS} == {3_000}


def test_the_first_label_stands_until_a_higher_revision_replaces_it(tmp_path: Path) -> None:
    rows = events([dict(row, predicted="fraud") for row in table(5)])
    labels: list[Row] = [
        {"prediction_id": "p0", "label": "fraud"},
        {"prediction_id": "p0", "label": "ok"},
        {"prediction_id": "p1", "label": "ok", "revision": 2},
        {"prediction_id": "p1", "label": "fraud", "revision": 1},
        {"prediction_id": "p2", "label": "ok"},
        {"prediction_id": "p2", "label": "fraud", "revision": 1},
        {"prediction_id": "nobody", "label": "ok"},
    ]
    x = write_jsonl(tmp_path / "x.jsonl", rows)
    y = write_jsonl(
        tmp_path / "y.jsonl", [{"model": "fraud", "time": 1_700_000_100_000, **row} for row in labels]
    )
    profile, _ = build_profile(model(), x, labels_path=y)
    assert profile.labelled == 3
    assert profile.metrics["accuracy"] == pytest.approx(2 / 3)


def test_events_that_do_not_belong_are_left_out_and_reported(tmp_path: Path) -> None:
    rows = events(table(2_000))
    rows[0]["shadow"] = True
    rows[1]["status"] = "fallback"
    rows[2] |= {"status": "error", "output": None}
    for row in rows[3:10]:
        row["version"] = "8"
    rows[10]["model"] = "churn"
    rows[11]["output"] = {}
    x = write_jsonl(tmp_path / "x.jsonl", rows)
    x.write_bytes(x.read_bytes() + b'{"cut off": \n\n')
    profile, warnings = build_profile(model(), x)
    label = profile.column("output.label")
    assert (profile.n, label and label.n) == (1_997, 1_995)
    assert warnings == [
        (
            f"{x}: left out 2 of 2,000 lines; first line 12: output: expected label, score or probabilities for "
            "a binary model, or status error"
        ),
        f"{x}: left out 1 events of other models, such as 'churn' at line 11",
        f"{x}: left out 1 shadow predictions",
        f"{x}: holds 2 versions in one profile: 0 (1,991 events), 8 (7 events)",
        "no row has ground truth: the profile has no metrics",
    ]
