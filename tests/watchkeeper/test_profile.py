"""Profiles of tables: CSV, JSONL and Parquet, their types, their labels, their memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.profile_tables import (
    NAMED,
    ZIP_RULE,
    model,
    table,
    write_bytes,
    write_csv,
    write_jsonl,
    write_parquet,
)

from detectors.profile import CategoricalColumn, NumericColumn, from_json
from watchkeeper.profile_command import build_profile


def test_csv_and_jsonl_of_the_same_table_give_the_same_bytes_plain_or_packed(tmp_path: Path) -> None:
    rows = table(20_000)
    for i in range(0, len(rows), 50):
        rows[i]["amount"] = "unknown"
        rows[i + 1]["amount"] = None
    settings = model(features=ZIP_RULE)
    paths = [
        write_csv(tmp_path / "t.csv", rows),
        write_csv(tmp_path / "t.csv.gz", rows),
        write_jsonl(tmp_path / "t.jsonl", rows),
        write_jsonl(tmp_path / "t.jsonl.gz", rows),
    ]
    profiles = [build_profile(settings, path, **NAMED) for path in paths]
    assert {profile.to_json() for profile, _ in profiles} == {profiles[0][0].to_json()}
    warning = (
        'column amount holds 19,200 numbers and 400 other values, such as "unknown": those count as invalid'
    )
    assert [[text.partition(";")[0] for text in warnings] for _, warnings in profiles] == [[warning]] * 4


def test_a_typed_table_gives_the_same_bytes_as_one_without_types(tmp_path: Path) -> None:
    rows = table(20_000)
    settings = model(features=ZIP_RULE)
    typed, _ = build_profile(settings, write_parquet(tmp_path / "t.parquet", rows), **NAMED)
    untyped, _ = build_profile(settings, write_csv(tmp_path / "t.csv", rows), **NAMED)
    assert typed.to_json() == untyped.to_json()


def test_the_profile_of_a_table_says_what_the_table_holds(tmp_path: Path) -> None:
    rows = table(5_000)
    profile, warnings = build_profile(model(features=ZIP_RULE), write_csv(tmp_path / "t.csv", rows), **NAMED)
    assert warnings == []
    assert (profile.model, profile.task, profile.n, profile.labelled) == ("fraud", "binary", 5_000, 5_000)
    types = {column.name: column.type for column in profile.columns}
    assert types == {
        "amount": "numeric",
        "age": "numeric",
        "country": "categorical",
        "zip": "categorical",
        "is_new": "categorical",
        "code": "categorical",
        "joint.distance": "numeric",
        "joint.residual": "numeric",
        "joint.outside": "numeric",
        "output.score": "numeric",
        "output.label": "categorical",
    }
    age, zips, code = (profile.column(name) for name in ("age", "zip", "code"))
    assert isinstance(age, NumericColumn)
    assert age.missing == sum(row["age"] is None for row in rows)
    assert isinstance(zips, CategoricalColumn)
    assert set(zips.categories) == {"10", "11", "12", "13", "14"}
    assert isinstance(code, CategoricalColumn)
    assert set(code.categories) == {"007", "12", "x"}
    assert profile.metrics["accuracy"] == sum(r["truth"] == r["predicted"] for r in rows) / 5_000
    assert from_json(profile.to_json(), source="p.json") == profile


def test_a_score_alone_becomes_a_class_by_the_threshold_of_the_settings(tmp_path: Path) -> None:
    rows = [{"x": i % 7, "p": i / 1000, "y": "fraud" if i >= 600 else "ok"} for i in range(1000)]
    path = write_csv(tmp_path / "t.csv", rows)
    profile, _ = build_profile(model(threshold=0.6), path, label="y", score="p")
    assert profile.metrics["accuracy"] == 1.0
    label = profile.column("output.label")
    assert isinstance(label, CategoricalColumn)
    assert dict(zip(label.categories, label.counts, strict=True)) == {"ok": 600, "fraud": 400}


CLASS_CELLS = [
    ({"positive_class": 1}, ["1", "0", "1.0", ""], ("1", "0")),
    ({"positive_class": "1"}, ["1", "0", "1", ""], ('"1"', '"0"')),
    ({"positive_class": True}, ["True", "False", "True", ""], ("true", "false")),
    (
        {"positive_class": "yes", "classes": {"yes": ["yes", 1], "no": ["no", 0]}},
        ["1", "0", "1", ""],
        ("yes", "no"),
    ),
]


@pytest.mark.parametrize(("settings", "cells", "classes"), CLASS_CELLS)
def test_classes_of_a_file_without_types_are_those_of_the_settings(
    tmp_path: Path, settings: dict[str, Any], cells: list[str], classes: tuple[str, ...]
) -> None:
    path = write_csv(tmp_path / "t.csv", [{"x": 1, "y": cell} for cell in cells])
    profile, _ = build_profile(model(**settings), path, label="y")
    assert (profile.classes, profile.labelled) == (classes, 3)


def test_a_regression_reads_numbers_as_labels_and_predictions(tmp_path: Path) -> None:
    rows = [{"x": 1.5, "y": i, "guess": i + 1 if i % 2 else None} for i in range(10)]
    path = write_parquet(tmp_path / "t.parquet", rows)
    settings = model(task="regression", positive_class=None)
    profile, _ = build_profile(settings, path, label="y", prediction="guess")
    assert [profile.metrics[name] for name in ("mae", "rmse", "bias")] == [1.0, 1.0, 1.0]
    assert (profile.classes, profile.labelled) == ((), 10)
    assert [column.name for column in profile.columns] == ["x", "output.value"]


def test_columns_of_time_and_ignored_features_are_no_features(tmp_path: Path) -> None:
    rows = [{"at": f"2026-01-01T00:00:{i % 60:02}Z", "id": f"u{i}", "x": i % 9} for i in range(200)]
    settings = model(features={"id": {"ignore": True}})
    for path in (write_csv(tmp_path / "t.csv", rows), write_jsonl(tmp_path / "t.jsonl", rows)):
        profile, _ = build_profile(settings, path, time="at")
        assert [column.name for column in profile.columns] == ["x"]


def test_parquet_types_become_what_events_carry(tmp_path: Path) -> None:
    columns = {
        "dictionary": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "decimal": pa.array([1, 2, 3, None], pa.decimal128(5, 2)),
        "small": pa.array([1, 2, 3, None], pa.int8()),
        "nan": pa.array([1.0, float("nan"), 2.0, None], pa.float64(), from_pandas=False),
        "day": pa.array([1, 1, 2, None], pa.date32()),
        "moment": pa.array([1, 1_000_000_001, 2, None], pa.timestamp("ns")),
        "list": pa.array([[1.0], [2.0], None, None]),
        "nothing": pa.array([None, None, None, None]),
    }
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    profile, _ = build_profile(model(), path)
    found = {column.name: column for column in profile.columns}
    assert {
        name: (c.type, c.n - c.missing - c.invalid, c.missing, c.invalid) for name, c in found.items()
    } == {
        "dictionary": ("categorical", 3, 1, 0),
        "decimal": ("numeric", 3, 1, 0),
        "small": ("numeric", 3, 1, 0),
        "nan": ("numeric", 2, 1, 1),
        "day": ("categorical", 3, 1, 0),
        "moment": ("categorical", 3, 1, 0),
        "list": ("categorical", 0, 2, 2),
        "nothing": ("numeric", 0, 4, 0),
    }
    day = found["day"]
    assert isinstance(day, CategoricalColumn)
    assert day.categories == ("1970-01-02", "1970-01-03")


def test_an_index_without_a_name_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "t.csv", b",x\n0,5\n1,6\n")
    profile, warnings = build_profile(model(), path)
    assert [column.name for column in profile.columns] == ["x"]
    assert warnings[0] == f"{path}: left out column 1, which has no name (a row index?)"


def test_a_row_that_lacks_a_name_misses_its_value(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "t.jsonl", [{"x": 1}, {"y": "a"}, {"x": 2, "y": None}])
    profile, _ = build_profile(model(), path)
    assert [(c.name, c.missing, c.n) for c in profile.columns] == [("x", 1, 3), ("y", 2, 3)]


def test_importances_are_kept(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", table(50))
    weights = write_bytes(tmp_path / "i.json", b'{"amount": 0.75, "country": 0}')
    profile, _ = build_profile(model(), path, importances=weights, **NAMED)
    assert profile.importances == {"amount": 0.75, "country": 0.0}


FORMATS: list[tuple[str, Callable[[Path, Sequence[Mapping[str, Any]]], Path]]] = [
    ("t.csv", write_csv),
    ("t.jsonl", write_jsonl),
    ("t.parquet", write_parquet),
]


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_progress_grows_from_0_to_100_percent(
    tmp_path: Path, name: str, write: Callable[[Path, Sequence[Mapping[str, Any]]], Path]
) -> None:
    path = write(tmp_path / name, table(20_000))
    seen: list[int] = []
    build_profile(model(), path, progress=seen.append, **NAMED)
    assert seen == sorted(set(seen))
    assert seen[-1] == 100
    assert len(seen) > 4


@pytest.mark.slow
def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """100,000 rows are 16 MB of text and more than 50 MB of Python objects; the ceiling is 25 MB."""
    path = tmp_path / "big.csv"
    source = np.random.default_rng(11)
    with path.open("w", encoding="utf-8") as file:
        file.write("a,b,c,d,id,y\n")
        for start in range(0, 100_000, 10_000):
            values = source.normal(size=(10_000, 4))
            file.writelines(
                f"{a!r},{b!r},{c!r},{d!r},customer-{start + i:09},{i % 2}\n"
                for i, (a, b, c, d) in enumerate(values.tolist())
            )
    tracemalloc.start()
    profile, warnings = build_profile(model(positive_class=1), path, label="y")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert profile.n == 100_000
    assert warnings[0].startswith("column id looks like an id")
    assert peak_bytes < 25_000_000
