"""An alert carries what its signal did: the same from the same events, in bounds, and none where nothing is kept."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

import pytest
from builders.falls import Fall, Row, reference, replayed
from builders.part_traffic import MINUTE_MS, Outcome

from consumers.past_windows import DAY_MS, kept_ms
from detectors.profile import NumericColumn
from detectors.series.series import windows_a_point
from schemas.series import BYTES_MAX, POINTS_MAX, series_in

BREAK: Final = 12


def in_cents(minute: int, _channel: str, row: Row) -> Row:
    return row | {"amount": row["amount"] * 100} if minute >= BREAK else row


def without_amount(minute: int, _channel: str, row: Row) -> Row:
    return row | {"amount": None} if minute >= BREAK and row["age"] > 38 else row


FALLS: Final = {
    "unit": Fall(seen=in_cents),
    "nulls": Fall(seen=without_amount),
    "concept": Fall(wrong=lambda minute, _: 0.3 if minute >= BREAK else 0.08),
}


@cache
def outcome(name: str, minutes: int = 20, **changes: Any) -> Outcome:
    return replayed(FALLS[name], minutes, **changes)


def series_of(found: Outcome, **wanted: Any) -> Any:
    """Return the series of the first alert of that kind that fires, as the event has it."""
    return next(
        alert["evidence"]["series"]
        for alert in found.alerts
        if alert["status"] == "firing" and all(alert[key] == value for key, value in wanted.items())
    )


@pytest.mark.parametrize("name", FALLS)
def test_neither_partitions_nor_batches_show_in_it(name: str) -> None:
    events = outcome(name).events
    assert any(b'"series":' in event for event in events)
    assert outcome(name, partitions=3, batch=5).events == events
    assert outcome(name, batch=20).events == events


def test_a_mean_is_shown_beside_the_profiles_with_what_counts_as_unchanged() -> None:
    found = series_of(outcome("unit"), feature="amount", check="drift")
    column = next(c for c in reference().columns if c.name == "amount")
    assert isinstance(column, NumericColumn)
    assert (found["figure"], found["unit"], found["of"]) == ("mean", "", None)
    assert found["reference"] == float(f"{column.mean:.6g}")
    assert found["low"] < found["reference"] < found["high"]
    assert len(found["values"]) == BREAK + 1  # the change is so large that its first window is enough
    assert all(value < 120 for value in found["values"][:-1])
    assert found["values"][-1] > 5_000
    assert found["n"] == [100] * (BREAK + 1)
    assert (found["start"], found["since"], found["step_s"]) == (
        *("2026-11-01T12:00:00.000Z", f"2026-11-01T12:{BREAK}:00.000Z"),
        60.0,
    )


def test_bad_values_and_wrong_answers_are_shares() -> None:
    nulls = series_of(outcome("nulls"), check="missing_rate", feature="amount")
    assert (nulls["figure"], nulls["unit"], nulls["reference"]) == ("missing", "share", 0.0)
    assert nulls["values"][:BREAK] == [0.0] * BREAK
    assert nulls["values"][BREAK] > 0.4
    wrong = series_of(outcome("concept"), kind="performance")
    assert (wrong["figure"], wrong["unit"]) == ("wrong_answers", "share")
    assert wrong["of"] in ("fraud", "ok")
    assert max(wrong["values"][BREAK:]) > max(wrong["values"][: BREAK - 1])


@pytest.mark.parametrize("name", FALLS)
def test_every_series_can_be_read_and_is_small(name: str) -> None:
    for alert in outcome(name).alerts:
        if "series" in alert["evidence"]:
            raw = json.dumps(alert["evidence"]["series"], ensure_ascii=False, separators=(",", ":"))
            assert len(raw.encode()) <= BYTES_MAX
            read = series_in(alert["evidence"])
            assert read is not None
            assert len(read.values) <= POINTS_MAX


def test_a_change_that_took_long_to_find_is_shown_with_several_windows_to_a_point() -> None:
    assert [windows_a_point(0, n * MINUTE_MS, length_ms=MINUTE_MS) for n in (32, 33, 64, 65, 10_000)] == [
        *(1, 2, 2, 5, 5),
    ]


def test_long_windows_are_kept_for_as_many_points_as_a_picture_has() -> None:
    assert kept_ms(MINUTE_MS) == DAY_MS
    assert kept_ms(60 * MINUTE_MS) == POINTS_MAX * 60 * MINUTE_MS
    assert kept_ms(DAY_MS) == 12 * DAY_MS
