"""Segments of a table: a column of the key's name says them, whether it is a feature or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.profile_tables import (
    NAMED,
    Row,
    events,
    model,
    table,
    truths,
    write_csv,
    write_jsonl,
    write_parquet,
)

from detectors.profile_compare import compare
from watchkeeper.profile_command import build_profile
from watchkeeper.profile_text import change_lines, summary

ROWS = table(2_000)
WRITERS = {"t.csv": write_csv, "t.jsonl": write_jsonl, "t.parquet": write_parquet}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("ignore", [True, False])
def test_every_format_of_a_table_gives_the_segments_of_the_events_made_of_it(
    name: str, ignore: bool, tmp_path: Path
) -> None:
    settings = model(segments=["country", "zip"], features={"country": {"ignore": ignore}})
    found, warnings = build_profile(settings, WRITERS[name](tmp_path / name, ROWS), **NAMED)
    assert (found.column("country") is None) is ignore
    assert warnings == []
    own = events(ROWS)
    for event, row in zip(own, ROWS, strict=True):
        event["segments"] = {"country": row["country"], "zip": row["zip"]}
    x, y = write_jsonl(tmp_path / "x.jsonl", own), write_jsonl(tmp_path / "y.jsonl", truths(ROWS))
    of_events, _ = build_profile(settings, x, labels_path=y)
    assert len(found.segments) == 3 + 5
    for segment, reference in found.segments.items():
        assert reference.confusion == of_events.segments[segment].confusion
        assert reference.rows == of_events.segments[segment].rows


def test_a_missing_value_is_a_segment_of_its_own_and_a_missing_column_is_told(tmp_path: Path) -> None:
    rows: list[Row] = [dict(row, country=None if place % 4 == 0 else "DE") for place, row in enumerate(ROWS)]
    settings = model(segments=["country", "branch"])
    found, warnings = build_profile(settings, write_parquet(tmp_path / "t.parquet", rows), **NAMED)
    assert {n: r.rows for n, r in found.segments.items()} == {"country=DE": 1_500, "country=(none)": 500}
    assert len(warnings) == 1
    assert "no column 'branch', so segments by it have no reference" in warnings[0]


def test_people_are_told_which_segments_there_are_and_how_they_differ(tmp_path: Path) -> None:
    settings = model(segments=["country"])
    path = write_csv(tmp_path / "t.csv", ROWS)
    before, _ = build_profile(settings, path, **NAMED)
    told = "\n".join(summary(before, [], source="t.csv", written="p.json"))
    shares = [100 * sum(row["country"] == name for row in ROWS) / len(ROWS) for name in ("DE", "FR", "IT")]
    expected = ", ".join(f"country={n} {s:.3g} %" for n, s in zip(("DE", "FR", "IT"), shares, strict=True))
    assert f"segments  {expected}" in told
    shifted = [row for row in ROWS if row["country"] != "IT" and (row["country"] == "DE" or row["age"])]
    after, _ = build_profile(settings, write_csv(tmp_path / "u.csv", shifted), **NAMED)
    lines = change_lines(compare(before, after))
    assert "segments removed: country=IT" in lines
    [france] = [line for line in lines if line.startswith("segment country=FR: share of rows")]
    assert "accuracy 0." in france
